//! The company approves late, and the customer has cancelled in between: the money goes back once, and the store never hears
//! of the order.
//!
//! Time is scaled: an approval that takes 1 to 60 s takes a tenth of that here, 100 ms to 6 s. The till gives a call up after
//! 3 s, as it always does, so that some approvals come while it waits and some after it has stopped.

use super::{
    audit::{Bill, End, judge, moved},
    crowd::{Diary, Guest, crowd},
    shop::Shop,
};
use crate::{
    chaos::{asker::Asker, options::Options, run::Outcome, say},
    http::{Answer, Broken, Host},
    life::order_body,
    oracle::finding::Class,
    people::Party,
    seed::Seed,
    sse::Live,
    toss::book,
};
use hyper::{Method, body::Bytes};
use serde_json::{Value, json};
use shared::{Millis, OrderId, api::OrderShown, order::Status};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// People who order at once, each in a store of their own.
const PARTIES: usize = 16;
/// How late an approval comes: between so many milliseconds and twice that, of a hundred of those that are left. Few take
/// longer than a second, which is slow: if half of them did, the breaker would open and nothing would be approved late.
const LATE: [(u64, u64); 6] = [(100, 25), (200, 35), (400, 45), (800, 35), (1_600, 50), (3_000, 100)];
/// When customers cancel: up to so many milliseconds later, doubled up to so many times.
const SOON_MS: u64 = 90;
/// See above.
const DOUBLED: u64 = 4;
/// How long a new order may take to be on its customer's screen.
const SEEN: Duration = Duration::from_secs(20);

/// A customer with a screen, on which an order is seen before its payment has answered.
struct Customer {
    party: Party,
    number: usize,
    screen: Live,
    /// The connection on which is cancelled while the other one waits.
    hand: Asker,
    seed: Seed,
    orders: Vec<OrderId>,
    unpaid: Unpaid,
    diary: Diary,
}

/// When orders were cancelled that were not paid then, of all customers.
type Unpaid = Arc<Mutex<HashMap<OrderId, Millis>>>;

impl Customer {
    async fn new(host: &Host, party: Party, number: usize, seed: Seed, unpaid: Unpaid) -> Result<Self, String> {
        let mut screen = Live::new(host, "/orders/events?as=customer", &party.customer.login);
        screen.open().await.map_err(|e| e.to_string())?;
        let hand = Asker::new(host, &party.customer.login);
        Ok(Self { party, number, screen, hand, seed, orders: vec![], unpaid, diary: Diary::default() })
    }

    /// What is paid is cancelled only when its store has agreed; what is not is cancelled at once.
    fn cancelled(&mut self, answer: Result<Answer, Broken>) {
        let Some(answer) = self.diary.good("a cancel", answer) else { return };
        let shown: Option<OrderShown> = serde_json::from_slice(&answer.body).ok();
        if let Some(shown) = shown
            && let Some(at_ms) = unpaid(&shown)
        {
            self.unpaid.lock().unwrap_or_else(PoisonError::into_inner).insert(shown.order, at_ms);
        }
    }
}

/// When an order was cancelled, if it was not paid before.
fn unpaid(shown: &OrderShown) -> Option<Millis> {
    let at_ms = |event: &str| shown.timeline.iter().find(|step| step.event == event).map(|step| step.at_ms);
    at_ms("cancelled").filter(|_| at_ms("paid").is_none())
}

/// The next new order on a screen.
pub async fn seen(screen: &mut Live) -> Result<OrderId, String> {
    let placed = async {
        loop {
            match screen.next().await {
                Ok(seen) if seen.event == "placed" => return Ok(seen.order),
                Ok(_) => {}
                Err(_) => screen.open().await.map_err(|e| e.to_string())?,
            }
        }
    };
    timeout(SEEN, placed).await.map_err(|_| "a new order was not on its customer's screen".to_owned())?
}

impl Guest for Customer {
    async fn step(&mut self) -> bool {
        let (body, key) = (order_body(&self.party, 1, "card"), format!("late-{}-{}", self.number, self.diary.asked));
        let wait = Duration::from_millis(self.seed.below(SOON_MS) << self.seed.below(DOUBLED + 1));
        let (screen, hand) = (&mut self.screen, &mut self.hand);
        let cancelling = async {
            let order = seen(screen).await?;
            sleep(wait).await;
            Ok::<_, String>(hand.ask(Method::PUT, format!("/orders/{order}/cancel"), Bytes::from_static(b"{}")).await)
        };
        let placing = self.party.customer.ask(Method::POST, "/orders".into(), Some(&key), body);
        let (placed, cancelled) = tokio::join!(placing, cancelling);
        self.orders.extend(self.diary.order(placed));
        match cancelled {
            Ok(answer) => self.cancelled(answer),
            Err(why) => self.diary.wrong.push(Class::Unexpected.of(why)),
        }
        true
    }
}

