//! The journal in one SQLite file: write-ahead log, a flush for every commit, one writer and a few readers.
//!
//! A commit's events are one row of JSON, because a row costs about as much as ten events in it. Rows of states and views
//! are generic: a new context needs no SQL.

use super::{
    Answer, Commit, DueTimer, Fault, Journal, News, Parked, Pending, Put, Reader, Share, Slice, Stored, Touched, Unwritten, Waits, json,
    read,
};
use crate::engine::core::partition_of;
use domain::Row;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use shared::{Context, Kind, Millis, Recorded};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

/// The schema that this code reads and writes. An older file is brought up to it, a newer one is refused.
const SCHEMA_VERSION: i64 = 3;

/// Each step brings a file from the version of its index to the next.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [
    "
    create table meta (name text primary key, value) without rowid;
    create table journal (partition integer not null, seq integer not null, body text not null, unique (partition, seq));
    create table rows (kind text not null, key text not null, version integer not null, body text not null, unique (kind, key));
    create table tags (kind text not null, name text not null, sort integer not null, key text not null,
        primary key (kind, name, sort, key)) without rowid;
    create table timers (id integer primary key, kind text not null, stream text not null, name text not null,
        due_ms integer not null, command text not null, cause text, unique (kind, stream, name));
    create index timers_due on timers (due_ms);
    create table cursors (context text not null, partition integer not null, seq integer not null,
        primary key (context, partition)) without rowid;
    create table answers (key blob primary key, fingerprint blob not null, stream text not null, body blob, at_ms integer not null) without rowid;
    create index answers_at on answers (at_ms);
    create table parked (id integer primary key, body text not null);
",
    // A number that an operator has seen must never name another reaction, not even after that one is gone.
    "
    alter table parked rename to parked_before;
    create table parked (id integer primary key autoincrement, body text not null);
    insert into parked select id, body from parked_before order by id;
    drop table parked_before;
",
    // Keys arrive in no order, and every page that a commit touches is written: so they lie in a small tree of their own,
    // and the records in the order of their time.
    "
    alter table answers rename to answers_before;
    create table answers (id integer primary key, key blob not null unique, fingerprint blob not null, stream text not null, body blob,
        at_ms integer not null);
    insert into answers (key, fingerprint, stream, body, at_ms)
        select key, fingerprint, stream, body, at_ms from answers_before order by at_ms;
    drop table answers_before;
",
];

/// Pages of the write-ahead log before they are copied back: ten times SQLite's default, because each copy stops the
/// writer, and rows that are still hot are then copied once instead of ten times.
const CHECKPOINT_PAGES: i64 = 10_000;
/// Memory for pages, in KiB: the indexes of a busy evening.
const CACHE_KIB: i64 = 16_384;
/// Connections that read. Reads take microseconds, and there are few cores.
const READERS: usize = 2;
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
}

/// The readers' side.
pub struct SqliteReader {
    connections: Vec<Mutex<Connection>>,
}

/// Opens, and if need be creates or migrates, the file of a context.
///
/// # Errors
/// A fault when the file cannot be opened, or was written by a newer version.
pub fn open(dir: &Path, context: Context, partitions: u16) -> Result<(SqliteJournal, SqliteReader), Fault> {
    let path = dir.join(format!("{}.db", context.name()));
    let mut connection = Connection::open(&path)?;
    prepare(&connection)?;
    migrate(&mut connection, &path, partitions)?;
    let partitions = connection.query_row("select value from meta where name = 'partitions'", [], |row| row.get(0))?;
    let connections = (0..READERS).map(|_| reader(&path)).collect::<Result<_, _>>()?;
    Ok((SqliteJournal { connection, partitions }, SqliteReader { connections }))
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

fn migrate(connection: &mut Connection, path: &PathBuf, partitions: u16) -> Result<(), Fault> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        let path = path.display();
        return Err(Fault(format!(
            "{path} was written by a newer version (schema {found}, this is {SCHEMA_VERSION}): use that version, or another --data folder"
        )));
    }
    for version in found..SCHEMA_VERSION {
        let step = connection.transaction()?;
        step.execute_batch(MIGRATIONS[version as usize])?;
        if version == 0 {
            step.execute("insert into meta (name, value) values ('partitions', ?)", [partitions])?;
        }
        step.pragma_update(None, "user_version", version + 1)?;
        step.commit()?;
    }
    Ok(())
}

