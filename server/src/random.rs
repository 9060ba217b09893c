//! Randomness for pauses, names and the like; never for a secret.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Any number, new each time. Every hasher of the standard library is seeded at random.
pub fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// Full jitter: any part of a pause, so that processes that lost the same server do not come back together.
pub fn part_of(pause: Duration) -> Duration {
    pause.mul_f64(random() as f64 / u64::MAX as f64)
}
