//! Two thousand watchers, cut off at random and coming back with the last id that they saw: what each was told is, in the
//! end, exactly what the journal says concerns it.

use crate::{
    bodies::{contact, here},
    cast::{COLA, Cast, DOOR, FRIED, PHONE, Stage, open_store},
    harness::{House, PATIENCE, Person},
    sse::{Ask, Frame},
};
use axum::{
    body::{Body, BodyDataStream},
    http::Request,
};
use futures_util::{StreamExt, future::join_all};
use serde_json::{Value, json};
use server::journal::sqlite;
use shared::{AccountId, Context, Event, Recorded, order};
use std::{collections::HashMap, time::Duration};
use tokio::{sync::watch, task::JoinHandle};
use tower::ServiceExt;

/// Customers, and streams that each holds open.
const CUSTOMERS: usize = 40;
const EACH: usize = 25;
/// Streams of the store's owner.
const OF_OWNER: usize = 1_000;
/// Streams of the owner of another store.
const OF_OTHER: usize = 20;

/// What a watcher was told: the order, its version, the event's name.
type Told = (String, u64, String);

/// A watcher: it counts what it was told, and gives it back when it is told to stop.
struct Watcher {
    whose: String,
    count: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    task: JoinHandle<(Vec<Told>, usize)>,
}

/// What others hear meanwhile, and whether all is over.
#[derive(Clone)]
struct Others {
    told: watch::Receiver<Vec<Frame>>,
    over: watch::Receiver<bool>,
}

impl Others {
    async fn hear_more(&mut self, events: usize) {
        let enough = self.told.borrow().len() + events;
        tokio::select! {
            _ = self.told.wait_for(|told| told.len() >= enough) => {}
            _ = self.over.wait_for(|over| *over) => {}
        }
    }
}

/// Opens a stream, follows it, and drops the connection after so many events; it comes back when others have heard more,
/// or when all is `over`. The cuts grow rarer, so that it ends.
async fn watch(ask: Ask, whose: String, seed: usize, mut others: Others) -> Watcher {
    let (counted, count) = watch::channel(0);
    let (stop, mut stopped) = watch::channel(false);
    let is_many = !ask.path.contains("/ord_");
    let mut stream = ask.open(None).await;
    let mut last = is_many.then(String::new);
    if is_many {
        let ready = stream.must().await;
        assert_eq!((ready.event.as_str(), &ready.data), ("ready", &json!({})));
        last = Some(ready.id);
    }
    let task = tokio::spawn(async move {
        let (mut told, mut cuts) = (vec![], 0);
        // Two in three are cut: a third after one event, a third after some.
        let mut patience = match seed % 3 {
            0 => usize::MAX,
            1 => 1 + seed % 5,
            _ => 3 + seed % 17,
        };
        loop {
            let frame = tokio::select! {
                frame = stream.next() => frame,
                _ = stopped.wait_for(|stop| *stop) => return (told, cuts),
            };
            match frame {
                Some(frame) if frame.event == "ready" => assert_eq!(Some(&frame.id), last.as_ref(), "resumed elsewhere"),
                Some(frame) => {
                    assert_eq!(frame.event, "change");
                    last = Some(frame.id.clone());
                    told.push(heard(&frame));
                    counted.send_replace(told.len());
                }
                // The stream of one order ends with it.
                None if !is_many => return (told, cuts),
                None => patience = 0,
            }
            if told.len() >= patience {
                cuts += 1;
                patience = told.len() + 5 * (cuts + 1) + seed % 7;
                drop(stream);
                others.hear_more(1 + seed % 9).await;
                stream = ask.open(last.as_deref()).await;
            }
        }
    });
    Watcher { whose, count, stop, task }
}

