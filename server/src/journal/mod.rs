//! The journal port: where a context keeps what happened, and everything that one transaction must change with it.
//!
//! The journal is the outbox. One commit appends events, moves the cursor of the subscription that caused them, and
//! updates rows, lists, timers and idempotency records; all of it, or nothing.

pub mod sqlite;

use domain::{Row, Tag};
use shared::{Context, Kind, Millis, Recorded, event::Position};
use std::{collections::HashMap, sync::Arc};

/// Infrastructure that does not do its part: retried, logged once where it is handled, and opaque outside.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// A row as it is kept.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The state or the view's row.
    pub row: Arc<Row>,
    /// Events of the stream so far; for a view, changes so far.
    pub version: u64,
}

/// A row's new value.
#[derive(Debug)]
pub struct Put {
    /// Which.
    pub kind: Kind,
    /// Which of them.
    pub key: Arc<str>,
    /// Its value.
    pub stored: Stored,
    /// Lists that it leaves.
    pub tags_gone: Vec<Tag>,
    /// Lists that it joins.
    pub tags_new: Vec<Tag>,
}

/// A timer: a command to be sent when its time has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// The aggregate.
    pub stream: Arc<str>,
    /// The deadline's name: with kind and stream it names the timer.
    pub name: &'static str,
    /// When.
    pub due_ms: Millis,
    /// What is sent.
    pub command: shared::Command,
    /// The event that set it.
    pub cause: Option<Position>,
}

/// A timer that is due, with the number that deletes it.
#[derive(Debug, Clone)]
pub struct DueTimer {
    /// The row's number: a timer that was set anew has another.
    pub id: i64,
    /// When it was due.
    pub due_ms: Millis,
    /// The aggregate.
    pub stream: Arc<str>,
    /// What is sent.
    pub command: shared::Command,
    /// The event that set it.
    pub cause: Option<Position>,
}

/// A reaction that was refused, kept until an operator has looked at it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Parked {
    /// The event that was heard; absent for a timer.
    pub cause: Option<Position>,
    /// The aggregate that refused.
    pub stream: String,
    /// What it was asked.
    pub command: shared::Command,
    /// The refusal's code.
    pub reason: String,
    /// When.
    pub at_ms: Millis,
}

/// The first answer to a request, for those who send it again.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The caller and the key, hashed.
    pub key: [u8; 16],
    /// The request's body, hashed.
    pub fingerprint: [u8; 16],
    /// What was created.
    pub stream: Arc<str>,
    /// The answer's body, once it was given.
    pub body: Option<Vec<u8>>,
    /// When it was asked.
    pub at_ms: Millis,
}

/// Everything that one transaction changes.
#[derive(Debug, Default)]
pub struct Commit {
    /// Appended, in order; sequence numbers continue each partition without a gap.
    pub events: Vec<Arc<Recorded>>,
    /// Rows with new values.
    pub rows: Vec<Put>,
    /// Timers to set; one of the same kind, stream and name is replaced.
    pub timers: Vec<Timer>,
    /// Timers that fired.
    pub timers_done: Vec<i64>,
    /// Cursors: (source context, partition) and the last event handled.
    pub cursors: HashMap<(Context, u16), u64>,
    /// Idempotency records to begin, or to complete with an answer.
    pub answers: Vec<Answer>,
    /// Refused reactions.
    pub parked: Vec<Parked>,
}

impl Commit {
    /// True when it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.rows.is_empty()
            && self.timers.is_empty()
            && self.timers_done.is_empty()
            && self.cursors.is_empty()
            && self.answers.is_empty()
            && self.parked.is_empty()
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// Rows to leave out.
    pub offset: u64,
    /// Rows to give at most.
    pub limit: u64,
    /// Newest first, or oldest first.
    pub newest_first: bool,
}

/// What everybody may read, at any time, from any thread.
pub trait Reader: Send + Sync {
    /// A row, if it is there.
    ///
    /// # Errors
    /// A fault of the database.
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault>;

    /// The keys of a list, and how long the whole list is.
    ///
    /// # Errors
    /// A fault of the database.
    fn list(&self, kind: Kind, tag: &str, slice: Slice) -> Result<(Vec<Arc<str>>, u64), Fault>;

    /// Events of a partition after a position, at least one commit's worth if there are any, at most about `limit`.
    ///
    /// # Errors
    /// A fault of the database.
    fn feed(&self, partition: u16, after: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, Fault>;

    /// The record of a request, if it came before.
    ///
    /// # Errors
    /// A fault of the database.
    fn answer(&self, key: [u8; 16]) -> Result<Option<Answer>, Fault>;

    /// Refused reactions, newest first, at most `limit`.
    ///
    /// # Errors
    /// A fault of the database.
    fn parked(&self, limit: u64) -> Result<Vec<Parked>, Fault>;
}

/// What only the context's own committer does.
pub trait Journal: Send {
    /// A row, if it is there, as the last commit left it.
    ///
    /// # Errors
    /// A fault of the database.
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault>;

    /// Whether a request under this key came before.
    ///
    /// # Errors
    /// A fault of the database.
    fn answered(&self, key: [u8; 16]) -> Result<bool, Fault>;

    /// Makes a commit durable, whole or not at all.
    ///
    /// # Errors
    /// A fault of the database; nothing was changed, as far as is known.
    fn commit(&mut self, commit: &Commit) -> Result<(), Fault>;

    /// Leaves the files as small as they can be, before the end.
    ///
    /// # Errors
    /// A fault of the database; nothing is lost.
    fn close(&mut self) -> Result<(), Fault>;

    /// The last sequence number of each partition.
    ///
    /// # Errors
    /// A fault of the database.
    fn heads(&self) -> Result<Vec<u64>, Fault>;

    /// Every cursor.
    ///
    /// # Errors
    /// A fault of the database.
    fn cursors(&self) -> Result<HashMap<(Context, u16), u64>, Fault>;

    /// Timers due at this time, earliest first, at most `limit`.
    ///
    /// # Errors
    /// A fault of the database.
    fn due(&self, now_ms: Millis, limit: usize) -> Result<Vec<DueTimer>, Fault>;

    /// When the next timer is due, if there is one.
    ///
    /// # Errors
    /// A fault of the database.
    fn next_due(&self) -> Result<Option<Millis>, Fault>;

    /// Forgets idempotency records from before this time, at most `limit` of them; says how many.
    ///
    /// # Errors
    /// A fault of the database.
    fn forget_answers(&mut self, before_ms: Millis, limit: usize) -> Result<usize, Fault>;
}
