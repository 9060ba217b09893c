//! What everybody reads.

use super::{
    Answer, Fault, Listed, Parked, Pending, Reader, Slice, Stored, Waits, connect,
    deferred::Deferred,
    list::{List, is_recorded},
    load, put_off, read,
};
use rusqlite::{Connection, OptionalExtension, params};
use shared::{Kind, Millis, Recorded};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, RwLock},
};

/// Connections that read. Reads take microseconds, and there are few cores.
const READERS: usize = 2;

/// The readers' side.
pub struct SqliteReader {
    connections: Vec<Mutex<Connection>>,
    deferred: Arc<RwLock<Deferred>>,
}

impl SqliteReader {
    pub(super) fn open(path: &Path, deferred: Arc<RwLock<Deferred>>) -> Result<Self, Fault> {
        let connections = (0..READERS).map(|_| connect(path).map(Mutex::new)).collect::<Result<_, _>>()?;
        Ok(Self { connections, deferred })
    }

    /// A connection that is free, or the first one.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        let free = self.connections.iter().find_map(|connection| connection.try_lock().ok());
        // A reader that panicked left nothing half done: it only read.
        free.unwrap_or_else(|| self.connections[0].lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Reader for SqliteReader {
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        // What is put off comes first: it only goes once the file has it.
        let late = put_off(&self.deferred).row(kind, key);
        match late {
            Some(stored) => Ok(Some(stored)),
            None => load(&self.connection(), kind, key),
        }
    }

    fn list(&self, kind: Kind, tag: &str, slice: Slice) -> Result<(Vec<Arc<str>>, u64), Fault> {
        let late = put_off(&self.deferred).moves(kind, tag);
        let mut connection = self.connection();
        let tx = connection.transaction()?;
        let list = List { tx: &tx, kind, tag };
        match late {
            Some((first, moves)) if is_recorded(&tx, first)? => list.with(&moves, slice),
            _ => Ok((list.keys(slice)?.into_iter().map(|(_, key)| key).collect(), list.count()?)),
        }
    }

    fn walk(&self, kind: Kind, tag: &str, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault> {
        // Before every place: a key has at least one letter.
        let after = after.map_or((i64::MIN, ""), |(sort, key)| (*sort, &**key));
        let late = put_off(&self.deferred).moves(kind, tag);
        let mut connection = self.connection();
        let tx = connection.transaction()?;
        let list = List { tx: &tx, kind, tag };
        match late {
            Some((first, moves)) if is_recorded(&tx, first)? => list.walk_with(&moves, after, limit),
            _ => list.walk(after, limit),
        }
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
