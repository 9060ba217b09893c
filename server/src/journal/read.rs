//! Reads what was kept or sent by another version: an event that is not understood does not hide the others.
//!
//! What every event of this version looks like is tried first, because it costs half as much.

use super::{Held, Parked};
use serde::Deserialize;
use serde_json::{Result, Value};
use shared::{Millis, Recorded, event::Position};

/// One event.
///
/// # Errors
/// Its envelope cannot be read.
pub fn event(json: &[u8]) -> Result<Recorded> {
    serde_json::from_slice(json).or_else(|_| Recorded::read_any(serde_json::from_slice(json)?))
}

/// The events of a JSON array.
///
/// # Errors
/// It is none, or an envelope in it cannot be read.
pub fn events(json: &[u8]) -> Result<Vec<Recorded>> {
    serde_json::from_slice(json).or_else(|_| {
        let each: Vec<Value> = serde_json::from_slice(json)?;
        each.into_iter().map(Recorded::read_any).collect()
    })
}

/// A parked row.
///
/// # Errors
/// It is none. A command that is not understood is an error too: it was made here.
pub fn parked(json: &str) -> Result<Parked> {
    #[derive(Deserialize)]
    struct Raw {
        cause: Option<Position>,
        stream: String,
        event: Value,
        reason: String,
        at_ms: Millis,
    }
    serde_json::from_str(json).or_else(|_| {
        let Raw { cause, stream, event, reason, at_ms } = serde_json::from_str(json)?;
        Ok(Parked { cause, stream, held: Held::Event(Box::new(Recorded::read_any(event)?)), reason, at_ms })
    })
}
