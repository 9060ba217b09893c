//! Rows and lists that commits have put off.
//!
//! Almost every step of an order writes its row again, and each list that it joins or leaves is a page elsewhere in the
//! file. So a commit of a busy time leaves them out: readers find them in memory, and a few times a second they go to
//! where they belong, with the transaction of a later commit and each row once. Nothing is lost in a crash: an
//! aggregate's row is what its events make of it, and these are in the journal; a view's row is kept in the record of
//! its commit ([`super::redo`]).

use super::{Commit, Fault, Put, Stored, json, redo};
use rusqlite::{CachedStatement, Connection, params};
use shared::Kind;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long rows are put off. The longer, the more of their values are never written at all; the shorter, the sooner
/// whoever reads the file itself sees them.
const FOR: Duration = Duration::from_millis(500);
/// Rows that are put off at most: more would make the commit that writes them a long one.
const MAX_ROWS: usize = 1_024;

/// Whether a row has joined a list, or left it: by its place and its key.
pub type Moves = BTreeMap<(i64, Arc<str>), bool>;

/// What has been put off since everything was last where it belongs.
#[derive(Debug, Default)]
pub struct Deferred {
    rows: BTreeMap<Kind, BTreeMap<Arc<str>, Stored>>,
    /// How many rows these are.
    count: usize,
    lists: HashMap<Kind, HashMap<String, Moves>>,
    /// The first record of them.
    first: i64,
    /// The last record that was ever written.
    last: i64,
    /// When everything was last where it belongs.
    since: Option<Instant>,
}

impl Deferred {
    /// True when a commit now shall write its rows, and what was put off, to where they belong. Whoever commits seldom
    /// never puts anything off.
    pub fn is_due(&self) -> bool {
        self.count >= MAX_ROWS || self.since.is_none_or(|since| since.elapsed() >= FOR)
    }

    /// When it should be written at the latest, if anything is put off.
    pub fn until(&self) -> Option<Instant> {
        self.since.map(|since| since + FOR).filter(|_| self.count > 0)
    }

    /// The newest value of a row, if it was put off.
    pub fn row(&self, kind: Kind, key: &str) -> Option<Stored> {
        self.rows.get(&kind)?.get(key).cloned()
    }

    /// What was put off of a list, with the first record of it: while that one is there, none of it is written.
    pub fn moves(&self, kind: Kind, tag: &str) -> Option<(i64, Moves)> {
        Some((self.first, self.lists.get(&kind)?.get(tag)?.clone()))
    }

    /// Writes the record of a commit whose rows are put off.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn record(&self, tx: &Connection, commit: &Commit) -> Result<(), Fault> {
        redo::write(tx, self.last + 1, commit)
    }

    /// Takes in the rows of a commit that was recorded.
    pub fn put_off(&mut self, rows: &[Put]) {
        self.last += 1;
        if self.count == 0 {
            self.first = self.last;
        }
        for put in rows {
            let lists = self.lists.entry(put.kind).or_default();
            let moves = put.tags_gone.iter().map(|tag| (tag, false)).chain(put.tags_new.iter().map(|tag| (tag, true)));
            for (tag, joined) in moves {
                let place = (tag.sort, put.key.clone());
                match lists.get_mut(&tag.name) {
                    Some(list) => drop(list.insert(place, joined)),
                    None => drop(lists.insert(tag.name.clone(), Moves::from([(place, joined)]))),
                }
            }
            if self.rows.entry(put.kind).or_default().insert(put.key.clone(), put.stored.clone()).is_none() {
                self.count += 1;
            }
        }
    }

    /// Writes all of it to where it belongs.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn write(&self, tx: &Connection) -> Result<(), Fault> {
        if self.count == 0 {
            return Ok(());
        }
        let mut writer = Writer::new(tx)?;
        for (kind, rows) in &self.rows {
            for (key, stored) in rows {
                writer.row(kind.name(), key, stored.version, &json::row(&stored.row)?)?;
            }
        }
        for (kind, lists) in &self.lists {
            for (name, moves) in lists {
                for ((sort, key), joined) in moves {
                    writer.tag(kind.name(), name, *sort, key, *joined)?;
                }
            }
        }
        redo::clear(tx)
    }

    /// All of it is where it belongs.
    pub fn written(&mut self) {
        self.rows.clear();
        self.count = 0;
        self.lists.clear();
        self.since = Some(Instant::now());
    }
}

/// Writes the rows of a commit to where they belong.
///
/// # Errors
/// A fault of the database.
pub fn write(tx: &Connection, rows: &[Put]) -> Result<(), Fault> {
    let mut writer = Writer::new(tx)?;
    for put in rows {
        let kind = put.kind.name();
        writer.row(kind, &put.key, put.stored.version, &json::row(&put.stored.row)?)?;
        for (tags, joined) in [(&put.tags_gone, false), (&put.tags_new, true)] {
            for tag in tags {
                writer.tag(kind, &tag.name, tag.sort, &put.key, joined)?;
            }
        }
    }
    Ok(())
}

/// Writes rows and lists. Each statement is looked up once, since there may be hundreds of rows.
pub struct Writer<'a> {
    row: CachedStatement<'a>,
    gone: CachedStatement<'a>,
    new: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    /// A writer within a transaction.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn new(tx: &'a Connection) -> Result<Self, Fault> {
        let row = "insert into rows values (?, ?, ?, ?) on conflict do update set version = excluded.version, body = excluded.body";
        Ok(Self {
            row: tx.prepare_cached(row)?,
            gone: tx.prepare_cached("delete from tags where kind = ? and name = ? and sort = ? and key = ?")?,
            new: tx.prepare_cached("insert or ignore into tags values (?, ?, ?, ?)")?,
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn row(&mut self, kind: &str, key: &str, version: u64, body: &str) -> Result<(), Fault> {
        self.row.execute(params![kind, key, version as i64, body])?;
        Ok(())
    }

    /// Lets a row join a list, or leave it.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn tag(&mut self, kind: &str, name: &str, sort: i64, key: &str, joined: bool) -> Result<(), Fault> {
        let statement = if joined { &mut self.new } else { &mut self.gone };
        statement.execute(params![kind, name, sort, key])?;
        Ok(())
    }
}
