//! What SOLAPI's answers mean. Its codes grow, so that none is taken for what it does not say: what cannot be read is
//! neither sent nor refused.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What follows from an answer to a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// SOLAPI has it.
    Accepted,
    /// SOLAPI does not have it, and will not take it.
    Refused,
    /// SOLAPI has too much to do.
    Full,
    /// SOLAPI does not have it, and we, or it, must be mended first.
    Broken,
    /// Nobody knows.
    Unknown,
}

/// An answer to a send, in what matters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    status_code: String,
    message_id: String,
}

/// An error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    error_code: String,
}

/// A page of messages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// By message id; an empty list when there is none.
    message_list: Value,
    #[serde(default)]
    next_key: Option<String>,
}

/// A message in a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    status_code: String,
    #[serde(default)]
    custom_fields: Option<BTreeMap<String, Value>>,
}

/// What a page says of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is not there.
    Nothing,
    /// It is there, and was accepted.
    Accepted,
    /// It is there, and was refused.
    Refused,
    /// It is there.
    Unknown,
}

/// Account without money: the notice is fine, and will go out once somebody has paid.
const NO_BALANCE: &str = "1030";

/// The class of a status: 1xxx refused at accept, 2xxx accepted, 3xxx with the carrier or replaced by a text message,
/// 4xxx delivered.
fn class(code: &str) -> Verdict {
    if code.len() != 4 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Verdict::Unknown;
    }
    match code.as_bytes()[0] {
        b'1' if code == NO_BALANCE => Verdict::Broken,
        b'1' => Verdict::Refused,
        b'2'..=b'4' => Verdict::Accepted,
        _ => Verdict::Unknown,
    }
}

/// What follows from an answer to a send.
pub fn judge(status: u16, sent: Option<&Sent>, failed: Option<&Failed>) -> Verdict {
    match (status, sent, failed) {
        (200, Some(sent), None) if !sent.message_id.is_empty() => class(&sent.status_code),
        (429, ..) => Verdict::Full,
        // Who we are is not believed, or our clock is wrong: nothing was taken, and other notices fare no better.
        (401..=404 | 407, ..) => Verdict::Broken,
        // A refusal in SOLAPI's own words; a proxy's would not have them.
        (400 | 413 | 422, None, Some(failed)) if !failed.error_code.is_empty() => Verdict::Refused,
        _ => Verdict::Unknown,
    }
}

impl Listed {
    /// What this page says of a name; `None` when it cannot be read as a whole.
    pub fn find(&self, name: &str) -> Option<Found> {
        let values: Vec<&Value> = match &self.message_list {
            Value::Object(by_id) => by_id.values().collect(),
            Value::Array(list) => list.iter().collect(),
            _ => return None,
        };
        let mut found = Found::Nothing;
        for value in values {
            let stored = Stored::deserialize(value).ok()?;
            let nid = stored.custom_fields.as_ref().and_then(|fields| fields.get("nid")).and_then(Value::as_str);
            if nid != Some(name) {
                continue;
            }
            found = match (class(&stored.status_code), found) {
                // A text message in place of what failed has the same name: one that was accepted is enough.
                (Verdict::Accepted, _) => return Some(Found::Accepted),
                (Verdict::Refused, Found::Nothing) => Found::Refused,
                (Verdict::Refused, other) => other,
                _ => Found::Unknown,
            };
        }
        Some(found)
    }

    /// Where the next page begins, if there is one.
    pub fn next(&self) -> Option<String> {
        self.next_key.clone().filter(|key| !key.is_empty())
    }
}