fn heard(frame: &Frame) -> Told {
    let text = |field: &str| frame.data[field].as_str().unwrap().to_owned();
    (text("order"), frame.data["version"].as_u64().unwrap(), text("event"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_watchers_miss_nothing_and_see_nothing_twice() {
    let cast = Cast::gather().await;
    let people: Vec<Person> = join_all((0..CUSTOMERS).map(|i| account(&cast.house, i))).await;
    let ask = |path: &str, who: &Person| Ask { address: cast.house.address, path: path.into(), token: who.access.clone() };
    let mine = people.iter().flat_map(|person| (0..EACH).map(move |_| ("/orders/events?as=customer", person)));
    let stores =
        (0..OF_OWNER).map(|_| ("/orders/events", &cast.park)).chain((0..OF_OTHER).map(|_| ("/orders/events?as=owner", &cast.choi)));
    let (all_over, over) = watch::channel(false);
    let others = Others { told: cast.told.clone(), over };
    let mut watchers: Vec<Watcher> = vec![];
    let wanted: Vec<(&str, &Person)> = mine.chain(stores).collect();
    for some in wanted.chunks(100) {
        let opened =
            some.iter().enumerate().map(|(i, (path, who))| watch(ask(path, who), who.bits.clone(), watchers.len() + i, others.clone()));
        let opened = join_all(opened).await;
        watchers.extend(opened);
    }
    assert!(watchers.len() >= 2_000);
    let mut single = vec![];
    for (i, person) in people.iter().take(24).enumerate() {
        let order = live(&cast, person, i).await;
        // Whoever opens the stream of one order hears its whole story, however late.
        for (n, who) in [person, person, &cast.operator].into_iter().enumerate() {
            single
                .push((order.clone(), watch(ask(&format!("/orders/{order}/events"), who), String::new(), 3 * i + n, others.clone()).await));
        }
        end(&cast, person, &order, i).await;
    }
    all_over.send_replace(true);
    let journal = journal(&cast).await;
    assert!(journal.len() > 100, "only {} events: too quiet a life", journal.len());
    check(watchers, &journal).await;
    for (order, watcher) in single {
        let story: Vec<Told> = journal.iter().filter(|recorded| recorded.stream == order).map(told_of).collect();
        let (told, _) = tokio::time::timeout(PATIENCE, watcher.task).await.expect("the stream of an order that is over goes on").unwrap();
        assert_eq!(told, story);
        assert!(told.iter().map(|(_, version, _)| *version).eq(1..=told.len() as u64), "{told:?}");
    }
}

async fn account(house: &House, i: usize) -> Person {
    house.join(&format!("손님{i}"), &["customer"]).await
}

/// Compares what each was told with what the journal says, once each was told as much.
async fn check(watchers: Vec<Watcher>, journal: &[Recorded]) {
    let mut expected: HashMap<String, Vec<Told>> = HashMap::new();
    for recorded in journal {
        for account in concerned(recorded) {
            expected.entry(account.0.to_string()).or_default().push(told_of(recorded));
        }
    }
    let (mut heard, mut cuts) = (0, 0);
    for mut watcher in watchers {
        let wanted = expected.get(&watcher.whose).cloned().unwrap_or_default();
        let all = watcher.count.wait_for(|count| *count >= wanted.len());
        // When the time is up the lists are compared all the same, to show what is missing.
        let _ = tokio::time::timeout(PATIENCE, all).await;
        watcher.stop.send_replace(true);
        let (told, was_cut) = watcher.task.await.unwrap();
        assert_eq!(told, wanted, "{} was told otherwise than the journal says", watcher.whose);
        (heard, cuts) = (heard + told.len(), cuts + was_cut);
    }
    assert!(heard > 50_000 && cuts > 2_000, "{heard} told, {cuts} cuts: too quiet");
}

/// Whose order it is, and from its payment on whose store; said here once more, apart from the rules.
fn concerned(recorded: &Recorded) -> Vec<AccountId> {
    let Event::Order(event) = &recorded.event else { return vec![] };
    let about = event.about();
    let unpaid = match event {
        order::Event::Placed { .. } | order::Event::PaymentFailed { .. } => true,
        order::Event::Cancelled { refund, .. } => refund.0 == 0,
        _ => false,
    };
    if unpaid { vec![about.customer.account()] } else { vec![about.customer.account(), about.owner] }
}

fn told_of(recorded: &Recorded) -> Told {
    let value = serde_json::to_value(&recorded.event).unwrap();
    (recorded.stream.clone(), recorded.version, value["order"]["type"].as_str().unwrap().to_owned())
}

/// The journal itself, once a last event is in it.
async fn journal(cast: &Cast) -> Vec<Recorded> {
    let (_, reader) = sqlite::open(cast.house.data.path(), Context::Order, 1).unwrap();
    let events = server::journal::Reader::feed(&reader, 0, 0, 100_000).unwrap();
    events.iter().filter(|recorded| matches!(recorded.event, Event::Order(_))).map(|recorded| Recorded::clone(recorded)).collect()
}

/// An order of this customer, at one store or the other, of every kind of life.
async fn live(cast: &Cast, person: &Person, i: usize) -> String {
    let store = if i % 8 == 7 { &cast.other_store } else { &cast.store };
    let means = ["card", "declined_card", "slow_card"][if i % 8 == 5 {
        1
    } else if i % 8 == 6 {
        2
    } else {
        0
    }];
    let wanted = json!({ "store": store, "contact": contact(PHONE, DOOR), "means": means, "items": [{ "item": FRIED, "quantity": 1 }] });
    if means == "slow_card" {
        // The answer would wait for the card; the customer does not.
        let (house, token) = (&cast.house, Some(person.access.as_str()));
        let mut mine = Ask { address: house.address, path: "/orders/events".into(), token: person.access.clone() }.open(None).await;
        mine.must().await;
        let request = house.request("POST", "/orders", token).json(&wanted).timeout(Duration::from_millis(500));
        assert!(request.send().await.is_err(), "a slow card was quick");
        return heard(&mine.must().await).0;
    }
    cast.house.post("/orders", person, &wanted).await.ok()["order"].as_str().unwrap().to_owned()
}

/// Leads an order to its end.
async fn end(cast: &Cast, person: &Person, order: &str, i: usize) {
    let house = &cast.house;
    let mine = |verb: &str| format!("/orders/{order}/{verb}");
    match i % 8 {
        // The card was declined.
        5 => return,
        6 => {
            house.put(&mine("cancel"), person, &json!({})).await.ok();
            return;
        }
        7 => {
            house.put(&mine("cancel"), person, &json!({})).await.ok();
        }
        4 => {
            cast.until("ticket", order, "opened").await;
            house.put(&format!("/foodCookings/{order}/reject"), &cast.park, &json!({ "reason": "재료 소진" })).await.ok();
        }
        3 => {
            cast.until("ticket", order, "opened").await;
            house.put(&mine("change"), person, &json!({ "items": [{ "item": COLA, "quantity": 9 }] })).await.ok();
            cast.until("order", order, "changed").await;
            house.put(&mine("cancel"), person, &json!({})).await.ok();
        }
        _ => {
            cast.until("ticket", order, "opened").await;
            cast.lead(order, Stage::Placed, Stage::Accepted).await;
            house.put(&format!("/foodCookings/{order}/delay"), &cast.park, &json!({ "minutes": 5 })).await.ok();
            cast.lead(order, Stage::Accepted, Stage::Picked).await;
            house.put(&format!("/deliveries/{order}/release"), &cast.han, &json!({})).await.ok();
            cast.until("order", order, "released").await;
            cast.lead(order, Stage::Cooked, Stage::Delivered).await;
            house.put(&mine("confirm"), person, &json!({})).await.ok();
        }
    }
    // The stream of the order itself ends when the order has ended, whoever's store it was at.
    let mut own = Ask { address: house.address, path: mine("events"), token: person.access.clone() }.open(None).await;
    while tokio::time::timeout(PATIENCE, own.next()).await.expect("the order never ended").is_some() {}
}

/// A reader that stalls is cut off, so that it costs no memory, and finds the rest when it comes back. Sockets hold some
/// megabytes for a reader, so this one is asked for its stream in memory, where nothing is between it and the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_cut_off_and_misses_nothing() {
    const ORDERS: usize = 120;
    let (house, app) = House::open_app().await;
    let cast = Cast::gather_in(house).await;
    let open = async |last: Option<&str>| {
        let request = Request::get("/orders/events").header("authorization", format!("Bearer {}", cast.park.access));
        let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = server::http::router(&app).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        response.into_body().into_data_stream()
    };
    let mut stalled = open(None).await;
    for _ in 0..ORDERS / 40 {
        let orders = join_all((0..40).map(|_| cast.place())).await;
        join_all(orders.iter().map(|order| cast.cancel(order))).await;
    }
    // It holds no more than what was waiting when it fell behind, and then it ends.
    let first = drain(&mut stalled, usize::MAX).await;
    assert!(first.len() > 100 && first.len() < 3 * ORDERS, "{} of {}", first.len(), 3 * ORDERS);
    let last = first.last().unwrap().id.clone();
    let rest = drain(&mut open(Some(&last)).await, 1 + 3 * ORDERS - (first.len() - 1)).await;
    assert_eq!((rest[0].event.as_str(), &rest[0].id), ("ready", &last));
    let mut told = HashMap::<String, Vec<u64>>::new();
    for frame in first.iter().chain(&rest).filter(|frame| frame.event == "change") {
        let (order, version, _) = heard(frame);
        told.entry(order).or_default().push(version);
    }
    // Paid, to be cancelled, cancelled; the placing before that is the customer's alone.
    assert_eq!(told.len(), ORDERS);
    assert!(told.values().all(|versions| *versions == [2, 3, 4]), "{told:?}");
}

/// Reads so many events, or to the end.
async fn drain(body: &mut BodyDataStream, most: usize) -> Vec<Frame> {
    let mut frames = vec![];
    while frames.len() < most {
        let next = tokio::time::timeout(PATIENCE, body.next()).await;
        let Some(chunk) = next.unwrap_or_else(|_| panic!("nothing more comes after {}", frames.len())) else { break };
        frames.extend(crate::sse::read(std::str::from_utf8(&chunk.unwrap()).unwrap()));
    }
    frames
}

impl Cast {
    async fn cancel(&self, order: &str) {
        self.house.put(&format!("/orders/{order}/cancel"), &self.kim, &json!({})).await.ok();
        self.until("order", order, "cancelled").await;
    }
}

/// A login that ends takes its streams with it; a rider who gave a job back hears no more of the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_right_to_it() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Picked).await;
    let gone = cast.house.login("kim", crate::harness::PASSWORD).await;
    let ask = |path: &str, who: &Person| Ask { address: cast.house.address, path: path.into(), token: who.access.clone() };
    let mut streams = vec![];
    for path in ["/orders/events".to_owned(), format!("/orders/{order}/events")] {
        streams.push(ask(&path, &gone).open(None).await);
    }
    let mut stays = ask(&format!("/orders/{order}/events"), &cast.kim).open(None).await;
    let mut rider = ask(&format!("/orders/{order}/events"), &cast.han).open(None).await;
    let body = json!({ "refresh": gone.refresh });
    assert_eq!(cast.house.call("DELETE", "/tokens", None, Some(&body)).await.status, 204);
    cast.house.put(&format!("/deliveries/{order}/release"), &cast.han, &json!({})).await.ok();
    cast.house.put(&format!("/deliveries/{order}/pick"), &cast.yoon, &json!({})).await.ok();
    cast.house.put(&format!("/deliveries/{order}/deliver"), &cast.yoon, &json!({})).await.ok();
    let told = async |stream: &mut crate::sse::Stream| {
        let mut told: Vec<String> = vec![];
        while let Some(frame) = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the stream goes on") {
            told.push(frame.data["event"].as_str().unwrap_or("ready").to_owned());
        }
        told
    };
    // The other login of the same person hears the story to its end.
    cast.until("order", &order, "delivered").await;
    cast.house.put(&format!("/orders/{order}/confirm"), &cast.kim, &json!({})).await.ok();
    assert_eq!(told(&mut stays).await.last().unwrap(), "completed");
    let seen = told(&mut rider).await;
    assert!(!seen.contains(&"delivered".to_owned()), "a rider who gave the job back hears on: {seen:?}");
    for mut stream in streams {
        let ended = tokio::time::timeout(Duration::from_secs(25), told(&mut stream)).await;
        ended.expect("a stream outlived its login");
    }
    assert_eq!(ask("/orders/events", &gone).try_open(None).await.err(), Some(401));
}

