//! What is read of the provider's answers, and what is never read into them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::{
    errors::{Class, class},
    wire::{is_order_id, read},
    *,
};
use axum::{body::Body, extract::Request};
use serde_json::{Value, json};
use shared::{OrderId, id::Bits};
use std::collections::HashMap;
use tower::ServiceExt;

fn payment() -> Value {
    json!({ "paymentKey": "tviva20261121031500abcd1", "orderId": "ord_01-1", "status": "DONE", "currency": "KRW", "totalAmount": 23500,
        "balanceAmount": 23500, "approvedAt": "2026-11-21T12:00:31+09:00", "cancels": null, "method": "카드" })
}

fn said(change: &[(&str, Value)]) -> Seen {
    let mut payment = payment();
    change.iter().for_each(|(field, value)| payment[*field] = value.clone());
    match read::<Payment>(200, true, payment.to_string().as_bytes()) {
        Reply::Good(payment) => seen(&payment, "ord_01-1", Won(23_500)),
        _ => Seen::Strange,
    }
}

#[test]
fn only_a_payment_that_says_so_in_every_field_is_money() {
    assert_eq!(said(&[]), Seen::Captured);
    assert_eq!(said(&[("status", json!("PARTIAL_CANCELED")), ("balanceAmount", json!(0))]), Seen::Captured);
    for (field, value) in [
        ("orderId", json!("ord_02-1")),
        ("totalAmount", json!(23_501)),
        ("totalAmount", json!(23_500.0)),
        ("balanceAmount", json!(23_501)),
        ("balanceAmount", json!(-1)),
        ("currency", json!("USD")),
        ("approvedAt", json!(null)),
        ("status", json!("SETTLED")),
        ("status", json!(null)),
        ("paymentKey", json!("../cancel")),
    ] {
        assert_eq!(said(&[(field, value.clone())]), Seen::Strange, "{field} {value}");
    }
    let key = "tviva20261121031500abcd1".to_owned();
    let unpaid = ("approvedAt", json!(null));
    assert_eq!(said(&[("status", json!("IN_PROGRESS")), unpaid.clone()]), Seen::Open(key.clone()));
    assert_eq!(said(&[("status", json!("EXPIRED")), unpaid.clone()]), Seen::Over(Reason::NotPaid, key.clone()));
    assert_eq!(said(&[("status", json!("ABORTED")), unpaid]), Seen::Over(Reason::Declined, key));
}

#[test]
fn an_answer_that_is_not_whole_is_none() {
    let whole = payment().to_string();
    assert!(matches!(read::<Payment>(200, true, whole.as_bytes()), Reply::Good(_)));
    for (status, is_json, body) in [(200, false, &*whole), (200, true, &whole[..whole.len() - 1]), (201, true, &whole), (500, true, &whole)]
    {
        assert!(matches!(read::<Payment>(status, is_json, body.as_bytes()), Reply::Unclear(_)), "{status} {is_json}");
    }
    let no = |status, code: &str| read::<Payment>(status, true, json!({ "code": code }).to_string().as_bytes());
    assert!(no(404, "NOT_FOUND_PAYMENT").is_not_found());
    assert!(!no(404, "NOT_FOUND").is_not_found() && !no(400, "NOT_FOUND_PAYMENT").is_not_found());
    assert!(matches!(no(400, "no code"), Reply::Unclear(_)));
}

#[test]
fn a_code_means_something_only_with_a_status_that_decides() {
    for (status, code, wanted) in [
        (403, "REJECT_CARD_PAYMENT", Class::Declined),
        (400, "EXCEED_MAX_AMOUNT", Class::Declined),
        (403, "EXCEED_MAX_REFUND_DUE", Class::RefusedRefund),
        (404, "NOT_FOUND_PAYMENT_SESSION", Class::Expired),
        (401, "UNAUTHORIZED_KEY", Class::OurFault),
        (400, "PROVIDER_ERROR", Class::Unknown),
        (400, "NOBODY_KNOWS_THIS", Class::Unknown),
        (500, "REJECT_CARD_PAYMENT", Class::Unknown),
        (409, "REJECT_CARD_PAYMENT", Class::Unknown),
        (200, "REJECT_CARD_PAYMENT", Class::Unknown),
    ] {
        assert_eq!(class(status, code), wanted, "{status} {code}");
    }
}

