//! Orders whose payment is kept for later: what their customer is told, and that they are settled once.

use crate::{
    bodies::contact,
    cast::{Cast, DOOR, FRIED, PHONE, Stage},
    harness::{House, PATIENCE, Person},
};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use server::{
    engine::EngineConfig,
    provider::{Ask, Provider, Record},
};
use shared::Millis;
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

impl Cast {
    async fn force(&self, force: &str) -> Value {
        let wanted = json!({ "force": force, "reason": "점검" });
        let told = self.house.put("/ops/payment/breaker", &self.operator, &wanted).await.ok();
        told["_embedded"]["breakers"][0].clone()
    }

    /// An order that is kept, with the answer that said so.
    async fn kept(&self, means: &str) -> (String, crate::harness::Answer) {
        let wanted = json!({
            "store": self.store, "contact": crate::bodies::contact(crate::cast::PHONE, crate::cast::DOOR),
            "items": [{ "item": crate::cast::COLA, "quantity": 1 }], "means": means,
        });
        let answer = self.house.post("/orders", &self.kim, &wanted).await;
        let placed = answer.ok();
        assert_eq!((answer.status, &placed["status"], &placed["kept"]), (201, &json!("pending_payment"), &json!(true)), "{answer:?}");
        (placed["order"].as_str().unwrap().to_owned(), answer)
    }

    async fn pay(&self, order: &str, who: &Person) -> crate::harness::Answer {
        self.house.put(&format!("/payments/{order}/pay"), who, &json!({})).await
    }

