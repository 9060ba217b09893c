//! Every field of every body gets hostile input. Whatever comes: no 5xx, a problem with a code and a hint in the
//! caller's language, and after a refusal everything is as it was.

use crate::{
    bodies::{Names, contact, valid},
    cast::{COLA, Cast, DOOR, FRIED, PHONE, Stage, open_store},
    harness::{Answer, PASSWORD, Person},
    mutate::{Mutant, mutants},
};
use axum::http::Method;
use serde_json::{Value, json};
use server::http::routes::{self, Op};
use shared::Kind;

/// A cast, and what the routes are tried on.
struct Trial {
    cast: Cast,
    spare: String,
    names: Names,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_breaks_anything() {
    let cast = Cast::gather().await;
    let spare = open_store(&cast.house, &cast.park, "둘째 가게").await;
    let delivered = cast.order(Stage::Delivered).await;
    let names = Names { store: cast.store.clone(), delivered, login: "kim".into(), password: PASSWORD.into() };
    let trial = Trial { cast, spare, names };
    let mut tried = 0;
    for route in routes::all() {
        // Operators' routes change nothing that people see, and have tests of their own (ops.rs).
        let is_ops = matches!(route.op, Op::Ops(..));
        if !is_ops && (route.method == Method::POST || route.method == Method::PUT) {
            tried += trial.route(&route.method, &route.path, &route.op).await;
        }
    }
    // A generator that has gone quiet would pass everything.
    assert!(tried > 3_000, "only {tried} bodies were tried");
}

impl Trial {
    /// Tries one route with everything, and tells how many bodies that were.
    async fn route(&self, method: &Method, path: &str, op: &Op) -> usize {
        let body = valid(op, &self.names).unwrap_or_else(|| panic!("no body is known for {method} {path}"));
        let mut subject = self.subject(op).await;
        let mut before = self.state(op, &subject).await;
        let mut all = mutants(&body);
        all.extend(said_back(&body, &before));
        for (i, Mutant { what, body, is_wrong }) in all.iter().enumerate() {
            let at = path.replace("{id}", &subject);
            let lang = if i % 2 == 0 { "ko-KR,ko;q=0.9" } else { "en" };
            let request = self.cast.house.request(method.as_str(), &at, self.sender(op).map(|person| person.access.as_str()));
            let request = request.header("content-type", "application/json").header("accept-language", lang).body(body.clone());
            let answer = self.cast.house.send(request).await;
            let shown: String = body.chars().take(200).collect();
            let about = format!("{method} {at}: {what}: {shown}: {answer:?}");
            check(&answer, *is_wrong, lang, op, &about);
            let after = self.state(op, &subject).await;
            if answer.is_good() {
                self.clear(op, &subject).await;
                subject = self.subject(op).await;
                before = self.state(op, &subject).await;
            } else {
                assert_eq!(after, before, "changed by what was refused: {about}");
            }
        }
        self.clear(op, &subject).await;
        all.len()
    }

    /// Something on which this verb would work now.
    async fn subject(&self, op: &Op) -> String {
        let Op::Verb(kind, verb) = op else { return String::new() };
        let stage = match (kind, verb.as_str()) {
            (Kind::Store, _) => return self.spare.clone(),
            (Kind::Rider, _) => return format!("rid_{}", self.cast.yoon.bits),
            (Kind::Customer, _) => return format!("cus_{}", self.cast.kim.bits),
            (Kind::Review, "reply") => return self.cast.reviewed().await,
            (Kind::Order, "accept_offer" | "decline_offer") => return self.cast.offered().await,
            (Kind::Order, "confirm") | (Kind::Review, _) => Stage::Delivered,
            (Kind::Ticket, "start" | "delay") => Stage::Accepted,
            (Kind::Ticket, "finish") => Stage::Cooking,
            (Kind::Delivery, "pick") => Stage::Cooked,
            (Kind::Delivery, _) => Stage::Picked,
            _ => Stage::Placed,
        };
        self.cast.order(stage).await
    }

