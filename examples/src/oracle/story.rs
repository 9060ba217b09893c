//! What a client means to do with an order, and what it asked and was answered.

use crate::{
    people::{DELIVERY_FEE, PRICE},
    seed::Seed,
};
use serde::{Deserialize, Serialize};
use shared::{AccountId, OrderId, Won, order::Status};

/// How an order is meant to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// From the cart to the confirmation.
    Whole,
    /// The customer forgets to confirm: a deadline does.
    Unconfirmed,
    /// The owner does not look: a deadline rejects.
    Unanswered,
    /// The owner says no.
    Rejected,
    /// The card is declined.
    Declined,
    /// Cancelled before the owner's answer.
    CancelBefore,
    /// Cancelled after it, before cooking.
    CancelAfter,
    /// Cancelled at the very moment when cooking starts: one of the two wins.
    Race,
    /// More dishes, and the difference is charged.
    Dearer,
    /// Fewer dishes, and the difference goes back.
    Cheaper,
    /// More dishes, and the difference is declined: the order stays as it was.
    OnceCard,
    /// Cancelled while a slow card is still being charged, if the answer comes before the money.
    SlowCard,
    /// Cancelled as soon as it is placed, and not watched: for those who order at a steady rate whatever happens.
    Dropped,
}

/// Of a hundred orders.
const OF_A_HUNDRED: [(Plan, u64); 12] = [
    (Plan::Whole, 40),
    (Plan::Unconfirmed, 8),
    (Plan::Unanswered, 3),
    (Plan::Rejected, 7),
    (Plan::Declined, 7),
    (Plan::CancelBefore, 7),
    (Plan::CancelAfter, 5),
    (Plan::Race, 8),
    (Plan::Dearer, 5),
    (Plan::Cheaper, 4),
    (Plan::OnceCard, 3),
    (Plan::SlowCard, 3),
];

impl Plan {
    /// Draws one.
    pub fn draw(seed: &mut Seed) -> Self {
        let mut left = seed.below(100);
        for (plan, weight) in OF_A_HUNDRED {
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => return plan,
            }
        }
        Plan::Whole
    }

    /// The card.
    pub fn means(self) -> &'static str {
        match self {
            Plan::Declined => "declined_card",
            Plan::OnceCard => "once_card",
            Plan::SlowCard => "slow_card",
            _ => "card",
        }
    }

    /// How many dishes first, and how many instead.
    pub fn dishes(self) -> (u32, Option<u32>) {
        match self {
            Plan::Dearer | Plan::OnceCard => (2, Some(3)),
            Plan::Cheaper => (2, Some(1)),
            _ => (2, None),
        }
    }

    /// How it may end.
    pub fn ends(self) -> &'static [Status] {
        match self {
            Plan::Whole | Plan::Unconfirmed | Plan::Dearer | Plan::Cheaper | Plan::OnceCard => &[Status::Completed],
            Plan::Unanswered | Plan::Rejected => &[Status::Rejected],
            Plan::Declined => &[Status::PaymentFailed],
            Plan::CancelBefore | Plan::CancelAfter | Plan::SlowCard | Plan::Dropped => &[Status::Cancelled],
            Plan::Race => &[Status::Cancelled, Status::Completed],
        }
    }
}

/// What an order costs with so many dishes.
pub fn total(dishes: u32) -> Won {
    Won(i64::from(dishes) * PRICE + DELIVERY_FEE)
}

/// A verb and its answer. It was repeated until there was one.
#[derive(Debug, Clone)]
pub struct Said {
    /// The verb.
    pub verb: String,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// The problem's code, if it was a no: for whoever reads the story of a failure.
    pub code: String,
    /// How often it was asked.
    pub tries: u32,
}

impl Said {
    /// True when the server said that it is so.
    pub fn acknowledged(&self) -> bool {
        // A change that was made by the first try is no change for the second.
        (200..300).contains(&self.status)
    }
}

/// An order in a client's own log.
#[derive(Debug, Clone)]
pub struct Story {
    /// What was meant.
    pub plan: Plan,
    /// The idempotency key.
    pub key: String,
    /// Whose.
    pub customer: AccountId,
    /// What the server called it, if it acknowledged it.
    pub order: Option<OrderId>,
    /// How often it was placed.
    pub tries: u32,
    /// What was asked then.
    pub said: Vec<Said>,
}
