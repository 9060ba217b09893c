//! The payment provider in trouble, for a while, under an open load: orders come whether or not the last one was answered.
//!
//! Everybody is answered at once, paid or kept; when the provider is well again everything is settled, once. What is
//! settled is told by the provider's own journal and by the comparison of the ledger with it.

use super::{
    audit::{Bill, End, judge},
    shop::{SETTLED, Shop},
};
use crate::{
    chaos::{
        asker::Asker,
        options::{Options, Scenario},
        run::Outcome,
        say,
    },
    http::{Ask, Client, Host},
    life::order_body,
    oracle::finding::Verdict,
    people::{DELIVERY_FEE, PRICE, Party},
};
use hyper::{Method, body::Bytes, header::HeaderValue};
use serde_json::{Value, json};
use shared::OrderId;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// Orders a second: those of a hundred people who each order once a second.
const RATE: u32 = 100;
/// Stores, each with a customer: enough for no store to be full when everything is settled at once.
const PARTIES: usize = 16;
/// How long one looks apart.
const LOOK: Duration = Duration::from_millis(20);
/// When a call counts as slow, although it has not ended.
const SLOW: Duration = Duration::from_secs(1);
/// The breaker must be open so soon after the call that makes it twenty bad ones.
const OPENS: Duration = Duration::from_secs(1);
/// While it is open an order is answered in this time, but for one in a hundred.
const P99_OPEN: Duration = Duration::from_millis(300);
/// From when the provider is well until the breaker is closed, to stay so.
const CLOSES: Duration = Duration::from_secs(5);
/// Calls for each order that was taken.
const MOST_CALLS: f64 = 1.1;
/// What each order costs: one dish, brought.
const WON: i64 = PRICE + DELIVERY_FEE;

/// An order that was asked for.
struct Placed {
    at: Instant,
    took: Duration,
    status: u16,
    kept: bool,
    /// The order that was taken.
    order: Option<OrderId>,
    /// What else was answered.
    why: String,
}

/// What was seen of the breaker, each time that it had changed.
type Changes = Arc<Mutex<Vec<(Instant, String)>>>;

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scenario {
    /// What goes wrong at the provider, if that is the scenario.
    pub fn trouble(self) -> Option<Value> {
        let every = |rule: Value| json!([rule]);
        Some(match self {
            Scenario::ProviderHung => every(json!({ "kind": "hang", "times": 1_000_000 })),
            Scenario::ProviderFailing => every(json!({ "kind": "error_before", "times": 1_000_000, "percent": 50 })),
            Scenario::ProviderSlow => every(json!({ "kind": "latency", "times": 1_000_000, "ms": 10_000 })),
            _ => return None,
        })
    }
}

/// Runs.
///
/// # Errors
/// The run could not be made.
pub async fn run(options: &Options, trouble: &Value, folder: &Path) -> Result<Outcome, String> {
    let shop = Shop::open(options, folder).await?;
    let (mut operator, parties) = (shop.operator().await?, shop.parties(PARTIES).await?);

    let changes = Changes::default();
    let ((stop, stopped), (stop_looks, looks_stopped)) = (watch::channel(false), watch::channel(false));
    let watching = tokio::spawn(look(shop.operator().await?, changes.clone(), looks_stopped));
    // Nobody has ordered in the ten seconds that the breaker goes by: what is counted of it begins here.
    shop.company.trouble(trouble).await?;
    let began = Instant::now();
    let ordering = tokio::spawn(order(shop.host.clone(), parties, stopped));
    let mut twentieth = None;
    while began.elapsed() < Duration::from_secs(options.seconds) {
        let bad = shop.company.counts().await?["faults"].as_u64().unwrap_or(0);
        twentieth = twentieth.or_else(|| (bad >= 20).then(Instant::now));
        sleep(LOOK).await;
    }
    shop.company.heal().await?;
    let healed = Instant::now();
    say(&format!("the provider was in trouble for {:?}, and is well again", healed - began));
    let is_closed = |changes: &Changes| locked(changes).last().is_some_and(|(_, state)| state == "closed");
    while !is_closed(&changes) && healed.elapsed() < SETTLED {
        sleep(LOOK).await;
    }
    let _ = stop.send(true);
    let placed = ordering.await.map_err(|e| e.to_string())??;
    while operator.get("/ops/payment/lag").await?["due"] != 0 && healed.elapsed() < SETTLED {
        sleep(LOOK).await;
    }
    let _ = stop_looks.send(true);
    watching.await.map_err(|e| e.to_string())??;
    say(&format!("everything was settled {:?} after that", healed.elapsed()));

    let seen = Seen { began, healed, twentieth, slow: trouble[0]["kind"] != "error_before", changes: locked(&changes).clone(), placed };
    let mut missed = vec![];
    seen.breaker(&mut missed);
    seen.answers(&mut missed);
    let calls = operator.get("/ops/payment/breaker").await?["_embedded"]["breakers"][0]["calls"].as_u64().unwrap_or(0);
    let verdict = judged(&seen, &mut operator, calls, &shop.company.journal, &mut missed).await?;
    shop.close(verdict, missed).await
}

