//! Durations and what to say of them. Every sample is kept: a run has a few hundred thousand, and nothing is rounded.

use serde::Serialize;
use std::time::Duration;

/// Durations in microseconds.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<u32>);

/// What is said of samples, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// Half were faster.
    pub p50: f64,
    /// 99 of a hundred were faster.
    pub p99: f64,
}

impl Samples {
    /// Remembers one. More than an hour counts as an hour.
    pub fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Takes in what another client measured.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The percentiles; `None` when nothing was measured.
    pub fn summary(&mut self) -> Option<Summary> {
        self.0.sort_unstable();
        // The nearest rank: the smallest sample that so many percent do not exceed.
        let rank = |percent: usize| self.0.get((self.0.len() * percent).div_ceil(100).saturating_sub(1));
        let ms = |us: &u32| f64::from(*us) / 1000.0;
        Some(Summary { p50: rank(50).map(ms)?, p99: rank(99).map(ms)? })
    }
}

/// Two decimals are as much as a run can repeat.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_of_the_nearest_rank() {
        let mut samples = Samples::default();
        assert_eq!(samples.summary(), None);
        for ms in (1..=200).rev() {
            samples.add(Duration::from_millis(ms));
        }
        assert_eq!(samples.summary(), Some(Summary { p50: 100.0, p99: 198.0 }));
        let mut one = Samples::default();
        one.add(Duration::from_micros(1500));
        assert_eq!(one.summary(), Some(Summary { p50: 1.5, p99: 1.5 }));
    }
}