    /// Everything of the subject that its sender can see.
    async fn state(&self, op: &Op, subject: &str) -> Value {
        let (path, reader) = match op {
            Op::Verb(kind, _) => (format!("/{}/{subject}", kind.route()), self.sender(op)),
            Op::Create(kind) => (format!("/{}?size=3", kind.route()), self.sender(op)),
            _ => return Value::Null,
        };
        self.cast.house.call("GET", &path, reader.map(|person| person.access.as_str()), None).await.ok()
    }

    /// Han can carry only so much.
    async fn clear(&self, op: &Op, subject: &str) {
        if matches!(op, Op::Verb(Kind::Delivery, _)) {
            for verb in ["pick", "deliver"] {
                self.cast.house.put(&format!("/deliveries/{subject}/{verb}"), &self.cast.han, &json!({})).await;
            }
        }
    }

    fn sender(&self, op: &Op) -> Option<&Person> {
        let cast = &self.cast;
        Some(match op {
            Op::Create(Kind::Store) | Op::Verb(Kind::Store | Kind::Ticket, _) => &cast.park,
            Op::Verb(Kind::Review, verb) if verb == "reply" => &cast.park,
            Op::Verb(Kind::Order, verb) if verb == "offer" => &cast.park,
            // Yoon, so that han stays on shift.
            Op::Create(Kind::Rider) | Op::Verb(Kind::Rider, _) => &cast.yoon,
            Op::Verb(Kind::Delivery, _) => &cast.han,
            Op::Join | Op::Login => return None,
            _ => &cast.kim,
        })
    }
}

/// What the server said of a thing, said back to it field by field: none of it is the client's to set.
fn said_back(body: &Value, state: &Value) -> Vec<Mutant> {
    let (Some(body), Some(state)) = (body.as_object(), state.as_object()) else { return vec![] };
    let foreign = state.iter().filter(|(name, _)| !body.contains_key(*name));
    let with = |(name, value): (&String, &Value)| {
        let mut body = body.clone();
        body.insert(name.clone(), value.clone());
        Mutant { what: format!("with the answer's {name}"), body: Value::Object(body).to_string(), is_wrong: true }
    };
    foreign.map(with).collect()
}

#[track_caller]
fn check(answer: &Answer, is_wrong: bool, lang: &str, op: &Op, about: &str) {
    assert!(answer.status < 500 && answer.status >= 200, "{about}");
    if answer.is_good() {
        assert!(!is_wrong, "accepted: {about}");
        return;
    }
    let code = answer.code();
    // Whoever guesses passwords is told nothing about them but that they are wrong.
    if is_wrong && !(*op == Op::Login && ["wrong_password", "too_many_requests"].contains(&code.as_str())) {
        assert_eq!((answer.status, code.as_str()), (400, "invalid_body"), "{about}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "no detail: {about}");
    }
    // The title may repeat what was sent; the hint is the server's own words.
    let is_korean = answer.json()["hint"].as_str().unwrap().chars().any(|c| ('가'..='힣').contains(&c));
    assert_eq!(is_korean, lang.starts_with("ko"), "not in {lang}: {about}");
}

/// Text that another program might take for something else. Here it is text.
const MARKUP: [&str; 7] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'; DROP TABLE events; --",
    "${jndi:ldap://127.0.0.1/x} {{7*7}} #{고객명}",
    "%s%n%x \\u0000 \\",
    "\\\"}],\"total\":0,\"x\":[{\"y\":\"",
    "=cmd|' /C calc'!A0",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_is_text_wherever_it_is_stored_and_read() {
    let cast = Cast::gather().await;
    let house = &cast.house;
    for text in MARKUP {
        let store = open_store(house, &cast.park, text).await;
        let dish = json!({ "dish": { "name": text, "price": 7_000, "choices": [{ "name": text, "price": 10 }] } });
        house.put(&format!("/stores/{store}/set_dish"), &cast.park, &dish).await.ok();
        house.put(&format!("/stores/{store}/set_thanks"), &cast.park, &json!({ "text": text })).await.ok();
        let items = json!([{ "item": text, "quantity": 1, "options": [text] }]);
        let order = cast.place_with(json!({ "store": store, "items": items, "cook_note": text, "rider_note": text })).await;
        cast.until("ticket", &order, "opened").await;
        let ticket = house.get(&format!("/foodCookings/{order}"), &cast.park).await.ok();
        assert_eq!((&ticket["note"], &ticket["basket"]["lines"][0]["item"]), (&json!(text), &json!(text)));
        cast.lead(&order, Stage::Placed, Stage::Completed).await;
        assert_eq!(house.get(&format!("/deliveries/{order}"), &cast.han).await.ok()["note"], text);
        house.post("/reviews", &cast.kim, &json!({ "order": order, "stars": 1, "text": text })).await.ok();
        house.put(&format!("/reviews/{order}/reply"), &cast.park, &json!({ "text": text })).await.ok();
        let reviews = house.get(&format!("/reviews?store={store}"), &cast.lee).await.ok();
        let review = &reviews["_embedded"]["reviews"][0];
        assert_eq!((&review["text"], &review["reply"]), (&json!(text), &json!(text)));
        let page = house.get(&format!("/myPages/{order}"), &cast.kim).await.ok();
        assert_eq!((&page["store_name"], &page["basket"]["lines"][0]["options"][0]), (&json!(text), &json!(text)));
        let rejected = cast.place_with(json!({ "store": store, "items": items })).await;
        cast.until("ticket", &rejected, "opened").await;
        house.put(&format!("/foodCookings/{rejected}/reject"), &cast.park, &json!({ "reason": text })).await.ok();
        cast.until("order", &rejected, "rejected").await;
        let steps = house.get(&format!("/orders/{rejected}"), &cast.kim).await.ok()["timeline"].clone();
        assert_eq!(steps.as_array().unwrap().last().unwrap()["reason"]["said"], text);
        // A search for it is a search, and the links of the answer are links.
        let found = house.send(house.bare("GET", "/storefronts").query(&[("name", text)])).await.ok();
        assert_eq!(found["_embedded"]["storefronts"][0]["name"], text);
    }
    // Nothing of it was a command to anybody.
    assert_eq!(house.get("/orders", &cast.kim).await.ok()["page"]["totalElements"], 2 * MARKUP.len());
}

/// A small generator with a seed, so that a failure repeats.
fn random(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_is_the_sum_of_the_servers_prices() {
    let cast = Cast::gather().await;
    let free = json!({ "dish": { "name": "무료 단무지", "price": 0 } });
    let dear = json!({ "dish": { "name": "금가루 정식", "price": 1_000_000 } });
    for dish in [free, dear] {
        cast.house.put(&format!("/stores/{}/set_dish", cast.store), &cast.park, &dish).await.ok();
    }
    let menu: [(&str, i64, &[(&str, i64)]); 4] = [
        (FRIED, 18_000, &[("치즈볼", 3_000), ("소스", 500)]),
        (COLA, 2_000, &[]),
        ("무료 단무지", 0, &[]),
        ("금가루 정식", 1_000_000, &[]),
    ];
    let (mut seed, mut taken, mut refused) = (7, 0, 0);
    for _ in 0..60 {
        let (mut items, mut food) = (vec![], 0);
        for _ in 0..=random(&mut seed, 4) {
            let (name, price, choices) = menu[random(&mut seed, 4) as usize];
            let quantity = [1, 1, 2, 3, 98, 99][random(&mut seed, 6) as usize];
            let chosen: Vec<&(&str, i64)> = choices.iter().filter(|_| random(&mut seed, 2) == 0).collect();
            food += quantity * (price + chosen.iter().map(|(_, price)| price).sum::<i64>());
            items.push(json!({ "item": name, "quantity": quantity, "options": chosen.iter().map(|(name, _)| name).collect::<Vec<_>>() }));
        }
        let wanted = json!({ "store": cast.store, "items": items, "contact": contact(PHONE, DOOR) });
        let answer = cast.house.post("/orders", &cast.kim, &wanted).await;
        if food < 1_000 {
            answer.is_problem(422, "below_minimum");
            refused += 1;
        } else if food + 3_000 > 100_000_000 {
            answer.is_problem(422, "too_expensive");
            refused += 1;
        } else {
            let basket = &answer.ok()["basket"];
            assert_eq!((&basket["total"], &basket["delivery_fee"]), (&json!(food + 3_000), &json!(3_000)), "{wanted}");
            taken += 1;
        }
    }
    assert!(taken > 10 && refused > 5, "{taken} taken, {refused} refused: the generator has gone quiet");
}