/// Ids of another reader, of another journal, and of nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_gives_no_right_and_hides_nothing() {
    let cast = Cast::gather().await;
    let ask = |path: &str, who: &Person| Ask { address: cast.house.address, path: path.into(), token: who.access.clone() };
    let order = cast.order(Stage::Accepted).await;
    // The very first position shows a stranger the strangers' events: none.
    let mut stranger = ask("/orders/events", &cast.lee).open(Some("0")).await;
    let mut owner = ask("/orders/events", &cast.choi).open(Some("0")).await;
    let mut far = ask("/deliveries/events", &cast.yoon).open(Some("0")).await;
    for id in ["", "-1", "x", "1-2", "1.5", "99999999999999999999999"] {
        let answer = ask("/orders/events", &cast.kim).try_open(Some(id)).await;
        assert_eq!(answer.err(), (!id.is_empty()).then_some(400), "{id:?}");
    }
    // A position that this journal never gave: the reader is told to read its lists again, and then hears what comes.
    let mut ahead = ask("/orders/events", &cast.kim).open(Some("1000000")).await;
    assert_eq!(ahead.must().await.event, "gap");
    let wanted = json!({ "store": cast.store, "contact": contact(PHONE, DOOR), "items": [{ "item": COLA, "quantity": 1 }] });
    let other = cast.house.post("/orders", &cast.kim, &wanted).await.ok()["order"].as_str().unwrap().to_owned();
    assert_eq!(heard(&ahead.must().await), (other, 1, "placed".to_owned()));
    let lees = cast.house.post("/orders", &cast.lee, &wanted).await.ok()["order"].as_str().unwrap().to_owned();
    assert_eq!(stranger.must().await.event, "ready");
    assert_eq!(heard(&stranger.must().await), (lees, 1, "placed".to_owned()));
    assert_eq!(owner.must().await.event, "ready");
    let store = open_store(&cast.house, &cast.choi, "셋째 가게").await;
    let wanted = json!({ "store": store, "contact": contact(PHONE, DOOR), "items": [{ "item": COLA, "quantity": 1 }] });
    let theirs = cast.house.post("/orders", &cast.lee, &wanted).await.ok()["order"].as_str().unwrap().to_owned();
    assert_eq!(heard(&owner.must().await), (theirs, 2, "paid".to_owned()));
    // Riders hear of jobs near them, also of those that another one could take.
    assert_eq!(far.must().await.event, "ready");
    assert_eq!(heard(&far.must().await), (order, 1, "offered".to_owned()));
    let off = cast.house.put(&format!("/riders/rid_{}/end", cast.yoon.bits), &cast.yoon, &json!({})).await;
    assert_eq!(off.ok()["at"], Value::Null);
    assert_eq!(ask("/deliveries/events", &cast.yoon).try_open(None).await.err(), Some(409));
    cast.house.put(&format!("/riders/rid_{}/start", cast.yoon.bits), &cast.yoon, &json!({ "at": here() })).await.ok();
}
