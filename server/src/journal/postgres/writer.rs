//! The committer's side: one connection, on the committer's own thread.

use super::{
    Own,
    columns::{COLUMNS, Columns},
    lease, schema,
    session::{Connection, Session, Trouble},
};
use crate::{
    journal::{Commit, DueTimer, Fault, Journal, News, PostgresPlace, Share, Stored, Touched, Unwritten},
    random::random,
};
use domain::Row as DomainRow;
use shared::{Context, Kind, Millis};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_postgres::{Row, types::ToSql};

/// How long to look for what became of a commit whose answer was lost. People wait for it meanwhile.
const RESOLVE: Duration = Duration::from_secs(5);

const LOAD: &str = "select version, body from rows where kind = $1 and key = $2";
const ANSWERED: &str = "select from answers where key = $1";
const NEWS: &str = "select * from news_1($1)";
const DUE: &str = "select id, due_ms, stream, command, cause from timers
    where due_ms <= $1 and partition = any ($2) order by due_ms, id limit $3";
const NEXT_DUE: &str = "select due_ms from timers where partition = any ($1) order by due_ms limit 1";
/// A record that somebody is completing just now is left for the next time.
const FORGET: &str = "delete from answers where key in
    (select key from answers where at_ms < $1 order by at_ms limit $2 for update skip locked) returning 1";
const COMMIT_ID: &str = "select id from commits where version = $1";

/// The places of the statements in a session.
#[derive(Clone, Copy)]
enum Sql {
    Write,
    Load,
    Answered,
    News,
    Due,
    NextDue,
    Forget,
    CommitId,
    Share,
    Leave,
}

/// The writer's side.
pub struct PostgresJournal {
    place: PostgresPlace,
    context: Context,
    /// Names this replica in the lease.
    replica: String,
    /// On what the next commit is decided; `None` when it is not known how the last one ended.
    version: Option<i64>,
    heads: Vec<u64>,
    cursors: HashMap<(Context, u16), u64>,
    connection: Mutex<Connection>,
    runtime: Own,
}

impl PostgresJournal {
    pub(super) fn open(place: &PostgresPlace, context: Context, partitions: u16) -> Result<Self, Fault> {
        let runtime = Own::on_caller()?;
        runtime.wait(schema::prepare(place, context, partitions))?;
        let mut journal = Self {
            place: place.clone(),
            context,
            replica: format!("{:016x}", random()),
            version: None,
            heads: vec![],
            cursors: HashMap::new(),
            connection: Mutex::default(),
            runtime,
        };
        journal.refresh()?;
        Ok(journal)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Result<Arc<Session>, Fault> {
        let arguments: Vec<String> = (1..=COLUMNS + 3).map(|i| format!("${i}")).collect();
        let write = format!("select write_1({})", arguments.join(", "));
        let sql = [&write, LOAD, ANSWERED, NEWS, DUE, NEXT_DUE, FORGET, COMMIT_ID, lease::SHARE, lease::LEAVE];
        let mut connection = self.connection();
        self.runtime.wait(connection.get(&self.place, self.context, &sql, true))
    }

    /// What a statement gives, asked once.
    fn ask(&self, sql: Sql, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Trouble> {
        let session = self.session().map_err(|fault| Trouble { fault, broken: false })?;
        let rows = self.runtime.wait(session.query(sql as usize, parameters));
        if let Err(Trouble { broken: true, .. }) = &rows {
            self.connection().forget(&session);
        }
        rows
    }

    /// What a statement gives that does no harm when it is asked twice: that a connection has ended may show only when it
    /// is used.
    fn query(&self, sql: Sql, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        let rows = match self.ask(sql, parameters) {
            Err(Trouble { broken: true, .. }) => self.ask(sql, parameters),
            rows => rows,
        };
        rows.map_err(|trouble| trouble.fault)
    }

    /// Asks for a commit until it is known how it ended.
    ///
    /// When an answer is lost the database may still be working on the commit, so looking would not be enough: it is asked
    /// for again, decided on the same version. Only one of the two can be taken. If this one is, the lost one never will
    /// be; if it is not, the record of that version says whose commit was quicker.
    fn write(&mut self, expected: i64, heads: &[i64], columns: &Columns) -> Result<(), Unwritten> {
        let id = format!("{:016x}{:016x}", random(), random());
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&expected, &id, &heads];
        parameters.extend(columns.parameters());
        let mut lost: Option<Instant> = None;
        loop {
            match (self.ask(Sql::Write, &parameters), lost) {
                (Ok(rows), None) if !is_taken(&rows) => return Err(Unwritten::Conflict),
                (Ok(rows), Some(_)) if !is_taken(&rows) => return self.whose(expected + 1, &id),
                (Ok(_), _) => return Ok(()),
                (Err(Trouble { fault, broken: false }), None) => return Err(fault.into()),
                (Err(Trouble { fault, .. }), since) => {
                    let since = *lost.insert(since.unwrap_or_else(Instant::now));
                    self.version = None;
                    if since.elapsed() > RESOLVE {
                        return Err(fault.into());
                    }
                }
            }
        }
    }

    /// Whether this version is that of one's own commit.
    fn whose(&self, version: i64, id: &str) -> Result<(), Unwritten> {
        match self.query(Sql::CommitId, &[&version])?.first() {
            Some(row) if row.get::<_, &str>(0) == id => Ok(()),
            Some(_) => Err(Unwritten::Conflict),
            None => Err(Fault("postgres: the answer to a commit was lost, and so is its record".into()).into()),
        }
    }

    fn written(&mut self, version: i64, heads: &[i64]) {
        self.version = Some(version);
        self.heads = heads.iter().map(|head| *head as u64).collect();
    }
}

impl Journal for PostgresJournal {
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        // A name with this character cannot be stored, and asking for one would be an error.
        if key.contains('\0') {
            return Ok(None);
        }
        let rows = self.query(Sql::Load, &[&kind.name(), &key])?;
        rows.first().map(|row| stored(kind, row)).transpose()
    }

