//! The contract, over both adapters.

use super::*;
use futures_util::future::join_all;
use server::provider::Simulator;
use shared::order::Reason;

/// Orders that fifty pay at once.
const ORDERS: u32 = 100;
const NO: Answer = Answer::Declined(Reason::Declined);

/// An adapter, the same one opened again, and somebody who knows what really moved.
struct Bench {
    provider: Arc<dyn Provider>,
    again: Arc<dyn Provider>,
    witness: Box<dyn Fn(u32) -> (i64, i64)>,
}

impl Bench {
    async fn simulator() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = || Arc::new(Simulator::open_with(dir.path(), Duration::from_millis(SLOW_MS)).unwrap());
        let (provider, again) = (open(), open());
        let own = provider.clone();
        let witness = move |n| {
            let _kept = &dir;
            let (came, went) = own.totals(order(n)).unwrap();
            (came.0, went.0)
        };
        Self { provider, again, witness: Box::new(witness) }
    }

    async fn toss() -> Self {
        let company = Company::start().await;
        let (provider, again) = (company.provider(), company.provider());
        let witness = move |n| {
            let (came, went) = company.moved(n);
            (came.iter().sum(), went.iter().sum())
        };
        Self { provider, again, witness: Box::new(witness) }
    }
}

macro_rules! contract {
    ($($name:ident)*) => {
        mod simulator {
            $(#[tokio::test] async fn $name() { super::$name(super::Bench::simulator().await).await })*
        }
        mod toss {
            $(#[tokio::test] async fn $name() { super::$name(super::Bench::toss().await).await })*
        }
    };
}

contract! {
    the_same_key_moves_money_once_also_for_another_process
    a_card_answers_as_it_is_named_and_a_no_stays_a_no
    no_more_goes_back_than_came_in
    a_refund_takes_of_several_charges_what_it_says
    another_amount_under_a_known_key_is_not_approved
    a_slow_card_is_approved_even_when_nobody_waits
    many_at_once_capture_once
    its_books_tell_all_that_moved
}

async fn the_same_key_moves_money_once_also_for_another_process(bench: Bench) {
    for provider in [&bench.provider, &bench.again, &bench.provider] {
        for _ in 0..2 {
            assert_eq!(provider.charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
            assert_eq!(provider.refund(refund(1, 2, &[(1, 4_000)])).await, Answer::Approved);
        }
    }
    assert_eq!((bench.witness)(1), (9_000, 4_000));
    assert_eq!(bench.again.look_up(&key(1, 1)).await, Some(Answer::Approved));
    assert_eq!(bench.again.look_up(&key(2, 1)).await, None);
}

async fn a_card_answers_as_it_is_named_and_a_no_stays_a_no(bench: Bench) {
    for (n, movement, means, wanted) in [
        (1, 1, Means::Card, Answer::Approved),
        (1, 2, Means::Card, Answer::Approved),
        (2, 1, Means::DeclinedCard, NO),
        (3, 1, Means::OnceCard, Answer::Approved),
        (3, 2, Means::OnceCard, NO),
        (4, 1, Means::SlowCard, Answer::Approved),
    ] {
        assert_eq!(bench.provider.charge(charge(n, movement, 1_000, means)).await, wanted, "{means:?} {movement}");
    }
    // The key decides, not the card with which it comes back.
    assert_eq!(bench.again.charge(charge(2, 1, 1_000, Means::Card)).await, NO);
    // Of two attempts a look-up may show one alone, so some providers leave a no to whoever asks again.
    assert!(matches!(bench.again.look_up(&key(2, 1)).await, None | Some(Answer::Declined(_))));
    assert_eq!(((bench.witness)(1), (bench.witness)(2), (bench.witness)(3)), ((2_000, 0), (0, 0), (1_000, 0)));
}

async fn no_more_goes_back_than_came_in(bench: Bench) {
    assert!(is_refused(&bench.provider.refund(refund(1, 2, &[(1, 1)])).await));
    assert_eq!(bench.provider.charge(charge(1, 3, 500, Means::Card)).await, Answer::Approved);
    assert!(is_refused(&bench.provider.refund(refund(1, 4, &[(3, 501)])).await));
    for _ in 0..2 {
        assert_eq!(bench.provider.refund(refund(1, 5, &[(3, 500)])).await, Answer::Approved);
    }
    assert!(is_refused(&bench.provider.refund(refund(1, 6, &[(3, 1)])).await));
    assert_eq!(bench.provider.charge(charge(1, 7, -5, Means::Card)).await, NO);
    assert_eq!((bench.witness)(1), (500, 500));
}

async fn a_refund_takes_of_several_charges_what_it_says(bench: Bench) {
    assert_eq!(bench.provider.charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
    assert_eq!(bench.provider.charge(charge(1, 2, 2_000, Means::Card)).await, Answer::Approved);
    for _ in 0..2 {
        assert_eq!(bench.provider.refund(refund(1, 3, &[(2, 2_000), (1, 1_500)])).await, Answer::Approved);
        assert_eq!(bench.again.refund(refund(1, 4, &[(1, 7_500)])).await, Answer::Approved);
    }
    assert_eq!((bench.witness)(1), (11_000, 11_000));
}

async fn another_amount_under_a_known_key_is_not_approved(bench: Bench) {
    assert_eq!(bench.provider.charge(charge(1, 1, 500, Means::Card)).await, Answer::Approved);
    assert_eq!(bench.provider.charge(charge(1, 1, 900, Means::Card)).await, Answer::Undecided);
    assert_eq!(bench.provider.refund(refund(1, 2, &[(1, 200)])).await, Answer::Approved);
    assert_ne!(bench.provider.refund(refund(1, 2, &[(1, 300)])).await, Answer::Approved);
    assert_eq!((bench.witness)(1), (500, 200));
}

async fn a_slow_card_is_approved_even_when_nobody_waits(bench: Bench) {
    let slow = charge(1, 1, 700, Means::SlowCard);
    // Whoever hung up before the provider was asked for the capture asks again like anybody else.
    let waited = tokio::time::timeout(Duration::from_millis(SLOW_MS / 2), bench.provider.charge(slow.clone())).await;
    assert!(waited.is_err(), "a slow card answered at once");
    assert_eq!(settle(&*bench.again, &slow, false).await, Answer::Approved);
    assert_eq!((bench.witness)(1), (700, 0));
}

async fn its_books_tell_all_that_moved(bench: Bench) {
    // More than it tells at once.
    const MANY: u32 = 450;
    let now_ms = || server::engine::now_ms();
    // It may write no more than seconds.
    let began = now_ms() - 2_000;
    let pay = async |n: u32| assert_eq!(settle(&*bench.provider, &charge(n, 1, 1_000, Means::Card), false).await, Answer::Approved);
    for some in (10..MANY).collect::<Vec<_>>().chunks(32) {
        join_all(some.iter().map(|n| pay(*n))).await;
    }
    assert_eq!(bench.provider.charge(charge(1, 1, 9_000, Means::Card)).await, Answer::Approved);
    assert_eq!(bench.provider.charge(charge(1, 2, 2_000, Means::Card)).await, Answer::Approved);
    assert_eq!(bench.provider.refund(refund(1, 3, &[(2, 2_000), (1, 1_500)])).await, Answer::Approved);
    assert_eq!(bench.provider.refund(refund(1, 4, &[(1, 7_500)])).await, Answer::Approved);
    assert_eq!(bench.provider.charge(charge(2, 1, 5_000, Means::DeclinedCard)).await, NO);
    let books = bench.again.records(began..now_ms() + 1).await.unwrap();
    let sum = |n: u32, refund| {
        let name = order(n).to_string();
        let of = books.iter().filter(|record| record.refund == refund && record.key.starts_with(&name));
        of.map(|record| record.amount.0).sum::<i64>()
    };
    assert_eq!((sum(1, false), sum(1, true), sum(2, false), sum(2, true)), (11_000, 11_000, 0, 0));
    let others: Vec<i64> = (10..MANY).map(|n| sum(n, false)).collect();
    assert_eq!(others, vec![1_000; others.len()]);
    assert!(books.iter().all(|record| (began..=now_ms()).contains(&record.at_ms)));
    assert_eq!(bench.again.records(0..began).await.unwrap(), []);
}

async fn many_at_once_capture_once(bench: Bench) {
    for n in 0..ORDERS {
        let ask = charge(n, 1, 15_000, Means::Card);
        let both = [&*bench.provider, &*bench.again];
        let answers = join_all((0..50).map(|turn| settle(both[turn % 2], &ask, false))).await;
        assert!(answers.iter().all(|answer| *answer == Answer::Approved), "{answers:?}");
        assert_eq!((bench.witness)(n), (15_000, 0));
    }
}
