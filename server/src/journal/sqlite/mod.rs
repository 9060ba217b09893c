//! The journal in one SQLite file: write-ahead log, a flush for every commit, one writer and a few readers.
//!
//! A commit's events are one row of JSON, because a row costs about as much as ten events in it. Rows of states and views
//! are generic: a new context needs no SQL.

mod deferred;
mod list;
mod reader;
mod redo;
mod schema;
mod writer;

use super::{
    Answer, Commit, DueTimer, Fault, Journal, Listed, News, Parked, Pending, Put, Reader, Share, Slice, Stored, Touched, Unwritten, Waits,
    json, read,
};
use crate::engine::core::partition_of;
use deferred::Deferred;
use domain::Row;
pub use reader::SqliteReader;
use rusqlite::{Connection, OpenFlags, params};
use shared::{Context, Kind, Millis};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Instant,
};

/// Pages of the write-ahead log before they are copied back: ten times SQLite's default, because each copy stops the
/// writer, and rows that are still hot are then copied once instead of ten times.
const CHECKPOINT_PAGES: i64 = 10_000;
/// Memory for pages, in KiB: the indexes of a busy evening.
const CACHE_KIB: i64 = 16_384;
/// How long a connection waits for a lock. Only the backup tool of an operator would ever hold one.
const BUSY_TIMEOUT_MS: u64 = 5_000;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault(format!("sqlite: {error}"))
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault(format!("a stored row cannot be read: {error}"))
    }
}

/// The writer's side.
pub struct SqliteJournal {
    connection: Connection,
    partitions: u16,
    deferred: Arc<RwLock<Deferred>>,
}

/// Opens, and if need be creates or migrates, the file of a context.
///
/// # Errors
/// A fault when the file cannot be opened, or was written by a newer version.
pub fn open(dir: &Path, context: Context, partitions: u16) -> Result<(SqliteJournal, SqliteReader), Fault> {
    let path = dir.join(format!("{}.db", context.name()));
    let mut connection = Connection::open(&path)?;
    prepare(&connection)?;
    schema::migrate(&mut connection, &path, partitions)?;
    let partitions = connection.query_row("select value from meta where name = 'partitions'", [], |row| row.get(0))?;
    redo::recover(&mut connection)?;
    let deferred = Arc::<RwLock<Deferred>>::default();
    Ok((SqliteJournal { connection, partitions, deferred: deferred.clone() }, SqliteReader::open(&path, deferred)?))
}

fn prepare(connection: &Connection) -> Result<(), Fault> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(32);
    let safe: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if safe == 2 { Ok(()) } else { Err(Fault("sqlite does not flush every commit here".into())) }
}

/// A connection that only reads.
fn connect(path: &Path) -> Result<Connection, Fault> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// What was put off. Whoever panicked while it was locked left nothing half done.
fn put_off(deferred: &RwLock<Deferred>) -> RwLockReadGuard<'_, Deferred> {
    deferred.read().unwrap_or_else(PoisonError::into_inner)
}

fn load(connection: &Connection, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
    let mut statement = connection.prepare_cached("select version, body from rows where kind = ? and key = ?")?;
    let mut rows = statement.query(params![kind.name(), key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let version: u64 = row.get::<_, i64>(0)? as u64;
    let body = row.get_ref(1)?.as_str().map_err(|e| Fault(e.to_string()))?;
    let row = Row::read(kind, &mut serde_json::Deserializer::from_str(body))?;
    Ok(Some(Stored { row: Arc::new(row), version }))
}

impl Journal for SqliteJournal {
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        match put_off(&self.deferred).row(kind, key) {
            Some(stored) => Ok(Some(stored)),
            None => load(&self.connection, kind, key),
        }
    }

    fn answered(&self, key: [u8; 16]) -> Result<bool, Fault> {
        Ok(self.connection.prepare_cached("select 1 from answers where key = ?")?.exists([key])?)
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Unwritten> {
        Ok(writer::write(&mut self.connection, &self.deferred, commit)?)
    }

    fn put_off_until(&self) -> Option<Instant> {
        put_off(&self.deferred).until()
    }

    // This process holds the folder's lock, so nobody else commits.
    fn refresh(&mut self) -> Result<News, Fault> {
        Ok(News { heads: self.heads()?, cursors: self.cursors()?, touched: Touched::Rows(vec![]) })
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn share(&mut self) -> Result<Share, Fault> {
        Ok(Share { partitions: (0..self.partitions).collect(), alone: true })
    }

    fn close(&mut self) -> Result<(), Fault> {
        redo::recover(&mut self.connection)?;
        // Readers keep their connections, so SQLite would leave the log as it is.
        self.connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
        Ok(())
    }

    fn heads(&self) -> Result<Vec<u64>, Fault> {
        let mut heads = vec![0; usize::from(self.partitions)];
        let mut statement = self.connection.prepare("select partition, max(seq) from journal group by partition")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            heads[row.get::<_, u16>(0)? as usize] = row.get::<_, i64>(1)? as u64;
        }
        Ok(heads)
    }

    fn cursors(&self) -> Result<HashMap<(Context, u16), u64>, Fault> {
        let mut statement = self.connection.prepare("select context, partition, seq from cursors")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u16>(1)?, row.get::<_, i64>(2)?)))?;
        let mut cursors = HashMap::new();
        for row in rows {
            let (context, partition, seq) = row?;
            // A context that is no more has nothing to tell.
            if let Some(context) = Context::parse(&context) {
                cursors.insert((context, partition), seq as u64);
            }
        }
        Ok(cursors)
    }

    fn due(&self, now_ms: Millis, limit: usize, partitions: &[u16]) -> Result<Vec<DueTimer>, Fault> {
        let mut statement = self
            .connection
            .prepare_cached("select id, due_ms, stream, command, cause from timers where due_ms <= ? order by due_ms, id")?;
        let mut rows = statement.query([now_ms])?;
        let mut due = vec![];
        while due.len() < limit {
            let Some(row) = rows.next()? else { break };
            let stream: String = row.get(2)?;
            if self.is_in(&stream, partitions) {
                due.push(DueTimer {
                    id: row.get(0)?,
                    due_ms: row.get(1)?,
                    stream: stream.into(),
                    command: serde_json::from_str(&row.get::<_, String>(3)?)?,
                    cause: row.get::<_, Option<String>>(4)?.map(|cause| serde_json::from_str(&cause)).transpose()?,
                });
            }
        }
        Ok(due)
    }

    fn next_due(&self, partitions: &[u16]) -> Result<Option<Millis>, Fault> {
        let mut statement = self.connection.prepare_cached("select due_ms, stream from timers order by due_ms")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if self.is_in(&row.get::<_, String>(1)?, partitions) {
                return Ok(Some(row.get(0)?));
            }
        }
        Ok(None)
    }

    fn forget_answers(&mut self, before_ms: Millis, limit: usize) -> Result<usize, Fault> {
        // They are there in the order of their time, so only the first ones are looked at.
        let sql = "delete from answers where at_ms < ? and id in (select id from answers order by id limit ?)";
        Ok(self.connection.prepare_cached(sql)?.execute(params![before_ms, limit as i64])?)
    }
}

impl SqliteJournal {
    /// The one process looks after all partitions, so the filter passes everything, and needs no index.
    fn is_in(&self, stream: &str, partitions: &[u16]) -> bool {
        partitions.contains(&(partition_of(stream, usize::from(self.partitions)) as u16))
    }
}
