//! The odd corners of the real one, as far as they are known.

use super::*;
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::header::HeaderValue;
use serde_json::json;
use shared::order::Reason;
use tokio::{net::TcpListener, sync::mpsc};

/// Answers that cannot be believed, though the money moved.
const BROKEN: [&str; 8] = ["error_after", "trickle", "truncated", "huge", "wrong_type", "unknown_code", "html", "unknown_enum"];

#[tokio::test]
async fn what_cannot_be_read_is_looked_up_and_moves_money_once() {
    let company = Company::start().await;
    let mut settings = company.settings();
    // Shorter than a body that comes byte by byte.
    settings.deadline = Duration::from_millis(500);
    let toss = Toss::open(&settings).unwrap();
    for (n, kind) in (1..).zip(BROKEN) {
        for (on, back) in [("confirm", false), ("cancel", true)] {
            company.fault(json!({ "on": on, "kind": kind, "times": 1, "ms": 20 })).await;
            let ask = if back { refund(n, 2, &[(1, 3_000)]) } else { charge(n, 1, 9_000, Means::Card) };
            assert_eq!(settle(&toss, &ask, back).await, Answer::Approved, "{kind} {on}");
        }
        assert_eq!(company.moved(n), (vec![9_000], vec![3_000]), "{kind}");
    }
    assert_eq!(company.faults().await, 2 * BROKEN.len() as u64);
}

#[tokio::test]
async fn a_look_up_that_cannot_be_read_opens_no_second_window() {
    let company = Company::start().await;
    let toss = company.provider();
    for (n, kind) in (1..).zip(["truncated", "html", "unknown_code", "wrong_type", "reset_after", "error_before"]) {
        company.fault(json!({ "on": "look_up", "kind": kind, "times": 1 })).await;
        assert_eq!(toss.charge(charge(n, 1, 9_000, Means::Card)).await, Answer::Unknown, "{kind}");
    }
    assert!(book::read(&company.journal).unwrap().is_empty(), "a window was opened");
}

