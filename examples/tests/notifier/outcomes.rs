//! SOLAPI says "accepted", and only later whether anybody has the text: what failed goes by the next way, and nothing else
//! does.

use super::{
    shedding::{House, open, soon},
    *,
};
use domain::notification::{DUE, PROGRESS, REPORT};
use server::{
    engine::{Order, now_ms},
    notifier::webhook::Webhook,
};
use shared::{
    Actor, Contact, CustomerId, Kind, Point, Role, Stamp, Text, Won, customer,
    notice::{Outcome, Status, Topic, Way},
};
use std::sync::Arc;

/// The reader of all notices joins, with this phone.
async fn join(house: &House, phone: &str) {
    let account = AccountId(Bits([7; 10]));
    let contact =
        Contact { phone: Phone::new(phone).unwrap(), address: Text::new("여기").unwrap(), at: Point::new(37.5, 127.0).unwrap() };
    let contact = house.access.seal(account, &contact).unwrap();
    let command = customer::Command::Register { customer: CustomerId(account.0), name: Text::new("김").unwrap(), contact, lang: Lang::Ko };
    let stamp = Stamp { by: Actor::Person { account, roles: vec![Role::Customer] }, at_ms: now_ms() };
    let order = Order { stream: account.to_string().into(), command: command.into(), stamp, cause: None };
    house.engine.dispatch(order, None).await.unwrap();
    for _ in 0..500 {
        if house.engine.read(Kind::Preference, &account.to_string()).unwrap().is_some() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("the notices never hear of the customer")
}

// The first look, after six seconds, sees the 알림톡 that has failed, and not yet the text message in its place.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_and_never_arrived_goes_by_the_next_way() {
    let mut sim = Sim::start(&["--pending-ms=5000"]).await;
    let (hook, url) = hook::start().await;
    let way = Webhook::new(url.parse().unwrap(), &hook::SECRET.parse().unwrap()).unwrap();
    let house = open(vec![Arc::new(sim.way()), Arc::new(way)]);
    // Without KakaoTalk.
    join(&house, "010-1234-5679").await;
    sim.fail(&Faults { undelivered: 1, ..Faults::default() }).await;
    let told = async |name: &str, topic| {
        let key = format!("o.customer.{name}.inbox");
        house.queue(key.clone(), topic).await;
        house.all_off(&[DUE, PROGRESS]).await;
        key
    };
    let lost = told("placed", Topic::Placed { total: Won(1_000) }).await;
    let text = told("delivered", Topic::Delivered {}).await;
    let progress = told("cooked", Topic::Cooked {}).await;
    assert_eq!(sim.names(), [&*lost, &text, &progress], "SOLAPI has said of each that it takes it");
    sim.has_failed().await;
    assert_eq!(house.known(&progress).outcome, None, "nobody asks about mere progress");
    house.all_off(&[REPORT, DUE]).await;

    let known = house.known(&text);
    assert_eq!((known.status, known.way, known.outcome), (Status::Sent, Some(Way::Solapi), Some(Outcome::Replaced)));
    let known = house.known(&lost);
    assert_eq!((known.status, known.way, known.outcome), (Status::Sent, Some(Way::Webhook), None));
    assert_eq!(hook.lock().unwrap().names, [lost]);
    assert_eq!(sim.names().len(), 3, "SOLAPI is not asked again");
    let wanted = [("delivered", 0), ("replaced", 1), ("failed", 1), ("unknown", 0)]
        .map(|(outcome, count)| format!("baemin_notices_reported_total{{outcome=\"{outcome}\"}} {count}\n"));
    soon(async || {
        let figures = server::metrics::page(&house.engine).await;
        wanted.iter().all(|line| figures.contains(line))
    })
    .await;
    let figures = server::metrics::page(&house.engine).await;
    for line in wanted {
        assert!(figures.contains(&line), "{line} is wanted: {figures}");
    }
    sim.server.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_arrived_and_has_no_other_way_is_in_the_inbox() {
    let mut sim = Sim::start(&[]).await;
    let house = open(vec![Arc::new(sim.way())]);
    join(&house, "010-1234-5678").await;
    sim.fail(&Faults { undelivered: 1, ..Faults::default() }).await;
    for name in ["placed", "delivered"] {
        house.queue(format!("o.customer.{name}.inbox"), Topic::Delivered {}).await;
        house.all_off(&[DUE]).await;
    }
    house.all_off(&[REPORT, DUE]).await;
    let status = |name: &str| {
        let known = house.known(&format!("o.customer.{name}.inbox"));
        (known.status, known.outcome)
    };
    assert_eq!(status("placed"), (Status::Skipped, Some(Outcome::Failed)));
    assert_eq!(status("delivered"), (Status::Sent, Some(Outcome::Delivered)));
    let inbox = format!("inbox:{}", AccountId(Bits([7; 10])));
    let all = server::journal::Slice { offset: 0, limit: 10, newest_first: true };
    assert_eq!(house.engine.list(Kind::Notice, &inbox, all).unwrap().1, 2);
    sim.server.kill().await.unwrap();
}
