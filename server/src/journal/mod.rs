//! The journal port: where a context keeps what happened, and everything that one transaction must change with it.
//!
//! The journal is the outbox. One commit appends events, moves the cursor of the subscription that caused them, and
//! updates rows, lists, timers and idempotency records; all of it, or nothing.

mod json;
mod place;
pub mod postgres;
pub mod read;
pub mod sqlite;

pub use place::{Place, PostgresPlace};

use domain::{Row, Tag};
use shared::{Context, Kind, Millis, Recorded, event::Position};
use std::{collections::HashMap, sync::Arc, time::Instant};

/// Infrastructure that does not do its part: retried, logged once where it is handled, and opaque outside.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// Why a commit changed nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unwritten {
    /// Another replica has committed since this one's last commit or refresh: what was decided may no longer hold.
    #[error("another replica was quicker")]
    Conflict,
    /// The database does not do its part. Should it not even have said whether the commit was written, a refresh tells.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Where the journal stands after what others have committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The last sequence number of each partition.
    pub heads: Vec<u64>,
    /// Every cursor.
    pub cursors: HashMap<(Context, u16), u64>,
    /// Rows with new values since this replica's last commit or refresh.
    pub touched: Touched,
}

/// Rows that others have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// These, and no others.
    Rows(Vec<(Kind, Arc<str>)>),
    /// Any: the record does not reach back so far.
    All,
}

/// What this replica looks after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Share {
    /// The partitions whose subscriptions, timers and workers it runs, in order.
    pub partitions: Vec<u16>,
    /// True when no other replica is alive.
    pub alone: bool,
}

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

/// What could not be done, kept until an operator has looked at it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Parked {
    /// The event that was heard; absent for a timer.
    pub cause: Option<Position>,
    /// The aggregate that refused, or that the event is of.
    pub stream: String,
    /// What is to be done again.
    #[serde(flatten)]
    pub held: Held,
    /// The refusal's code, or the fault.
    pub reason: String,
    /// When.
    pub at_ms: Millis,
}

/// What is done again when a parked row is replayed.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// A command that an aggregate refused, or could not take.
    Command(shared::Command),
    /// An event of which this context has not had any effect: the whole of it, to be heard again.
    Event(Box<Recorded>),
}

impl Parked {
    /// True for a parked event that is of the same stream as this one: it comes first.
    pub fn holds_up(&self, recorded: &Recorded) -> bool {
        let Held::Event(parked) = &self.held else { return false };
        parked.stream == recorded.stream && parked.position.context == recorded.position.context
    }
}

/// Timers of one name that are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// The deadline's name.
    pub name: String,
    /// How many there are.
    pub count: u64,
    /// How many of them are due.
    pub overdue: u64,
    /// When the first of them is due.
    pub first_due_ms: Millis,
}

/// A timer of one aggregate that is set.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Pending {
    /// The aggregate's kind.
    pub kind: Kind,
    /// The deadline's name.
    pub name: String,
    /// When it is due.
    pub due_ms: Millis,
    /// The event that set it.
    pub cause: Option<Position>,
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
    /// Refused reactions that an operator is done with.
    pub parked_gone: Vec<i64>,
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
            && self.parked_gone.is_empty()
    }
}

/// A row on a list: its place there, and its key.
pub type Listed = (i64, Arc<str>);

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

    /// A list oldest first, from its beginning or from after this row on, at most `limit` of it. Whoever reads the whole list
    /// reads each row once, however long it is, and whatever leaves it meanwhile.
    ///
    /// # Errors
    /// A fault of the database.
    fn walk(&self, kind: Kind, tag: &str, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault>;

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

    /// Refused reactions with their numbers, newest first, at most `limit`; only those with a number below `before`, if
    /// it is given.
    ///
    /// # Errors
    /// A fault of the database.
    fn parked(&self, before: Option<i64>, limit: u64) -> Result<Vec<(i64, Parked)>, Fault>;

    /// How many refused reactions there are.
    ///
    /// # Errors
    /// A fault of the database.
    fn parked_count(&self) -> Result<u64, Fault>;

    /// The timers that are set, by name; of each how many, and since when the first is due. For operators.
    ///
    /// # Errors
    /// A fault of the database.
    fn waits(&self, now_ms: Millis) -> Result<Vec<Waits>, Fault>;

    /// The timers of these aggregates, earliest first. For operators.
    ///
    /// # Errors
    /// A fault of the database.
    fn pending(&self, kinds: &[Kind], stream: &str) -> Result<Vec<Pending>, Fault>;
}

