//! What the error codes of Toss Payments mean for the money. The codes and their statuses are those of
//! <https://docs.tosspayments.com/reference/error-codes>; the classes are ours.
//!
//! A code that is not in the table says nothing about the money, and nor does any answer with a status of 5xx: such an
//! outcome is looked up, never guessed.

/// What follows from an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A charge was refused for good: another try needs another movement.
    Declined,
    /// The payment window was left alone for too long: refused for good, once a look-up shows no capture.
    Expired,
    /// A mistake of ours, or of our configuration: people must know, and repeating does not help.
    OurFault,
    /// A refund was refused for good: an operator must decide.
    RefusedRefund,
    /// Money may have moved: look it up.
    Unknown,
}

use Class::{Declined, Expired, OurFault, RefusedRefund, Unknown};

/// Every code that means something definite, and those that only seem to.
const TABLE: &[(&str, Class)] = &[
    ("REJECT_CARD_PAYMENT", Declined),
    ("REJECT_ACCOUNT_PAYMENT", Declined),
    ("REJECT_CARD_COMPANY", Declined),
    ("NOT_AVAILABLE_BANK", Declined),
    ("INVALID_PASSWORD", Declined),
    ("FDS_ERROR", Declined),
    ("INVALID_REJECT_CARD", Declined),
    ("INVALID_STOPPED_CARD", Declined),
    ("INVALID_CARD_EXPIRATION", Declined),
    ("BELOW_MINIMUM_AMOUNT", Declined),
    ("NOT_FOUND_PAYMENT_SESSION", Expired),
    ("UNAUTHORIZED_KEY", OurFault),
    ("INVALID_API_KEY", OurFault),
    ("INVALID_REQUEST", OurFault),
    ("INVALID_IDEMPOTENCY_KEY", OurFault),
    ("INCORRECT_BASIC_AUTH_FORMAT", OurFault),
    ("FORBIDDEN_REQUEST", OurFault),
    ("DUPLICATED_ORDER_ID", OurFault),
    ("NOT_CANCELABLE_AMOUNT", RefusedRefund),
    ("NOT_CANCELABLE_PAYMENT", RefusedRefund),
    ("EXCEED_MAX_REFUND_DUE", RefusedRefund),
    ("NOT_ALLOWED_PARTIAL_REFUND", RefusedRefund),
    ("NOT_ALLOWED_PARTIAL_REFUND_WAITING_DEPOSIT", RefusedRefund),
    ("EXCEED_CANCEL_LIMIT", RefusedRefund),
    ("NOT_CANCELABLE_PAYMENT_FOR_DORMANT_USER", RefusedRefund),
    ("REFUND_REJECTED", RefusedRefund),
    ("INVALID_REFUND_ACCOUNT_INFO", RefusedRefund),
    ("INVALID_REFUND_ACCOUNT_NUMBER", RefusedRefund),
    ("INVALID_BANK", RefusedRefund),
    ("FORBIDDEN_BANK_REFUND_REQUEST", RefusedRefund),
    ("EXCEED_CANCEL_AMOUNT_DISCOUNT_AMOUNT", RefusedRefund),
    // A 400 that passes by itself, and others that tell of an earlier attempt and not of this one.
    ("PROVIDER_ERROR", Unknown),
    ("ALREADY_PROCESSED_PAYMENT", Unknown),
    ("IDEMPOTENT_REQUEST_PROCESSING", Unknown),
    ("ALREADY_CANCELED_PAYMENT", Unknown),
    ("ALREADY_REFUND_PAYMENT", Unknown),
    ("NOT_MATCHES_REFUNDABLE_AMOUNT", Unknown),
    ("FORBIDDEN_CONSECUTIVE_REQUEST", Unknown),
];
/// A family of its own: some twenty limits of a card, a day or a month.
const LIMITS: &str = "EXCEED_MAX_";

/// The answer to an unfinished request with the same idempotency key.
pub const IN_FLIGHT: &str = "IDEMPOTENT_REQUEST_PROCESSING";
/// The answer to a look-up of what there is not.
pub const NOT_FOUND: &str = "NOT_FOUND_PAYMENT";

/// Whether an error of this status is an answer, which the provider repeats under the same key for fifteen days. Those that
/// tell to wait, or to come again, are none, and nor are faults of theirs.
pub fn is_decided(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 409 | 429)
}

/// The class of an error.
pub fn class(status: u16, code: &str) -> Class {
    if !is_decided(status) {
        return Unknown;
    }
    let listed = TABLE.iter().find(|(name, _)| *name == code).map(|(_, class)| *class);
    listed.unwrap_or(if code.starts_with(LIMITS) { Declined } else { Unknown })
}
