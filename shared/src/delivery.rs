//! The delivery: from the kitchen to the door, by exactly one rider.

use crate::{
    Lang, Millis, OrderId, RiderId, Role, Sender,
    order::{About, Drop},
};
use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Wants a rider.
    Waiting,
    /// Has one.
    Picked,
    /// At the door.
    Delivered,
    /// Nobody shall carry it.
    CalledOff,
    /// Nobody came for it, or it never arrived.
    Failed,
}

impl Status {
    /// What people read.
    pub fn label(self, lang: Lang) -> &'static str {
        let (ko, en) = match self {
            Status::Waiting => ("배차대기", "Waiting for a rider"),
            Status::Picked => ("배달중", "On the way"),
            Status::Delivered => ("배달완료", "Delivered"),
            Status::CalledOff => ("배달취소", "Called off"),
            Status::Failed => ("배달실패", "Failed"),
        };
        lang.pick(ko, en)
    }

    /// The word in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Picked => "picked",
            Status::Delivered => "delivered",
            Status::CalledOff => "called_off",
            Status::Failed => "failed",
        }
    }
}

/// What may be asked of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Take the food and ride.
    Pick {},
    /// Give the job back.
    Release {},
    /// Arrived at the door.
    Deliver {},
    /// A store has accepted an order that must be carried.
    Offer { about: About, drop: Drop, ready_ms: Millis },
    /// The food is cooked.
    MarkReady { about: About },
    /// The order ended otherwise.
    CallOff { about: About },
    /// No rider for a while: show it farther.
    Widen {},
    /// No rider for too long.
    GiveUp {},
    /// Not delivered for too long.
    Abandon {},
}

impl Command {
    /// Who may send each.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Pick {} | Command::Release {} | Command::Deliver {} => Sender::Person(Role::Rider),
            _ => Sender::System,
        }
    }
}

/// What can happen to a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// On the riders' list.
    Offered { about: About, drop: Drop, ready_ms: Millis, at_ms: Millis },
    /// Cooked, may be picked.
    Ready { about: About, at_ms: Millis },
    /// Exactly one rider has it.
    Picked { about: About, rider: RiderId, at_ms: Millis },
    /// The rider gave it back.
    Released { about: About, rider: RiderId, at_ms: Millis },
    /// At the door.
    Delivered { about: About, rider: RiderId, at_ms: Millis },
    /// Off every list.
    CalledOff { about: About, at_ms: Millis },
    /// Shown farther.
    Widened { about: About, at_ms: Millis },
    /// No rider came in time. `rider` had it, if it got lost on the way.
    Failed { about: About, rider: Option<RiderId>, at_ms: Millis },
}

impl Event {
    /// Whose food it is.
    pub fn about(&self) -> &About {
        use Event::*;
        match self {
            Offered { about, .. }
            | Ready { about, .. }
            | Picked { about, .. }
            | Released { about, .. }
            | Delivered { about, .. }
            | CalledOff { about, .. }
            | Widened { about, .. }
            | Failed { about, .. } => about,
        }
    }

    /// The order that is carried.
    pub fn order(&self) -> OrderId {
        self.about().order
    }
}
