//! Which commands people send with `PUT /{resource}/{id}/{verb}`, and how a verb and a body become one.

use super::problem::Trouble;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::{Command, Kind, customer, delivery, order, payment, problem::Code, review, rider, store, ticket};
use std::collections::HashMap;

/// The verbs of every kind, with a sample of each command.
pub struct Verbs(HashMap<Kind, Vec<(String, Command)>>);

impl Verbs {
    /// Asks the rules for their samples. A verb is named as its command is in JSON.
    pub fn new() -> Self {
        let named = |command: Command| (name(&command), command);
        Self(Kind::ALL.iter().map(|kind| (*kind, domain::verbs(*kind).into_iter().map(named).collect())).collect())
    }

    /// The verbs of a kind; a verb with several samples comes several times.
    pub fn of(&self, kind: Kind) -> &[(String, Command)] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// A sample of a verb's command; `None` when the kind has no such verb.
    pub fn sample(&self, kind: Kind, verb: &str) -> Option<&Command> {
        self.of(kind).iter().find(|(name, _)| name == verb).map(|(_, command)| command)
    }
}

impl Default for Verbs {
    fn default() -> Self {
        Self::new()
    }
}

fn name(command: &Command) -> String {
    let value = serde_json::to_value(command).unwrap_or(Value::Null);
    let inner = value.as_object().and_then(|object| object.values().next()).and_then(|inner| inner.get("type"));
    inner.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Reads a command from a verb and a body.
///
/// # Errors
/// A body that is not the command's.
pub fn command(kind: Kind, verb: &str, body: &[u8]) -> Result<Command, Trouble> {
    let mut value: Value = if body.is_empty() { Value::Object(serde_json::Map::new()) } else { json(body)? };
    let Value::Object(fields) = &mut value else { return Err(invalid("an object is wanted")) };
    if fields.contains_key("type") {
        return Err(invalid("unknown field `type`"));
    }
    fields.insert("type".into(), verb.into());
    match kind {
        Kind::Order => typed::<order::Command>(value),
        Kind::Payment => typed::<payment::Command>(value),
        Kind::Store => typed::<store::Command>(value),
        Kind::Ticket => typed::<ticket::Command>(value),
        Kind::Rider => typed::<rider::Command>(value),
        Kind::Delivery => typed::<delivery::Command>(value),
        Kind::Customer => typed::<customer::Command>(value),
        Kind::Review => typed::<review::Command>(value),
        _ => Err(Code::NotFound.into()),
    }
}

fn typed<C: DeserializeOwned + Into<Command>>(value: Value) -> Result<Command, Trouble> {
    serde_json::from_value::<C>(value).map(Into::into).map_err(|e| invalid(&e.to_string()))
}

/// Reads a body.
///
/// # Errors
/// What is wrong with it, and where.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Trouble> {
    // Serde would read a list as a struct whose fields are in order; a body of ours has names.
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(invalid("an object is wanted"));
    }
    serde_json::from_slice(body).map_err(|e| invalid(&e.to_string()))
}

/// A body that cannot be read.
pub fn invalid(detail: &str) -> Trouble {
    Trouble::Edge(Code::InvalidBody, Some(detail.to_owned()))
}
