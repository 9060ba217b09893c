//! Notices: each is told, under one name, and nothing that must be told is missing. A text went out for those that were
//! told by a text, and for no other, and once.

use super::{
    books::{Books, Entry},
    finding::{Class, Finding},
    story::Story,
};
use crate::solapi::Taken;
use serde::Deserialize;
use serde_json::Value;
use shared::{
    Context, Kind,
    notice::{Notice, Topic},
};
use std::collections::{HashMap, HashSet};

/// Which of an order's events must have been told to its customer, and under which name.
const TOLD: [(&str, &str); 8] = [
    ("placed", "pending_payment"),
    ("paid", "placed"),
    ("payment_failed", "payment_failed"),
    ("accepted", "accepted"),
    ("rejected", "rejected"),
    ("delivered", "delivered"),
    ("completed", "completed"),
    ("cancelled", "cancelled"),
];

/// Compares what was told with what happened.
pub fn judge(books: &Books, stories: &[Story]) -> Vec<Finding> {
    let mut wrong = vec![];
    let mut meanings: HashMap<String, &str> = HashMap::new();
    for ((_, key), (_, row)) in books.rows.iter().filter(|((kind, _), _)| *kind == Kind::Notice) {
        if !matches!(row["status"].as_str(), Some("sent" | "skipped")) {
            wrong.push(Class::Unfinished.of(format!("{key} was not told: {}", row["status"])));
        }
        // What must be told is told, unless it leads nowhere, or says that something is waited for that is not any more.
        if row["status"] == "skipped" && is_lost(row) {
            wrong.push(Class::Lost.of(format!("{key} was left out, because it is {}", row["why"])));
        }
        // Some names end with a time or a number. In these stories nothing happens to an order twice, so that two names
        // that differ only in it are one notice told twice.
        let words: Vec<&str> = key.split('.').map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit())).collect();
        let meaning = format!("{}.{}", key.split('.').next().unwrap_or_default(), words[1..].join("."));
        if let Some(other) = meanings.insert(meaning, key) {
            wrong.push(Class::Duplicated.of(format!("{key} and {other} are the same notice")));
        }
    }
    if let Some(taken) = &books.texts {
        wrong.extend(texts(books, taken));
    }
    let orders: HashSet<_> = stories.iter().filter_map(|story| story.order).collect();
    for Entry { fact, .. } in &books.journals[&Context::Order] {
        let (Some(order), Some((_, name))) = (fact.order, TOLD.iter().find(|(event, _)| *event == fact.name)) else { continue };
        let key = (Kind::Notice, format!("{order}.customer.{name}.inbox"));
        if fact.kind == Kind::Order && orders.contains(&order) && !books.rows.contains_key(&key) {
            wrong.push(Class::Lost.of(format!("{} is missing", key.1)));
        }
    }
    wrong
}

/// Compares the texts that a company has accepted with the notices that were told by it.
fn texts(books: &Books, taken: &[Taken]) -> Vec<Finding> {
    let (mut wrong, mut out) = (vec![], HashSet::new());
    // A text in place of another has a line of its own.
    for text in taken.iter().filter(|text| !text.replacement) {
        if !out.insert(text.nid.as_str()) {
            wrong.push(Class::Duplicated.of(format!("the text of {} went out twice", text.nid)));
        }
    }
    if out.is_empty() {
        wrong.push(Class::Lost.of("not one text went out"));
    }
    for ((_, key), (_, row)) in books.rows.iter().filter(|((kind, _), _)| *kind == Kind::Notice) {
        let (is_text, was_sent) = (row["status"] == "sent" && row["way"] == "solapi", out.remove(key.as_str()));
        match (is_text, was_sent) {
            (true, false) => wrong.push(Class::Lost.of(format!("the text of {key} never went out"))),
            // Who was killed when a text had gone out does not know that, and what was progress may be none any more.
            (false, true) if row["status"] == "skipped" && !is_mandatory(row) => {}
            (false, true) => {
                wrong.push(Class::Unexpected.of(format!("a text of {key} went out, which is {} by {}", row["status"], row["way"])))
            }
            _ => {}
        }
    }
    wrong.extend(out.iter().map(|nid| Class::Unexpected.of(format!("a text of {nid} went out, which is no notice"))));
    wrong
}

/// Whether a notice that was left out should have been told.
fn is_lost(row: &Value) -> bool {
    let is_mandatory = Notice::deserialize(&row["notice"]).is_ok_and(|notice| notice.topic.is_mandatory());
    match row["why"].as_str() {
        Some("unwanted" | "shed") => is_mandatory,
        Some("stale") => self::is_mandatory(row),
        _ => false,
    }
}

/// Whether a notice must be told: that an order waits for its payment must not, once it does not. What cannot be read must.
fn is_mandatory(row: &Value) -> bool {
    let is_for_a_while = |topic: &Topic| matches!(topic, Topic::PendingPayment { .. });
    Notice::deserialize(&row["notice"]).map_or(true, |notice| notice.topic.is_mandatory() && !is_for_a_while(&notice.topic))
}