    /// Waits until a payment looks like this.
    async fn paid(&self, order: &str, status: &str) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self.house.get(&format!("/payments/{order}"), &self.kim).await;
            if answer.is_good() && answer.json()["status"] == status {
                return answer.json();
            }
            assert!(Instant::now() < give_up, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The provider has charged what it was asked for long ago.
    fn comes(&self, order: &str, amount: i64) {
        let provider = rusqlite::Connection::open(self.house.data.path().join("provider.db")).unwrap();
        provider.busy_timeout(PATIENCE).unwrap();
        let late =
            "insert into movements (key, order_id, kind, amount, outcome, at_ms) values (?1 || '-1', ?1, 'charge', ?2, 'approved', ?3)";
        assert_eq!(provider.execute(late, rusqlite::params![order, amount, server::engine::now_ms()]).unwrap(), 1);
    }

    /// A kept order that is cancelled while nothing is asked, and its total.
    async fn given_back(&self) -> (String, i64) {
        let (order, _) = self.kept("card").await;
        self.house.put(&format!("/orders/{order}/cancel"), &self.kim, &json!({ "reason": "기다릴 수 없어요" })).await.ok();
        self.paid(&order, "voided").await;
        let seen = self.house.get(&format!("/orders/{order}"), &self.kim).await.ok();
        (order, seen["basket"]["total"].as_i64().unwrap())
    }

    /// Waits until no charge of an order is looked up any more that nobody waits for.
    async fn nothing_unwanted(&self, order: &str) {
        let give_up = Instant::now() + PATIENCE;
        while !self.house.get(&format!("/payments/{order}"), &self.operator).await.ok()["unwanted"].is_null() {
            assert!(Instant::now() < give_up);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until so many payments are on a list, in the file.
    async fn until_listed(&self, list: &str, rows: i64) {
        let give_up = Instant::now() + PATIENCE;
        while self.listed(list) != rows {
            assert!(Instant::now() < give_up);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn listed(&self, list: &str) -> i64 {
        let payments = rusqlite::Connection::open(self.house.data.path().join("payment.db")).unwrap();
        payments.busy_timeout(PATIENCE).unwrap();
        payments.query_row("select count(*) from tags where name = ?", [list], |row| row.get(0)).unwrap()
    }

    /// Waits until so many refunds are refused.
    async fn refused(&self, total: u64) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let said = self.house.get("/ops/payment/refunds", &self.operator).await.ok();
            if said["total"] == total {
                return said;
            }
            assert!(Instant::now() < give_up, "{said}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How often the provider was called.
    async fn calls(&self) -> u64 {
        let look = self.house.get("/ops/payment/breaker", &self.operator).await.ok();
        look["_embedded"]["breakers"][0]["calls"].as_u64().unwrap()
    }

    /// What the provider itself has written about an order: kinds of movements, with their amounts.
    fn journal(&self, order: &str) -> Vec<(String, i64)> {
        let provider = rusqlite::Connection::open(self.house.data.path().join("provider.db")).unwrap();
        let mut moved =
            provider.prepare("select kind, amount from movements where order_id = ? and outcome = 'approved' order by kind").unwrap();
        moved.query_map([order], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_kept_while_the_breaker_is_open_and_settled_once_when_it_is_not() {
    let cast = Cast::gather().await;
    let breaker = cast.force("open").await;
    assert_eq!((&breaker["state"], &breaker["forced"]["reason"]), (&json!("forced_open"), &json!("점검")), "{breaker}");
    let (order, answer) = cast.kept("card").await;
    // The time that the breaker says; who waited in vain would be told another.
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.json()["_links"]["pay"]["href"], cast.house.url(&format!("/payments/{order}/pay")));
    let seen = cast.house.get(&format!("/orders/{order}"), &cast.kim).await.ok();
    assert_eq!(seen["_links"]["pay"], answer.json()["_links"]["pay"]);

    // Paying by hand does not get through either, and says so.
    cast.paid(&order, "charging").await;
    let tried = cast.pay(&order, &cast.kim).await;
    assert_eq!(
        (tried.status, &tried.json()["status"], &tried.json()["kept"], tried.header("retry-after")),
        (200, &json!("charging"), &json!(true), "5")
    );
    assert!(tried.verbs("payment").contains(&"pay".to_owned()), "{tried:?}");
    cast.pay(&order, &cast.lee).await.is_problem(404, "not_found");
    assert_eq!(cast.journal(&order), []);

    assert_eq!(cast.force("release").await["state"], "closed");
    cast.until("ticket", &order, "opened").await;
    let paid = cast.paid(&order, "paid").await;
    assert_eq!(cast.journal(&order), [("charge".to_owned(), paid["captured"].as_i64().unwrap())]);
    assert_eq!(paid["_links"]["pay"], Value::Null);
    cast.pay(&order, &cast.kim).await.is_problem(409, "already_paid");
    let look = cast.house.get("/ops/payment/breaker", &cast.operator).await.ok();
    let breaker = &look["_embedded"]["breakers"][0];
    assert_eq!((&breaker["state"], &breaker["forced"], &breaker["window"]["calls"]), (&json!("closed"), &Value::Null, &json!(1)), "{look}");
    assert!(breaker["refused"].as_u64().is_some() && breaker["process"] == look["process"] && look["process"].is_string(), "{look}");
    let nonsense = json!({ "force": "ajar", "reason": "?" });
    cast.house.put("/ops/payment/breaker", &cast.operator, &nonsense).await.is_problem(400, "invalid_body");
}

/// What is asked for instead is on the customer's page while its payment is kept, and not any longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dearer_change_is_shown_until_its_payment_has_settled_it() {
    let cast = Cast::gather().await;
    let order = cast.place().await;
    let page = format!("/myPages/{order}");
    let before = cast.paid(&order, "paid").await["captured"].as_i64().unwrap();
    cast.until("ticket", &order, "opened").await;
    cast.force("open").await;
    // That the store takes no more orders is nothing to whoever has one.
    let (store, front) = (&cast.store, format!("/storefronts/{}", cast.store));
    cast.house.put(&format!("/stores/{store}/set_capacity"), &cast.park, &json!({ "capacity": 0 })).await.ok();
    cast.becomes(&front, &cast.kim, "a store that takes nothing", |front| front["capacity"] == 0 && front["open_now"] == false).await;
    let items = json!([{ "item": FRIED, "quantity": 1, "options": [] }]);
    let new = json!({ "store": store, "contact": contact(PHONE, DOOR), "items": items });
    cast.house.post("/orders", &cast.kim, &new).await.is_problem(409, "store_closed");
    let wish = json!({ "items": [{ "item": FRIED, "quantity": 5, "options": [] }] });
    cast.house.put(&format!("/orders/{order}/change"), &cast.kim, &wish).await;
    let waits = cast.becomes(&page, &cast.kim, "the change on the page", |page| !page["change"].is_null()).await;
    let dearer = waits["change"]["total"].as_i64().unwrap();
    assert!(dearer > before && waits["basket"]["total"] == before && waits["status"] == "change_requested", "{waits}");
    cast.force("release").await;
    let done = cast.becomes(&page, &cast.kim, "no change on the page", |page| page["change"].is_null()).await;
    assert_eq!((&done["basket"]["total"], &done["status"]), (&json!(dearer), &json!("placed")), "{done}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_is_slow_is_waited_for_a_little_and_paid_once_however_often_that_is_asked() {
    let cast = Cast::gather().await;
    let (order, answer) = cast.kept("slow_card").await;
    assert_eq!(answer.header("retry-after"), "2");
    let give_up = Instant::now() + PATIENCE;
    loop {
        let answer = cast.pay(&order, &cast.kim).await;
        if answer.status == 409 {
            break answer.is_problem(409, "already_paid");
        }
        answer.ok();
        assert!(Instant::now() < give_up, "{answer:?}");
    }
    assert_eq!(cast.journal(&order).len(), 1);
    let declined = cast.place_with(json!({ "means": "declined_card" })).await;
    cast.pay(&declined, &cast.kim).await.is_problem(409, "nothing_due");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_never_paid_expires_and_what_comes_too_late_goes_back_once() {
    let late = Duration::from_secs(1);
    let house = House::open_with(|config| config.deadlines = vec![("payment".into(), 3_000), ("late".into(), 1_000)]).await;
    let cast = Cast::gather_in(house).await;
    cast.force("open").await;
    let (order, _) = cast.kept("card").await;
    // Its store never hears of it; its customer does.
    let give_up = Instant::now() + PATIENCE;
    let ended = loop {
        let seen = cast.house.get(&format!("/orders/{order}"), &cast.kim).await.ok();
        if seen["status"] != "pending_payment" {
            break seen;
        }
        assert!(Instant::now() < give_up, "{seen}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let last = ended["timeline"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&ended["status"], &last["reason"]), (&json!("cancelled"), &json!("not_paid")), "{ended}");
    cast.paid(&order, "voided").await;
    cast.pay(&order, &cast.kim).await.is_problem(409, "nothing_due");
    // The customer is told.
    let give_up = Instant::now() + PATIENCE;
    while !cast.house.get("/notifications", &cast.kim).await.text.contains(&order) {
        assert!(Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It is looked up, and not asked for: nobody finds on his card what he was told is over. However long that was ago, what
    // was asked for before may come for so long after the provider can be asked.
    tokio::time::sleep(late).await;
    let released = Instant::now();
    cast.force("release").await;
    cast.nothing_unwanted(&order).await;
    assert!(released.elapsed() > late, "{:?}", released.elapsed());
    cast.paid(&order, "voided").await;
    assert_eq!(cast.journal(&order), []);
    cast.order(Stage::Accepted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_was_cancelled_while_its_payment_was_kept_is_not_charged_and_what_comes_late_goes_back() {
    let cast = Cast::gather_in(House::open_with(|config| config.deadlines = vec![("late".into(), 1_000)]).await).await;
    cast.force("open").await;
    let ((never, _), (late, total)) = (cast.given_back().await, cast.given_back().await);
    // Operators see that something is waited for; to its customer it is over.
    let path = format!("/payments/{late}");
    let (own, seen) = (cast.house.get(&path, &cast.kim).await.ok(), cast.house.get(&path, &cast.operator).await.ok());
    assert_eq!((&own["unwanted"], &seen["unwanted"]), (&Value::Null, &json!(total)), "{own} {seen}");
    // One of them was asked for before, and comes now.
    cast.comes(&late, total);
    cast.force("release").await;
    cast.nothing_unwanted(&never).await;
    assert_eq!((cast.journal(&never), &cast.paid(&never, "voided").await["captured"]), (vec![], &json!(0)));
    assert_eq!(cast.paid(&late, "refunded").await["refunded"], total);
    assert_eq!(cast.journal(&late), [("charge".to_owned(), total), ("refund".to_owned(), total)]);
    assert_eq!(cast.house.get(&path, &cast.operator).await.ok()["unwanted"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_that_comes_after_it_was_given_up_goes_back_once_somebody_points_at_it() {
    let (house, app) = House::open_app_with(soon_over(), |provider| provider).await;
    let cast = Cast::gather_in(house).await;
    cast.force("open").await;
    let ((order, total), (other, _)) = (cast.given_back().await, cast.given_back().await);
    cast.force("release").await;
    cast.nothing_unwanted(&order).await;
    cast.nothing_unwanted(&other).await;
    let pay = app.pay.as_ref().unwrap();
    // Pointed at before there is anything, it is looked at, and nothing follows.
    let calls = cast.calls().await;
    pay.nudge(&order);
    let give_up = Instant::now() + PATIENCE;
    while cast.calls().await == calls {
        assert!(Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cast.paid(&order, "voided").await;
    cast.comes(&order, total);
    for _ in 0..3 {
        pay.nudge(&order);
    }
    assert_eq!(cast.paid(&order, "refunded").await["refunded"], total);
    assert_eq!(cast.journal(&order), [("charge".to_owned(), total), ("refund".to_owned(), total)]);
    // The books of the day point at it as well.
    cast.comes(&other, total);
    let path = format!("/ops/payment/reconciliation?date={}", today());
    let said = cast.house.get(&path, &cast.operator).await.ok();
    assert_eq!((&said["agrees"], &said["differences"][0]["order"]), (&json!(false), &json!(other)), "{said}");
    assert_eq!(cast.paid(&other, "refunded").await["refunded"], total);
    assert_eq!(cast.journal(&other), [("charge".to_owned(), total), ("refund".to_owned(), total)]);
}

/// Charges that nobody waits for are given up at the second look.
fn soon_over() -> EngineConfig {
    EngineConfig { deadlines: domain::Deadlines { late_ms: 1, ..domain::Deadlines::default() }, ..EngineConfig::default() }
}

/// A provider of which the first charge hangs, and every look-up until it is let go.
struct Hanging {
    behind: Arc<dyn Provider>,
    charges: AtomicUsize,
    looking: watch::Sender<bool>,
    let_go: watch::Sender<bool>,
}

impl Provider for Hanging {
    fn charge(&self, ask: Ask) -> BoxFuture<'_, server::provider::Answer> {
        if self.charges.fetch_add(1, Relaxed) == 0 { std::future::pending().boxed() } else { self.behind.charge(ask) }
    }

    fn refund(&self, ask: Ask) -> BoxFuture<'_, server::provider::Answer> {
        self.behind.refund(ask)
    }

    fn look_up<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<server::provider::Answer>> {
        async move {
            self.looking.send_replace(true);
            drop(self.let_go.subscribe().wait_for(|go| *go).await);
            self.behind.look_up(key).await
        }
        .boxed()
    }

    fn records(&self, hours: Range<Millis>) -> BoxFuture<'_, Result<Vec<Record>, String>> {
        self.behind.records(hours)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_cancelled_while_its_charge_is_looked_up_is_not_charged() {
    let mut hanging = None;
    let (house, _app) = House::open_app_with(soon_over(), |behind| {
        let (looking, let_go) = Default::default();
        let made = Arc::new(Hanging { behind, charges: AtomicUsize::new(0), looking, let_go });
        hanging = Some(made.clone());
        made
    })
    .await;
    let (cast, hanging) = (Cast::gather_in(house).await, hanging.unwrap());
    let (order, _) = cast.kept("card").await;
    // It was given up and is being looked up, which may take as long as a call.
    hanging.looking.subscribe().wait_for(|is| *is).await.unwrap();
    cast.house.put(&format!("/orders/{order}/cancel"), &cast.kim, &json!({ "reason": "기다릴 수 없어요" })).await.ok();
    cast.paid(&order, "voided").await;
    hanging.let_go.send_replace(true);
    cast.nothing_unwanted(&order).await;
    assert_eq!((hanging.charges.load(Relaxed), cast.journal(&order)), (1, vec![]));
    // Others are charged as ever.
    let next = cast.place().await;
    cast.paid(&next, "paid").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_version_has_left_to_be_asked_for_is_only_looked_up() {
    let adjust = |config: &mut server::config::Config| config.deadlines = vec![("late".into(), 1_000)];
    let mut cast = Cast::gather_in(House::open_with(adjust).await).await;
    cast.force("open").await;
    let ((never, _), (late, total)) = (cast.given_back().await, cast.given_back().await);
    let data = cast.house.close().await;
    let payments = rusqlite::Connection::open(data.path().join("payment.db")).unwrap();
    let before = "update tags set name = ?1 where name = ?2";
    assert_eq!(payments.execute(before, [domain::payment::DUE, domain::payment::UNWANTED]).unwrap(), 2);
    drop(payments);
    let mut config = crate::harness::config(data.path());
    adjust(&mut config);
    cast.house = House::open_on(data, &config).await;
    assert_eq!((cast.listed(domain::payment::DUE), cast.listed(domain::payment::UNWANTED)), (2, 0));
    cast.comes(&late, total);
    cast.force("release").await;
    assert_eq!(cast.paid(&late, "refunded").await["refunded"], total);
    cast.nothing_unwanted(&never).await;
    cast.until_listed(domain::payment::DUE, 0).await;
    assert_eq!((cast.journal(&never), &cast.paid(&never, "voided").await["captured"]), (vec![], &json!(0)));
    assert_eq!(cast.journal(&late), [("charge".to_owned(), total), ("refund".to_owned(), total)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_for_before_an_order_was_cancelled_comes_late_and_goes_back() {
    let cast = Cast::gather().await;
    let (order, _) = cast.kept("slow_card").await;
    cast.house.put(&format!("/orders/{order}/cancel"), &cast.kim, &json!({ "reason": "너무 느려요" })).await.ok();
    let paid = cast.paid(&order, "refunded").await;
    let captured = paid["captured"].as_i64().unwrap();
    assert_eq!((captured > 0, &paid["refunded"]), (true, &json!(captured)));
    assert_eq!(cast.journal(&order), [("charge".to_owned(), captured), ("refund".to_owned(), captured)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_the_provider_refuses_is_an_operators_matter_until_it_gives_the_money_back() {
    let cast = Cast::gather().await;
    assert_eq!(cast.refused(0).await, json!({ "_embedded": { "refunds": [] }, "total": 0 }));
    let order = cast.place().await;
    let paid = cast.paid(&order, "paid").await["captured"].as_i64().unwrap();
    // By its own books the provider has taken less than it shall give back, and so it refuses.
    let provider = rusqlite::Connection::open(cast.house.data.path().join("provider.db")).unwrap();
    provider.busy_timeout(PATIENCE).unwrap();
    assert_eq!(provider.execute("update movements set amount = 1 where order_id = ?", [&order]).unwrap(), 1);
    cast.house.put(&format!("/orders/{order}/cancel"), &cast.kim, &json!({ "reason": "배가 안 고파요" })).await.ok();

    let said = cast.refused(1).await;
    let listed = &said["_embedded"]["refunds"][0];
    assert_eq!((&listed["order"], &listed["amount"], &listed["reason"]), (&json!(order), &json!(paid), &json!("declined")), "{said}");
    assert!(listed["since_ms"].as_i64().unwrap() <= server::engine::now_ms(), "{said}");
    // For the customer the money is on its way; an operator sees why it does not come.
    let path = format!("/payments/{order}");
    let (own, seen) = (cast.house.get(&path, &cast.kim).await.ok(), cast.house.get(&path, &cast.operator).await.ok());
    assert_eq!((&own["status"], &own["refused"]), (&json!("refunding"), &Value::Null), "{own}");
    assert_eq!((&seen["status"], &seen["refused"]["amount"]), (&json!("refunding"), &json!(paid)), "{seen}");
    // It is asked again, and that it refuses again is not told again.
    let (calls, give_up) = (cast.calls().await, Instant::now() + PATIENCE);
    while cast.calls().await < calls + 2 {
        assert!(Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let story = cast.house.get(&format!("/ops/payment/story/{order}"), &cast.operator).await.ok();
    let told = story["events"].as_array().unwrap().iter().filter(|event| event["name"] == "payment.refund_refused");
    assert_eq!(told.count(), 1, "{story}");

    // It changes its mind.
    let yes = "update movements set outcome = 'approved' where order_id = ? and kind = 'refund'";
    assert_eq!(provider.execute(yes, [&order]).unwrap(), 1);
    assert_eq!(cast.paid(&order, "refunded").await["refunded"], paid);
    cast.refused(0).await;
    assert_eq!(cast.house.get(&path, &cast.operator).await.ok()["refused"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_that_an_operator_has_opened_is_open_after_a_restart() {
    async fn again(house: House) -> House {
        let data = house.close().await;
        let config = crate::harness::config(data.path());
        House::open_on(data, &config).await
    }
    let mut cast = Cast::gather().await;
    cast.force("open").await;
    let (order, _) = cast.kept("card").await;
    cast.house = again(cast.house).await;
    let look = cast.house.get("/ops/payment/breaker", &cast.operator).await.ok();
    let breaker = &look["_embedded"]["breakers"][0];
    assert_eq!((&breaker["state"], &breaker["forced"]["reason"]), (&json!("forced_open"), &json!("점검")), "{look}");
    assert_eq!(cast.journal(&order), []);
    assert_eq!(cast.force("release").await["state"], "closed");
    cast.paid(&order, "paid").await;
    cast.house = again(cast.house).await;
    assert_eq!(cast.house.get("/ops/payment/breaker", &cast.operator).await.ok()["_embedded"]["breakers"][0]["forced"], Value::Null);
}

/// What somebody gave back by hand, under another reason than ours, is no refund of ours: when the provider then refuses ours,
/// nothing is on its way, and the books go on to differ until that is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_differ_while_the_provider_refuses_what_was_given_back_by_hand() {
    let cast = Cast::gather().await;
    let report = async |date: &str| cast.house.get(&format!("/ops/payment/reconciliation?date={date}"), &cast.operator).await.ok();
    // The day may end while this test runs: then it is the next one's.
    let date = today();
    let order = cast.place().await;
    let paid = cast.paid(&order, "paid").await["captured"].as_i64().unwrap();
    let provider = rusqlite::Connection::open(cast.house.data.path().join("provider.db")).unwrap();
    provider.busy_timeout(PATIENCE).unwrap();
    let by_hand =
        "insert into movements select order_id || '-99', order_id, 'refund', amount, outcome, at_ms from movements where order_id = ?";
    assert_eq!(provider.execute(by_hand, [&order]).unwrap(), 1);
    let date = if today() == date { date } else { today() };
    let differs = |said: &Value| {
        let one = &said["differences"][0];
        assert_eq!((&said["agrees"], &said["differ"], &one["order"]), (&json!(false), &json!(1), &json!(order)), "{said}");
        let (ledger, provider) = (&one["ledger"]["refunds"]["won"], &one["provider"]["refunds"]["won"]);
        assert_eq!((ledger, provider, &one["waits"]), (&json!(0), &json!(paid), &json!(false)), "{said}");
        one["refused"].clone()
    };
    assert_eq!(differs(&report(&date).await), false);
    cast.house.put(&format!("/orders/{order}/cancel"), &cast.kim, &json!({ "reason": "배가 안 고파요" })).await.ok();
    cast.refused(1).await;
    assert_eq!(differs(&report(&date).await), true);
}

/// Today, in Korea.
fn today() -> String {
    let korea = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
    jiff::Timestamp::now().to_zoned(korea).date().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_agrees_with_the_provider_and_a_hole_in_either_is_found() {
    let cast = Cast::gather().await;
    let report = async |date: &str| cast.house.get(&format!("/ops/payment/reconciliation?date={date}"), &cast.operator).await.ok();
    // The day may end while this test runs: then it is the next one's.
    let date = today();
    let (kept, cancelled) = (cast.place().await, cast.place().await);
    cast.house.put(&format!("/orders/{cancelled}/cancel"), &cast.kim, &json!({ "reason": "배가 안 고파요" })).await.ok();
    let paid = cast.paid(&kept, "paid").await["captured"].as_i64().unwrap();
    cast.paid(&cancelled, "refunded").await;
    let date = if today() == date { date } else { today() };

    let said = report(&date).await;
    let side = json!({ "charges": { "count": 2, "won": 2 * paid }, "refunds": { "count": 1, "won": paid } });
    assert_eq!((&said["ledger"], &said["provider"], &said["orders"]), (&side, &side, &json!(2)), "{said}");
    assert_eq!((&said["date"], &said["agrees"], &said["differences"]), (&json!(date), &json!(true), &json!([])), "{said}");

    // The provider forgets a charge, and knows one that nobody asked for.
    let provider = rusqlite::Connection::open(cast.house.data.path().join("provider.db")).unwrap();
    provider.busy_timeout(PATIENCE).unwrap();
    assert_eq!(provider.execute("delete from movements where order_id = ?", [&kept]).unwrap(), 1);
    let odd = "insert into movements select 'somebody-else-1', order_id, kind, 700, outcome, at_ms from movements where kind = 'charge'";
    assert_eq!(provider.execute(odd, []).unwrap(), 1);
    let said = report(&date).await;
    let of = |order: &str| said["differences"].as_array().unwrap().iter().find(|one| one["order"] == order).unwrap();
    assert_eq!((&said["agrees"], &said["differ"], &of(&kept)["waits"]), (&json!(false), &json!(2), &json!(false)), "{said}");
    assert_eq!((&of(&kept)["ledger"]["charges"]["won"], &of(&kept)["provider"]["charges"]["won"]), (&json!(paid), &json!(0)), "{said}");
    assert_eq!(of("somebody-else-1")["provider"]["charges"]["won"], 700, "{said}");

    // Other days have nothing; what is no day, or has not begun, is refused.
    for other in ["2024-02-29", "1970-01-01"] {
        let said = report(other).await;
        assert_eq!((&said["date"], &said["orders"], &said["agrees"]), (&json!(other), &json!(0), &json!(true)), "{said}");
    }
    assert_eq!(cast.house.get("/ops/payment/reconciliation", &cast.operator).await.ok()["orders"], 0, "yesterday");
    for wrong in ["", "today", "9999-12-30", "2026-02-30", "2026-1-1", "2026-11-21T10:00", "99999-01-01", "-999999-01", "%00"] {
        let path = format!("/ops/payment/reconciliation?date={wrong}");
        cast.house.get(&path, &cast.operator).await.is_problem(400, "invalid_parameter");
    }
}
