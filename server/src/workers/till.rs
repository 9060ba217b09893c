//! The till: every call to the payment provider goes through it. A breaker that counts failures and slow calls, a deadline
//! for each call, and a budget for asking again.
//!
//! Nothing is decided here: a call that is given up is `Unknown`, and what is unknown is looked up under its own key before
//! it is asked again. A payment that is not let through stays where it is, on its durable list.

use super::budget::Budget;
use crate::{
    breaker::{Breaker, Config, Counts, Forced, Permit, State},
    engine::now_ms,
    metrics::Page,
    provider::{Answer, Ask, Provider},
    random::random,
};
use quick_cache::unsync::Cache;
use shared::Millis;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// When a call is given up. A card company answers in well under a second, and what takes longer than one counts as slow
/// at that moment; the rest is patience, since whatever is given up must be asked about once more.
const CALL: Duration = Duration::from_secs(3);
/// Keys without an answer that are remembered: some minutes of failures at a thousand orders a second. Beyond that some
/// go, those first that were asked about only once, such as what another replica has settled. One that is forgotten is
/// asked under its old key without a look first, which the provider takes for what it is, a repeat.
const MAX_OPEN: usize = 65_536;
/// What is looked up to learn whether the provider is well: no movement has this name, and to say so it must look.
const CHECK: &str = "baemin-health-check";

/// Which way the money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the customer.
    Charge,
    /// To the customer.
    Refund,
}

/// What the breaker shows to operators.
#[derive(Debug, Clone)]
pub struct Look {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since_ms: Millis,
    /// How long it lets nothing through, if so.
    pub shut_ms: Option<u64>,
    /// What it goes by.
    pub window: Counts,
    /// Calls since the start of the process, look-ups included.
    pub calls: u64,
    /// Those that asked again about something.
    pub repeats: u64,
    /// Times that something was not let through.
    pub refused: u64,
    /// What an operator wanted, and who.
    pub forced: Option<(Forced, String)>,
}

struct Inner {
    breaker: Breaker,
    budget: Budget,
    /// Keys that were asked about and have no answer.
    open: Cache<String, ()>,
    state: State,
    since_ms: Millis,
    forced_by: String,
    calls: u64,
    repeats: u64,
    refused: u64,
}

/// What stands between us and a provider.
pub struct Till {
    provider: Arc<dyn Provider>,
    slow: Duration,
    inner: Mutex<Inner>,
    changes: watch::Sender<State>,
    began: Instant,
}

impl Till {
    /// A till before a provider.
    pub fn new(provider: Arc<dyn Provider>, config: Config) -> Self {
        let slow = Duration::from_millis(config.slow_ms);
        let inner = Inner {
            breaker: Breaker::new(config),
            budget: Budget::new(),
            open: Cache::new(MAX_OPEN),
            state: State::Closed,
            since_ms: now_ms(),
            forced_by: String::new(),
            calls: 0,
            repeats: 0,
            refused: 0,
        };
        Self { provider, slow, inner: Mutex::new(inner), changes: watch::Sender::new(State::Closed), began: Instant::now() }
    }

    /// Whom it stands before, for questions that move no money.
    pub fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    /// An order was taken whose money will be asked for.
    pub fn earn(&self) {
        self.lock().budget.earn();
    }

    /// How long nothing is let through, if so.
    pub fn shut(&self) -> Option<Duration> {
        self.lock().breaker.shut_ms(self.clock_ms()).map(Duration::from_millis)
    }

    /// Tells when the breaker's state has changed.
    pub fn changes(&self) -> watch::Receiver<State> {
        self.changes.subscribe()
    }

