//! What operators look at and mend; and metrics.

use crate::{
    cast::{Cast, Stage},
    files::{database, rows},
    harness::{House, PATIENCE},
};
use serde_json::{Value, json};
use shared::{Context, Kind};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Until nothing is on its way any more.
pub async fn quiet(cast: &Cast) {
    settled_in(cast, &Context::ALL).await;
}

/// Until everybody has heard everything, and nothing is left to be done in some contexts.
pub async fn settled_in(cast: &Cast, contexts: &[Context]) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let mut behind = 0;
        for context in Context::ALL {
            let lag = cast.house.get(&format!("/ops/{}/lag", context.name()), &cast.operator).await.ok();
            let lags = lag["subscriptions"].as_array().unwrap().iter().map(|lag| lag["behind"].as_u64().unwrap());
            behind += lags.sum::<u64>();
            if contexts.contains(&context) {
                behind += lag["due"].as_u64().unwrap();
            }
        }
        if behind == 0 {
            return;
        }
        assert!(Instant::now() < give_up);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orders_story_is_told_by_every_context_with_its_causes() {
    let cast = Cast::gather().await;
    let other = cast.order(Stage::Placed).await;
    let order = cast.order(Stage::Completed).await;
    quiet(&cast).await;
    let mut events: BTreeMap<String, Value> = BTreeMap::new();
    for context in Context::ALL {
        let story = cast.house.get(&format!("/ops/{}/story/{order}", context.name()), &cast.operator).await.ok();
        assert_eq!((&story["complete"], &story["parked"]), (&json!(true), &json!([])), "{story}");
        for event in story["events"].as_array().unwrap() {
            // The store itself admits an order before its ticket opens: what caused a part of the story is part of it.
            let (of, name) = (event["stream"].as_str().unwrap(), event["name"].as_str().unwrap());
            assert!(of.starts_with(&order) || name.starts_with("store."), "{event}");
            assert_eq!(event["correlation"], *order);
            events.insert(event["position"].as_str().unwrap().to_owned(), event.clone());
        }
    }
    let named = |name: &str| events.values().find(|event| event["name"] == name).unwrap_or_else(|| panic!("no {name}: {events:?}"));
    let cause_of = |name: &str| events[named(name)["cause"].as_str().unwrap()]["name"].as_str().unwrap().to_owned();
    assert_eq!(named("order.placed")["by"], format!("acc_{}", cast.kim.bits));
    assert_eq!(named("ticket.accepted")["by"], format!("acc_{}", cast.park.bits));
    assert_eq!(named("delivery.picked")["by"], format!("acc_{}", cast.han.bits));
    let chain = [
        ("payment.requested", "order.placed"),
        ("order.paid", "payment.approved"),
        ("store.admitted", "order.paid"),
        ("ticket.opened", "store.admitted"),
        ("order.accepted", "ticket.accepted"),
        ("order.picked", "delivery.picked"),
    ];
    for (effect, cause) in chain {
        assert_eq!(cause_of(effect), cause);
    }
    assert!(events.values().any(|event| event["name"] == "notice.sent"), "notices are part of the story");

    // An order that waits says for what: the store's answer has a deadline.
    let store = cast.house.get(&format!("/ops/store/story/{other}"), &cast.operator).await.ok();
    let order_side = cast.house.get(&format!("/ops/order/story/{other}"), &cast.operator).await.ok();
    let timers = [&store, &order_side].map(|story| story["timers"].as_array().unwrap().clone()).concat();
    let answer = timers.iter().find(|timer| timer["name"] == "answer").unwrap_or_else(|| panic!("{timers:?}"));
    assert!(answer["due_ms"].as_i64().unwrap() > server::engine::now_ms());
    cast.house.get("/ops/order/story/not-an-order", &cast.operator).await.is_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_rows_are_listed_shown_replayed_and_dropped() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Placed).await;
    // As an earlier version wrote it: a command that the order does not take yet.
    let body = json!({ "cause": null, "stream": order, "command": { "order": { "type": "confirm" } }, "reason": "too_early", "at_ms": 7 });
    let orders = database(cast.house.data.path(), Context::Order);
    for _ in 0..2 {
        orders.execute("insert into parked (body) values (?)", [body.to_string()]).unwrap();
    }
    let list = cast.house.get("/ops/order/parked", &cast.operator).await.ok();
    let names: Vec<&str> = list["_embedded"]["parked"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!((names, &list["total"]), (vec!["order:2", "order:1"], &json!(2)));
    let before = cast.house.get("/ops/order/parked?before=2", &cast.operator).await.ok();
    assert_eq!(before["_embedded"]["parked"].as_array().unwrap().len(), 1);
    let one = cast.house.get("/ops/order/parked/1", &cast.operator).await.ok();
    assert_eq!((&one["name"], &one["stream"], &one["reason"]), (&json!("order.confirm"), &json!(order), &json!("too_early")));

    // Still refused: it stays, and the operator is told why.
    let nothing = json!({});
    let replay = || cast.house.put("/ops/order/parked/1/replay", &cast.operator, &nothing);
    replay().await.is_problem(409, "too_early");
    assert_eq!(cast.house.get("/ops/order/parked", &cast.operator).await.ok()["total"], 2);

    // A reason is wanted for what is lost for good.
    cast.house.put("/ops/order/parked/2/drop", &cast.operator, &json!({})).await.is_problem(400, "invalid_body");
    cast.house.put("/ops/order/parked/2/drop", &cast.operator, &json!({ "reason": "twice the same" })).await.ok();
    cast.house.put("/ops/order/parked/2/drop", &cast.operator, &json!({ "reason": "again" })).await.is_problem(404, "not_found");

    // The cause goes, and the replay does what was asked, once.
    cast.lead(&order, Stage::Placed, Stage::Delivered).await;
    assert_eq!(replay().await.ok()["done"], "replayed");
    replay().await.is_problem(404, "not_found");
    assert_eq!(cast.house.get(&format!("/orders/{order}"), &cast.kim).await.ok()["status"], "completed");
    assert_eq!(cast.house.get("/ops/order/parked", &cast.operator).await.ok()["total"], 0);
}

