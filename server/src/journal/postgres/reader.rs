//! The readers' side: a few connections on a thread of their own, and callers that wait for them wherever they are.

use super::{
    Own,
    session::{Connection, Session, Trouble},
    writer::stored,
};
use crate::journal::{Answer, Fault, Listed, Parked, Pending, PostgresPlace, Reader, Slice, Stored, Waits, read};
use shared::{Context, Kind, Millis, Recorded};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Mutex;
use tokio_postgres::{Row, types::ToSql};

/// Connections that read: each takes many questions at once, and there are few cores.
const READERS: usize = 2;
/// More events than anybody reads at once, so that positions beyond it are still numbers of the database.
const MAX_FEED: usize = 1 << 32;

const LOAD: &str = "select version, body from rows where kind = $1 and key = $2";
const COUNT: &str = "select count(*) from tags where kind = $1 and name = $2";
const OLDEST: &str = "select key from tags where kind = $1 and name = $2 order by sort, key limit $3 offset $4";
const NEWEST: &str = "select key from tags where kind = $1 and name = $2 order by sort desc, key desc limit $3 offset $4";
const WALK: &str = "select sort, key from tags where kind = $1 and name = $2 and (sort, key) > ($3, $4) order by sort, key limit $5";
/// Rows up to the first that reaches as many events as are wanted: positions have no gap, so that is where it ends.
const FEED: &str = "select body from journal where partition = $1 and seq > $2 and seq <= coalesce(
    (select seq from journal where partition = $1 and seq >= $3 order by seq limit 1), 9223372036854775807) order by seq";
const ANSWER: &str = "select fingerprint, stream, body, at_ms from answers where key = $1";
const PARKED: &str = "select id, body from parked where id < $1 order by id desc limit $2";
const PARKED_COUNT: &str = "select count(*) from parked";
const WAITS: &str = "select name, count(*), count(*) filter (where due_ms <= $1), min(due_ms) from timers group by name order by name";
const PENDING: &str = "select name, due_ms, cause from timers where kind = $1 and stream = $2 order by due_ms";

/// In the order of [`Sql`].
const STATEMENTS: [&str; 11] = [LOAD, COUNT, OLDEST, NEWEST, WALK, FEED, ANSWER, PARKED, PARKED_COUNT, WAITS, PENDING];

/// The places of the statements in a session.
#[derive(Clone, Copy)]
enum Sql {
    Load,
    Count,
    Oldest,
    Newest,
    Walk,
    Feed,
    Answer,
    Parked,
    ParkedCount,
    Waits,
    Pending,
}

/// The readers' side.
pub struct PostgresReader {
    place: PostgresPlace,
    context: Context,
    connections: [Mutex<Connection>; READERS],
    turn: AtomicUsize,
    runtime: Own,
}

impl PostgresReader {
    pub(super) fn open(place: &PostgresPlace, context: Context) -> Result<Self, Fault> {
        let (connections, turn) = (Default::default(), AtomicUsize::new(0));
        Ok(Self { place: place.clone(), context, connections, turn, runtime: Own::on_thread()? })
    }

    /// A connection. While the database cannot be reached nobody waits for the next try.
    async fn session(&self, slot: usize) -> Result<Arc<Session>, Fault> {
        self.connections[slot].lock().await.get(&self.place, self.context, &STATEMENTS, false).await
    }

    async fn ask(&self, sql: Sql, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        let slot = self.turn.fetch_add(1, Ordering::Relaxed) % READERS;
        let session = self.session(slot).await?;
        match session.query(sql as usize, parameters).await {
            Ok(rows) => Ok(rows),
            Err(Trouble { fault, broken: false }) => Err(fault),
            // That a connection has ended may show only when it is used: once more on a new one.
            Err(_) => {
                self.connections[slot].lock().await.forget(&session);
                let session = self.session(slot).await?;
                session.query(sql as usize, parameters).await.map_err(|trouble| trouble.fault)
            }
        }
    }

    fn query(&self, sql: Sql, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        self.runtime.wait(self.ask(sql, parameters))
    }

