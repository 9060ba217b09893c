//! How rows and events are written. Their texts are most of what a commit costs in memory: one that has to grow is copied
//! again and again, so room is made for it beforehand.

use domain::Row;
use serde::{Serialize, ser::Error};
use shared::Recorded;

/// Room for a row: most have some hundred bytes, an order with its timeline some thousand.
const ROW_BYTES: usize = 2_048;
/// Room for an event.
const EVENT_BYTES: usize = 768;

/// A row.
pub fn row(row: &Row) -> serde_json::Result<String> {
    text(row, ROW_BYTES)
}

/// Events of one partition.
pub fn events(events: &[&Recorded]) -> serde_json::Result<String> {
    text(events, events.len() * EVENT_BYTES)
}

fn text<T: Serialize + ?Sized>(value: &T, bytes: usize) -> serde_json::Result<String> {
    let mut text = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut text, value)?;
    String::from_utf8(text).map_err(Error::custom)
}
