//! The simulator's journal: the table of movements, and the one thread that writes it.
//!
//! What arrives together is committed in one transaction and answered after the commit: an order costs a share of one
//! disk flush, not one of its own.

use super::{
    Answer, Ask, Record,
    simulator::{Moved, OpenError},
};
use crate::sqlite::log_ahead;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use shared::{
    Millis, OrderId, Won,
    order::{Means, Reason},
};
use std::{
    ops::Range,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use tokio::sync::{mpsc, oneshot};

/// Requests committed together. A flush costs as much for one as for these, and the longest wait stays some
/// milliseconds.
pub(super) const BATCH: usize = 256;
/// How long another process may hold the file before a batch is given up as unknown.
const LOCKED: Duration = Duration::from_secs(5);
/// The schema of this program; a file of a newer one is refused.
const VERSION: i64 = 2;
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS movements (
        key TEXT PRIMARY KEY, order_id TEXT NOT NULL, kind TEXT NOT NULL, amount INTEGER NOT NULL, outcome TEXT NOT NULL,
        at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS movements_of_order ON movements (order_id);
    CREATE TABLE IF NOT EXISTS slow (key TEXT PRIMARY KEY, asked_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 2;";

pub(super) const CHARGE: &str = "charge";
pub(super) const REFUND: &str = "refund";
const APPROVED: &str = "approved";
const DECLINED: &str = "declined";

/// What the thread is asked.
pub(super) enum Request {
    Move {
        kind: &'static str,
        ask: Ask,
        answer: oneshot::Sender<Answer>,
    },
    LookUp {
        key: String,
        answer: oneshot::Sender<Option<Answer>>,
    },
    /// Since when has this slow card been asked for?
    Begin {
        key: String,
        answer: oneshot::Sender<Millis>,
    },
}

/// What it says.
enum Said {
    Moved(Option<Answer>),
    Begun(Millis),
}

pub(super) fn connect(path: &Path) -> Result<Connection, OpenError> {
    let db = Connection::open(path)?;
    db.busy_timeout(LOCKED)?;
    log_ahead(&db, LOCKED)?;
    match db.pragma_query_value(None, "user_version", |row| row.get(0))? {
        0..VERSION => db.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))?,
        VERSION => {}
        newer => return Err(OpenError::Newer(newer)),
    }
    Ok(db)
}

pub(super) fn write(mut db: Connection, mut requests: mpsc::Receiver<Request>, commits: &AtomicU64) {
    let mut batch = Vec::with_capacity(BATCH);
    while requests.blocking_recv_many(&mut batch, BATCH) > 0 {
        match commit(&mut db, &batch) {
            Ok(answers) => {
                commits.fetch_add(1, Ordering::Relaxed);
                batch.drain(..).zip(answers).for_each(|(request, said)| request.answer(said));
            }
            // Whoever waits hears `Unknown` as the batch is dropped, and asks again with the same key.
            Err(fault) => {
                tracing::error!(%fault, requests = batch.len(), "the provider's journal takes nothing");
                batch.clear();
            }
        }
    }
}

fn commit(db: &mut Connection, batch: &[Request]) -> Result<Vec<Said>, rusqlite::Error> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let at_ms = now_ms();
    let answers = batch.iter().map(|request| match request {
        Request::Move { kind, ask, .. } => settle(&tx, kind, ask, at_ms).map(|answer| Said::Moved(Some(answer))),
        Request::LookUp { key, .. } => Ok(Said::Moved(recorded(&tx, key)?.map(|found| found.answer))),
        Request::Begin { key, .. } => begun(&tx, key, at_ms).map(Said::Begun),
    });
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    tx.commit()?;
    Ok(answers)
}

impl Request {
    /// Whoever asked may have left; the journal keeps the answer.
    fn answer(self, said: Said) {
        match (self, said) {
            (Request::Move { answer, .. }, Said::Moved(found)) => drop(answer.send(found.unwrap_or(Answer::Unknown))),
            (Request::LookUp { answer, .. }, Said::Moved(found)) => drop(answer.send(found)),
            (Request::Begin { answer, .. }, Said::Begun(at_ms)) => drop(answer.send(at_ms)),
            // Each is answered in its own way; nobody hears anything otherwise, and that means `Unknown`.
            _ => {}
        }
    }
}

/// When a slow card was asked for first: what goes on at the company goes on without us.
fn begun(tx: &Transaction, key: &str, at_ms: Millis) -> Result<Millis, rusqlite::Error> {
    tx.prepare_cached("INSERT INTO slow VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING")?.execute(params![key, at_ms])?;
    tx.prepare_cached("SELECT asked_ms FROM slow WHERE key = ?1")?.query_row([key], |row| row.get(0))
}

