//! A dish is sold out: the store offers to leave it out, the customer takes what is left and gets the rest back, or not.

use crate::cast::{COLA, Cast, FRIED, Stage};
use crate::harness::{Answer, Person};
use serde_json::{Value, json};

/// Two chickens for 21,000 each, a coke for 2,000, and 3,000 for bringing them.
const ALL: i64 = 47_000;
const COKE: i64 = 2_000;

impl Cast {
    async fn ask(&self, order: &str, verb: &str, who: &Person, body: Value) -> Answer {
        self.house.put(&format!("/orders/{order}/{verb}"), who, &body).await
    }

    async fn shown(&self, order: &str, who: &Person) -> Value {
        self.house.get(&format!("/orders/{order}"), who).await.ok()
    }

    async fn reject(&self, order: &str) -> Answer {
        self.house.put(&format!("/foodCookings/{order}/reject"), &self.park, &json!({ "reason": "품절" })).await
    }

    async fn pays(&self, order: &str, captured: i64, refunded: i64) {
        let is_so = |paid: &Value| paid["captured"] == captured && paid["refunded"] == refunded && paid["refunding"] == 0;
        self.becomes(&format!("/payments/{order}"), &self.kim, &format!("{captured} won came and {refunded} went back"), is_so).await;
    }

    /// A notice of a topic, in its reader's inbox.
    async fn told(&self, order: &str, who: &Person, topic: &str) -> Value {
        let of = |inbox: &Value| {
            let all = inbox["_embedded"]["notifications"].as_array().unwrap().clone();
            all.into_iter().find(|notice| notice["order"] == *order && notice["topic"] == topic)
        };
        let inbox = self.becomes("/notifications?size=100", who, &format!("a notice of {topic}"), |inbox| of(inbox).is_some()).await;
        of(&inbox).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_customer_accepts_is_cooked_and_the_rest_goes_back() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Accepted).await;
    let made = cast.ask(&order, "offer", &cast.park, json!({ "without": [COLA] })).await.ok();
    assert_eq!((&made["status"], &made["basket"]["total"]), (&json!("accepted"), &json!(ALL)), "an offer changes nothing yet");
    let notice = cast.told(&order, &cast.kim, "offer_made").await;
    assert_eq!((&notice["refund"], &notice["total"], &notice["without"]), (&json!(COKE), &json!(ALL - COKE), &json!([COLA])));
    for (lang, words) in [("ko", ["품절: 콜라", "2,000원", "45,000원"]), ("en", ["Sold out: 콜라", "2,000 won", "45,000 won"])] {
        let request = cast.house.request("GET", "/notifications?size=100", Some(&cast.kim.access)).header("accept-language", lang);
        let inbox = cast.house.send(request).await.ok()["_embedded"]["notifications"].clone();
        let notice = inbox.as_array().unwrap().iter().find(|notice| notice["topic"] == "offer_made").unwrap();
        let text = notice["text"].as_str().unwrap();
        assert!(words.iter().all(|word| text.contains(word)), "{lang}: {text}");
    }
    let page = cast.becomes(&format!("/myPages/{order}"), &cast.kim, "an offer on the page", |page| !page["offer"].is_null()).await;
    assert_eq!((&page["offer"]["total"], &page["offer"]["lines"][0]["item"]), (&json!(ALL - COKE), &json!(FRIED)));
    cast.ask(&order, "accept_offer", &cast.kim, json!({})).await.ok();
    cast.until("order", &order, "changed").await;
    cast.pays(&order, ALL, COKE).await;
    let shown = cast.shown(&order, &cast.kim).await;
    assert_eq!((&shown["status"], &shown["basket"]["total"]), (&json!("accepted"), &json!(ALL - COKE)));
    assert!(shown["offer"].is_null() && shown["change"].is_null(), "{shown}");
    cast.told(&order, &cast.park, "offer_accepted").await;
    cast.until("ticket", &order, "settled").await;
    let ticket = cast.house.get(&format!("/foodCookings/{order}"), &cast.park).await.ok();
    assert_eq!(ticket["basket"], shown["basket"], "the kitchen cooks what is paid");
    // Whoever presses twice has pressed.
    let again = cast.ask(&order, "accept_offer", &cast.kim, json!({})).await.ok();
    assert_eq!(again["timeline"], shown["timeline"]);
    cast.lead(&order, Stage::Accepted, Stage::Completed).await;
    cast.pays(&order, ALL, COKE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_customer_declines_leaves_the_order_as_it_was() {
    let cast = Cast::gather().await;
    let order = cast.offered().await;
    cast.ask(&order, "decline_offer", &cast.kim, json!({})).await.ok();
    cast.told(&order, &cast.park, "offer_declined").await;
    cast.ask(&order, "decline_offer", &cast.kim, json!({})).await.ok();
    cast.ask(&order, "accept_offer", &cast.kim, json!({})).await.is_problem(409, "no_offer");
    let shown = cast.shown(&order, &cast.kim).await;
    assert_eq!((&shown["status"], &shown["basket"]["total"], &shown["offer"]), (&json!("placed"), &json!(ALL), &Value::Null));
    // The store may offer something else, even if what is left is less than it would bring.
    let terms = json!({ "minimum": 20_000, "delivery_fee": 3_000 });
    cast.house.put(&format!("/stores/{}/set_terms", cast.store), &cast.park, &terms).await.ok();
    cast.ask(&order, "offer", &cast.park, json!({ "without": [FRIED] })).await.ok();
    cast.ask(&order, "accept_offer", &cast.kim, json!({})).await.ok();
    cast.pays(&order, ALL, 42_000).await;
    cast.until("order", &order, "changed").await;
    cast.until("ticket", &order, "settled").await;
    cast.house.put(&format!("/foodCookings/{order}/reject"), &cast.park, &json!({ "reason": "마감" })).await.ok();
    cast.pays(&order, ALL, ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_is_of_some_dishes_of_the_order_and_one_at_a_time() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Placed).await;
    let offer = async |without: Value| cast.ask(&order, "offer", &cast.park, json!({ "without": without })).await;
    offer(json!([])).await.is_problem(400, "invalid_body");
    offer(json!(vec![COLA; 31])).await.is_problem(400, "invalid_body");
    offer(json!(["없는 메뉴"])).await.is_problem(422, "not_ordered");
    offer(json!([COLA, FRIED])).await.is_problem(422, "nothing_left");
    cast.ask(&order, "offer", &cast.choi, json!({ "without": [COLA] })).await.is_problem(404, "not_found");
    offer(json!([COLA])).await.ok();
    offer(json!([COLA])).await.ok();
    offer(json!([FRIED])).await.is_problem(409, "offer_open");
    let steps = cast.shown(&order, &cast.kim).await["timeline"].clone();
    assert_eq!(steps.as_array().unwrap().iter().filter(|step| step["event"] == "offer_made").count(), 1);
    cast.ask(&order, "accept_offer", &cast.lee, json!({})).await.is_problem(404, "not_found");
}

/// The only dish of an accepted order is sold out: there is nothing to offer, so the store says no after all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_order_is_rejected_until_it_is_cooked() {
    let cast = Cast::gather().await;
    let order = cast.place_with(json!({ "items": [{ "item": COLA, "quantity": 2 }] })).await;
    cast.until("ticket", &order, "opened").await;
    cast.lead(&order, Stage::Placed, Stage::Accepted).await;
    cast.ask(&order, "offer", &cast.park, json!({ "without": [COLA] })).await.is_problem(422, "nothing_left");
    let ticket = cast.house.get(&format!("/foodCookings/{order}"), &cast.park).await;
    assert!(ticket.verbs("foodCooking").contains(&"reject".to_owned()), "{ticket:?}");
    assert_eq!(cast.reject(&order).await.ok()["status"], "rejected");
    // Whoever presses twice has pressed, and nobody else moves it any more.
    assert_eq!(cast.reject(&order).await.ok()["status"], "rejected");
    cast.house.put(&format!("/foodCookings/{order}/start"), &cast.park, &json!({})).await.is_problem(409, "ticket_stands");
    cast.until("order", &order, "rejected").await;
    cast.ask(&order, "cancel", &cast.kim, json!({})).await.is_problem(409, "too_late");
    cast.pays(&order, 7_000, 7_000).await;
    let notice = cast.told(&order, &cast.kim, "rejected").await;
    assert_eq!(notice["refund"], 7_000);
    assert!(notice["text"].as_str().unwrap().contains("품절"), "{notice}");
    cast.until("delivery", &order, "called_off").await;
    cast.house.put(&format!("/deliveries/{order}/pick"), &cast.han, &json!({})).await.is_problem(409, "delivery_over");
    cast.becomes(&format!("/stores/{}", cast.store), &cast.park, "its place is free", |store| store["open_tickets"] == 0).await;

    // The customer takes an offer meanwhile: whether that was settled or not, all goes back, once.
    let taken = cast.offered().await;
    cast.lead(&taken, Stage::Placed, Stage::Accepted).await;
    cast.ask(&taken, "accept_offer", &cast.kim, json!({})).await.ok();
    cast.reject(&taken).await.ok();
    cast.until("order", &taken, "rejected").await;
    cast.pays(&taken, ALL, ALL).await;
    let shown = cast.shown(&taken, &cast.kim).await;
    assert_eq!((&shown["status"], &shown["offer"], &shown["change"]), (&json!("rejected"), &Value::Null, &Value::Null));

    // On the stove it stays.
    let cooking = cast.order(Stage::Cooking).await;
    cast.reject(&cooking).await.is_problem(409, "ticket_stands");
}

/// An offer holds nothing up: whatever happens to the order meanwhile happens, and the offer is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_lapses_by_itself() {
    let cast = Cast::gather().await;
    let cancelled = cast.offered().await;
    cast.ask(&cancelled, "cancel", &cast.kim, json!({})).await.ok();
    cast.until("order", &cancelled, "cancelled").await;
    cast.pays(&cancelled, ALL, ALL).await;
    let changed = cast.offered().await;
    cast.ask(&changed, "change", &cast.kim, json!({ "items": [{ "item": COLA, "quantity": 3 }] })).await.ok();
    cast.until("order", &changed, "changed").await;
    let cooking = cast.offered().await;
    cast.lead(&cooking, Stage::Placed, Stage::Accepted).await;
    assert!(!cast.shown(&cooking, &cast.kim).await["offer"].is_null(), "an accepted order still waits for the kitchen");
    cast.lead(&cooking, Stage::Accepted, Stage::Cooking).await;
    for order in [cancelled, changed, cooking] {
        assert_eq!(cast.shown(&order, &cast.kim).await["offer"], Value::Null);
        cast.becomes(&format!("/myPages/{order}"), &cast.kim, "no offer on the page", |page| page["offer"].is_null()).await;
        cast.ask(&order, "accept_offer", &cast.kim, json!({})).await.is_problem(409, "no_offer");
        cast.ask(&order, "decline_offer", &cast.kim, json!({})).await.is_problem(409, "no_offer");
    }
}
