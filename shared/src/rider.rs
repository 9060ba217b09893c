//! The rider: on shift or not, where, and how busy.

use crate::{Millis, OrderId, Point, RiderId, Role, Sender, Text};
use serde::{Deserialize, Serialize};

/// What may be asked of a rider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Become a rider. The edge fills in which.
    Register { rider: RiderId, name: Text<60> },
    /// Go on shift.
    Start { at: Point },
    /// Go off shift.
    End {},
    /// Say where.
    Move { at: Point },
    /// A delivery was picked: one job more.
    Take { order: OrderId },
    /// A delivery ended or was given back: one job less.
    Drop { order: OrderId },
}

impl Command {
    /// Who may send each.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Take { .. } | Command::Drop { .. } => Sender::System,
            _ => Sender::Person(Role::Rider),
        }
    }
}

/// What can happen to a rider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Is a rider.
    Registered { rider: RiderId, name: Text<60>, at_ms: Millis },
    /// On shift.
    Started { rider: RiderId, at: Point, at_ms: Millis },
    /// Off shift.
    Ended { rider: RiderId, at_ms: Millis },
    /// Is elsewhere.
    Moved { rider: RiderId, at: Point, at_ms: Millis },
    /// One job more.
    Took { rider: RiderId, order: OrderId, at_ms: Millis },
    /// One job less.
    Dropped { rider: RiderId, order: OrderId, at_ms: Millis },
}
