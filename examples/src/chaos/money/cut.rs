//! Connections to the company are cut before and after it has taken money, and then before and after it has given it back;
//! whoever asks again may be cut again.

use super::{
    audit::{Bill, End, judge},
    crowd::{Diary, Guest, crowd},
    shop::Shop,
};
use crate::{
    chaos::{options::Options, run::Outcome, say},
    life::order_body,
    people::Party,
    toss::faults::{Call, Kind},
};
use hyper::{Method, body::Bytes};
use serde_json::json;
use shared::{OrderId, order::Status};
use std::path::Path;
use tokio::time::Instant;

/// People who order at once, each in a store of their own.
const PARTIES: usize = 16;
/// Of a hundred captures. Fewer than half: otherwise the breaker would open, and little would be cut.
const CAPTURES: u64 = 30;
/// Of a hundred refunds: more, so that the orders of both suffice.
const REFUNDS: u64 = 35;

/// What is done, and where it is cut.
const WAYS: [(Call, Kind, u64); 4] = [
    (Call::Confirm, Kind::ResetBefore, CAPTURES),
    (Call::Confirm, Kind::ResetAfter, CAPTURES),
    (Call::Cancel, Kind::ResetBefore, REFUNDS),
    (Call::Cancel, Kind::ResetAfter, REFUNDS),
];

/// A customer.
struct Customer {
    party: Party,
    number: usize,
    /// What is done at the moment.
    way: Call,
    kept: Vec<OrderId>,
    cancelled: Vec<OrderId>,
    /// How many orders it keeps for the way that comes after.
    spares: usize,
    diary: Diary,
}

impl Customer {
    async fn order(&mut self) {
        let (body, key) = (order_body(&self.party, 1, "card"), format!("cut-{}-{}", self.number, self.diary.asked));
        let answer = self.party.customer.ask(Method::POST, "/orders".into(), Some(&key), body).await;
        self.kept.extend(self.diary.order(answer));
    }

    async fn cancel(&mut self, order: OrderId) {
        let answer = self.party.customer.ask(Method::PUT, format!("/orders/{order}/cancel"), None, Bytes::from_static(b"{}")).await;
        if self.diary.good("a cancel", answer).is_some() {
            self.cancelled.push(order);
        }
    }
}

impl Guest for Customer {
    async fn step(&mut self) -> bool {
        if self.way == Call::Confirm {
            self.order().await;
            return true;
        }
        if self.kept.len() <= self.spares {
            return false;
        }
        if let Some(order) = self.kept.pop() {
            self.cancel(order).await;
        }
        true
    }
}

/// Runs.
///
/// # Errors
/// The run could not be made.
pub async fn run(options: &Options, folder: &Path) -> Result<Outcome, String> {
    let (shop, wanted, mut missed) = (Shop::open(options, folder).await?, options.times as usize, vec![]);
    let new = |(number, party)| {
        let (kept, cancelled, diary) = (vec![], vec![], Diary::default());
        Customer { party, number, way: Call::Confirm, kept, cancelled, spares: 0, diary }
    };
    let mut customers: Vec<Customer> = shop.parties(PARTIES).await?.into_iter().enumerate().map(new).collect();
    for way in WAYS {
        customers = cut(&shop, customers, way, wanted, &mut missed).await?;
    }
    let (bills, diary) = bills(customers).await;
    let paid = bills.iter().filter(|bill| bill.end == End::Paid).count();
    say(&format!("{} orders: {paid} paid, {} cancelled and given back", bills.len(), bills.len() - paid));
    let mut verdict = judge(&shop.company.journal, &bills, &mut shop.operator().await?).await?;
    (verdict.asked, verdict.answered) = (diary.asked, diary.answered);
    verdict.found.extend(diary.wrong);
    shop.close(verdict, missed).await
}

/// Everybody goes on until so many orders were cut in one way, and then all is settled.
async fn cut(
    shop: &Shop,
    mut customers: Vec<Customer>,
    (on, kind, percent): (Call, Kind, u64),
    wanted: usize,
    missed: &mut Vec<String>,
) -> Result<Vec<Customer>, String> {
    for customer in &mut customers {
        customer.way = on;
        customer.spares = if kind == Kind::ResetBefore { customer.kept.len() / 2 } else { 0 };
    }
    let (began, mut operator) = (Instant::now(), shop.operator().await?);
    shop.company.trouble(&json!([{ "on": on, "kind": kind, "percent": percent }])).await?;
    // With nothing but refunds to go by, three probes in a row would hardly ever be good, and the breaker hardly ever closed;
    // what it does in trouble is another run's matter.
    operator.force(if on == Call::Cancel { "closed" } else { "release" }).await?;
    customers = crowd(customers, async || Ok(shop.company.cuts(on, kind).await?.payments >= wanted)).await?;
    if shop.company.cuts(on, kind).await?.payments < wanted {
        // All have cancelled, and what is on its way is still cut.
        shop.settled().await;
    }
    shop.company.heal().await?;
    if !shop.settled().await {
        missed.push(format!("not everything was settled after {on:?} and {kind:?}"));
    }
    let (cuts, took) = (shop.company.cuts(on, kind).await?, began.elapsed());
    say(&format!("{on:?}, {kind:?}: {} orders were cut, {} times; all is settled after {took:?}", cuts.payments, cuts.times));
    if cuts.payments < wanted {
        missed.push(format!("only {} orders were cut at {on:?}, {kind:?}", cuts.payments));
    }
    Ok(customers)
}

/// What each order is to come to: what its customer did not cancel is paid, and waits for its store.
async fn bills(customers: Vec<Customer>) -> (Vec<Bill>, Diary) {
    let (mut bills, mut all) = (vec![], Diary::default());
    for Customer { mut party, kept, cancelled, mut diary, .. } in customers {
        let kept = kept.into_iter().map(|order| (order, Status::Placed, End::Paid));
        let cancelled = cancelled.into_iter().map(|order| (order, Status::Cancelled, End::Refunded));
        for (order, status, end) in kept.chain(cancelled) {
            bills.extend(diary.bill(&mut party.customer, order, status, end).await.map(|(bill, _)| bill));
        }
        all.merge(diary);
    }
    (bills, all)
}
