//! `identity.db`: how it is opened, and what is in it.

use super::{OpenError, files};
use crate::sqlite::log_ahead;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long another connection may hold the file before a request is given up; a write takes milliseconds.
const LOCKED: Duration = Duration::from_secs(5);

/// The steps from an empty file to the schema of this program. A step that was released is never changed: another is
/// added. The number of steps taken is the schema's version.
const STEPS: [&str; 1] = ["
    CREATE TABLE accounts (
        account BLOB PRIMARY KEY, name TEXT NOT NULL UNIQUE, shown TEXT NOT NULL, roles TEXT NOT NULL,
        hash TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
    CREATE TABLE sessions (
        session BLOB PRIMARY KEY, family BLOB NOT NULL UNIQUE, secret BLOB NOT NULL, account BLOB NOT NULL,
        ends_ms INTEGER NOT NULL, revoked_ms INTEGER) STRICT;
    CREATE INDEX sessions_by_end ON sessions (ends_ms);
    CREATE TABLE person_keys (person BLOB PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
"];

/// The rows of accounts and sessions, behind one connection. Whoever calls may wait for the disk.
pub struct Rows(Mutex<Connection>);

impl Rows {
    /// Opens the file, or begins it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(Mutex::new(connect(path)?)))
    }

    /// The connection. A panic elsewhere leaves no transaction behind, since they end when they are dropped.
    pub fn db(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a connection to a file whose schema is that of this program.
pub fn connect(path: &Path) -> Result<Connection, OpenError> {
    files::private(path)?;
    let mut db = Connection::open(path)?;
    db.busy_timeout(LOCKED)?;
    // What is deleted is overwritten: a forgotten key must be gone.
    log_ahead(&db, LOCKED)?;
    db.execute_batch("PRAGMA secure_delete = ON;")?;
    let tx = write(&mut db)?;
    let taken: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let steps = STEPS.get(taken as usize..).ok_or(OpenError::Newer(taken))?;
    if !steps.is_empty() {
        steps.iter().try_for_each(|step| tx.execute_batch(step))?;
        tx.pragma_update(None, "user_version", STEPS.len() as u32)?;
    }
    tx.commit()?;
    Ok(db)
}

/// Begins a transaction that writes, so that it cannot fail half way for a lock.
pub fn write(db: &mut Connection) -> Result<Transaction<'_>, rusqlite::Error> {
    db.transaction_with_behavior(TransactionBehavior::Immediate)
}