fn reader(path: &Path) -> Result<Mutex<Connection>, Fault> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(Mutex::new(connection))
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
        load(&self.connection, kind, key)
    }

    fn answered(&self, key: [u8; 16]) -> Result<bool, Fault> {
        Ok(self.connection.prepare_cached("select 1 from answers where key = ?")?.exists([key])?)
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Unwritten> {
        Ok(write(&mut self.connection, commit)?)
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

fn write(connection: &mut Connection, commit: &Commit) -> Result<(), Fault> {
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    append(&tx, &commit.events)?;
    commit.rows.iter().try_for_each(|put| write_row(&tx, put))?;
    write_timers(&tx, commit)?;
    for ((context, partition), seq) in &commit.cursors {
        tx.prepare_cached("insert into cursors values (?, ?, ?) on conflict do update set seq = excluded.seq")?.execute(params![
            context.name(),
            partition,
            *seq as i64
        ])?;
    }
    for answer in &commit.answers {
        let sql = "insert into answers (key, fingerprint, stream, body, at_ms) values (?, ?, ?, ?, ?)
            on conflict (key) do update set body = coalesce(body, excluded.body)";
        let Answer { key, fingerprint, stream, body, at_ms } = answer;
        tx.prepare_cached(sql)?.execute(params![key, fingerprint, &**stream, body, at_ms])?;
    }
    for parked in &commit.parked {
        tx.prepare_cached("insert into parked (body) values (?)")?.execute([serde_json::to_string(parked)?])?;
    }
    for id in &commit.parked_gone {
        tx.prepare_cached("delete from parked where id = ?")?.execute([id])?;
    }
    tx.commit()?;
    Ok(())
}

/// One row of the journal for each partition that the commit appends to, named by its last sequence number.
fn append(tx: &Connection, events: &[Arc<Recorded>]) -> Result<(), Fault> {
    let mut partitions: Vec<u16> = events.iter().map(|event| event.position.partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    for partition in partitions {
        let mine: Vec<&Recorded> = events.iter().map(|e| &**e).filter(|e| e.position.partition == partition).collect();
        let Some(last) = mine.last() else { continue };
        tx.prepare_cached("insert into journal values (?, ?, ?)")?.execute(params![
            partition,
            last.position.seq as i64,
            json::events(&mine)?
        ])?;
    }
    Ok(())
}

fn write_row(tx: &Connection, put: &Put) -> Result<(), Fault> {
    let kind = put.kind.name();
    tx.prepare_cached("insert into rows values (?, ?, ?, ?) on conflict do update set version = excluded.version, body = excluded.body")?
        .execute(params![kind, &*put.key, put.stored.version as i64, json::row(&put.stored.row)?])?;
    for tag in &put.tags_gone {
        tx.prepare_cached("delete from tags where kind = ? and name = ? and sort = ? and key = ?")?
            .execute(params![kind, tag.name, tag.sort, &*put.key])?;
    }
    for tag in &put.tags_new {
        tx.prepare_cached("insert or ignore into tags values (?, ?, ?, ?)")?.execute(params![kind, tag.name, tag.sort, &*put.key])?;
    }
    Ok(())
}

fn write_timers(tx: &Connection, commit: &Commit) -> Result<(), Fault> {
    for id in &commit.timers_done {
        tx.prepare_cached("delete from timers where id = ?")?.execute([id])?;
    }
    for timer in &commit.timers {
        let cause = timer.cause.map(|cause| serde_json::to_string(&cause)).transpose()?;
        // Setting a timer anew gives it another number, so that the firing of the old one cannot delete the new one.
        tx.prepare_cached("insert or replace into timers (kind, stream, name, due_ms, command, cause) values (?, ?, ?, ?, ?, ?)")?
            .execute(params![
                timer.command.kind().name(),
                &*timer.stream,
                timer.name,
                timer.due_ms,
                serde_json::to_string(&timer.command)?,
                cause
            ])?;
    }
    Ok(())
}

impl SqliteReader {
    /// A connection that is free, or the first one.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        let free = self.connections.iter().find_map(|connection| connection.try_lock().ok());
        // A reader that panicked left nothing half done: it only read.
        free.unwrap_or_else(|| self.connections[0].lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Reader for SqliteReader {
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        load(&self.connection(), kind, key)
    }

    fn list(&self, kind: Kind, tag: &str, slice: Slice) -> Result<(Vec<Arc<str>>, u64), Fault> {
        let connection = self.connection();
        let total: i64 = connection
            .prepare_cached("select count(*) from tags where kind = ? and name = ?")?
            .query_row(params![kind.name(), tag], |row| row.get(0))?;
        let sql = if slice.newest_first {
            "select key from tags where kind = ? and name = ? order by sort desc, key desc limit ? offset ?"
        } else {
            "select key from tags where kind = ? and name = ? order by sort, key limit ? offset ?"
        };
        let mut statement = connection.prepare_cached(sql)?;
        let keys = statement
            .query_map(params![kind.name(), tag, slice.limit as i64, slice.offset as i64], |row| row.get::<_, String>(0))?
            .map(|key| key.map(Arc::from))
            .collect::<Result<_, _>>()?;
        Ok((keys, total as u64))
    }

    fn feed(&self, partition: u16, after: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, Fault> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("select body from journal where partition = ? and seq > ? order by seq")?;
        let mut rows = statement.query(params![partition, after as i64])?;
        let mut events = vec![];
        while events.len() < limit {
            let Some(row) = rows.next()? else { break };
            let body = row.get_ref(0)?.as_str().map_err(|e| Fault(e.to_string()))?;
            let batch = read::events(body.as_bytes())?;
            events.extend(batch.into_iter().filter(|event| event.position.seq > after).map(Arc::new));
        }
        Ok(events)
    }

    fn answer(&self, key: [u8; 16]) -> Result<Option<Answer>, Fault> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("select fingerprint, stream, body, at_ms from answers where key = ?")?;
        let answer = statement.query_row([key], |row| {
            Ok(Answer { key, fingerprint: row.get(0)?, stream: row.get::<_, String>(1)?.into(), body: row.get(2)?, at_ms: row.get(3)? })
        });
        Ok(answer.optional()?)
    }

    fn parked(&self, before: Option<i64>, limit: u64) -> Result<Vec<(i64, Parked)>, Fault> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("select id, body from parked where id < ? order by id desc limit ?")?;
        let rows = statement.query_map([before.unwrap_or(i64::MAX), limit as i64], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| row.map_err(Fault::from).and_then(|(id, body)| Ok((id, read::parked(&body)?)))).collect()
    }

    fn parked_count(&self) -> Result<u64, Fault> {
        let count: i64 = self.connection().prepare_cached("select count(*) from parked")?.query_row([], |row| row.get(0))?;
        Ok(count as u64)
    }

    fn waits(&self, now_ms: Millis) -> Result<Vec<Waits>, Fault> {
        let connection = self.connection();
        let sql = "select name, count(*), sum(due_ms <= ?), min(due_ms) from timers group by name order by name";
        let mut statement = connection.prepare_cached(sql)?;
        let waits = statement.query_map([now_ms], |row| {
            let (count, overdue): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(Waits { name: row.get(0)?, count: count as u64, overdue: overdue as u64, first_due_ms: row.get(3)? })
        })?;
        Ok(waits.collect::<Result<_, _>>()?)
    }

    fn pending(&self, kinds: &[Kind], stream: &str) -> Result<Vec<Pending>, Fault> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("select name, due_ms, cause from timers where kind = ? and stream = ?")?;
        let mut pending = vec![];
        for kind in kinds {
            let mut rows = statement.query(params![kind.name(), stream])?;
            while let Some(row) = rows.next()? {
                let cause = row.get::<_, Option<String>>(2)?.map(|cause| serde_json::from_str(&cause)).transpose()?;
                pending.push(Pending { kind: *kind, name: row.get(0)?, due_ms: row.get(1)?, cause });
            }
        }
        pending.sort_by_key(|timer| timer.due_ms);
        Ok(pending)
    }
}
