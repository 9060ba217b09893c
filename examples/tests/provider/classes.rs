//! The error classes, over the simulator; and over the real test server, when there is a key for it.

use super::*;
use axum::{Json, Router, routing::post};
use serde_json::json;
use shared::order::Reason;
use std::{env, io::Write};
use tokio::net::TcpListener;

/// A payment window that gives a key which nobody else knows: errors that are asked for come before the key is looked at.
async fn window() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/checkout", listener.local_addr().unwrap());
    let open = Router::new().route("/checkout", post(|| async { Json(json!({ "paymentKey": "nobody_knows_this_key" })) }));
    tokio::spawn(async move { axum::serve(listener, open).await });
    url
}

/// What a charge comes to when its capture is answered so. Nothing is ever captured here.
async fn answers(mut settings: Settings, first: u32) {
    settings.checkout = Some(window().await.parse().unwrap());
    let plain = Toss::open(&settings).unwrap();
    assert_eq!(plain.look_up(&key(first, 1)).await, None, "nobody has asked for this");
    for (n, code, wanted) in (first..).zip(CODES).map(|(n, (code, wanted))| (n, code, wanted)) {
        let toss = Toss::open(&Settings { test_code: Some((*code).into()), ..settings.clone() }).unwrap();
        assert_eq!(toss.charge(charge(n, 1, 1_000, Means::Card)).await, *wanted, "{code}");
    }
}

const CODES: &[(&str, Answer)] = &[
    ("REJECT_CARD_PAYMENT", Answer::Declined(Reason::Declined)),
    ("INVALID_STOPPED_CARD", Answer::Declined(Reason::Declined)),
    ("EXCEED_MAX_ONE_DAY_AMOUNT", Answer::Declined(Reason::Declined)),
    ("NOT_FOUND_PAYMENT_SESSION", Answer::Declined(Reason::NotPaid)),
    ("ALREADY_PROCESSED_PAYMENT", Answer::Undecided),
    ("DUPLICATED_ORDER_ID", Answer::Undecided),
    ("PROVIDER_ERROR", Answer::Undecided),
    ("IDEMPOTENT_REQUEST_PROCESSING", Answer::Undecided),
    ("FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING", Answer::Unknown),
    ("COMMON_ERROR", Answer::Unknown),
    ("UNAUTHORIZED_KEY", Answer::Undecided),
];

#[tokio::test]
async fn every_class_of_error_is_answered_as_it_should_over_the_simulator() {
    let company = Company::start().await;
    answers(company.settings(), 1).await;
}

/// The provider keeps an error under its key for fifteen days, also one that has passed: another key is asked then.
#[tokio::test]
async fn an_error_that_passes_does_not_stay_because_it_is_repeated() {
    let company = Company::start().await;
    let ask = charge(1, 1, 9_000, Means::Card);
    let failing = Toss::open(&Settings { test_code: Some("PROVIDER_ERROR".into()), ..company.settings() }).unwrap();
    assert_eq!(failing.charge(ask.clone()).await, Answer::Undecided);
    // Another process, which does not remember: it hears the old error once more, and then the truth.
    let toss = company.provider();
    assert_eq!(toss.charge(ask.clone()).await, Answer::Undecided);
    assert_eq!(toss.charge(ask.clone()).await, Answer::Approved);
    // A third one that remembers nothing either gets no money for a second time.
    assert_eq!(company.provider().charge(ask).await, Answer::Approved);
    assert_eq!(company.moved(1), (vec![9_000], vec![]));
}

/// Orders of other runs are other orders: the real server keeps keys for fifteen days.
#[tokio::test]
async fn every_class_of_error_is_answered_as_it_should_over_the_real_test_server() {
    let Ok(secret) = env::var("BAEMIN_TOSS_TEST_KEY") else {
        let left_out = "LEFT OUT: the real Toss Payments test server; set BAEMIN_TOSS_TEST_KEY to a test_sk_… key. It is asked for every \
                        class of error, and looked up; what moves money needs a person in its payment window, and runs over the simulator";
        let _ = writeln!(std::io::stderr(), "{left_out}");
        return;
    };
    assert!(secret.starts_with("test_"), "BAEMIN_TOSS_TEST_KEY must be a test key: a live one moves money");
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let settings = Settings { secret_key: secret.parse().unwrap(), ..settings("https://api.tosspayments.com") };
    answers(settings, since.as_secs() as u32).await;
}
