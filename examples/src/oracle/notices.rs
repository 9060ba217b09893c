//! Notices: each is told, under one name, and nothing that must be told is missing.

use super::{
    books::{Books, Entry},
    finding::{Class, Finding},
    story::Story,
};
use shared::{Context, Kind};
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
        // Some names end with a time or a number. In these stories nothing happens to an order twice, so that two names
        // that differ only in it are one notice told twice.
        let words: Vec<&str> = key.split('.').map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit())).collect();
        let meaning = format!("{}.{}", key.split('.').next().unwrap_or_default(), words[1..].join("."));
        if let Some(other) = meanings.insert(meaning, key) {
            wrong.push(Class::Duplicated.of(format!("{key} and {other} are the same notice")));
        }
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
