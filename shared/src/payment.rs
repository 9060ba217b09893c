//! The payment of an order: charges and refunds, each a movement with its own number.

use crate::{
    CustomerId, Millis, OrderId, Role, Sender, Text, Won,
    order::{Means, Reason},
};
use serde::{Deserialize, Serialize};

/// Numbers the movements of one payment from 1. With the order it is the key that the provider sees, so that a repeat
/// of the same movement is known to be one.
pub type Movement = u32;

/// A provider's own word for why it refuses a refund. It says nothing about anybody.
pub type RefusalCode = Text<100>;

/// What stands before a refund's name in the reason that a provider keeps of it, which people read there.
pub const REFUND_REASON: &str = "환불 ";

/// The reason under which a provider keeps a refund of this name, word for word. Whoever gives money back by hand writes the same.
pub fn refund_reason(refund: &str) -> String {
    format!("{REFUND_REASON}{refund}")
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The provider is asked.
    Charging,
    /// The money is there.
    Paid,
    /// The provider said no.
    Declined,
    /// Money is on its way back.
    Refunding,
    /// All money went back.
    Refunded,
    /// Called off before any money moved.
    Voided,
}

/// What may be asked of a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Charge the order's total.
    Request { order: OrderId, customer: CustomerId, amount: Won, means: Means },
    /// The provider took the money.
    Approve { movement: Movement },
    /// The provider said no.
    Decline { movement: Movement, reason: Reason },
    /// The order ended: give everything back.
    Refund { order: OrderId, customer: CustomerId, reason: Reason },
    /// The order's total changed: charge or give back the difference.
    Adjust { total: Won },
    /// The deadline of an extra charge.
    GiveUp { movement: Movement },
    /// The provider gave the money back.
    ConfirmRefund { movement: Movement },
    /// The provider will not give the money back. It stays due, and is asked for again.
    RefuseRefund {
        movement: Movement,
        reason: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<RefusalCode>,
    },
    /// The customer wants what is due to be asked for now, and not only when its turn comes.
    Pay {},
}

impl Command {
    /// Who may send each: customers ask for what is due, everything else is for policies and workers.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Pay {} => Sender::Person(Role::Customer),
            _ => Sender::System,
        }
    }
}

/// What can happen to a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A charge is due at the provider. `extra` is the difference of an order change.
    Requested { order: OrderId, customer: CustomerId, movement: Movement, amount: Won, means: Means, extra: bool, at_ms: Millis },
    /// Money came.
    Approved { order: OrderId, customer: CustomerId, movement: Movement, amount: Won, extra: bool, at_ms: Millis },
    /// No money came.
    Declined { order: OrderId, customer: CustomerId, movement: Movement, reason: Reason, extra: bool, at_ms: Millis },
    /// Called off before money moved; whatever comes later goes back.
    Voided { order: OrderId, customer: CustomerId, at_ms: Millis },
    /// A refund is due at the provider.
    RefundRequested {
        order: OrderId,
        customer: CustomerId,
        movement: Movement,
        amount: Won,
        reason: Option<Reason>,
        means: Means,
        at_ms: Millis,
    },
    /// The provider will not give the money back: a matter for operators. It is asked again until it does.
    RefundRefused {
        order: OrderId,
        customer: CustomerId,
        movement: Movement,
        amount: Won,
        reason: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<RefusalCode>,
        at_ms: Millis,
    },
    /// Money went back.
    Refunded { order: OrderId, customer: CustomerId, movement: Movement, amount: Won, at_ms: Millis },
    /// What is paid, or promised back, is now the order's new total.
    Adjusted { order: OrderId, customer: CustomerId, total: Won, at_ms: Millis },
    /// The order's new total is not paid; what was paid stays.
    AdjustFailed { order: OrderId, customer: CustomerId, reason: Reason, at_ms: Millis },
}

impl Event {
    /// The order that is paid.
    pub fn order(&self) -> OrderId {
        use Event::*;
        match self {
            Requested { order, .. }
            | Approved { order, .. }
            | Declined { order, .. }
            | Voided { order, .. }
            | RefundRequested { order, .. }
            | RefundRefused { order, .. }
            | Refunded { order, .. }
            | Adjusted { order, .. }
            | AdjustFailed { order, .. } => *order,
        }
    }
}
