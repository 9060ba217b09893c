//! A body for every route that takes one, which its rightful sender may send.

use crate::cast::{COLA, FRIED};
use serde_json::{Value, json};
use server::http::{ops::Ops, routes::Op};
use shared::Kind;

/// Where everybody lives and cooks: Gangnam station.
pub fn here() -> Value {
    json!({ "lat": 37.4979, "lng": 127.0276 })
}

pub fn contact(phone: &str, address: &str) -> Value {
    json!({ "phone": phone, "address": address, "at": here() })
}

/// What the ids in bodies name.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub store: String,
    /// An order that was delivered and not reviewed.
    pub delivered: String,
    pub login: String,
    pub password: String,
}

/// A body with every field, also those that may be left out; `None` for a route that takes none.
pub fn valid(op: &Op, names: &Names) -> Option<Value> {
    let contact = contact("010-1234-5678", "서울 강남구 테헤란로 1, 101호");
    Some(match op {
        Op::Create(Kind::Order) => json!({
            "store": names.store,
            "items": [{ "item": FRIED, "quantity": 2, "options": ["치즈볼"] }, { "item": COLA, "quantity": 1 }],
            "contact": contact, "cook_note": "덜 맵게", "rider_note": "문 앞에", "means": "card",
        }),
        Op::Create(Kind::Store) => json!({ "name": "새 가게", "address": "서울 어딘가 2", "at": here() }),
        Op::Create(Kind::Rider) => json!({ "name": "라이더" }),
        Op::Create(Kind::Customer) => json!({ "name": "고객", "contact": contact, "lang": "ko" }),
        Op::Create(Kind::Review) => json!({ "order": names.delivered, "stars": 5, "text": "맛있어요" }),
        Op::Join => json!({ "name": names.login, "password": names.password, "roles": ["customer"] }),
        Op::Login => json!({ "name": names.login, "password": names.password }),
        Op::Logout => json!({ "refresh": "not a token" }),
        Op::Verb(Kind::Order, verb) => match verb.as_str() {
            "cancel" => json!({ "reason": "마음이 바뀌었어요" }),
            "change" => json!({ "items": [{ "item": COLA, "quantity": 3, "options": [] }] }),
            "offer" => json!({ "without": [COLA] }),
            _ => json!({}),
        },
        Op::Verb(Kind::Ticket, verb) => match verb.as_str() {
            "accept" => json!({ "cook_minutes": 15 }),
            "reject" => json!({ "reason": "재료가 없어요" }),
            "delay" => json!({ "minutes": 5 }),
            _ => json!({}),
        },
        Op::Verb(Kind::Store, verb) => match verb.as_str() {
            "set_dish" => {
                json!({ "dish": { "name": "새 메뉴", "price": 9000, "choices": [{ "name": "곱빼기", "price": 1000 }], "sold_out": false } })
            }
            "remove_dish" => json!({ "name": "없는 메뉴" }),
            "set_sold_out" => json!({ "name": COLA, "sold_out": true }),
            "set_hours" => json!({ "hours": { "from_minute": 600, "to_minute": 1320 } }),
            "set_terms" => json!({ "minimum": 5000, "delivery_fee": 2500 }),
            "set_capacity" => json!({ "capacity": 50 }),
            "set_thanks" => json!({ "text": "고맙습니다" }),
            _ => json!({}),
        },
        Op::Verb(Kind::Rider, verb) => match verb.as_str() {
            "start" | "move" => json!({ "at": here() }),
            _ => json!({}),
        },
        Op::Verb(Kind::Customer, verb) => match verb.as_str() {
            "set_contact" => json!({ "contact": contact }),
            _ => json!({ "lang": "ko", "progress": true }),
        },
        Op::Verb(Kind::Review, verb) => match verb.as_str() {
            "write" => json!({ "stars": 5, "text": "맛있어요" }),
            _ => json!({ "text": "고맙습니다" }),
        },
        Op::Verb(..) => json!({}),
        Op::Ops(_, Ops::Force) => json!({ "force": "release", "reason": "다시 스스로" }),
        Op::Ops(_, Ops::Drop) => json!({ "reason": "이미 처리했어요" }),
        _ => return None,
    })
}
