//! Whose eyes see which fields: the phone and the door are the rider's between the pick and the delivery, always the
//! customer's own, and nobody else's ever.

use crate::{
    cast::{Cast, DOOR, PHONE, Stage},
    harness::Person,
};
use serde_json::{Value, json};
use shared::Kind;

/// Everything of an order that this person can be answered, as text.
async fn all_that_is_told(cast: &Cast, who: &Person, order: &str) -> String {
    let mut told = String::new();
    for kind in Kind::ALL {
        for path in [format!("/{}", kind.route()), format!("/{}/{order}", kind.route()), format!("/{}?as=owner&open=true", kind.route())] {
            told += &cast.house.get(&path, who).await.text;
        }
    }
    for id in [format!("cus_{}", cast.kim.bits), format!("cus_{}", who.bits)] {
        told += &cast.house.get(&format!("/customers/{id}"), who).await.text;
    }
    told
}

fn is_contact_in(told: &str) -> bool {
    // Parts of the door, and the bare digits of the phone: another order of fields or another spelling must not hide them.
    // None of them can be a part of an id or of a time.
    let digits = PHONE.replace('-', "");
    [PHONE, &digits, "비밀로", "암구호"].iter().any(|part| told.contains(part))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_is_the_riders_from_the_pick_to_the_delivery_and_nobody_elses() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Placed).await;
    let mut at = Stage::Placed;
    for stage in Stage::ALL {
        cast.lead(&order, at, stage).await;
        at = stage;
        for stranger in [&cast.park, &cast.choi, &cast.yoon, &cast.lee, &cast.operator] {
            let told = all_that_is_told(&cast, stranger, &order).await;
            assert!(!is_contact_in(&told), "{} reads the contact when {stage:?}: {told}", stranger.name);
        }
        let told = all_that_is_told(&cast, &cast.han, &order).await;
        assert_eq!(is_contact_in(&told), stage == Stage::Picked, "han when {stage:?}: {told}");
        let me = cast.house.get(&format!("/customers/cus_{}", cast.kim.bits), &cast.kim).await.ok();
        assert_eq!(me["contact"]["phone"], PHONE);
        assert_eq!(me["contact"]["address"], DOOR);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gives_a_job_back_sees_the_door_no_more() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Picked).await;
    let path = format!("/deliveries/{order}");
    let own = cast.house.get(&path, &cast.han).await.ok();
    assert_eq!(own["contact"]["phone"], PHONE);
    let released = cast.house.put(&format!("{path}/release"), &cast.han, &json!({})).await;
    assert_eq!(released.ok()["contact"], Value::Null);
    cast.house.put(&format!("{path}/pick"), &cast.yoon, &json!({})).await.ok();
    cast.until("delivery", &order, "picked").await;
    assert!(!is_contact_in(&all_that_is_told(&cast, &cast.han, &order).await));
    assert_eq!(cast.house.get(&path, &cast.yoon).await.ok()["contact"]["address"], DOOR);
    // Who carries it is told; the list of who has the order is the customer's, the store's and the rider's.
    cast.house.put(&format!("{path}/deliver"), &cast.han, &json!({})).await.is_problem(404, "not_found");
}

/// The fields of every answer by reader, so that a new one is seen before it is everybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fields_of_every_answer_are_known() {
    let cast = Cast::gather().await;
    let order = cast.reviewed().await;
    let carried = cast.order(Stage::Picked).await;
    let mut shown = String::new();
    let rows = [
        (Kind::Order, &carried, vec![&cast.kim, &cast.park, &cast.han, &cast.operator]),
        (Kind::Payment, &order, vec![&cast.kim, &cast.operator]),
        (Kind::Store, &cast.store, vec![&cast.park]),
        (Kind::Ticket, &order, vec![&cast.park]),
        (Kind::Delivery, &carried, vec![&cast.han, &cast.yoon]),
        (Kind::DeliveryInfo, &carried, vec![&cast.han, &cast.yoon]),
        (Kind::Review, &order, vec![&cast.kim, &cast.park, &cast.lee]),
        (Kind::MyPage, &order, vec![&cast.kim]),
        (Kind::Storefront, &cast.store, vec![&cast.lee]),
        (Kind::ShopPage, &cast.store, vec![&cast.park, &cast.lee]),
    ];
    for (kind, id, readers) in rows {
        for reader in readers {
            let row = cast.house.get(&format!("/{}/{id}", kind.route()), reader).await.ok();
            let fields = row.as_object().unwrap().iter().filter(|(field, _)| *field != "_links");
            let filled: Vec<&str> = fields.clone().filter(|(_, value)| !value.is_null()).map(|(field, _)| field.as_str()).collect();
            shown += &format!("{:12} {:9} {}\n", kind.name(), reader.name, filled.join(" "));
        }
    }
    insta::assert_snapshot!(shown);
}
