//! What goes wrong, and when: rules that are added over the admin routes, each for so many calls of one kind.

use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// The payment window.
    Checkout,
    /// A capture.
    Confirm,
    /// A look-up, of either kind.
    LookUp,
    /// A refund.
    Cancel,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing happens until the faults are cleared; then it goes on, whether or not anybody still waits.
    Hang,
    /// It happens between `ms` and twice that later.
    Latency,
    /// The connection is cut, and nothing happens.
    ResetBefore,
    /// It happens, and the connection is cut.
    ResetAfter,
    /// An error 500, and nothing happens.
    ErrorBefore,
    /// It happens, and the answer is an error 500.
    ErrorAfter,
    /// It happens. The answer comes byte by byte, `ms` apart.
    Trickle,
    /// It happens, and half of the answer comes.
    Truncated,
    /// It happens, and the answer is far too long.
    Huge,
    /// It happens, and the answer says that it is text.
    WrongType,
    /// It happens, and the answer is an error that nobody knows.
    UnknownCode,
    /// It happens, and the answer is a page for people.
    Html,
    /// It happens, and the answer has a status that nobody knows.
    UnknownEnum,
}

/// Some calls that go wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Which calls; all without one.
    pub on: Option<Call>,
    /// What goes wrong with them.
    pub kind: Kind,
    /// For those kinds that take time.
    #[serde(default)]
    pub ms: u64,
    /// With how many of them; all without it.
    pub times: Option<u32>,
    /// With how many of a hundred.
    #[serde(default = "always")]
    pub percent: u64,
}

fn always() -> u64 {
    100
}

/// Connections that were cut in one way during calls of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cuts {
    /// Which calls.
    pub on: Call,
    /// In which way.
    pub kind: Kind,
    /// How often.
    pub times: u64,
    /// Of how many payments: whoever asks again may be cut again.
    pub payments: usize,
}

/// All rules.
pub struct Faults {
    rules: Vec<Rule>,
    luck: Seed,
    /// How often something went wrong.
    pub fired: u64,
    cuts: Vec<(Cuts, HashSet<String>)>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { rules: vec![], luck: Seed(1), fired: 0, cuts: vec![] }
    }
}

impl Faults {
    /// Adds a rule.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Forgets all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// What goes wrong with this call.
    pub fn next(&mut self, call: Call) -> Option<(Kind, u64)> {
        let luck = &mut self.luck;
        let rule = self.rules.iter_mut().find(|rule| {
            let is_meant = rule.on.is_none_or(|on| on == call) && rule.times != Some(0);
            is_meant && (rule.percent >= 100 || luck.below(100) < rule.percent)
        })?;
        rule.times = rule.times.map(|times| times - 1);
        self.fired += 1;
        Some((rule.kind, rule.ms))
    }

    /// A connection was cut.
    pub fn cut(&mut self, on: Call, kind: Kind, payment: String) {
        let known = self.cuts.iter().position(|(cuts, _)| (cuts.on, cuts.kind) == (on, kind));
        let place = known.unwrap_or_else(|| {
            self.cuts.push((Cuts { on, kind, times: 0, payments: 0 }, HashSet::new()));
            self.cuts.len() - 1
        });
        let (cuts, payments) = &mut self.cuts[place];
        payments.insert(payment);
        (cuts.times, cuts.payments) = (cuts.times + 1, payments.len());
    }

    /// All that were cut.
    pub fn cuts(&self) -> Vec<Cuts> {
        self.cuts.iter().map(|(cuts, _)| cuts.clone()).collect()
    }
}