async fn rebuild(cast: &Cast, kind: Kind) -> Value {
    let path = format!("/ops/{}/rebuild/{}", kind.context().name(), kind.name());
    let begun = cast.house.put(&path, &cast.operator, &json!({})).await.ok();
    let give_up = Instant::now() + PATIENCE;
    loop {
        let now = cast.house.get(&path, &cast.operator).await.ok();
        if now["started_ms"] == begun["started_ms"] && now["state"] != "running" {
            assert_eq!(now["state"], "done", "{now}");
            return now;
        }
        assert!(Instant::now() < give_up, "{now}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const VIEWS: [Kind; 6] = [Kind::MyPage, Kind::ShopPage, Kind::Storefront, Kind::DeliveryInfo, Kind::LedgerEntry, Kind::Preference];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_rebuilt_under_load_byte_by_byte_while_they_are_read() {
    let cast = Arc::new(Cast::gather().await);
    let first = cast.order(Stage::Completed).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (placed, read) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..2)
        .map(|_| {
            let (cast, stop, placed) = (cast.clone(), stop.clone(), placed.clone());
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    cast.order(Stage::Accepted).await;
                    placed.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    let reader = {
        let (cast, stop, read, first) = (cast.clone(), stop.clone(), read.clone(), first.clone());
        tokio::spawn(async move {
            while !stop.load(Relaxed) {
                let page = cast.house.get(&format!("/myPages/{first}"), &cast.kim).await.ok();
                assert_eq!(page["status"], "completed");
                read.fetch_add(1, Relaxed);
            }
        })
    };
    let mut made = 0;
    for _ in 0..5 {
        for view in VIEWS {
            let rebuilt = rebuild(&cast, view).await;
            assert_eq!((&rebuilt["differed"], &rebuilt["unsettled"]), (&json!(0), &json!(0)), "{rebuilt}");
            made += rebuilt["rows"].as_u64().unwrap();
        }
    }
    stop.store(true, Relaxed);
    for task in load.into_iter().chain([reader]) {
        task.await.unwrap();
    }
    let (placed, read) = (placed.load(Relaxed), read.load(Relaxed));
    assert!(placed > 0 && read > 0, "{placed} orders, {read} reads");
    quiet(&cast).await;
    damage_is_mended(&cast, &first).await;
    #[expect(clippy::print_stdout, reason = "figures are for whoever runs the test")]
    {
        println!("{made} rows were rebuilt during {placed} orders and {read} reads, and none differed");
    }
}

/// Rows that are wrong, missing, or not even rows are as they were after a rebuild.
async fn damage_is_mended(cast: &Cast, order: &str) {
    let before = rows(cast.house.data.path(), Kind::MyPage);
    let others: Vec<&String> = before.keys().filter(|key| *key != order).take(2).collect();
    let pages = database(cast.house.data.path(), Context::Customer);
    let wrong = before[order].1.replace("교촌", "굽네").replace("\"paid\":", "\"paid\":1");
    assert_ne!(wrong, before[order].1);
    pages.execute("update rows set body = ? where kind = 'myPage' and key = ?", [&wrong, order]).unwrap();
    pages.execute("delete from rows where kind = 'myPage' and key = ?", [others[0]]).unwrap();
    pages.execute("update rows set body = '{' where kind = 'myPage' and key = ?", [others[1]]).unwrap();
    let rebuilt = rebuild(cast, Kind::MyPage).await;
    assert_eq!((&rebuilt["differed"], &rebuilt["unsettled"]), (&json!(3), &json!(0)), "{rebuilt}");
    assert_eq!(rebuilt["rows"], before.len());
    assert_eq!(rows(cast.house.data.path(), Kind::MyPage), before);
    assert_eq!(rebuild(cast, Kind::MyPage).await["differed"], 0);
}

/// A line of the text format: name, labels, value.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("{line}"));
    let (labels, value) = rest.split_once("} ").unwrap_or_else(|| panic!("{line}"));
    let label = |label: &str| {
        let (name, value) = label.split_once('=').unwrap();
        (name.to_owned(), value.strip_prefix('"').unwrap().strip_suffix('"').unwrap().to_owned())
    };
    (name.to_owned(), labels.split(',').filter(|label| !label.is_empty()).map(label).collect(), value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_have_an_address_of_their_own_and_count() {
    let house = House::open_with(|config| config.metrics_listen = Some(([127, 0, 0, 1], 0).into())).await;
    let cast = Cast::gather_in(house).await;
    let order = cast.order(Stage::Delivered).await;
    quiet(&cast).await;
    let url = format!("http://{}/metrics", cast.house.metrics.unwrap());
    let text = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap().text().await.unwrap();
    cast.house.call("GET", "/metrics", Some(&cast.operator.access), None).await.is_problem(404, "not_found");

    let mut families = BTreeMap::new();
    let mut samples = vec![];
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(family) => {
                let (name, kind) = family.split_once(' ').unwrap();
                assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "a family comes once: {line}");
            }
            None if line.starts_with("# HELP ") => {}
            None => samples.push(sample(line)),
        }
    }
    let shown: Vec<String> = families.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    insta::assert_snapshot!(shown.join("\n"));
    for (name, labels, value) in &samples {
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).filter(|name| families.contains_key(*name));
        assert!(families.contains_key(family.unwrap_or(name)), "{name} has no family");
        assert!(*value >= 0.0 && value.is_finite(), "{name} {labels:?} {value}");
    }
    let distinct: BTreeSet<_> = samples.iter().map(|(name, labels, _)| (name, labels)).collect();
    assert_eq!(distinct.len(), samples.len(), "no sample comes twice");

    let value = |name: &str, wanted: &[(&str, &str)]| {
        let fits = |labels: &BTreeMap<String, String>| wanted.iter().all(|(name, value)| labels.get(*name).is_some_and(|is| is == value));
        samples.iter().filter(|(is, labels, _)| is == name && fits(labels)).map(|(_, _, value)| value).sum::<f64>()
    };
    let placed = [("method", "POST"), ("route", "/orders"), ("status", "2xx")];
    assert_eq!(value("baemin_http_requests_total", &placed), 1.0);
    assert!(value("baemin_journal_head", &[("context", "order")]) >= 6.0);
    assert!(value("baemin_command_seconds_count", &[("context", "order")]) >= 1.0);
    assert!(value("baemin_event_seconds_count", &[("context", "customer")]) >= 6.0);
    assert_eq!(
        value("baemin_event_seconds_bucket", &[("context", "customer"), ("le", "+Inf")]),
        value("baemin_event_seconds_count", &[("context", "customer")])
    );
    assert!(value("baemin_commit_seconds_count", &[("context", "order")]) >= 1.0);
    assert_eq!(value("baemin_subscription_lag_events", &[]), 0.0);
    assert_eq!(value("baemin_ready", &[]), 6.0);
    assert_eq!(value("baemin_parked", &[]), 0.0);
    assert!(value("baemin_live_watchers", &[]) >= 2.0, "{order}: the cast listens");
    assert!(value("baemin_timers", &[("deadline", "receipt")]) >= 1.0);
    assert!(samples.iter().any(|(name, labels, _)| name == "baemin_oldest_waiting_order_seconds" && labels["status"] == "delivered"));
}
