//! The review of a delivered order, once, by its customer; and the owner's reply.

use crate::{Count, Millis, Role, Sender, Text, order::About};
use serde::{Deserialize, Serialize};

/// Stars, 1 to 5.
pub type Stars = Count<1, 5>;

/// What may be asked of a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// The order was delivered: it may be reviewed.
    Invite { about: About },
    /// Say how it was.
    Write { stars: Stars, text: Text<1000> },
    /// Answer, as the owner.
    Reply { text: Text<1000> },
}

impl Command {
    /// Who may send each.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Invite { .. } => Sender::System,
            Command::Write { .. } => Sender::Person(Role::Customer),
            Command::Reply { .. } => Sender::Person(Role::Owner),
        }
    }
}

/// What can happen to a review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// May be written.
    Invited { about: About, at_ms: Millis },
    /// Is written.
    Written { about: About, stars: Stars, text: Text<1000>, at_ms: Millis },
    /// Is answered.
    Replied { about: About, text: Text<1000>, at_ms: Millis },
}

impl Event {
    /// Whose order it was.
    pub fn about(&self) -> &About {
        match self {
            Event::Invited { about, .. } | Event::Written { about, .. } | Event::Replied { about, .. } => about,
        }
    }
}