/// Notes each change of the breaker.
async fn look(mut operator: Asker, changes: Changes, stop: watch::Receiver<bool>) -> Result<(), String> {
    while !*stop.borrow() {
        let said = operator.get("/ops/payment/breaker").await?;
        let state = said["_embedded"]["breakers"][0]["state"].as_str().unwrap_or_default().to_owned();
        note(&changes, state);
        sleep(LOOK).await;
    }
    Ok(())
}

fn note(changes: &Changes, state: String) {
    let mut changes = locked(changes);
    if changes.last().is_none_or(|(_, last)| *last != state) {
        changes.push((Instant::now(), state));
    }
}

/// Orders at a steady rate, each on a connection that is free or a new one.
async fn order(host: Host, parties: Vec<Party>, stop: watch::Receiver<bool>) -> Result<Vec<Placed>, String> {
    let free = Arc::<Mutex<Vec<Client>>>::default();
    let people: Vec<(HeaderValue, Bytes)> =
        parties.iter().map(|party| (party.customer.login.clone(), order_body(party, 1, "card"))).collect();
    let (mut asked, mut tick, mut number) = (JoinSet::new(), interval(Duration::from_secs(1) / RATE), 0);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !*stop.borrow() {
        tick.tick().await;
        let ((login, body), key, free, host) =
            (people[number % people.len()].clone(), format!("trouble-{number}"), free.clone(), host.clone());
        number += 1;
        asked.spawn(async move {
            let idle = locked(&free).pop();
            let mut client = idle.unwrap_or_else(|| Client::new(&host));
            let at = Instant::now();
            let answer = client.ask(Ask { method: Method::POST, path: "/orders".into(), login: Some(&login), key: Some(&key), body }).await;
            let took = at.elapsed();
            locked(&free).push(client);
            match answer {
                Ok(answer) => {
                    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    let why = format!("{} {}", answer.status, told["code"].as_str().unwrap_or_default());
                    let order = answer.made().and_then(OrderId::parse).filter(|_| answer.status == 201);
                    Placed { at, took, status: answer.status, kept: told["kept"] == true, order, why }
                }
                Err(broken) => Placed { at, took, status: 0, kept: false, order: None, why: broken.0 },
            }
        });
    }
    Ok(asked.join_all().await)
}

/// Everything that was seen.
struct Seen {
    began: Instant,
    healed: Instant,
    twentieth: Option<Instant>,
    /// True when a bad call is known to be one only when it has been slow.
    slow: bool,
    changes: Vec<(Instant, String)>,
    placed: Vec<Placed>,
}

impl Seen {
    fn first(&self, state: &str, from: Instant) -> Option<Instant> {
        self.changes.iter().find(|(at, now)| *at >= from && now == state).map(|(at, _)| *at)
    }

