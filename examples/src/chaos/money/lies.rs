//! Webhooks say what they like: forged, each with another status and twice; and true ones that are repeated, out of order and
//! contradicted. Nothing comes of them but look-ups: what was paid is paid once, and what nobody was asked for never is.

use super::{
    audit::{Bill, End, judge, moved},
    crowd::{Diary, Guest, crowd},
    shop::Shop,
};
use crate::{
    chaos::{asker::Asker, options::Options, run::Outcome, say},
    life::order_body,
    oracle::finding::Class,
    people::Party,
    toss::{
        book,
        webhooks::{Setting, forge},
    },
};
use hyper::{Method, body::Bytes};
use serde_json::json;
use shared::{OrderId, order::Status};
use std::path::Path;

/// Customers, each with a store.
const PARTIES: usize = 4;
/// Lies about one order, each of them told twice.
const LIES: usize = 20;
/// What a payment can be over there, and what it cannot.
const STATUSES: [&str; 8] = ["DONE", "CANCELED", "ABORTED", "EXPIRED", "PARTIAL_CANCELED", "WAITING_FOR_DEPOSIT", "IN_PROGRESS", "SETTLED"];
/// Orders of each customer of which nothing may be asked: a lie is all that there is about their money.
const KEPT: usize = 5;

/// A customer about whose orders somebody lies.
struct Victim {
    party: Party,
    number: usize,
    /// How many orders are left to do.
    left: usize,
    server: Setting,
    orders: Vec<OrderId>,
    told: usize,
    diary: Diary,
}

impl Victim {
    async fn order(&mut self, name: &str) -> Option<OrderId> {
        let (body, key) = (order_body(&self.party, 1, "card"), format!("lies-{}-{name}", self.number));
        let placed = self.party.customer.ask(Method::POST, "/orders".into(), Some(&key), body).await;
        self.diary.order(placed)
    }

    /// Says this and that of an order's payment.
    async fn lie(&mut self, order: OrderId) {
        for number in 0..LIES {
            let status = STATUSES[(number / 2 + self.told) % STATUSES.len()];
            let data = json!({
                "paymentKey": "tviva_nobody_knows", "orderId": format!("{order}-1"), "status": status, "totalAmount": 1,
                "balanceAmount": 1, "currency": "KRW", "approvedAt": "2026-11-21T12:00:31+09:00",
            });
            self.diary.asked += 1;
            if forge(&self.server, format!("lie-{order}-{}", number / 2), &data).await {
                self.diary.answered += 1;
            } else {
                self.diary.wrong.push(Class::Unexpected.of(format!("a webhook of {order} was not taken")));
            }
        }
        self.told += LIES;
    }

    /// An order that is not asked for, and lied about; and then its customer cancels it.
    async fn kept(&mut self, number: usize) -> Option<Bill> {
        let order = self.order(&format!("kept-{number}")).await?;
        self.lie(order).await;
        self.diary.bill(&mut self.party.customer, order, Status::PendingPayment, End::RefundedIfPaid).await?;
        let why = Bytes::from_static(br#"{"reason":"-"}"#);
        let cancelled = self.party.customer.ask(Method::PUT, format!("/orders/{order}/cancel"), None, why).await;
        self.diary.good("a cancel", cancelled)?;
        self.diary.bill(&mut self.party.customer, order, Status::Cancelled, End::RefundedIfPaid).await.map(|(bill, _)| bill)
    }
}

impl Guest for Victim {
    async fn step(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        if let Some(order) = self.order(&self.left.to_string()).await {
            self.lie(order).await;
            self.orders.push(order);
        }
        true
    }
}

async fn force(operator: &mut Asker, force: &str) -> Result<(), String> {
    let wanted = json!({ "force": force, "reason": "lies" }).to_string();
    let answer = operator.ask(Method::PUT, "/ops/payment/breaker".into(), wanted.into()).await.map_err(|e| e.to_string())?;
    if answer.is_good() { Ok(()) } else { Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))) }
}

/// Runs.
///
/// # Errors
/// The run could not be made.
pub async fn run(options: &Options, folder: &Path) -> Result<Outcome, String> {
    let (shop, wanted, mut missed) = (Shop::open(options, folder).await?, options.times as usize, vec![]);
    let server = Setting { url: Some(shop.url()), path: "/webhooks/toss".into(), ..Setting::default() };
    shop.company.webhooks(&Setting { duplicates: 2, reorder: true, contradict: true, minute_ms: 1, ..server.clone() }).await?;
    let share = wanted.div_ceil(PARTIES * LIES);
    let victims = shop.parties(PARTIES).await?.into_iter().enumerate().map(|(number, party)| {
        let (server, diary) = (server.clone(), Diary::default());
        Victim { party, number, left: share, server, orders: vec![], told: 0, diary }
    });
    let mut victims = crowd(victims.collect(), async || Ok(false)).await?;

    let mut operator = shop.operator().await?;
    force(&mut operator, "open").await?;
    let (mut bills, mut kept) = (vec![], vec![]);
    for victim in &mut victims {
        for number in 0..KEPT {
            kept.extend(victim.kept(number).await);
        }
    }
    // What is settled afterwards is the orders' own doing; until here nothing could come of them but by a lie.
    let journal = moved(&book::read(&shop.company.journal).map_err(|e| e.to_string())?);
    let charged = kept.iter().filter(|bill| journal.contains_key(&bill.order.to_string()));
    let charged: Vec<_> = charged.map(|bill| Class::Unexpected.of(format!("{} was charged because of a lie", bill.order))).collect();
    force(&mut operator, "release").await?;
    if !shop.settled().await {
        missed.push("not everything was settled".into());
    }
    let (mut told, mut diary) = (0, Diary::default());
    for Victim { mut party, orders, told: lies, diary: mut own, .. } in victims {
        for order in orders {
            bills.extend(own.bill(&mut party.customer, order, Status::Placed, End::Paid).await.map(|(bill, _)| bill));
        }
        told += lies;
        diary.merge(own);
    }
    diary.wrong.extend(charged);
    let counts = shop.company.counts().await?;
    say(&format!("{told} lies about {} orders that were paid and {} that were kept; calls: {}", bills.len(), kept.len(), counts["calls"]));
    if told < wanted || kept.len() < PARTIES * KEPT {
        missed.push(format!("only {told} lies, and {} orders that were kept", kept.len()));
    }
    bills.extend(kept);
    let mut verdict = judge(&shop.company.journal, &bills, &mut operator).await?;
    (verdict.asked, verdict.answered) = (diary.asked, diary.answered);
    verdict.found.extend(diary.wrong);
    shop.close(verdict, missed).await
}