#[test]
fn names_fit_over_there() {
    let key = format!("{}-{}", OrderId(Bits([255; 10])), u32::MAX);
    assert!(is_order_id(&key), "{key}");
    for wrong in ["", "short", "한글한글한글", "with space", &"x".repeat(65)] {
        assert!(!is_order_id(wrong), "{wrong}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_and_show_no_secret() {
    let keys = |secret: &str| Keys { secret_key: secret.parse().ok(), checkout: "http://127.0.0.1:9/checkout".parse().ok() };
    let settings = Settings::new("https://api.tosspayments.com", &keys("live_sk_s3cret")).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    for (base, keys) in [
        ("https://api.tosspayments.com", Keys { checkout: None, ..keys("test_sk_s3cret") }),
        ("https://api.tosspayments.com", Keys { secret_key: None, ..keys("test_sk_s3cret") }),
        ("https://api.tosspayments.com", keys("test_ck_s3cret")),
        ("https://api.tosspayments.com", keys("\u{feff}test_sk_s3cret")),
        ("http://api.tosspayments.com", keys("live_sk_s3cret")),
        ("https://me:s3cret@api.tosspayments.com", keys("test_sk_s3cret")),
        ("api.tosspayments.com", keys("test_sk_s3cret")),
    ] {
        let why = Settings::new(base, &keys).expect_err(base);
        assert!(!why.contains("s3cret"), "{why}");
    }
}

async fn post(router: &axum::Router, id: Option<&str>, body: String) -> u16 {
    let request = Request::post(hints::PATH).header("content-type", "application/json");
    let request = id.into_iter().fold(request, |request, id| request.header("tosspayments-webhook-transmission-id", id));
    router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap().status().as_u16()
}

fn hook(order_id: &str, status: &str) -> String {
    json!({ "eventType": "PAYMENT_STATUS_CHANGED", "data": { "orderId": order_id, "status": status, "balanceAmount": 0 } }).to_string()
}

#[tokio::test]
async fn ten_thousand_webhooks_of_any_kind_are_hints_to_look_and_nothing_else() {
    let (router, mut hinted) = hints::hints();
    let order = |n: u8| OrderId(Bits([n; 10]));
    let mut seen: HashMap<OrderId, u32> = HashMap::new();
    let mut wanted = seen.clone();
    for n in 0..10_000u32 {
        let about = order((n % 100) as u8);
        // Four kinds in turn: said twice, said otherwise under another name, without a name, and made up.
        let (id, body, is_hint) = match n % 4 {
            0 => (Some(format!("id-{}", n / 8)), hook(&format!("{about}-1"), "DONE"), n % 8 == 0),
            1 => (Some(format!("not-{n}")), hook(&format!("{about}-1"), "ABORTED"), true),
            2 => (None, hook(&format!("{about}-1"), "CANCELED"), false),
            _ => (Some(format!("forged-{n}")), ["{}", "[]", "DONE", &hook("ord_1-1", "DONE"), "\u{0}"][n as usize / 4 % 5].into(), false),
        };
        *wanted.entry(about).or_default() += u32::from(is_hint);
        assert_eq!(post(&router, id.as_deref(), body).await, 200);
        while let Ok(order) = hinted.try_recv() {
            *seen.entry(order).or_default() += 1;
        }
    }
    wanted.retain(|_, hints| *hints > 0);
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn hints_that_nobody_takes_are_bounded_and_come_again() {
    let (router, mut hinted) = hints::hints();
    let body = || hook(&format!("{}-1", OrderId(Bits([1; 10]))), "DONE");
    let mut taken = 0;
    while post(&router, Some(&format!("id-{taken}")), body()).await == 200 {
        taken += 1;
        assert!(taken <= 10_000, "the queue has no end");
    }
    assert_eq!(hinted.recv().await, Some(OrderId(Bits([1; 10]))));
    // What was not taken was not remembered either.
    assert_eq!(post(&router, Some(&format!("id-{taken}")), body()).await, 200);
    assert_eq!(post(&router, Some("big"), "x".repeat(300 * 1024)).await, 413);
}