    /// When it opened, and when it closed.
    fn breaker(&self, missed: &mut Vec<String>) {
        let (opened, twentieth) = (self.first("open", self.began), self.twentieth);
        match (opened, twentieth) {
            (Some(opened), twentieth) => {
                // By then it may not be known yet that they are bad, or it may be known already without the twentieth.
                let bad = twentieth.map_or(opened, |at| if self.slow { at + SLOW } else { at });
                let late = opened.saturating_duration_since(bad);
                say(&format!(
                    "the breaker opened {:?} after the trouble began, {late:?} after the twentieth bad call",
                    opened - self.began
                ));
                if late > OPENS {
                    missed.push(format!("the breaker opened {late:?} after the twentieth bad call"));
                }
            }
            (None, _) => missed.push("the breaker never opened".into()),
        }
        match self.changes.last() {
            // All was settled meanwhile: it is closed for good.
            Some((closed, state)) if state == "closed" => {
                // One that had closed by chance before is not late.
                let took = closed.saturating_duration_since(self.healed);
                say(&format!("it closed {took:?} after the provider was well"));
                if took > CLOSES {
                    missed.push(format!("the breaker closed {took:?} after the provider was well"));
                }
            }
            other => missed.push(format!("the breaker never closed: {:?}", other.map(|(_, state)| state))),
        }
    }

    /// Everybody was answered, and quickly while it was open.
    fn answers(&self, missed: &mut Vec<String>) {
        let during: Vec<&Placed> = self.placed.iter().filter(|placed| (self.began..self.healed).contains(&placed.at)).collect();
        let good = during.iter().filter(|placed| placed.status == 201).count();
        let kept = during.iter().filter(|placed| placed.kept).count();
        let mean = during.iter().map(|placed| placed.took).sum::<Duration>() / u32::try_from(during.len().max(1)).unwrap_or(u32::MAX);
        let percent = (good as f64 * 10_000.0 / during.len().max(1) as f64).floor() / 100.0;
        say(&format!(
            "{} orders meanwhile: {percent:.2} % were answered, {} paid and {kept} kept, in {mean:?} in the mean (the origin's own: 63.55 %, 5.60 s)",
            during.len(),
            good - kept.min(good)
        ));
        if good < self.placed.iter().filter(|placed| (self.began..self.healed).contains(&placed.at)).count() || good == 0 {
            let mut others: BTreeMap<&str, usize> = BTreeMap::new();
            during.iter().filter(|placed| placed.status != 201).for_each(|placed| *others.entry(&placed.why).or_default() += 1);
            missed.push(format!("{} of {} orders were not answered: {others:?}", during.len() - good, during.len()));
        }
        let mut open: Vec<Duration> = during.iter().filter(|placed| self.is_open(placed)).map(|placed| placed.took).collect();
        open.sort_unstable();
        if let Some(p99) = open.get(open.len() * 99 / 100) {
            say(&format!("{} of them while it was open: {p99:?} for 99 of 100", open.len()));
            if *p99 > P99_OPEN {
                missed.push(format!("while it was open an order was answered after {p99:?}"));
            }
        }
    }

    /// Whether the breaker was open from before an order was asked for until it was answered.
    fn is_open(&self, placed: &Placed) -> bool {
        let before = self.changes.iter().rev().find(|(at, _)| *at <= placed.at);
        let changed = self.changes.iter().any(|(at, _)| (placed.at..placed.at + placed.took).contains(at));
        before.is_some_and(|(_, state)| state == "open") && !changed
    }
}

/// Each order that was taken is paid once, and everybody agrees about it.
async fn judged(seen: &Seen, operator: &mut Asker, calls: u64, journal: &Path, missed: &mut Vec<String>) -> Result<Verdict, String> {
    let bills: Vec<Bill> =
        seen.placed.iter().filter_map(|placed| placed.order).map(|order| Bill { order, won: WON, end: End::Paid }).collect();
    let mut verdict = judge(journal, &bills, operator).await?;
    let ratio = calls as f64 / bills.len().max(1) as f64;
    say(&format!("{} orders, {calls} calls to the provider: {ratio:.3} for each", bills.len()));
    if ratio > MOST_CALLS {
        missed.push(format!("{ratio:.3} calls to the provider for each order"));
    }
    (verdict.asked, verdict.answered) =
        (seen.placed.len(), seen.placed.iter().filter(|placed| placed.status != 0 && placed.status < 500).count());
    Ok(verdict)
}
