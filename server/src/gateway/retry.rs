//! When a request is tried again: pure decisions, with time and chance as arguments.

use axum::http::{HeaderMap, Method};

/// Every number of repeating.
#[derive(Debug, Clone)]
pub struct Config {
    /// Tries that may have reached a service.
    pub tries: u32,
    /// Share of requests that may be tried again after they may have reached a service.
    pub budget_percent: u32,
    /// Tries saved up for a bad moment, such as the end of a process with many requests inside.
    pub saved: u32,
    /// The first pause, doubled each time.
    pub pause_ms: u64,
    /// The longest pause. Short, because a service that starts again should be found at once.
    pub max_pause_ms: u64,
    /// How long a request waits for a service of which no copy takes connections.
    pub away_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { tries: 3, budget_percent: 10, saved: 200, pause_ms: 20, max_pause_ms: 200, away_ms: 8_000 }
    }
}

/// Why a try came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No connection, or a service that is ending and has said so: nothing has happened.
    Untouched,
    /// The connection broke before the head of an answer: anything may have happened.
    Lost,
}

/// True when doing it twice is as good as once (RFC 9110, section 9.2.2; a POST with a key is the service's promise).
pub fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    method.is_idempotent() || (method == Method::POST && headers.contains_key("idempotency-key"))
}

/// Tries that are left for all requests to one service together.
#[derive(Debug)]
pub struct Budget {
    /// In hundredths of a try.
    left: u64,
}

impl Budget {
    /// A full one.
    pub fn new(config: &Config) -> Self {
        Self { left: u64::from(config.saved) * 100 }
    }

    /// A request has come.
    pub fn earn(&mut self, config: &Config) {
        self.left = (self.left + u64::from(config.budget_percent)).min(u64::from(config.saved) * 100);
    }

    fn spend(&mut self) -> bool {
        let left = self.left.checked_sub(100);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// What has been done for a request so far.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tried {
    /// All tries.
    pub all: u32,
    /// Those that may have reached a service.
    pub reached: u32,
    /// Milliseconds since the first.
    pub since_ms: u64,
}

/// The pause before the next try, or `None` when there is none.
///
/// Only tries that may have reached a service count and cost: without a connection they are no load to it, and a
/// budget would turn the restart of an only copy into errors.
pub fn again(config: &Config, budget: &mut Budget, cause: Cause, repeatable: bool, tried: Tried, other: bool, random: u64) -> Option<u64> {
    match cause {
        Cause::Untouched if tried.since_ms >= config.away_ms => return None,
        Cause::Untouched => {}
        Cause::Lost if !repeatable || tried.reached >= config.tries || !budget.spend() => return None,
        Cause::Lost => {}
    }
    // Another copy is asked at once; the same one after a pause between half and all of what is due.
    if other {
        return Some(0);
    }
    let due = config.pause_ms.saturating_mul(1 << tried.all.saturating_sub(1).min(10)).min(config.max_pause_ms).max(1);
    Some(due / 2 + random % (due / 2 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(all: u32, reached: u32, since_ms: u64) -> Tried {
        Tried { all, reached, since_ms }
    }

    #[test]
    fn what_may_have_happened_is_repeated_only_if_that_is_harmless() {
        let config = Config::default();
        for (cause, repeatable, tried, expected) in [
            (Cause::Untouched, false, tried(1, 0, 0), true),
            (Cause::Untouched, false, tried(99, 0, 7_999), true),
            (Cause::Untouched, true, tried(99, 0, 8_000), false),
            (Cause::Lost, true, tried(1, 1, 0), true),
            (Cause::Lost, true, tried(3, 3, 0), false),
            (Cause::Lost, false, tried(1, 1, 0), false),
        ] {
            let again = again(&config, &mut Budget::new(&config), cause, repeatable, tried, false, 7);
            assert_eq!(again.is_some(), expected, "{cause:?} {repeatable} {tried:?}");
        }
    }

    #[test]
    fn methods_and_keys_say_what_is_harmless() {
        let key = HeaderMap::from_iter([("idempotency-key".parse().expect("a name"), "x".parse().expect("a value"))]);
        let none = HeaderMap::new();
        let cases = [("GET", &none), ("HEAD", &none), ("PUT", &none), ("DELETE", &none), ("POST", &key)];
        assert!(cases.iter().all(|(method, headers)| is_repeatable(&method.parse().expect("a method"), headers)));
        assert!([("POST", &none), ("PATCH", &key)].iter().all(|(m, headers)| !is_repeatable(&m.parse().expect("a method"), headers)));
    }

    #[test]
    fn the_budget_ends_and_grows_with_requests() {
        let config = Config::default();
        let mut budget = Budget::new(&config);
        let mut lost = || again(&config, &mut budget, Cause::Lost, true, tried(1, 1, 0), false, 0).is_some();
        assert_eq!((0..1_000).filter(|_| lost()).count(), 200);
        (0..100).for_each(|_| budget.earn(&config));
        let mut lost = || again(&config, &mut budget, Cause::Lost, true, tried(1, 1, 0), false, 0).is_some();
        assert_eq!((0..1_000).filter(|_| lost()).count(), 10);
    }

    #[test]
    fn pauses_grow_to_their_limit() {
        let config = Config::default();
        for (all, low, high) in [(1, 10, 20), (2, 20, 40), (4, 80, 160), (5, 100, 200), (4_000_000, 100, 200)] {
            for random in 0..500 {
                let pause = again(&config, &mut Budget::new(&config), Cause::Untouched, true, tried(all, 0, 0), false, random);
                assert!(pause.is_some_and(|pause| (low..=high).contains(&pause)), "{all}: {pause:?}");
            }
        }
    }
}
