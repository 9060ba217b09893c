//! The copies of a service: which one is asked next, and how.

use super::{
    connections::Connections,
    headers::DRAINING,
    retry::{Budget, Cause, Config as RetryConfig},
    table::{Backend, Service},
};
use crate::breaker::{Breaker, Config as BreakerConfig};
use axum::{Router, extract::Request, response::Response};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use tower::ServiceExt;

/// How long a copy that took no connection is asked only when no other does.
const AVOID_MS: u64 = 1_000;

/// A service as the gateway runs it.
pub struct Pool {
    pub name: String,
    pub timeout_ms: u64,
    pub copies: Vec<Arc<Copy>>,
    next: AtomicUsize,
    breaker: Mutex<Breaker>,
    budget: Mutex<Budget>,
}

/// One copy of a service.
pub struct Copy {
    way: Way,
    /// Requests inside, streams included.
    pending: AtomicUsize,
    avoid_until_ms: AtomicU64,
}

/// How it is asked.
enum Way {
    Connections(Arc<Connections>),
    Local(Router),
}

/// Counts a request as long as its answer is being read.
pub struct Pending(Arc<Copy>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Relaxed);
    }
}

impl Pool {
    pub fn new(service: &Service, breaker: &BreakerConfig, retry: &RetryConfig) -> Self {
        let way = |backend: &Backend| match backend {
            Backend::Remote(at) => Way::Connections(Connections::to(at)),
            Backend::Local(router) => Way::Local(router.clone()),
        };
        let copy = |backend: &Backend| Arc::new(Copy { way: way(backend), pending: 0.into(), avoid_until_ms: 0.into() });
        Self {
            name: service.name.clone(),
            timeout_ms: service.timeout_ms,
            copies: service.backends.iter().map(copy).collect(),
            next: AtomicUsize::new(0),
            breaker: Mutex::new(Breaker::new(breaker.clone())),
            budget: Mutex::new(Budget::new(retry)),
        }
    }

    pub fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy with the fewest requests inside, of those that take connections and were not asked for this request
    /// yet; of equals, each in its turn. The second value tells whether it is such a one.
    pub fn pick(&self, tried: &[usize], now_ms: u64) -> (usize, bool) {
        let start = self.next.fetch_add(1, Relaxed);
        let count = self.copies.len();
        let rank = |number: &usize| {
            let copy = &self.copies[*number];
            (tried.contains(number), copy.avoid_until_ms.load(Relaxed) > now_ms, copy.pending.load(Relaxed))
        };
        let best = (0..count).map(|n| (start + n) % count).min_by_key(rank).unwrap_or_default();
        let (again, avoided, _) = rank(&best);
        (best, !again && !avoided)
    }

    /// True when some copy has not refused a connection of late.
    pub fn seems_up(&self, now_ms: u64) -> bool {
        self.copies.iter().any(|copy| copy.avoid_until_ms.load(Relaxed) <= now_ms)
    }
}

impl Copy {
    pub fn is_local(&self) -> bool {
        matches!(self.way, Way::Local(_))
    }

    /// Asks this copy. The head of an answer, or why there is none.
    pub async fn ask(self: &Arc<Self>, request: Request, now_ms: u64) -> Result<(Response, Pending), Cause> {
        self.pending.fetch_add(1, Relaxed);
        let pending = Pending(self.clone());
        let answer = match &self.way {
            Way::Connections(connections) => connections.ask(request).await,
            Way::Local(router) => match router.clone().oneshot(request).await {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            },
        };
        match answer {
            Ok(response) if response.headers().contains_key(DRAINING) && response.status().as_u16() == 503 => {
                self.avoid(now_ms);
                Err(Cause::Untouched)
            }
            Ok(response) => {
                self.avoid_until_ms.store(0, Relaxed);
                Ok((response, pending))
            }
            Err(cause) => {
                if cause == Cause::Untouched {
                    self.avoid(now_ms);
                }
                Err(cause)
            }
        }
    }

    fn avoid(&self, now_ms: u64) {
        self.avoid_until_ms.store(now_ms + AVOID_MS, Relaxed);
    }
}
