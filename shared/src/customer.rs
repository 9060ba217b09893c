//! The customer: profile, preferences, and a grade that rises with completed orders.

use crate::{CustomerId, Lang, Millis, OrderId, Role, Sealed, Sender, Text};
use serde::{Deserialize, Serialize};

/// What the house thinks of a customer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// 고마운분
    #[default]
    Thankful,
    /// 귀한분
    Precious,
    /// 더귀한분
    MorePrecious,
    /// 천생연분
    Soulmate,
}

impl Grade {
    /// The grade after so many completed orders: 0, 3, 10 and 30 are the steps.
    pub fn after(completed: u32) -> Self {
        match completed {
            0..3 => Grade::Thankful,
            3..10 => Grade::Precious,
            10..30 => Grade::MorePrecious,
            _ => Grade::Soulmate,
        }
    }

    /// What people read.
    pub fn label(self, lang: Lang) -> &'static str {
        let (ko, en) = match self {
            Grade::Thankful => ("고마운분", "Thankful"),
            Grade::Precious => ("귀한분", "Precious"),
            Grade::MorePrecious => ("더귀한분", "More precious"),
            Grade::Soulmate => ("천생연분", "Soulmate"),
        };
        lang.pick(ko, en)
    }
}

/// What may be asked of a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Become a customer. The edge fills in which, and seals the contact.
    Register { customer: CustomerId, name: Text<60>, contact: Sealed, lang: Lang },
    /// Move, or take another phone. The edge seals it.
    SetContact { contact: Sealed },
    /// Read notices in this language, and with or without those of mere progress.
    SetPreferences { lang: Lang, progress: bool },
    /// An order was completed.
    Count { order: OrderId },
}

impl Command {
    /// Who may send each.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Count { .. } => Sender::System,
            _ => Sender::Person(Role::Customer),
        }
    }
}

/// What can happen to a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Is a customer.
    Registered { customer: CustomerId, name: Text<60>, contact: Sealed, lang: Lang, at_ms: Millis },
    /// Lives elsewhere.
    ContactSet { customer: CustomerId, contact: Sealed, at_ms: Millis },
    /// Wants notices so.
    PreferencesSet { customer: CustomerId, lang: Lang, progress: bool, at_ms: Millis },
    /// Has completed so many orders.
    Counted { customer: CustomerId, order: OrderId, completed: u32, grade: Grade, at_ms: Millis },
    /// Rose in grade.
    Promoted { customer: CustomerId, order: OrderId, grade: Grade, at_ms: Millis },
}