    fn answered(&self, key: [u8; 16]) -> Result<bool, Fault> {
        Ok(!self.query(Sql::Answered, &[&&key[..]])?.is_empty())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Unwritten> {
        // After a commit that ended nobody knows how, only a refresh says what to decide on.
        let Some(expected) = self.version else { return Err(Unwritten::Conflict) };
        let columns = Columns::of(commit, self.heads.len())?;
        let mut heads: Vec<i64> = self.heads.iter().map(|head| *head as i64).collect();
        for event in &commit.events {
            let head = &mut heads[usize::from(event.position.partition)];
            *head += 1;
            assert_eq!(*head, event.position.seq as i64, "the events of a commit continue their partition");
        }
        self.write(expected, &heads, &columns)?;
        self.written(expected + 1, &heads);
        self.cursors.extend(&commit.cursors);
        Ok(())
    }

    fn refresh(&mut self) -> Result<News, Fault> {
        // No version is below zero, so this is never the one that is there.
        let since = self.version.unwrap_or(-1);
        let rows = self.query(Sql::News, &[&since])?;
        let row = rows.first().ok_or_else(|| Fault("postgres: no news".into()))?;
        let version: i64 = row.get(0);
        if version == since {
            return Ok(News { heads: self.heads.clone(), cursors: self.cursors.clone(), touched: Touched::Rows(vec![]) });
        }
        let heads: Vec<i64> = row.get(1);
        let (contexts, partitions, seqs): (Vec<&str>, Vec<i32>, Vec<i64>) = (row.get(2), row.get(3), row.get(4));
        let places = contexts.iter().zip(partitions).zip(seqs);
        // A context that is no more has nothing to tell.
        self.cursors =
            places.filter_map(|((context, partition), seq)| Some(((Context::parse(context)?, partition as u16), seq as u64))).collect();
        self.written(version, &heads);
        Ok(News { heads: self.heads.clone(), cursors: self.cursors.clone(), touched: touched(row) })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn share(&mut self) -> Result<Share, Fault> {
        let rows = self.query(Sql::Share, &[&self.replica, &lease::LIFE_S, &(self.heads.len() as i32)])?;
        rows.first().map(lease::share).ok_or_else(|| Fault("postgres: no share".into()))
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.query(Sql::Leave, &[&self.replica]).map(drop)
    }

    fn heads(&self) -> Result<Vec<u64>, Fault> {
        Ok(self.heads.clone())
    }

    fn cursors(&self) -> Result<HashMap<(Context, u16), u64>, Fault> {
        Ok(self.cursors.clone())
    }

    fn due(&self, now_ms: Millis, limit: usize, partitions: &[u16]) -> Result<Vec<DueTimer>, Fault> {
        let rows = self.query(Sql::Due, &[&now_ms, &numbers(partitions), &(limit as i64)])?;
        rows.iter().map(due_timer).collect()
    }

    fn next_due(&self, partitions: &[u16]) -> Result<Option<Millis>, Fault> {
        Ok(self.query(Sql::NextDue, &[&numbers(partitions)])?.first().map(|row| row.get(0)))
    }

    fn forget_answers(&mut self, before_ms: Millis, limit: usize) -> Result<usize, Fault> {
        let rows = self.query(Sql::Forget, &[&before_ms, &(limit as i64)])?;
        Ok(rows.len())
    }
}

fn is_taken(rows: &[Row]) -> bool {
    rows.first().is_some_and(|row| row.get(0))
}

fn numbers(partitions: &[u16]) -> Vec<i32> {
    partitions.iter().map(|partition| i32::from(*partition)).collect()
}

/// A row as it is kept.
pub(super) fn stored(kind: Kind, row: &Row) -> Result<Stored, Fault> {
    let (version, body): (i64, &str) = (row.get(0), row.get(1));
    let row = DomainRow::read(kind, &mut serde_json::Deserializer::from_str(body))?;
    Ok(Stored { row: Arc::new(row), version: version as u64 })
}

fn touched(row: &Row) -> Touched {
    let (Some(kinds), Some(keys)) = (row.get::<_, Option<Vec<&str>>>(5), row.get::<_, Option<Vec<&str>>>(6)) else {
        return Touched::All;
    };
    let mut rows = Vec::with_capacity(keys.len());
    for (kind, key) in kinds.into_iter().zip(keys) {
        // A kind that only a newer replica knows is in no cache here.
        if let Some(kind) = Kind::ALL.iter().find(|known| known.name() == kind) {
            rows.push((*kind, key.into()));
        }
    }
    Touched::Rows(rows)
}

fn due_timer(row: &Row) -> Result<DueTimer, Fault> {
    Ok(DueTimer {
        id: row.get(0),
        due_ms: row.get(1),
        stream: row.get::<_, &str>(2).into(),
        command: serde_json::from_str(row.get(3))?,
        cause: row.get::<_, Option<&str>>(4).map(serde_json::from_str).transpose()?,
    })
}