    fn count(&self, sql: Sql, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, Fault> {
        Ok(self.query(sql, parameters)?.first().map_or(0, |row| row.get::<_, i64>(0)) as u64)
    }
}

impl Reader for PostgresReader {
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        // A name with this character cannot be stored, and asking for one would be an error.
        if key.contains('\0') {
            return Ok(None);
        }
        let rows = self.query(Sql::Load, &[&kind.name(), &key])?;
        rows.first().map(|row| stored(kind, row)).transpose()
    }

    fn list(&self, kind: Kind, tag: &str, slice: Slice) -> Result<(Vec<Arc<str>>, u64), Fault> {
        if tag.contains('\0') {
            return Ok((vec![], 0));
        }
        let kind = kind.name();
        let page = if slice.newest_first { Sql::Newest } else { Sql::Oldest };
        let (limit, offset) = (slice.limit.min(i64::MAX as u64) as i64, slice.offset.min(i64::MAX as u64) as i64);
        let keys = self.query(page, &[&kind, &tag, &limit, &offset])?;
        let total = self.count(Sql::Count, &[&kind, &tag])?;
        Ok((keys.iter().map(|row| row.get::<_, &str>(0).into()).collect(), total))
    }

    fn walk(&self, kind: Kind, tag: &str, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault> {
        if tag.contains('\0') {
            return Ok(vec![]);
        }
        // Before every place: a key has at least one letter.
        let (sort, key) = after.map_or((i64::MIN, ""), |(sort, key)| (*sort, &**key));
        let rows = self.query(Sql::Walk, &[&kind.name(), &tag, &sort, &key, &(limit.min(i64::MAX as u64) as i64)])?;
        Ok(rows.iter().map(|row| (row.get(0), row.get::<_, &str>(1).into())).collect())
    }

    fn feed(&self, partition: u16, after: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, Fault> {
        let last = after + limit.min(MAX_FEED) as u64;
        let rows = self.query(Sql::Feed, &[&i32::from(partition), &(after as i64), &(last as i64)])?;
        let mut events = vec![];
        for row in rows {
            let batch = read::events(row.get::<_, &str>(0).as_bytes())?;
            events.extend(batch.into_iter().filter(|event| event.position.seq > after).map(Arc::new));
        }
        Ok(events)
    }

    fn answer(&self, key: [u8; 16]) -> Result<Option<Answer>, Fault> {
        let rows = self.query(Sql::Answer, &[&&key[..]])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let fingerprint = row.get::<_, &[u8]>(0).try_into().map_err(|_| Fault("a stored fingerprint has a wrong length".into()))?;
        Ok(Some(Answer { key, fingerprint, stream: row.get::<_, &str>(1).into(), body: row.get(2), at_ms: row.get(3) }))
    }

    fn parked(&self, before: Option<i64>, limit: u64) -> Result<Vec<(i64, Parked)>, Fault> {
        let rows = self.query(Sql::Parked, &[&before.unwrap_or(i64::MAX), &(limit.min(i64::MAX as u64) as i64)])?;
        rows.iter().map(|row| Ok((row.get(0), read::parked(row.get(1))?))).collect()
    }

    fn parked_count(&self) -> Result<u64, Fault> {
        self.count(Sql::ParkedCount, &[])
    }

    fn waits(&self, now_ms: Millis) -> Result<Vec<Waits>, Fault> {
        let rows = self.query(Sql::Waits, &[&now_ms])?;
        let wait = |row: &Row| {
            let (count, overdue): (i64, i64) = (row.get(1), row.get(2));
            Waits { name: row.get(0), count: count as u64, overdue: overdue as u64, first_due_ms: row.get(3) }
        };
        Ok(rows.iter().map(wait).collect())
    }

    fn pending(&self, kinds: &[Kind], stream: &str) -> Result<Vec<Pending>, Fault> {
        let mut pending = vec![];
        for kind in kinds {
            for row in self.query(Sql::Pending, &[&kind.name(), &stream])? {
                let cause = row.get::<_, Option<&str>>(2).map(serde_json::from_str).transpose()?;
                pending.push(Pending { kind: *kind, name: row.get(0), due_ms: row.get(1), cause });
            }
        }
        pending.sort_by_key(|timer| timer.due_ms);
        Ok(pending)
    }
}
