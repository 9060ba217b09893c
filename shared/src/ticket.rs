//! The kitchen ticket, `FoodCooking` 주문전표: the one arbiter of cancel and change against the start of cooking.

use crate::{
    Lang, Millis, Minutes, OrderId, Role, Sender, Text,
    order::{About, Basket, Reason},
};
use serde::{Deserialize, Serialize};

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The store has not answered.
    Waiting,
    /// The store will cook.
    Accepted,
    /// On the stove: the pivot, from here nothing is undone.
    Cooking,
    /// Ready.
    Finished,
    /// The store, or its deadline, said no.
    Rejected,
    /// Taken back for the customer, before cooking.
    Withdrawn,
    /// Not cooked in time.
    Abandoned,
}

impl Status {
    /// What people read.
    pub fn label(self, lang: Lang) -> &'static str {
        let (ko, en) = match self {
            Status::Waiting => ("접수대기", "Waiting for an answer"),
            Status::Accepted => ("주문승인", "Accepted"),
            Status::Cooking => ("조리중", "Cooking"),
            Status::Finished => ("조리완료", "Cooked"),
            Status::Rejected => ("주문거절", "Rejected"),
            Status::Withdrawn => ("취소됨", "Withdrawn"),
            Status::Abandoned => ("조리포기", "Not cooked in time"),
        };
        lang.pick(ko, en)
    }

    /// The word in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Accepted => "accepted",
            Status::Cooking => "cooking",
            Status::Finished => "finished",
            Status::Rejected => "rejected",
            Status::Withdrawn => "withdrawn",
            Status::Abandoned => "abandoned",
        }
    }
}

/// What may be asked of a ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Cook it, in about so many minutes.
    Accept { cook_minutes: Minutes },
    /// Do not cook it.
    Reject { reason: Text<200> },
    /// Put it on the stove.
    Start {},
    /// It is cooked.
    Finish {},
    /// It takes longer.
    Delay { minutes: Minutes },
    /// The store has room for it.
    Open { about: About, basket: Basket, note: Option<Text<200>> },
    /// The customer wants to cancel.
    Withdraw { about: About, reason: Reason },
    /// The customer wants other dishes.
    Revise { about: About, basket: Basket },
    /// The change is paid.
    Settle { about: About },
    /// The change is not paid.
    Revert { about: About },
    /// The deadline of the answer.
    ExpireAnswer {},
    /// The announced minutes are over.
    MarkOverdue {},
    /// The deadline of cooking.
    Abandon {},
}

impl Command {
    /// Who may send each.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Accept { .. } | Command::Reject { .. } | Command::Start {} | Command::Finish {} | Command::Delay { .. } => {
                Sender::Person(Role::Owner)
            }
            _ => Sender::System,
        }
    }
}

/// What can happen to a ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// On the wall, waiting for an answer.
    Opened { about: About, basket: Basket, note: Option<Text<200>>, at_ms: Millis },
    /// The customer was faster than the ticket: it never goes on the wall, and its place is free again.
    Dropped { about: About, at_ms: Millis },
    /// The store will cook.
    Accepted { about: About, cook_minutes: Minutes, at_ms: Millis },
    /// The store, or its deadline, said no.
    Rejected { about: About, reason: Reason, at_ms: Millis },
    /// Cooking.
    Started { about: About, at_ms: Millis },
    /// Later than announced by so many minutes: so many remain from now.
    Delayed { about: About, minutes: Minutes, remaining: Minutes, at_ms: Millis },
    /// The announced minutes are over and the food is not ready.
    Overdue { about: About, at_ms: Millis },
    /// Ready.
    Finished { about: About, at_ms: Millis },
    /// Taken back before cooking, or before it was ever here.
    Withdrawn { about: About, reason: Reason, at_ms: Millis },
    /// Too late: cooking has started.
    WithdrawalRefused { about: About, at_ms: Millis },
    /// Holds the new dishes until they are paid; the start waits.
    Revised { about: About, basket: Basket, at_ms: Millis },
    /// The dishes cannot change any more.
    RevisionRefused { about: About, reason: Reason, at_ms: Millis },
    /// Cooks the new dishes.
    Settled { about: About, basket: Basket, at_ms: Millis },
    /// Cooks the old dishes.
    Reverted { about: About, at_ms: Millis },
    /// Not cooked in time.
    Abandoned { about: About, at_ms: Millis },
}

impl Event {
    /// Whose ticket it is.
    pub fn about(&self) -> &About {
        use Event::*;
        match self {
            Opened { about, .. }
            | Dropped { about, .. }
            | Accepted { about, .. }
            | Rejected { about, .. }
            | Started { about, .. }
            | Delayed { about, .. }
            | Overdue { about, .. }
            | Finished { about, .. }
            | Withdrawn { about, .. }
            | WithdrawalRefused { about, .. }
            | Revised { about, .. }
            | RevisionRefused { about, .. }
            | Settled { about, .. }
            | Reverted { about, .. }
            | Abandoned { about, .. } => about,
        }
    }

    /// The order behind the ticket.
    pub fn order(&self) -> OrderId {
        self.about().order
    }
}
