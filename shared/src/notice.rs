//! The notice 알림: what somebody is told about an order, once per status and channel.

use crate::{AccountId, Millis, OrderId, Sender, Text, Won, order::Reason};
use serde::{Deserialize, Serialize};

/// What a notice tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// To the customer: waiting for the payment.
    PendingPayment { total: Won },
    /// To the customer: paid and with the store.
    Placed { total: Won },
    /// To the owner: an order waits for an answer.
    NewOrder { total: Won },
    /// To the customer: not paid.
    PaymentFailed { reason: Reason },
    /// To the customer.
    Accepted { eta_ms: Millis },
    /// To the customer.
    Delayed { minutes: u32, eta_ms: Millis },
    /// To the customer.
    Rejected { reason: Reason, refund: Won },
    /// To the customer.
    Cooking {},
    /// To the customer.
    Cooked {},
    /// To the customer.
    Picked {},
    /// To the customer: another rider is sought.
    Released {},
    /// To the customer.
    Delivered {},
    /// To the customer.
    Completed {},
    /// From the store, to the customer.
    Thanks { words: Text<200> },
    /// To the customer.
    CancelRequested {},
    /// To the customer.
    CancelRefused {},
    /// To the customer.
    Cancelled { reason: Reason, refund: Won },
    /// To the owner: the customer took it back.
    Withdrawn { reason: Reason },
    /// To the customer.
    ChangeRequested { total: Won },
    /// To the customer; the difference is positive when it was charged.
    Changed { total: Won, difference: Won },
    /// To the owner: other dishes are on the ticket.
    OrderChanged { total: Won },
    /// To the customer.
    ChangeRefused { reason: Reason },
    /// To the customer: the store would leave out what is sold out, and waits for an answer.
    OfferMade { without: Vec<Text<60>>, refund: Won, total: Won },
    /// To the owner: the customer takes what is left.
    OfferAccepted { total: Won },
    /// To the owner: the order stays as it was.
    OfferDeclined {},
    /// To the customer: the money went back.
    Refunded { amount: Won },
    /// To the owner and the customer: the announced minutes are over.
    Overdue {},
    /// To the customer: a higher grade.
    Promoted { grade: crate::customer::Grade },
    /// To the owner: a review came in.
    Reviewed { stars: u32 },
}

impl Topic {
    /// True for what must be told whatever happens; the rest is progress, and may be left out on request. That an order
    /// waits for its payment is told unless it does not any more.
    pub fn is_mandatory(&self) -> bool {
        use Topic::*;
        matches!(
            self,
            PendingPayment { .. }
                | Placed { .. }
                | NewOrder { .. }
                | PaymentFailed { .. }
                | Rejected { .. }
                | Delivered {}
                | Cancelled { .. }
                | CancelRefused {}
                | Withdrawn { .. }
                | Changed { .. }
                | OrderChanged { .. }
                | ChangeRefused { .. }
                | OfferMade { .. }
                | OfferAccepted { .. }
                | OfferDeclined {}
                | Refunded { .. }
        )
    }
}

/// How a notice travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// `baemin customer inbox`, and whatever the notifier adds.
    Inbox,
}

/// By which way a notice left the house, beside the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A line in a file.
    Log,
    /// 알림톡, or a text message in its place.
    Solapi,
    /// A signed request to somebody else's server.
    Webhook,
}

impl Way {
    /// True for a way that says only later what became of a notice that it has taken.
    pub fn reports(self) -> bool {
        matches!(self, Self::Solapi)
    }
}

/// What became of a notice after a way had taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its reader has it.
    Delivered,
    /// Its reader has it as a text message in place of an 알림톡.
    Replaced,
    /// It did not arrive, and never will by this way.
    Failed,
    /// The way has not said so in all the time that it has.
    Unknown,
}

/// Why a notice was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Omitted {
    /// Its reader wants none of its kind.
    Unwanted,
    /// More waited than the ways can carry.
    Shed,
    /// It is not news any more; the inbox has it.
    Stale,
    /// No way leads to its reader; the inbox has it.
    Unreachable,
}

/// Where a notice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its channel.
    Queued,
    /// Handed over.
    Sent,
    /// Left out: unwanted, shed, stale, or without a way to its reader.
    Skipped,
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Notice {
    /// About which order.
    pub order: OrderId,
    /// From or about which store.
    pub store_name: Option<Text<60>>,
    /// To whom.
    pub to: AccountId,
    /// How.
    pub channel: Channel,
    /// What.
    pub topic: Topic,
    /// When it came to be.
    pub at_ms: Millis,
}

/// What may be asked of a notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Tell it.
    Queue { notice: Notice },
    /// The channel has taken it, by this way.
    MarkSent {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<Way>,
    },
    /// It is left out, because of this.
    MarkSkipped {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Omitted>,
    },
    /// What became of it after its way had taken it.
    Report { outcome: Outcome },
}

impl Command {
    /// Nobody but policies and workers.
    pub fn sender(&self) -> Sender {
        Sender::System
    }
}

/// What can happen to a notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Waits for its channel.
    Queued { notice: Notice },
    /// Handed over; older events do not say by which way.
    Sent {
        order: OrderId,
        to: AccountId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        way: Option<Way>,
        at_ms: Millis,
    },
    /// Left out; older events do not say why.
    Skipped {
        order: OrderId,
        to: AccountId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Omitted>,
        at_ms: Millis,
    },
    /// What became of it after its way had taken it. One that failed waits for another way.
    Reported { order: OrderId, to: AccountId, outcome: Outcome, at_ms: Millis },
}
