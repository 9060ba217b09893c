//! Each notice is a line, once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;
use futures_util::future::join_all;
use shared::id::Bits;
use std::{collections::BTreeSet, fs, path::Path};

fn message(n: usize) -> Message {
    Message {
        key: format!("n{n}"),
        to: AccountId(Bits([7; 10])),
        lang: Lang::Ko,
        text: format!("주문이 \"접수\"됐어요\n{n}"),
        alimtalk: None,
        order: OrderId(Bits([1; 10])),
        at_ms: 0,
        phone: None,
        again: false,
    }
}

fn keys(path: &Path) -> Vec<String> {
    let lines = fs::read_to_string(path).unwrap();
    let key = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    lines.lines().map(key).collect()
}

#[tokio::test]
async fn the_log_has_each_notice_once_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    for start in [0, 500] {
        let log = Log::open(dir.path()).unwrap();
        let sent = join_all((start..start + 500).map(|n| log.send(message(n)))).await;
        assert!(sent.iter().all(Result::is_ok));
    }
    let keys = keys(&dir.path().join("notices.log"));
    assert_eq!(keys.len(), 1000);
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), 1000);
}

#[tokio::test]
async fn a_torn_line_does_not_swallow_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notices.log");
    fs::write(&path, "{\"key\":\"to").unwrap();
    Log::open(dir.path()).unwrap().send(message(1)).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.lines().last().unwrap().contains("\"n1\""));
}

#[tokio::test]
async fn a_full_log_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open_with(dir.path(), 1).unwrap();
    for n in 0..3 {
        log.send(message(n)).await.unwrap();
    }
    assert_eq!(keys(&dir.path().join("notices.log")), ["n2"]);
    assert_eq!(keys(&dir.path().join("notices.log.1")), ["n1"]);
}

#[tokio::test]
async fn more_than_the_log_can_carry_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::open(dir.path()).unwrap();
    let sent = join_all((0..20_000).map(|n| log.send(message(n)))).await;
    let taken = sent.iter().filter(|answer| answer.is_ok()).count();
    assert!(sent.iter().all(|answer| matches!(answer, Ok(()) | Err(Fault::Full))));
    assert_eq!(keys(&dir.path().join("notices.log")).len(), taken);
}
