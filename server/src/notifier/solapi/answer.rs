//! What SOLAPI's answers mean. Its codes grow, so that none is taken for what it does not say: what cannot be read is
//! neither sent nor refused.

use serde::Deserialize;
use serde_json::Value;
use shared::notice::Outcome;
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
pub struct Stored {
    status_code: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    custom_fields: Option<BTreeMap<String, Value>>,
}

/// What is known of one name.
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

/// What an 알림톡 is called; a text message in its place is SMS or LMS.
const ALIMTALK: &str = "ATA";
/// With the carrier: nobody knows yet.
const AT_CARRIER: &str = "3000";
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

/// What messages of one name say.
pub fn found(named: &[Stored]) -> Found {
    named.iter().fold(Found::Nothing, |found, stored| match (class(&stored.status_code), found) {
        // A text message in place of what failed has the same name: one that was accepted is enough.
        (_, Found::Accepted) | (Verdict::Accepted, _) => Found::Accepted,
        (Verdict::Refused, Found::Nothing | Found::Refused) => Found::Refused,
        // What had no money behind it was not taken: it may be sent once there is some.
        (Verdict::Broken, found) => found,
        _ => Found::Unknown,
    })
}

/// What became of the messages of one name, once that is known of all of them, or one has arrived. When there are none,
/// nobody knows.
pub fn outcome(named: &[Stored]) -> Option<Outcome> {
    let is = |stored: &Stored, first: u8| class(&stored.status_code) != Verdict::Unknown && stored.status_code.as_bytes()[0] == first;
    if let Some(arrived) = named.iter().find(|stored| is(stored, b'4')) {
        let is_alimtalk = arrived.kind.as_deref().is_none_or(|kind| kind == ALIMTALK);
        return Some(if is_alimtalk { Outcome::Delivered } else { Outcome::Replaced });
    }
    let has_failed = |stored: &Stored| is(stored, b'1') || (is(stored, b'3') && stored.status_code != AT_CARRIER);
    match named {
        [] => Some(Outcome::Unknown),
        all => all.iter().all(has_failed).then_some(Outcome::Failed),
    }
}

impl Listed {
    /// The messages of this name on the page; `None` when it cannot be read as a whole.
    pub fn named(&self, name: &str) -> Option<Vec<Stored>> {
        let values: Vec<&Value> = match &self.message_list {
            Value::Object(by_id) => by_id.values().collect(),
            Value::Array(list) => list.iter().collect(),
            _ => return None,
        };
        let all = values.into_iter().map(Stored::deserialize).collect::<Result<Vec<_>, _>>().ok()?;
        let nid = |stored: &Stored| stored.custom_fields.as_ref()?.get("nid")?.as_str().map(|nid| nid == name);
        Some(all.into_iter().filter(|stored| nid(stored) == Some(true)).collect())
    }

    /// Where the next page begins, if there is one.
    pub fn next(&self) -> Option<String> {
        self.next_key.clone().filter(|key| !key.is_empty())
    }
}
