//! The words of the core API (<https://docs.tosspayments.com/reference>), version 2022-11-16: of each object, the fields
//! that are read or written here. Whatever cannot be read is no answer.

use super::errors::NOT_FOUND;
use serde::{Deserialize, Serialize};
use shared::Won;

/// Asks for the capture of a payment that the customer has authenticated.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirm<'a> {
    pub payment_key: &'a str,
    pub order_id: &'a str,
    pub amount: Won,
}

/// Gives back money of a payment. Without an amount it is all that is left.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancel<'a> {
    pub cancel_reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_amount: Option<Won>,
    /// What must be left before this one, or it is refused: the optimistic lock.
    pub refundable_amount: Won,
}

/// Opens the payment window. Not of the core API: it stands for what the customer does in a browser.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkout<'a> {
    pub order_id: &'a str,
    pub amount: Won,
    pub card: shared::order::Means,
    pub extra: bool,
}

/// What the payment window leads to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    pub payment_key: String,
}

/// Where a payment stands. Open: tomorrow's status must be readable today.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "String")]
pub enum Status {
    Ready,
    InProgress,
    WaitingForDeposit,
    Done,
    PartialCanceled,
    Canceled,
    Aborted,
    Expired,
    /// One that this program does not know.
    Unknown(String),
}

impl From<String> for Status {
    fn from(text: String) -> Self {
        match text.as_str() {
            "READY" => Status::Ready,
            "IN_PROGRESS" => Status::InProgress,
            "WAITING_FOR_DEPOSIT" => Status::WaitingForDeposit,
            "DONE" => Status::Done,
            "PARTIAL_CANCELED" => Status::PartialCanceled,
            "CANCELED" => Status::Canceled,
            "ABORTED" => Status::Aborted,
            "EXPIRED" => Status::Expired,
            _ => Status::Unknown(text),
        }
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub payment_key: String,
    pub order_id: String,
    pub status: Status,
    pub currency: String,
    pub total_amount: i64,
    /// What is left. Nothing left is the one sign of a full refund: the status stays `PARTIAL_CANCELED` when the last won
    /// went back in parts.
    pub balance_amount: i64,
    /// Null until the money came in.
    pub approved_at: Option<String>,
    pub cancels: Option<Vec<Cancelled>>,
}

/// Money that went back.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancelled {
    pub cancel_amount: i64,
    pub cancel_reason: String,
}

/// A movement of money in the provider's books: an approval, or a cancellation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    pub transaction_key: String,
    pub order_id: String,
    pub status: Status,
    pub transaction_at: String,
    pub currency: String,
    pub amount: i64,
}

#[derive(Deserialize)]
struct Failure {
    code: String,
}

/// What came back.
#[derive(Debug, PartialEq)]
pub enum Reply<T> {
    /// What was asked for.
    Good(T),
    /// An error with a code.
    Refused { status: u16, code: String },
    /// No answer, or none that can be read; why.
    Unclear(&'static str),
}

impl<T> Reply<T> {
    /// True when the provider says that there is no such payment. Nothing else that looks like it counts.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Reply::Refused { status: 404, code } if code == NOT_FOUND)
    }
}

/// The longest code that is believed to be one.
const MAX_CODE: usize = 100;
/// The longest payment key, as documented.
const MAX_PAYMENT_KEY: usize = 200;
/// The shortest and the longest order id, as documented.
const ORDER_ID: std::ops::RangeInclusive<usize> = 6..=64;

/// Reads an answer of which all bytes are there.
pub fn read<T: serde::de::DeserializeOwned>(status: u16, is_json: bool, body: &[u8]) -> Reply<T> {
    if !is_json {
        return Reply::Unclear("it is not JSON");
    }
    if status == 200 {
        return serde_json::from_slice(body).map_or(Reply::Unclear("it cannot be read"), Reply::Good);
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(Failure { code }) if is_code(&code) => Reply::Refused { status, code },
        _ => Reply::Unclear("its error has no code"),
    }
}

fn is_code(text: &str) -> bool {
    (1..=MAX_CODE).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Whether the provider takes this as an order's id.
pub fn is_order_id(text: &str) -> bool {
    ORDER_ID.contains(&text.len()) && is_plain(text)
}

/// Whether this can be a payment key, and so part of a path.
pub fn is_payment_key(text: &str) -> bool {
    (1..=MAX_PAYMENT_KEY).contains(&text.len()) && is_plain(text)
}