/// What only the context's own committer does.
pub trait Journal: Send {
    /// A row, if it is there, as the last commit left it.
    ///
    /// # Errors
    /// A fault of the database.
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault>;

    /// Several rows at once, in the order of their names: for a database that is a round trip away.
    ///
    /// # Errors
    /// A fault of the database.
    fn load_many(&self, names: &[(Kind, Arc<str>)]) -> Result<Vec<Option<Stored>>, Fault> {
        names.iter().map(|(kind, key)| self.load(*kind, key)).collect()
    }

    /// Whether a request under this key came before.
    ///
    /// # Errors
    /// A fault of the database.
    fn answered(&self, key: [u8; 16]) -> Result<bool, Fault>;

    /// Makes a commit durable, whole or not at all. It must have been decided on what the last commit or refresh of this
    /// replica has left.
    ///
    /// # Errors
    /// A conflict, after which a refresh is due; or a fault of the database: then it is not known to be written, and a
    /// refresh is due as well.
    fn commit(&mut self, commit: &Commit) -> Result<(), Unwritten>;

    /// By when a commit is wanted, even one that changes nothing, since earlier ones have put off some of their writing.
    fn put_off_until(&self) -> Option<Instant> {
        None
    }

    /// Takes in what others have committed: from here on, commits are decided on that.
    ///
    /// # Errors
    /// A fault of the database.
    fn refresh(&mut self) -> Result<News, Fault>;

    /// True when other replicas may commit to this journal.
    fn is_shared(&self) -> bool;

    /// Says that this replica is alive, and which partitions are its share. To be called about once a second. That two
    /// replicas look after one partition for a moment cannot be excluded, and does no harm: their commits conflict.
    ///
    /// # Errors
    /// A fault of the database.
    fn share(&mut self) -> Result<Share, Fault>;

    /// Gives back this replica's share, and leaves the files as small as they can be, before the end.
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

    /// Timers of these partitions' streams that are due at this time, earliest first, at most `limit`.
    ///
    /// # Errors
    /// A fault of the database.
    fn due(&self, now_ms: Millis, limit: usize, partitions: &[u16]) -> Result<Vec<DueTimer>, Fault>;

    /// When the next timer of these partitions' streams is due, if there is one.
    ///
    /// # Errors
    /// A fault of the database.
    fn next_due(&self, partitions: &[u16]) -> Result<Option<Millis>, Fault>;

    /// Forgets idempotency records from before this time, at most `limit` of them; says how many.
    ///
    /// # Errors
    /// A fault of the database.
    fn forget_answers(&mut self, before_ms: Millis, limit: usize) -> Result<usize, Fault>;
}

/// Opens, and if need be creates or migrates, the journal of a context. The number of partitions counts only when it is
/// created.
///
/// # Errors
/// A fault when the journal cannot be opened, or was written by a newer version.
pub fn open(place: &Place, context: Context, partitions: u16) -> Result<(Box<dyn Journal>, Arc<dyn Reader>), Fault> {
    match place {
        Place::Sqlite(dir) => {
            let (journal, reader) = sqlite::open(dir, context, partitions)?;
            Ok((Box::new(journal), Arc::new(reader)))
        }
        Place::Postgres(place) => {
            let (journal, reader) = postgres::open(place, context, partitions)?;
            Ok((Box::new(journal), Arc::new(reader)))
        }
    }
}