    /// Ready once nothing is let through; with how long that will be so.
    pub async fn shuts(&self) -> Duration {
        let mut changes = self.changes();
        loop {
            if let Some(shut) = self.shut() {
                return shut;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Asks the provider; `None` when the question was not let through, or is not wanted any more when it is to be put: it
    /// should be read again what is due.
    pub async fn ask(&self, ask: Ask, way: Way, is_wanted: impl Fn() -> bool) -> Option<Answer> {
        let (permit, again) = self.admit(&ask.key)?;
        let key = ask.key.clone();
        let answer = self.call(permit, self.exchange(ask, way, again, is_wanted)).await;
        // What is not wanted may have been done all the same: it stays remembered until that is known.
        if answer.as_ref().is_some_and(is_decided) {
            self.forget(&key);
        }
        answer
    }

    /// What became of a charge that nobody waits for; see [`Provider::look_up`]. `None` when it cannot be asked now.
    ///
    /// Such a question is no call that the breaker goes by: what answers it may refuse every charge. It costs what asking
    /// again costs, unless it is answered well and soon: after a restart on a quiet evening many wait for such answers, and
    /// no order pays for them. It passes when calls may, and beside the probes of a breaker that is half open: on a quiet night there is nobody else to be one.
    pub async fn fate(&self, key: &str) -> Option<Option<Answer>> {
        {
            let mut inner = self.lock();
            let now_ms = self.clock_ms();
            let is_open = matches!(inner.breaker.state(now_ms), State::Open | State::ForcedOpen);
            if is_open || !inner.budget.has_spare(now_ms) {
                inner.refused += 1;
                return None;
            }
            inner.budget.spend();
            inner.calls += 1;
        }
        let began = Instant::now();
        let answer = tokio::time::timeout(CALL, self.provider.look_up(key)).await.unwrap_or(Some(Answer::Unknown));
        if answer != Some(Answer::Unknown) && began.elapsed() <= self.slow {
            self.lock().budget.give_back();
        }
        Some(answer)
    }

    /// Nothing will be asked under this key any more.
    pub fn forget(&self, key: &str) {
        self.lock().open.remove(key);
    }

    fn admit(&self, key: &str) -> Option<(Permit, bool)> {
        let mut inner = self.lock();
        let now_ms = self.clock_ms();
        let again = inner.open.contains_key(key);
        // The few probes of a breaker that is half open cost nothing: it bounds them itself.
        let has_price = again && inner.breaker.state(now_ms) != State::HalfOpen;
        if has_price && !inner.budget.has(now_ms) {
            inner.refused += 1;
            return None;
        }
        let admitted = inner.breaker.admit(now_ms);
        self.noted(&mut inner);
        match admitted {
            Ok(permit) => {
                if has_price {
                    inner.budget.spend();
                }
                inner.calls += 1;
                inner.repeats += u64::from(again);
                inner.open.insert(key.to_owned(), ());
                Some((permit, again))
            }
            Err(_) => {
                inner.refused += 1;
                None
            }
        }
    }

    /// Waits for an answer, within limits, and tells the breaker how that went.
    async fn call(&self, mut permit: Permit, asking: impl Future<Output = Option<Answer>>) -> Option<Answer> {
        let began = Instant::now();
        tokio::pin!(asking);
        let answer = match tokio::time::timeout(self.slow, &mut asking).await {
            Ok(answer) => answer,
            Err(_) => {
                {
                    let mut inner = self.lock();
                    inner.breaker.late(&mut permit, self.clock_ms(), random());
                    self.noted(&mut inner);
                }
                tokio::time::timeout_at(began + CALL, &mut asking).await.unwrap_or(Some(Answer::Unknown))
            }
        };
        let (failed, took_ms) = (answer == Some(Answer::Unknown), began.elapsed().as_millis() as u64);
        let mut inner = self.lock();
        match answer {
            Some(_) => inner.breaker.done(permit, failed, took_ms, self.clock_ms(), random()),
            // It was looked up only, and what answers look-ups may refuse every charge.
            None => inner.breaker.cancel(permit),
        }
        inner.budget.answered(!failed && began.elapsed() <= self.slow);
        self.noted(&mut inner);
        answer
    }

    /// What was asked before may have been done: the provider is asked what became of a charge first. A refund that is
    /// asked again looks by itself. `None` when the question is not wanted any more.
    async fn exchange(&self, ask: Ask, way: Way, again: bool, is_wanted: impl Fn() -> bool) -> Option<Answer> {
        if again && way == Way::Charge {
            if let Some(found) = self.provider.look_up(&ask.key).await {
                return Some(found);
            }
            if !is_wanted() {
                return None;
            }
            let mut inner = self.lock();
            inner.budget.spend();
            inner.calls += 1;
        }
        Some(match way {
            Way::Charge => self.provider.charge(ask).await,
            Way::Refund => self.provider.refund(ask).await,
        })
    }

    /// Whether nothing is let through, and the provider should be asked how it is.
    pub fn wants_check(&self) -> bool {
        self.lock().breaker.wants_check(self.clock_ms())
    }

    /// Asks the provider how it is, with a question that moves nothing; true when it answered well and in time. It is a
    /// call like others, and what it shows may let others through.
    pub async fn check(&self) -> bool {
        {
            let mut inner = self.lock();
            inner.calls += 1;
            inner.budget.spend();
        }
        let answer = tokio::time::timeout(self.slow, self.provider.look_up(CHECK)).await;
        let is_good = answer.is_ok_and(|found| found != Some(Answer::Unknown));
        let mut inner = self.lock();
        inner.breaker.checked(is_good, self.clock_ms());
        inner.budget.answered(is_good);
        self.noted(&mut inner);
        is_good
    }

    /// Does with the breaker what an operator wants; `None` lets it decide again.
    pub fn force(&self, forced: Option<Forced>, by: String) {
        let mut inner = self.lock();
        inner.breaker.force(forced);
        inner.forced_by = by;
        self.noted(&mut inner);
    }

    /// What operators see.
    pub fn look(&self) -> Look {
        let mut inner = self.lock();
        self.noted(&mut inner);
        let now_ms = self.clock_ms();
        Look {
            state: inner.state,
            since_ms: inner.since_ms,
            shut_ms: inner.breaker.shut_ms(now_ms),
            window: inner.breaker.counts(now_ms),
            calls: inner.calls,
            repeats: inner.repeats,
            refused: inner.refused,
            forced: inner.breaker.forced().map(|forced| (forced.clone(), inner.forced_by.clone())),
        }
    }

    /// Its figures.
    pub fn measure(&self, page: &mut Page) {
        const ALL: [State; 5] = [State::Closed, State::HalfOpen, State::Open, State::ForcedClosed, State::ForcedOpen];
        let look = self.look();
        page.family("baemin_breaker_state", "gauge", "1 for the state in which the breaker before the payment provider is.");
        for state in ALL {
            let labels = format!("breaker=\"provider\",state=\"{}\"", state.name());
            page.sample("baemin_breaker_state", &labels, f64::from(u8::from(look.state == state)));
        }
        page.family("baemin_provider_calls_total", "counter", "Calls to the payment provider, look-ups included.");
        page.sample("baemin_provider_calls_total", "", look.calls as f64);
        page.family("baemin_provider_refused_total", "counter", "Times that a call to the payment provider was not let through.");
        page.sample("baemin_provider_refused_total", "", look.refused as f64);
    }

    /// Notices where the breaker stands now, and tells those who wait for a change.
    fn noted(&self, inner: &mut Inner) {
        let state = inner.breaker.state(self.clock_ms());
        if state == inner.state {
            return;
        }
        let was = std::mem::replace(&mut inner.state, state);
        inner.since_ms = now_ms();
        tracing::warn!(was = was.name(), is = state.name(), "the breaker before the payment provider");
        self.changes.send_replace(state);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds of a clock that never goes back.
    fn clock_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

/// Whether nothing more is to be asked.
fn is_decided(answer: &Answer) -> bool {
    matches!(answer, Answer::Approved | Answer::Declined(_) | Answer::Refused(_))
}
