//! Ways round the front door: odd paths, other methods, several roles, tokens whose time is over.

use crate::{
    bodies::contact,
    cast::{COLA, Cast, FRIED, PHONE, Stage, open_store},
    harness::House,
};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_a_path_and_no_other_method_opens_anything() {
    let cast = Cast::gather().await;
    let order = cast.order(Stage::Placed).await;
    let before = cast.house.get(&format!("/orders/{order}"), &cast.kim).await.ok();
    let upper = order.to_uppercase();
    let spellings = [
        format!("/orders/{order}/"),
        format!("//orders/{order}"),
        format!("/orders//{order}"),
        format!("/ORDERS/{order}"),
        format!("/orders/{upper}"),
        format!("/orders/%2e/{order}"),
        format!("/orders/./{order}"),
        format!("/storefronts/../orders/{order}"),
        format!("/storefronts/%2e%2e/orders/{order}"),
        format!("/orders%2f{order}"),
        format!("/orders/{order};x=1"),
        format!("/orders/{order}%00"),
        format!("/orders/{order}%20"),
        format!("/orders/{order}.json"),
        format!("/orders/*"),
        format!("/{order}"),
    ];
    let methods = [
        ("GET", "", ""),
        ("POST", "X-HTTP-Method-Override: GET\r\n", ""),
        ("GET", "X-HTTP-Method: PUT\r\nX-Original-URL: /orders\r\n", "/cancel"),
        ("POST", "X-HTTP-Method-Override: PUT\r\nX-Rewrite-URL: /\r\n", "/cancel?_method=PUT"),
        ("PATCH", "", "/cancel"),
        ("DELETE", "", ""),
        ("PROPFIND", "", ""),
        ("PUT", "", ""),
        ("PUT", "", "/confirm_paid"),
        ("PUT", "", "/place"),
        ("PUT", "", "/Cancel"),
        ("PUT", "", "/cancel/"),
    ];
    // The path as it is needs a token, whatever it is dressed up as; the spellings are nobody's, even with kim's token.
    let token = format!("Authorization: Bearer {}\r\n", cast.kim.access);
    let plain = format!("/orders/{order}");
    for path in spellings.iter().chain([&plain]) {
        for (method, headers, rest) in methods {
            let token = if *path == plain && rest.is_empty() && method == "GET" { "" } else { &token };
            let request = format!(
                "{method} {path}{rest} HTTP/1.1\r\nHost: x\r\n{token}{headers}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
            );
            let answer = cast.house.raw(request.as_bytes()).await;
            assert!((400..500).contains(&answer.status), "{method} {path}{rest} {headers}: {answer:?}");
        }
    }
    assert_eq!(cast.house.get(&plain, &cast.kim).await.ok(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_roles_are_not_more_than_each_of_them() {
    let cast = Cast::gather().await;
    let house = &cast.house;
    let both = house.join("both", &["customer", "owner", "rider"]).await;
    let store = open_store(house, &both, "겸업 가게").await;
    let placed = cast.place_with(json!({ "store": store })).await;
    let change = json!({ "items": [{ "item": COLA, "quantity": 5 }] });
    house.put(&format!("/orders/{placed}/offer"), &both, &json!({ "without": [COLA] })).await.ok();
    let none = || json!({});
    for (verb, body) in [("cancel", none()), ("change", change), ("confirm", none()), ("accept_offer", none()), ("decline_offer", none())] {
        house.put(&format!("/orders/{placed}/{verb}"), &both, &body).await.is_problem(404, "not_found");
    }
    // As its owner this account sees the order, has offered what an owner may offer, and nothing that is the customer's alone.
    house.get(&format!("/orders/{placed}"), &both).await.ok();
    assert!(house.get(&format!("/orders/{placed}"), &both).await.verbs("order").is_empty());
    for route in ["payments", "myPages"] {
        house.get(&format!("/{route}/{placed}"), &both).await.is_problem(404, "not_found");
    }
    house.post("/reviews", &both, &json!({ "order": placed, "stars": 5, "text": "우리 가게 최고" })).await.is_problem(404, "not_found");
    // A rider's role opens no ticket of another store, and an owner's no delivery.
    let other = cast.order(Stage::Picked).await;
    for path in [format!("/foodCookings/{other}/finish"), format!("/deliveries/{other}/deliver"), format!("/stores/{}/close", cast.store)] {
        house.put(&path, &both, &json!({})).await.is_problem(404, "not_found");
    }
    // Its own order at its own store is its own.
    let wanted = json!({ "store": store, "items": [{ "item": FRIED, "quantity": 1 }], "contact": contact(PHONE, "우리집") });
    let own = house.post("/orders", &both, &wanted).await.ok()["order"].as_str().unwrap().to_owned();
    house.put(&format!("/orders/{own}/cancel"), &both, &json!({})).await.ok();
    // `as` chooses among the roles that one has, and adds none.
    assert_eq!(house.get("/orders?as=owner", &both).await.ok()["page"]["totalElements"], 2);
    assert_eq!(house.get("/orders?as=customer", &both).await.ok()["page"]["totalElements"], 1);
    house.get("/orders?as=owner", &cast.kim).await.is_problem(403, "forbidden");
    house.get("/orders?as=operator", &both).await.is_problem(400, "invalid_parameter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_with_its_time_and_its_login() {
    // Tokens count whole seconds, so this one lives between one and two.
    const LIFE_MS: u64 = 2_000;
    let house = House::open_with(|config| config.access_ms = LIFE_MS as i64).await;
    let kim = house.join("kim", &["customer"]).await;
    house.get("/orders", &kim).await.ok();
    tokio::time::sleep(Duration::from_millis(LIFE_MS)).await;
    house.get("/orders", &kim).await.is_problem(401, "token_expired");
    assert_eq!(house.get("/orders", &kim).await.header("www-authenticate"), "Bearer");
    for garbage in
        ["", "Bearer", "Bearer ", "Basic a2ltOmtpbQ==", "bearer x", "Bearer x.y.z", "Bearer null", "Bearer eyJhbGciOiJub25lIn0.e30."]
    {
        let request = house.bare("GET", "/orders").header("authorization", garbage);
        house.send(request).await.is_problem(401, "unauthenticated");
    }
    let request = house.bare("GET", "/orders").header("authorization", [b"Bearer ".as_slice(), &[0xff; 9]].concat());
    house.send(request).await.is_problem(401, "unauthenticated");
    // A spent refresh token ends the login, for whoever has a copy.
    let refresh = |token: &str| json!({ "refresh": token });
    let next = house.call("POST", "/tokens", None, Some(&refresh(&kim.refresh))).await.ok();
    assert_ne!(next["refresh"], kim.refresh);
    house.call("POST", "/tokens", None, Some(&refresh(&kim.refresh))).await.is_problem(401, "token_expired");
    house.call("POST", "/tokens", None, Some(&refresh(next["refresh"].as_str().unwrap()))).await.is_problem(401, "token_expired");
}
