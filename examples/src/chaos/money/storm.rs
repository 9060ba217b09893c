//! Fifty requests at once to pay the same order, while the company fails now and then: it is captured once.

use super::{
    audit::{Bill, End, judge},
    crowd::{Diary, Guest, crowd},
    late::seen,
    shop::Shop,
};
use crate::{
    chaos::{asker::Asker, options::Options, run::Outcome, say},
    http::Host,
    life::order_body,
    oracle::finding::Class,
    people::Party,
    sse::Live,
    toss::faults::{Call, Kind},
};
use futures_util::future::join_all;
use hyper::{Method, body::Bytes};
use serde_json::{Value, json};
use shared::{OrderId, order::Status};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

/// Orders that are paid at once, each in a store of its own.
const PARTIES: usize = 4;
/// Requests to pay one order.
const AT_ONCE: usize = 50;
/// How long payments may be unknown to the payment context: it hears of an order a moment later.
const HEARD: Duration = Duration::from_secs(10);
/// Of a hundred captures that are left by the rules before.
const FAULTS: [(&str, u64); 3] = [("reset_after", 10), ("error_before", 5), ("error_after", 5)];
/// Every other capture takes between so many milliseconds and twice that, so that all fifty come while it is on its way.
const ON_ITS_WAY_MS: u64 = 100;
/// So many of fifty must have come while the payment was on its way: the others were told that it is paid.
const AT_LEAST: usize = 10;

/// A customer with many hands.
struct Customer {
    party: Party,
    number: usize,
    screen: Live,
    hands: Vec<Asker>,
    /// How many orders are left to do.
    left: usize,
    orders: Vec<OrderId>,
    said: BTreeMap<String, usize>,
    diary: Diary,
}

impl Customer {
    async fn new(host: &Host, party: Party, number: usize, left: usize) -> Result<Self, String> {
        let mut screen = Live::new(host, "/orders/events?as=customer", &party.customer.login);
        screen.open().await.map_err(|e| e.to_string())?;
        let hands = (0..AT_ONCE).map(|_| Asker::new(host, &party.customer.login)).collect();
        Ok(Self { party, number, screen, hands, left, orders: vec![], said: BTreeMap::new(), diary: Diary::default() })
    }
}

/// Asks to pay, again while nobody knows the payment yet. The answer in words.
async fn pay(hand: &mut Asker, order: OrderId) -> Result<String, String> {
    let began = Instant::now();
    loop {
        let answer = hand.ask(Method::PUT, format!("/payments/{order}/pay"), Bytes::new()).await.map_err(|e| e.to_string())?;
        if answer.status == 404 && began.elapsed() < HEARD {
            sleep(Duration::from_millis(1)).await;
            continue;
        }
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let word = told["code"].as_str().or(told["status"].as_str()).unwrap_or_default();
        return Ok(format!("{} {word}", answer.status));
    }
}

/// What may be answered: it is paid now, or on its way, or it had been paid before.
const RIGHT: [&str; 3] = ["200 paid", "200 charging", "409 already_paid"];

impl Guest for Customer {
    async fn step(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let (body, key) = (order_body(&self.party, 1, "card"), format!("storm-{}-{}", self.number, self.left));
        let (screen, hands) = (&mut self.screen, &mut self.hands);
        let paying = async {
            let order = seen(screen).await?;
            Ok::<_, String>(join_all(hands.iter_mut().map(|hand| pay(hand, order))).await)
        };
        let (placed, paid) = tokio::join!(self.party.customer.ask(Method::POST, "/orders".into(), Some(&key), body), paying);
        self.orders.extend(self.diary.order(placed));
        for said in paid.unwrap_or_else(|why| vec![Err(why)]) {
            self.diary.asked += 1;
            match said {
                Ok(said) => {
                    self.diary.answered += 1;
                    if !RIGHT.contains(&said.as_str()) {
                        self.diary.wrong.push(Class::Unexpected.of(format!("a payment was answered with {said}")));
                    }
                    *self.said.entry(said).or_default() += 1;
                }
                Err(why) => self.diary.wrong.push(Class::Unexpected.of(format!("a payment was not answered: {why}"))),
            }
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
    let mut customers = vec![];
    for (number, party) in shop.parties(PARTIES).await?.into_iter().enumerate() {
        let share = wanted / PARTIES + usize::from(number < wanted % PARTIES);
        customers.push(Customer::new(&shop.host, party, number, share).await?);
    }
    let fault = |(kind, percent): &(&str, u64)| json!({ "on": "confirm", "kind": kind, "percent": percent });
    let slow = json!({ "on": "confirm", "kind": "latency", "ms": ON_ITS_WAY_MS });
    shop.company.trouble(&FAULTS.iter().map(fault).chain([slow]).collect::<Vec<_>>().into()).await?;
    let customers = crowd(customers, async || Ok(false)).await?;
    if !shop.settled().await {
        missed.push("not everything was settled".into());
    }
    let (mut bills, mut diary, mut said) = (Vec::<Bill>::new(), Diary::default(), BTreeMap::<String, usize>::new());
    for Customer { mut party, orders, said: words, diary: mut own, .. } in customers {
        for order in orders {
            bills.extend(own.bill(&mut party.customer, order, Status::Placed, End::Paid).await.map(|(bill, _)| bill));
        }
        words.into_iter().for_each(|(word, count)| *said.entry(word).or_default() += count);
        diary.merge(own);
    }
    let (calls, cut) = (shop.company.counts().await?["calls"]["confirm"].take(), shop.company.cuts(Call::Confirm, Kind::ResetAfter).await?);
    say(&format!("{} orders, {AT_ONCE} requests at once to pay each: {said:?}", bills.len()));
    say(&format!("{calls} captures were asked for, {} of them cut after they were made", cut.times));
    let on_its_way = said.iter().filter(|(word, _)| word.starts_with("200")).map(|(_, count)| count).sum::<usize>();
    if on_its_way < wanted * AT_LEAST {
        missed.push(format!("only {on_its_way} requests came while their payment was on its way: that is no storm"));
    }
    if bills.len() < wanted {
        missed.push(format!("only {} orders", bills.len()));
    }
    let mut verdict = judge(&shop.company.journal, &bills, &mut shop.operator().await?).await?;
    (verdict.asked, verdict.answered) = (diary.asked, diary.answered);
    verdict.found.extend(diary.wrong);
    shop.close(verdict, missed).await
}
