//! Requests that come twice, and reads that must show what was written.

use crate::{
    bodies::contact,
    cast::{COLA, Cast, DOOR, FRIED, PHONE, Stage},
    harness::{Answer, Person},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

impl Cast {
    async fn keyed(&self, who: &Person, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.house.request("POST", path, Some(&who.access));
        self.house.send(request.header("idempotency-key", key).json(body)).await
    }

    fn wanted(&self, quantity: u32) -> Value {
        json!({ "store": self.store, "items": [{ "item": COLA, "quantity": quantity }], "contact": contact(PHONE, DOOR) })
    }

    async fn orders_of(&self, who: &Person) -> Value {
        self.house.get("/orders", who).await.ok()["page"]["totalElements"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_gets_the_same_answer() {
    let cast = Cast::gather().await;
    let first = cast.keyed(&cast.kim, "k-1", "/orders", &cast.wanted(1)).await;
    assert_eq!(first.status, 201);
    let order = first.json()["order"].as_str().unwrap().to_owned();
    assert_eq!(first.header("location"), cast.house.url(&format!("/orders/{order}")));
    let again = cast.keyed(&cast.kim, "k-1", "/orders", &cast.wanted(1)).await;
    assert_eq!((again.status, &again.text, again.header("location")), (201, &first.text, first.header("location")));
    // The order has moved on; the answer to that request has not.
    cast.until("ticket", &order, "opened").await;
    cast.lead(&order, Stage::Placed, Stage::Cooking).await;
    let later = cast.keyed(&cast.kim, "k-1", "/orders", &cast.wanted(1)).await;
    assert_eq!((later.status, &later.text), (201, &first.text));
    cast.keyed(&cast.kim, "k-1", "/orders", &cast.wanted(2)).await.is_problem(422, "key_reused");
    assert_eq!(cast.orders_of(&cast.kim).await, 1);
    // The same key is another's own, and another resource's own.
    let lees = cast.keyed(&cast.lee, "k-1", "/orders", &cast.wanted(1)).await;
    assert_ne!(lees.ok()["order"], order);
    assert!(!lees.text.contains(&order));
    cast.keyed(&cast.lee, "k-1", "/customers", &json!({ "name": "이손님", "contact": contact(PHONE, DOOR) })).await.ok();
    // Without a key every request is a new one.
    cast.house.post("/orders", &cast.kim, &cast.wanted(1)).await.ok();
    cast.house.post("/orders", &cast.kim, &cast.wanted(1)).await.ok();
    assert_eq!(cast.orders_of(&cast.kim).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_does_not_spend_its_key() {
    let cast = Cast::gather().await;
    let mut wrong = cast.wanted(1);
    wrong["items"][0]["quantity"] = json!(0);
    cast.keyed(&cast.kim, "k", "/orders", &wrong).await.is_problem(400, "invalid_body");
    wrong["items"] = json!([{ "item": "없는 메뉴", "quantity": 1 }]);
    cast.keyed(&cast.kim, "k", "/orders", &wrong).await.is_problem(422, "unknown_dish");
    let order = cast.keyed(&cast.kim, "k", "/orders", &cast.wanted(1)).await.ok();
    assert_eq!(cast.keyed(&cast.kim, "k", "/orders", &cast.wanted(1)).await.ok(), order);
    // A declined card is an answer: the order is there, and has failed, however often it is asked for.
    let mut declined = cast.wanted(1);
    declined["means"] = json!("declined_card");
    let failed = cast.keyed(&cast.kim, "d", "/orders", &declined).await.ok();
    assert_eq!(failed["status"], "payment_failed");
    assert_eq!(cast.keyed(&cast.kim, "d", "/orders", &declined).await.ok(), failed);
    assert_eq!(cast.orders_of(&cast.kim).await, 2);
    for key in ["", " ", "a b", &"x".repeat(256)] {
        cast.keyed(&cast.kim, key, "/orders", &cast.wanted(1)).await.is_problem(400, "invalid_parameter");
    }
    cast.keyed(&cast.kim, &"x".repeat(255), "/orders", &cast.wanted(1)).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_are_one_order() {
    let cast = Cast::gather().await;
    let wanted = cast.wanted(3);
    let answers = join_all((0..50).map(|_| cast.keyed(&cast.kim, "rush", "/orders", &wanted))).await;
    let mut given: Vec<&str> = vec![];
    for answer in &answers {
        if answer.status == 201 {
            given.push(&answer.text);
        } else {
            answer.is_problem(409, "in_flight");
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
        }
    }
    assert!(!given.is_empty());
    given.dedup();
    assert_eq!(given.len(), 1, "{given:?}");
    assert_eq!(cast.orders_of(&cast.kim).await, 1);
    let order = answers.iter().find(|answer| answer.status == 201).unwrap().json()["order"].as_str().unwrap().to_owned();
    cast.until("ticket", &order, "opened").await;
    // One order, one payment.
    let paid = cast.house.get(&format!("/payments/{order}"), &cast.kim).await.ok();
    assert_eq!(paid["captured"], 3 * 2_000 + 3_000);
    assert_eq!(cast.house.get("/foodCookings", &cast.park).await.ok()["page"]["totalElements"], 1);
}

/// A verb is the same however often it comes: one pick, one ride, one delivery.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_may_be_repeated() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Cooked).await;
    let path = format!("/deliveries/{order}/pick");
    let (mut winners, mut losers) = (vec![], vec![]);
    for (who, answer) in join_all((0..20).map(async |i| {
        let who = if i % 2 == 0 { &cast.han } else { &cast.yoon };
        (who.name.clone(), cast.house.put(&path, who, &json!({})).await)
    }))
    .await
    {
        if answer.is_good() {
            winners.push(who);
        } else {
            answer.is_problem(409, "taken");
            losers.push(who);
        }
    }
    winners.dedup();
    losers.dedup();
    assert_eq!((winners.len(), losers.len()), (1, 1), "{winners:?} {losers:?}");
    assert_ne!(winners, losers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sends_the_token_back_sees_what_was_written() {
    let cast = Cast::gather().await;
    for i in 0..30 {
        // The price is set in one context and charged by another: its copy must not be older than what was seen.
        let price = 1_000 + i;
        let dish = json!({ "dish": { "name": FRIED, "price": price } });
        let set = cast.house.put(&format!("/stores/{}/set_dish", cast.store), &cast.park, &dish).await;
        let token = set.header("baemin-consistency").to_owned();
        assert!(token.starts_with("store.0="), "{token}");
        let request = cast.house.bare("GET", &format!("/storefronts/{}", cast.store)).header("baemin-consistency", &token);
        let seen = cast.house.send(request).await.ok();
        assert_eq!(seen["menu"][0]["price"], price, "round {i}");
        let wanted = json!({ "store": cast.store, "items": [{ "item": FRIED, "quantity": 1 }], "contact": contact(PHONE, DOOR) });
        let placed = cast.house.bare("POST", "/orders").bearer_auth(&cast.kim.access).header("baemin-consistency", token).json(&wanted);
        let placed = cast.house.send(placed).await;
        assert_eq!(placed.ok()["basket"]["total"], price + 3_000);
        // The customer's page is another context's view of it.
        let order = placed.json()["order"].as_str().unwrap().to_owned();
        let request = cast.house.bare("GET", &format!("/myPages/{order}")).bearer_auth(&cast.kim.access);
        let page = cast.house.send(request.header("baemin-consistency", placed.header("baemin-consistency"))).await.ok();
        assert_eq!(page["status"], "placed");
    }
    // A position that no journal has yet is waited for, but not for long.
    let begun = std::time::Instant::now();
    let request = cast.house.bare("GET", "/myPages").bearer_auth(&cast.kim.access).header("baemin-consistency", "order.0=999999999");
    cast.house.send(request).await.ok();
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}