/// What became of the orders, beside their money.
#[derive(Default)]
struct Tale {
    bills: Vec<Bill>,
    diary: Diary,
    unpaid: HashMap<OrderId, Millis>,
    /// Tickets of those that were paid first.
    tickets: usize,
}

impl Tale {
    async fn hear(&mut self, customer: Customer) {
        let Customer { mut party, orders, mut diary, .. } = customer;
        for order in orders {
            let told = diary.bill(&mut party.customer, order, Status::Cancelled, End::RefundedIfPaid).await;
            let Some((bill, shown)) = told else { continue };
            self.bills.push(bill);
            let ticket = party.owner.ask(Method::GET, format!("/foodCookings/{order}"), None, Bytes::new()).await;
            let Some(ticket) = diary.any("a look at a ticket", ticket) else { continue };
            match (unpaid(&shown), ticket.status) {
                (None, status) => self.tickets += usize::from(status == 200),
                (Some(at_ms), 404) => drop(self.unpaid.insert(order, at_ms)),
                (Some(_), status) => {
                    let text = format!("{order} was never paid, and its ticket is answered with {status}");
                    diary.wrong.push(Class::Unexpected.of(text));
                }
            }
        }
        self.diary.merge(diary);
    }
}

/// How long after its cancel the money of an order came, of those to whom that happened; from the soonest to the latest.
fn late(unpaid: &HashMap<OrderId, Millis>, journal: &Path) -> Result<Vec<Millis>, String> {
    let moved = moved(&book::read(journal).map_err(|e| e.to_string())?);
    let came = |order: &OrderId| moved.get(&order.to_string())?.came.first().map(|(_, at_ms)| *at_ms);
    let mut late: Vec<Millis> = unpaid.iter().filter_map(|(order, at_ms)| Some(came(order)? - at_ms)).filter(|late| *late >= 0).collect();
    late.sort_unstable();
    Ok(late)
}

/// Runs.
///
/// # Errors
/// The run could not be made.
pub async fn run(options: &Options, seed: u64, folder: &Path) -> Result<Outcome, String> {
    let (shop, seed, wanted, mut missed) = (Shop::open(options, folder).await?, Seed(seed), options.times as usize, vec![]);
    let (unpaid, mut customers) = (Unpaid::default(), vec![]);
    for (number, party) in shop.parties(PARTIES).await?.into_iter().enumerate() {
        customers.push(Customer::new(&shop.host, party, number, seed.fork(number as u64), unpaid.clone()).await?);
    }
    let rules: Vec<Value> =
        LATE.iter().map(|(ms, percent)| json!({ "on": "confirm", "kind": "latency", "ms": ms, "percent": percent })).collect();
    shop.company.trouble(&rules.into()).await?;
    let is_enough = async || {
        let unpaid = unpaid.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(late(&unpaid, &shop.company.journal)?.len() >= wanted)
    };
    let customers = crowd(customers, is_enough).await?;
    if !shop.settled().await {
        missed.push("not everything was settled".into());
    }
    let mut tale = Tale::default();
    for customer in customers {
        tale.hear(customer).await;
    }
    let late = late(&tale.unpaid, &shop.company.journal)?;
    let (all, at) = (tale.bills.len(), |percent: usize| late.get(late.len() * percent / 100).or(late.last()).copied().unwrap_or(0));
    say(&format!(
        "{all} orders were cancelled, {} of them before they were paid, {} tickets of the others",
        tale.unpaid.len(),
        tale.tickets
    ));
    say(&format!(
        "the money of {} came after their cancel: {} ms at least, {} in the median, {} at most",
        late.len(),
        at(0),
        at(50),
        at(100)
    ));
    if late.len() < wanted {
        missed.push(format!("only {} approvals came after a cancel", late.len()));
    }
    let mut verdict = judge(&shop.company.journal, &tale.bills, &mut shop.operator().await?).await?;
    (verdict.asked, verdict.answered) = (tale.diary.asked, tale.diary.answered);
    verdict.found.extend(tale.diary.wrong);
    shop.close(verdict, missed).await
}
