//! Journals: numbered without gaps, each stream counted without gaps, and nothing in them twice.

use super::{
    books::{Books, Entry},
    finding::{Class, Finding},
};
use serde_json::Value;
use shared::{Kind, OrderId, Recorded};
use std::collections::HashMap;

/// What an event is, apart from when it happened: two of the same are one too many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fact {
    /// Of what.
    pub kind: Kind,
    /// The event's name.
    pub name: String,
    /// Of which order, if of one.
    pub order: Option<OrderId>,
    /// The aggregate, and what tells several such events of it apart: a movement, or a profile's revision.
    which: (String, u64),
}

/// Reads what an event is.
pub fn fact(recorded: &Recorded) -> Fact {
    let value = serde_json::to_value(&recorded.event).unwrap_or_default();
    let inner = value.as_object().and_then(|sum| sum.values().next()).unwrap_or(&Value::Null);
    let order = [&inner["order"], &inner["about"]["order"], &inner["notice"]["order"]].into_iter().find_map(Value::as_str);
    let number = [&inner["movement"], &inner["profile"]["revision"]].into_iter().find_map(Value::as_u64);
    Fact {
        kind: recorded.event.kind(),
        name: inner["type"].as_str().unwrap_or_default().to_owned(),
        order: order.and_then(OrderId::parse),
        which: (recorded.stream.clone(), number.unwrap_or(0)),
    }
}

/// Compares the numbers of all events, and each event with the others.
pub fn judge(books: &Books) -> Vec<Finding> {
    let mut wrong = vec![];
    for (context, journal) in &books.journals {
        let mut versions: HashMap<(Kind, &str), u64> = HashMap::new();
        let mut last: HashMap<u16, u64> = HashMap::new();
        for Entry { row, partition, recorded, .. } in journal {
            let (position, seq) = (recorded.position, last.entry(*partition).or_default());
            *seq += 1;
            if position.seq != *seq || position.partition != *partition || position.context != *context || *row < *seq {
                // What comes after a gap is compared with what it says itself: one gap is one finding.
                let class = if position.seq > *seq { Class::Lost } else { Class::Duplicated };
                wrong.push(class.of(format!("{position} stands where {}.{partition}.{seq} should, in the row of {row}", context.name())));
                *seq = position.seq;
            }
            let version = versions.entry((recorded.event.kind(), &recorded.stream)).or_default();
            *version += 1;
            if recorded.version != *version {
                let class = if recorded.version > *version { Class::Lost } else { Class::Duplicated };
                wrong.push(class.of(format!("{position}: {} counts {} where {version} should be", recorded.stream, recorded.version)));
                *version = recorded.version;
            }
        }
        let mut seen = HashMap::new();
        for Entry { recorded, fact, .. } in journal {
            let first = *seen.entry(fact).or_insert(recorded.position);
            if first != recorded.position {
                wrong.push(Class::Duplicated.of(format!("{} repeats {first}: {:?}", recorded.position, recorded.event)));
            }
        }
    }
    wrong
}