/// Moves the money of a new key, and repeats the answer of a known one.
fn settle(tx: &Transaction, kind: &str, ask: &Ask, at_ms: Millis) -> Result<Answer, rusqlite::Error> {
    let order = ask.order.to_string();
    // Charges are mostly new, and so they are written first and read only on a conflict. A refund must be read first,
    // since a repeat of it must not count against what is left.
    if kind == REFUND
        && let Some(found) = recorded(tx, &ask.key)?
    {
        return Ok(found.same_as(kind, &order, ask));
    }
    let outcome = if agrees(tx, kind, ask)? { APPROVED } else { DECLINED };
    let new = tx.prepare_cached("INSERT INTO movements VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO NOTHING")?.execute(params![
        ask.key,
        order,
        kind,
        ask.amount.0,
        outcome,
        at_ms
    ])?;
    if new == 1 {
        return Ok(answer(outcome));
    }
    Ok(recorded(tx, &ask.key)?.map_or(Answer::Unknown, |found| found.same_as(kind, &order, ask)))
}

fn agrees(tx: &Transaction, kind: &str, ask: &Ask) -> Result<bool, rusqlite::Error> {
    if ask.amount < Won::ZERO {
        return Ok(false);
    }
    if kind == REFUND {
        return Ok(moved(tx, REFUND, ask.order)? + ask.amount <= moved(tx, CHARGE, ask.order)?);
    }
    Ok(match ask.means {
        Means::Card | Means::SlowCard => true,
        Means::OnceCard => !ask.extra,
        Means::DeclinedCard => false,
    })
}

pub(super) fn moved(db: &Connection, kind: &str, order: OrderId) -> Result<Won, rusqlite::Error> {
    db.prepare_cached("SELECT coalesce(sum(amount), 0) FROM movements WHERE order_id = ?1 AND kind = ?2 AND outcome = 'approved'")?
        .query_row(params![order.to_string(), kind], |row| row.get(0).map(Won))
}

/// What has moved in this time.
pub(super) fn records(db: &Connection, time: &Range<Millis>) -> Result<Vec<Record>, rusqlite::Error> {
    let mut all = db.prepare_cached(
        "SELECT key, kind, amount, at_ms FROM movements WHERE at_ms >= ?1 AND at_ms < ?2 AND outcome = 'approved' ORDER BY at_ms, key",
    )?;
    let rows = all.query_map([time.start, time.end], |row| {
        Ok(Record { key: row.get(0)?, refund: row.get::<_, String>(1)? == REFUND, amount: Won(row.get(2)?), at_ms: row.get(3)? })
    })?;
    rows.collect()
}

pub(super) fn all(db: &Connection) -> Result<Vec<Moved>, rusqlite::Error> {
    let mut all = db.prepare("SELECT key, order_id, kind, amount, outcome, at_ms FROM movements ORDER BY at_ms, key")?;
    let rows = all.query_map([], |row| {
        let order: String = row.get(1)?;
        Ok(Moved {
            key: row.get(0)?,
            order: OrderId::parse(&order).ok_or(rusqlite::Error::InvalidQuery)?,
            refund: row.get::<_, String>(2)? == REFUND,
            amount: Won(row.get(3)?),
            approved: row.get::<_, String>(4)? == APPROVED,
            at_ms: row.get(5)?,
        })
    })?;
    rows.collect()
}

struct Found {
    order: String,
    kind: String,
    amount: Won,
    answer: Answer,
}

impl Found {
    /// A key that comes back for something else is a mistake of the caller. Repeating the answer would approve what never
    /// moved, so nothing is claimed.
    fn same_as(self, kind: &str, order: &str, ask: &Ask) -> Answer {
        if self.order == order && self.kind == kind && self.amount == ask.amount {
            return self.answer;
        }
        tracing::error!(key = ask.key, "a provider key came back for another movement");
        Answer::Undecided
    }
}

fn recorded(tx: &Transaction, key: &str) -> Result<Option<Found>, rusqlite::Error> {
    tx.prepare_cached("SELECT order_id, kind, amount, outcome FROM movements WHERE key = ?1")?
        .query_row([key], |row| {
            let outcome: String = row.get(3)?;
            Ok(Found { order: row.get(0)?, kind: row.get(1)?, amount: Won(row.get(2)?), answer: answer(&outcome) })
        })
        .optional()
}

fn answer(outcome: &str) -> Answer {
    if outcome == APPROVED { Answer::Approved } else { Answer::Declined(Reason::Declined) }
}

pub(super) fn now_ms() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
