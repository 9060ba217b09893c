//! What is wrong, and of which sort.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Sorts of what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It was acknowledged, or follows from what was, and is not there.
    Lost,
    /// It is there more than once.
    Duplicated,
    /// It is there, and nobody asked for it, or it is something else than was asked for.
    Unexpected,
    /// Money that the provider, the ledger and the order's price do not agree on.
    Won,
    /// It has not ended, or is still on its way.
    Unfinished,
}

impl Class {
    /// All sorts.
    pub const ALL: [Class; 5] = [Class::Lost, Class::Duplicated, Class::Unexpected, Class::Won, Class::Unfinished];

    /// Something of this sort.
    pub fn of(self, text: impl Into<String>) -> Finding {
        Finding { class: self, won: 0, text: text.into() }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Of which sort.
    pub class: Class,
    /// How much money is wrong with it, without its sign.
    pub won: u64,
    /// A sentence.
    pub text: String,
}

impl Finding {
    /// Money that is wrong.
    pub fn won(difference: i64, text: impl Into<String>) -> Self {
        Self { class: Class::Won, won: difference.unsigned_abs(), text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.class, self.text)
    }
}

/// What the oracle says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Everything that is wrong.
    pub found: Vec<Finding>,
    /// Orders that the clients tell of.
    pub orders: usize,
    /// Commands that were acknowledged.
    pub acked: usize,
    /// Commands that were asked, however often each.
    pub asked: usize,
    /// Commands that got an answer in the end, acknowledged or refused.
    pub answered: usize,
    /// Acknowledged commands that had to be asked again, and are there once.
    pub recovered: usize,
}

impl Verdict {
    /// How many things of a sort are wrong.
    pub fn count(&self, class: Class) -> usize {
        self.found.iter().filter(|finding| finding.class == class).count()
    }

    /// Won that do not add up. A difference of which nobody knows how large it is counts as one.
    pub fn won_difference(&self) -> u64 {
        self.found.iter().filter(|finding| finding.class == Class::Won).map(|finding| finding.won.max(1)).sum()
    }

    /// Answered commands of a hundred. Rounded down: only all of them are 100.00.
    pub fn answered_percent(&self) -> f64 {
        if self.asked == 0 { 0.0 } else { (self.answered as f64 * 10_000.0 / self.asked as f64).floor() / 100.0 }
    }
}

/// The figures of the last line of a run.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "acked={} answered={:.2}% lost={} duplicated={} unexpected={} won_difference={} unfinished={}",
            self.acked,
            self.answered_percent(),
            self.count(Class::Lost),
            self.count(Class::Duplicated),
            self.count(Class::Unexpected),
            self.won_difference(),
            self.count(Class::Unfinished)
        )
    }
}