#[tokio::test]
async fn all_of_it_in_parts_is_all_of_it_whatever_the_status() {
    let company = Company::start().await;
    let toss = company.provider();
    assert_eq!(toss.charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
    for (movement, amount) in [(2, 4_000), (3, 5_000)] {
        assert_eq!(toss.refund(refund(1, movement, &[(1, amount)])).await, Answer::Approved);
    }
    // `PARTIAL_CANCELED` with nothing left: the rest of this movement's life is a no.
    let refused = toss.refund(refund(1, 4, &[(1, 1)])).await;
    assert!(matches!(&refused, Answer::Refused(Some(code)) if **code == *"NOT_CANCELABLE_AMOUNT"), "{refused:?}");
    assert_eq!(toss.refund(refund(1, 3, &[(1, 5_000)])).await, Answer::Approved);
    assert_eq!(company.moved(1), (vec![9_000], vec![4_000, 5_000]));
}

/// Somebody gives back by hand, in the company's console, and writes this.
async fn by_hand(company: &Company, n: u32, amount: i64, reason: &str) {
    let captured = |line: Line| match line {
        Line::Captured { payment_key, order_id, .. } if order_id == key(n, 1) => Some(payment_key),
        _ => None,
    };
    let payment_key = book::read(&company.journal).unwrap().into_iter().find_map(captured).unwrap();
    let login = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{SECRET_KEY}:")))).unwrap();
    let body = Bytes::from(json!({ "cancelReason": reason, "cancelAmount": amount }).to_string());
    let path = format!("/v1/payments/{payment_key}/cancel");
    let mut client = Client::new(&Host::new(&company.server.url).unwrap());
    let answer = client.ask(Request { method: Method::POST, path, login: Some(&login), key: None, body }).await.unwrap();
    assert!(answer.is_good(), "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test]
async fn what_somebody_else_gave_back_is_not_given_back_again_and_counts_once_it_is_all() {
    let company = Company::start().await;
    let toss = company.provider();
    for n in 1..=7 {
        assert_eq!(toss.charge(charge(n, 1, 9_000, Means::Card)).await, Answer::Approved);
    }
    // All of it, for a reason of their own: of the whole, of a part, and of both parts there is nothing to ask for.
    by_hand(&company, 1, 9_000, "손님 전화").await;
    assert_eq!(toss.refund(refund(1, 2, &[(1, 4_000)])).await, Answer::Approved);
    assert_eq!(toss.refund(refund(1, 3, &[(1, 5_000)])).await, Answer::Approved);
    assert_eq!(company.moved(1), (vec![9_000], vec![9_000]));
    // Some of it: what is left is less than shall go back, and it stays so until the rest is given back as well.
    by_hand(&company, 2, 2_000, "환불 요청").await;
    for _ in 0..2 {
        assert!(is_refused(&toss.refund(refund(2, 2, &[(1, 9_000)])).await));
    }
    by_hand(&company, 2, 7_000, "나머지").await;
    assert_eq!(toss.refund(refund(2, 2, &[(1, 9_000)])).await, Answer::Approved);
    assert_eq!(company.moved(2), (vec![9_000], vec![2_000, 7_000]));
    // What another refund has named is that one's.
    assert_eq!(toss.refund(refund(3, 2, &[(1, 9_000)])).await, Answer::Approved);
    assert!(is_refused(&toss.refund(refund(3, 3, &[(1, 1)])).await));
    assert_eq!(toss.refund(refund(4, 2, &[(1, 4_000)])).await, Answer::Approved);
    by_hand(&company, 4, 5_000, "손님 전화").await;
    assert!(is_refused(&toss.refund(refund(4, 3, &[(1, 5_001)])).await));
    assert_eq!(toss.refund(refund(4, 3, &[(1, 5_000)])).await, Answer::Approved);
    assert_eq!(company.moved(4), (vec![9_000], vec![4_000, 5_000]));
    // More than it wants under its own name is for an operator to look at, and less is made good by the rest.
    by_hand(&company, 6, 9_000, &format!("환불 {}", key(6, 2))).await;
    assert!(is_refused(&toss.refund(refund(6, 2, &[(1, 4_000)])).await));
    by_hand(&company, 7, 8_000, &format!("환불 {}", key(7, 2))).await;
    assert!(is_refused(&toss.refund(refund(7, 2, &[(1, 9_000)])).await));
    by_hand(&company, 7, 1_000, "나머지").await;
    assert_eq!(toss.refund(refund(7, 2, &[(1, 9_000)])).await, Answer::Approved);
    // As long as enough is left, what others gave back is no matter of ours.
    by_hand(&company, 5, 2_000, "손님 전화").await;
    assert_eq!(toss.refund(refund(5, 2, &[(1, 7_000)])).await, Answer::Approved);
    assert_eq!(company.moved(5), (vec![9_000], vec![2_000, 7_000]));
}

#[tokio::test]
async fn an_answer_after_fifteen_days_is_still_the_same() {
    let company = Company::start().await;
    let toss = company.provider();
    assert_eq!(toss.charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
    assert_eq!(toss.refund(refund(1, 2, &[(1, 4_000)])).await, Answer::Approved);
    company.admin(Method::POST, "clock", json!({ "advance_ms": 16 * 24 * 3_600_000u32 })).await;
    assert_eq!(toss.charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
    assert_eq!(toss.refund(refund(1, 2, &[(1, 4_000)])).await, Answer::Approved);
    assert_eq!(company.moved(1), (vec![9_000], vec![4_000]));
}

#[tokio::test]
async fn a_window_that_was_left_alone_ends_without_money() {
    let company = Company::start().await;
    let toss = company.provider();
    company.fault(json!({ "on": "confirm", "kind": "reset_before", "times": 1 })).await;
    let ask = charge(1, 1, 9_000, Means::Card);
    assert_eq!(toss.charge(ask.clone()).await, Answer::Unknown);
    company.admin(Method::POST, "clock", json!({ "advance_ms": 11 * 60_000 })).await;
    for _ in 0..2 {
        assert_eq!(toss.charge(ask.clone()).await, Answer::Declined(Reason::NotPaid));
    }
    assert_eq!(company.moved(1), (vec![], vec![]));
}

#[tokio::test]
async fn what_hangs_is_given_up_and_found_done_later() {
    let company = Company::start().await;
    let mut settings = company.settings();
    settings.deadline = Duration::from_millis(200);
    let toss = Toss::open(&settings).unwrap();
    company.fault(json!({ "on": "confirm", "kind": "hang", "times": 1 })).await;
    let ask = charge(1, 1, 9_000, Means::Card);
    // The first is given up, and the second is told that the first is still on its way.
    assert_eq!(toss.charge(ask.clone()).await, Answer::Unknown);
    assert_eq!(toss.charge(ask.clone()).await, Answer::Undecided);
    assert_eq!(company.moved(1), (vec![], vec![]));
    company.heal().await;
    assert_eq!(settle(&toss, &ask, false).await, Answer::Approved);
    assert_eq!(company.moved(1), (vec![9_000], vec![]));
}

#[tokio::test]
async fn the_company_comes_back_with_its_journal_and_without_its_keys() {
    let mut company = Company::start().await;
    let ask = charge(1, 1, 9_000, Means::Card);
    assert_eq!(company.provider().charge(ask.clone()).await, Answer::Approved);
    company.fault(json!({ "on": "cancel", "kind": "reset_after", "times": 1 })).await;
    let back = refund(1, 2, &[(1, 9_000)]);
    assert_eq!(company.provider().refund(back.clone()).await, Answer::Unknown);
    let again = Company::serve(&company.journal).await;
    std::mem::replace(&mut company.server, again).kill().await.unwrap();
    let toss = company.provider();
    assert_eq!(toss.charge(ask).await, Answer::Approved);
    assert_eq!(toss.refund(back).await, Answer::Approved);
    assert_eq!(company.moved(1), (vec![9_000], vec![9_000]));
}

#[tokio::test]
async fn webhooks_are_repeated_until_they_are_taken_and_say_the_opposite_as_well() {
    let company = Company::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, mut hooks) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, Json(body): Json<Value>| async move {
        let said = |name: &str| headers[&format!("tosspayments-webhook-transmission-{name}")].to_str().unwrap().to_owned();
        let (id, retried) = (said("id"), said("retried-count"));
        assert!(!said("time").is_empty() && !headers.contains_key("tosspayments-webhook-signature"));
        let first = retried == "0" && !id.ends_with("-not");
        seen.send((id, retried, body["data"]["status"].as_str().unwrap().to_owned())).unwrap();
        if first { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/webhooks/toss", post(take))).await });
    let setting = json!({ "url": url, "path": "/webhooks/toss", "duplicates": 1, "contradict": true, "minute_ms": 1 });
    company.admin(Method::POST, "webhooks", setting).await;
    assert_eq!(company.provider().charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
    let mut said = vec![];
    for _ in 0..5 {
        let (_, retried, status) = hooks.recv().await.unwrap();
        said.push(format!("{status} {retried}"));
    }
    said.sort();
    assert_eq!(said, ["ABORTED 0", "DONE 0", "DONE 0", "DONE 1", "DONE 1"]);
}

#[tokio::test]
async fn books_that_cannot_be_read_whole_are_none() {
    let company = Company::start().await;
    let toss = company.provider();
    assert_eq!(toss.charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
    let day = 0..server::engine::now_ms() + 1;
    for kind in ["truncated", "huge", "html", "unknown_code", "unknown_enum", "wrong_type", "reset_before", "reset_after", "error_before"] {
        company.fault(json!({ "on": "look_up", "kind": kind, "times": 100 })).await;
        let told = toss.records(day.clone()).await;
        assert!(told.is_err(), "{kind}: {told:?}");
        company.heal().await;
        // One bad answer is asked for again, but a status that is not known stays so.
        company.fault(json!({ "on": "look_up", "kind": kind, "times": 1 })).await;
        let told = toss.records(day.clone()).await;
        assert_eq!(told.is_ok_and(|told| told.len() == 1), kind != "unknown_enum", "{kind}");
        company.heal().await;
    }
}

/// What the worker does after an attempt that came to nothing: it looks up, and asks again only when that tells it to.
#[tokio::test]
async fn a_window_whose_capture_failed_is_captured_by_the_next_attempt() {
    let company = Company::start().await;
    let toss = company.provider();
    for (n, kind) in (1..).zip(["error_before", "reset_before", "error_after", "reset_after", "truncated"]) {
        let ask = charge(n, 1, 9_000, Means::Card);
        company.fault(json!({ "on": "confirm", "kind": kind, "times": 1 })).await;
        if toss.charge(ask.clone()).await == Answer::Unknown {
            let found = toss.look_up(&ask.key).await;
            assert!([None, Some(Answer::Approved)].contains(&found), "{kind}: {found:?} leads nowhere");
            assert_eq!(toss.charge(ask).await, Answer::Approved, "{kind}");
        }
        assert_eq!(company.moved(n), (vec![9_000], vec![]), "{kind}");
    }
}
