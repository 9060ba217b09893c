//! The Korean day. Korea is nine hours ahead of UTC and has kept no summer time since 1988.

use shared::{
    Millis,
    store::{Door, Hours, Profile},
};

const KOREA_MS: Millis = 9 * 3_600_000;
const DAY_MS: Millis = 86_400_000;

/// Days since 1970-01-01 in Korea.
pub fn day(at_ms: Millis) -> i64 {
    (at_ms + KOREA_MS).div_euclid(DAY_MS)
}

/// When a day, counted like this, begins.
pub fn day_begins(day: i64) -> Millis {
    day * DAY_MS - KOREA_MS
}

/// Minutes since midnight in Korea.
pub fn minute(at_ms: Millis) -> u32 {
    ((at_ms + KOREA_MS).rem_euclid(DAY_MS) / 60_000) as u32
}

/// Whether a store with these hours is open at this time.
pub fn within(hours: Option<Hours>, at_ms: Millis) -> bool {
    let Some(hours) = hours else { return true };
    let (from, to, now) = (hours.from_minute.get(), hours.to_minute.get(), minute(at_ms));
    if from <= to { (from..to).contains(&now) } else { now >= from || now < to }
}

/// True when the store takes orders at this time: it is open, and its kitchen has places at all.
pub fn takes_orders(store: &Profile, at_ms: Millis) -> bool {
    is_open(store, at_ms) && store.capacity.get() > 0
}

/// True when the store's door is open at this time.
pub fn is_open(store: &Profile, at_ms: Millis) -> bool {
    store.door == Door::Open && within(store.hours, at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::Count;

    #[test]
    fn hours_may_cross_midnight() {
        let hours = |from, to| Some(Hours { from_minute: Count::new(from).unwrap(), to_minute: Count::new(to).unwrap() });
        // 1970-01-01T00:00Z is 09:00 in Korea.
        for (from, to, open) in [(540, 541, true), (541, 600, false), (1200, 600, true), (1200, 540, false), (0, 1439, true)] {
            assert_eq!(within(hours(from, to), 0), open, "{from}-{to}");
        }
        assert!(within(None, 0));
        assert_eq!((day(-1), minute(-1)), (0, 539));
    }
}
