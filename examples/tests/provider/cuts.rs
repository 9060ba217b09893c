//! Connections that are cut before and after the provider has done what it was asked: a thousand of each.

use super::*;
use futures_util::{StreamExt, stream};
use serde_json::json;
use std::collections::HashMap;

/// Cuts of each kind.
const CUTS: u32 = 1_000;
/// Orders that are paid at once.
const AT_ONCE: usize = 32;
/// Orders between two looks at how many cuts there were.
const ROUND: u32 = 400;

/// What an order costs, which differs, and what goes back of it: some, or all of it at once, or all of it in two parts.
fn wanted(n: u32) -> (i64, Vec<Ask>) {
    let amount = 10_000 + i64::from(n % 977);
    let refunds = match n % 3 {
        0 => vec![refund(n, 2, &[(1, amount)])],
        1 => vec![refund(n, 2, &[(1, 1_500)])],
        _ => vec![refund(n, 2, &[(1, 2_500)]), refund(n, 3, &[(1, amount - 2_500)])],
    };
    (amount, refunds)
}

/// Charges and refunds orders until so many calls were cut, and compares the journal to the won. Says how many orders.
async fn run(on: &str, kind: &str) -> u32 {
    let company = Company::start().await;
    // Two processes: what one has begun the other one finds.
    let providers = [company.provider(), company.provider()];
    company.fault(json!({ "on": on, "kind": kind, "times": CUTS, "percent": 70 })).await;
    let mut orders = 0;
    while company.faults().await < u64::from(CUTS) {
        let round = stream::iter(orders..orders + ROUND).for_each_concurrent(AT_ONCE, |n| {
            let providers = &providers;
            async move {
                let (amount, refunds) = wanted(n);
                let ask = charge(n, 1, amount, Means::Card);
                assert_eq!(settle(&*providers[n as usize % 2], &ask, false).await, Answer::Approved, "failed although charged: {n}");
                for back in refunds {
                    assert_eq!(settle(&*providers[n as usize / 2 % 2], &back, true).await, Answer::Approved, "{n}");
                    // A worker that crashed before it wrote that down asks once more.
                    assert_eq!(providers[0].refund(back).await, Answer::Approved, "{n}");
                }
            }
        });
        round.await;
        orders += ROUND;
    }
    agrees(&company, orders);
    orders
}

/// Each order's charge is in the journal once, and each of its refunds.
fn agrees(company: &Company, orders: u32) {
    let mut moved: HashMap<String, (Vec<i64>, Vec<i64>)> = HashMap::new();
    for line in book::read(&company.journal).unwrap() {
        match line {
            Line::Captured { order_id, amount, .. } => moved.entry(order_id).or_default().0.push(amount),
            Line::Cancelled { order_id, amount, .. } => moved.entry(order_id).or_default().1.push(amount),
            Line::Opened { .. } => {}
            Line::Declined { order_id, .. } => panic!("{order_id} was declined"),
        }
    }
    for n in 0..orders {
        let (amount, refunds) = wanted(n);
        let back: Vec<i64> = refunds.iter().map(|refund| refund.amount.0).collect();
        assert_eq!(moved.remove(&key(n, 1)), Some((vec![amount], back)), "order {n}");
    }
    assert!(moved.is_empty(), "nobody asked for {moved:?}");
}

#[tokio::test]
async fn captures_cut_before_the_commit_are_made_once() {
    run("confirm", "reset_before").await;
}

#[tokio::test]
async fn captures_cut_after_the_commit_are_made_once() {
    run("confirm", "reset_after").await;
}

#[tokio::test]
async fn refunds_cut_before_the_commit_are_made_once() {
    run("cancel", "reset_before").await;
}

#[tokio::test]
async fn refunds_cut_after_the_commit_are_made_once() {
    run("cancel", "reset_after").await;
}
