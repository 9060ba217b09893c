//! The simulator keeps its word: once per key, for ever, and never more back than came in.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;
use futures_util::future::join_all;
use shared::id::Bits;
use std::time::{Duration, Instant};

fn order(n: u8) -> OrderId {
    OrderId(Bits([n; 10]))
}

fn ask(n: u8, movement: u32, amount: i64, means: Means) -> Ask {
    Ask { key: format!("{}-{movement}", order(n)), order: order(n), amount: Won(amount), means, extra: movement > 1, against: vec![] }
}

fn quick(dir: &Path) -> Simulator {
    Simulator::open_with(dir, Duration::from_millis(60)).unwrap()
}

#[tokio::test]
async fn the_same_key_moves_money_once_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let provider = quick(dir.path());
        for _ in 0..2 {
            assert_eq!(provider.charge(ask(1, 1, 9000, Means::Card)).await, Answer::Approved);
            assert_eq!(provider.refund(ask(1, 2, 4000, Means::Card)).await, Answer::Approved);
        }
        assert_eq!(provider.totals(order(1)).unwrap(), (Won(9000), Won(4000)));
        assert_eq!(provider.all().unwrap().len(), 2);
        assert_eq!(provider.look_up(&ask(1, 1, 0, Means::Card).key).await, Some(Answer::Approved));
        assert_eq!(provider.look_up("nobody-1").await, None);
    }
}

#[test]
fn many_may_begin_the_same_journal_at_once() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            let open = || {
                start.wait();
                Simulator::open(dir.path()).map(drop)
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            all.into_iter().for_each(|one| one.join().unwrap().unwrap());
        });
    }
}

#[tokio::test]
async fn a_card_answers_as_it_is_named_and_a_no_stays_a_no() {
    let dir = tempfile::tempdir().unwrap();
    let provider = quick(dir.path());
    let declined = Answer::Declined(Reason::Declined);
    for (n, movement, means, wanted) in [
        (1, 1, Means::Card, Answer::Approved),
        (1, 2, Means::Card, Answer::Approved),
        (2, 1, Means::DeclinedCard, declined.clone()),
        (3, 1, Means::OnceCard, Answer::Approved),
        (3, 2, Means::OnceCard, declined.clone()),
        (4, 1, Means::SlowCard, Answer::Approved),
    ] {
        assert_eq!(provider.charge(ask(n, movement, 100, means)).await, wanted, "{means:?} {movement}");
    }
    // The key decides, not the card with which it comes back.
    assert_eq!(provider.charge(ask(2, 1, 100, Means::Card)).await, declined);
    assert_eq!(provider.totals(order(2)).unwrap(), (Won::ZERO, Won::ZERO));
    assert_eq!(provider.totals(order(3)).unwrap(), (Won(100), Won::ZERO));
}

#[tokio::test]
async fn a_slow_card_is_approved_even_when_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let provider = quick(dir.path());
    let slow = ask(1, 1, 700, Means::SlowCard);
    let waited = tokio::time::timeout(Duration::from_millis(10), provider.charge(slow.clone())).await;
    assert!(waited.is_err(), "a slow card answered at once");
    assert_eq!(provider.look_up(&slow.key).await, None);
    let until = Instant::now() + Duration::from_secs(5);
    while provider.look_up(&slow.key).await.is_none() {
        assert!(Instant::now() < until, "the slow card never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = tokio::time::timeout(Duration::from_millis(40), provider.charge(slow)).await;
    assert_eq!(again.unwrap(), Answer::Approved);
    assert_eq!(provider.totals(order(1)).unwrap(), (Won(700), Won::ZERO));
}

#[tokio::test]
async fn a_restart_begins_no_new_wait_for_a_slow_card() {
    let (dir, slow) = (tempfile::tempdir().unwrap(), Duration::from_secs(1));
    let asked = ask(1, 1, 700, Means::SlowCard);
    let before = Simulator::open_with(dir.path(), slow).unwrap();
    assert!(tokio::time::timeout(slow / 2, before.charge(asked.clone())).await.is_err(), "a slow card answered at once");
    drop(before);
    let (provider, began) = (Simulator::open_with(dir.path(), slow).unwrap(), Instant::now());
    assert_eq!(provider.charge(asked).await, Answer::Approved);
    assert!(began.elapsed() < slow * 9 / 10, "it was approved after {:?} more", began.elapsed());
}

#[tokio::test]
async fn no_more_goes_back_than_came_in() {
    let dir = tempfile::tempdir().unwrap();
    let provider = quick(dir.path());
    let declined = Answer::Declined(Reason::Declined);
    assert_eq!(provider.refund(ask(1, 1, 1, Means::Card)).await, declined);
    assert_eq!(provider.charge(ask(1, 2, 500, Means::Card)).await, Answer::Approved);
    assert_eq!(provider.refund(ask(1, 3, 501, Means::Card)).await, declined);
    assert_eq!(provider.refund(ask(1, 4, 500, Means::Card)).await, Answer::Approved);
    assert_eq!(provider.refund(ask(1, 4, 500, Means::Card)).await, Answer::Approved);
    assert_eq!(provider.refund(ask(1, 5, 1, Means::Card)).await, declined);
    assert_eq!(provider.charge(ask(1, 6, -5, Means::Card)).await, declined);
    assert_eq!(provider.totals(order(1)).unwrap(), (Won(500), Won(500)));
}

#[tokio::test]
async fn a_key_that_comes_back_for_something_else_is_not_approved() {
    let dir = tempfile::tempdir().unwrap();
    let provider = quick(dir.path());
    assert_eq!(provider.charge(ask(1, 1, 500, Means::Card)).await, Answer::Approved);
    assert_eq!(provider.charge(ask(1, 1, 900, Means::Card)).await, Answer::Undecided);
    assert_eq!(provider.refund(ask(1, 1, 500, Means::Card)).await, Answer::Undecided);
    assert_eq!(provider.totals(order(1)).unwrap(), (Won(500), Won::ZERO));
}

#[tokio::test]
async fn what_arrives_together_is_committed_together() {
    let dir = tempfile::tempdir().unwrap();
    let provider = quick(dir.path());
    let answers = join_all((0..64).map(|n| provider.charge(ask(n, 1, 100, Means::Card)))).await;
    assert!(answers.iter().all(|answer| *answer == Answer::Approved));
    assert_eq!(provider.all().unwrap().len(), 64);
    assert!(provider.commits() <= 16, "{} commits for 64 charges", provider.commits());
}

#[test]
fn a_newer_file_and_an_unknown_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Simulator::open(dir.path()).unwrap());
    let db = rusqlite::Connection::open(dir.path().join("provider.db")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(Simulator::open(dir.path()).unwrap());
    db.pragma_update(None, "user_version", 3).unwrap();
    assert!(matches!(Simulator::open(dir.path()), Err(OpenError::Newer(3))));
    assert!(matches!(open("bank", dir.path(), &toss::Keys::default()), Err(OpenError::NoSuch(_))));
}
