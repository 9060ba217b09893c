//! The journal: a line of JSON for whatever happens to a payment, flushed to the disk before anybody is told. It is only
//! ever added to.

use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// The customer finished the payment window.
    Opened { at_ms: i64, payment_key: String, order_id: String, amount: i64, card: String, extra: bool },
    /// Money came.
    Captured { at_ms: i64, payment_key: String, order_id: String, amount: i64 },
    /// The card company said no.
    Declined { at_ms: i64, payment_key: String, order_id: String },
    /// Money went back.
    Cancelled { at_ms: i64, payment_key: String, order_id: String, amount: i64, reason: String },
}

impl Line {
    /// Of which payment.
    pub fn payment_key(&self) -> &str {
        use Line::{Cancelled, Captured, Declined, Opened};
        match self {
            Opened { payment_key, .. } | Captured { payment_key, .. } | Declined { payment_key, .. } | Cancelled { payment_key, .. } => {
                payment_key
            }
        }
    }
}

/// The file.
pub struct Book {
    file: File,
}

impl Book {
    /// Opens the journal, or begins it, and tells what it holds. The rest of a line that was cut off by a crash is nothing
    /// that anybody was told, and is dropped.
    ///
    /// # Errors
    /// The file cannot be used, or is not a journal.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<Line>)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let text = std::fs::read_to_string(path)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        Ok((Self { file }, lines(&text[..whole])?))
    }

    /// Writes a line, and returns when the disk has it.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.write_all(&text)?;
        // A window that is forgotten costs nobody money.
        if matches!(line, Line::Opened { .. }) { Ok(()) } else { self.file.sync_data() }
    }
}

/// What a journal holds, for whoever audits it.
///
/// # Errors
/// The file cannot be read, or is not a journal.
pub fn read(path: &Path) -> io::Result<Vec<Line>> {
    let text = std::fs::read_to_string(path)?;
    lines(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
}

fn lines(text: &str) -> io::Result<Vec<Line>> {
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}
