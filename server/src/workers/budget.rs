//! How often the provider may be asked again: little while it fails, as often as need be once it answers well.

/// What is counted, in hundredths of a call.
const CALL: i64 = 100;
/// What an accepted order adds: with what is saved, all calls stay within 1.1 times the accepted orders.
const PER_ORDER: i64 = 5;
/// What a second adds, so that the last payments of a quiet evening are asked about as well.
const PER_SECOND: i64 = CALL;
/// What is saved at most: as many calls as may hang at once when a provider stops answering.
const MOST: i64 = 256 * CALL;
/// What there is to begin with: as many calls as a breaker wants to see before it opens.
const FIRST: i64 = 20 * CALL;
/// What is left to those who wait: as many calls as are probes, and some of those who are behind them.
const SPARE: i64 = 10 * CALL;
/// Good answers in a row after which a provider is well again. One that fails half of its calls gives as many once in a
/// thousand times.
const WELL: u32 = 10;
/// What each good answer of a well provider adds: a repeat is a look-up and perhaps another call, so the queue of repeats
/// doubles with each of them.
const PER_ANSWER: i64 = 4 * CALL;

/// The calls that are left.
#[derive(Debug)]
pub struct Budget {
    left: i64,
    row: u32,
    at_ms: u64,
}

impl Budget {
    /// As it is in the beginning.
    pub fn new() -> Self {
        Self { left: FIRST, row: 0, at_ms: 0 }
    }

    /// An order was accepted.
    pub fn earn(&mut self) {
        self.add(PER_ORDER);
    }

    /// A call was answered, well or not.
    pub fn answered(&mut self, well: bool) {
        self.row = if well { self.row.saturating_add(1) } else { 0 };
        if self.row >= WELL {
            self.add(PER_ANSWER);
        }
    }

    /// Whether something may be asked again now.
    pub fn has(&mut self, now_ms: u64) -> bool {
        // What is less than a hundredth waits for the next look.
        let more = now_ms.saturating_sub(self.at_ms) * PER_SECOND as u64 / 1_000;
        self.at_ms += more * 1_000 / PER_SECOND as u64;
        self.add(i64::try_from(more).unwrap_or(MOST).min(MOST));
        self.left >= CALL
    }

    /// Whether something may be asked that nobody waits for: what others may need is left to them.
    pub fn has_spare(&mut self, now_ms: u64) -> bool {
        self.has(now_ms) && self.left >= SPARE
    }

    /// Something is asked again. A call that goes on where the first one led may leave a debt.
    pub fn spend(&mut self) {
        self.left -= CALL;
    }

    /// A question that moves no money was answered well: it has not been a burden.
    pub fn give_back(&mut self) {
        self.add(CALL);
    }

    fn add(&mut self, more: i64) {
        self.left = (self.left + more).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(budget: &mut Budget, now_ms: u64) -> usize {
        (0..10_000)
            .take_while(|_| {
                budget.has(now_ms) && {
                    budget.spend();
                    true
                }
            })
            .count()
    }

    #[test]
    fn while_the_provider_fails_few_calls_are_repeated() {
        let mut budget = Budget::new();
        assert_eq!(repeats(&mut budget, 0), 20);
        (0..1_000).for_each(|_| budget.earn());
        assert_eq!(repeats(&mut budget, 0), 50);
        assert_eq!(repeats(&mut budget, 7_000), 7);
        (0..1_000).for_each(|n| budget.answered(n % 2 == 0));
        assert_eq!(repeats(&mut budget, 7_000), 0);
    }

    #[test]
    fn once_it_is_well_everything_may_be_repeated() {
        let mut budget = Budget::new();
        repeats(&mut budget, 0);
        (0..9).for_each(|_| budget.answered(true));
        assert_eq!(repeats(&mut budget, 0), 0);
        budget.answered(true);
        assert_eq!(repeats(&mut budget, 0), 4);
    }

    #[test]
    fn what_nobody_waits_for_leaves_something_to_those_who_wait() {
        let mut budget = Budget::new();
        let mut spare = 0;
        while budget.has_spare(0) {
            budget.spend();
            spare += 1;
        }
        assert_eq!((spare, repeats(&mut budget, 0)), (11, 9));
        assert!(!budget.has_spare(9_000) && budget.has_spare(10_000));
    }

    #[test]
    fn a_clock_that_is_asked_often_still_adds_up() {
        let mut budget = Budget::new();
        repeats(&mut budget, 0);
        assert_eq!(
            (0..2_000)
                .filter(|now| budget.has(*now) && {
                    budget.spend();
                    true
                })
                .count(),
            1
        );
    }
}
