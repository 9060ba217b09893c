//! What is said about an event outside of it: on the broker, and in traces.

use serde_json::Value;
use shared::{Recorded, event::Position};

/// What an event is called, and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The event's word, such as `accepted`.
    pub name: String,
    /// The correlation id: the order's id, or the stream of an event that belongs to no order.
    pub correlation: String,
}

impl Named {
    /// Reads it from an event.
    ///
    /// # Errors
    /// An event that is no JSON, which would be a bug.
    pub fn of(event: &Recorded) -> Result<Self, serde_json::Error> {
        // An event is `{kind: {type: name, ..}}`, and what concerns an order names it, or what it is about does.
        let value = serde_json::to_value(&event.event)?;
        let inner = value.as_object().and_then(|kinds| kinds.values().next()).unwrap_or(&Value::Null);
        let name = inner["type"].as_str().unwrap_or("event").to_owned();
        let order = [&inner["order"], &inner["about"]["order"], &inner["notice"]["order"]].into_iter().find_map(Value::as_str);
        Ok(Self { name, correlation: order.unwrap_or(&event.stream).to_owned() })
    }
}

/// An event's id as messages and traces write it.
pub fn id(position: &Position) -> String {
    format!("{}-{}-{}", position.context.name(), position.partition, position.seq)
}
