//! Lists of rows: what the file has of one, and what was put off.

use super::{Fault, Listed, Slice, deferred::Moves};
use rusqlite::{Connection, OptionalExtension, params};
use shared::Kind;
use std::sync::Arc;

/// A list, as of one moment of the file.
pub struct List<'a> {
    pub tx: &'a Connection,
    pub kind: Kind,
    pub tag: &'a str,
}

/// True while nothing of what this record and those after it hold is where it belongs.
///
/// # Errors
/// A fault of the database.
pub fn is_recorded(tx: &Connection, first: i64) -> Result<bool, Fault> {
    let found = tx.prepare_cached("select id from redo order by id limit 1")?.query_row([], |row| row.get::<_, i64>(0)).optional()?;
    Ok(found == Some(first))
}

impl List<'_> {
    /// Keys with their places, in the order that is asked for.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn keys(&self, slice: Slice) -> Result<Vec<Listed>, Fault> {
        let sql = if slice.newest_first {
            "select sort, key from tags where kind = ? and name = ? order by sort desc, key desc limit ? offset ?"
        } else {
            "select sort, key from tags where kind = ? and name = ? order by sort, key limit ? offset ?"
        };
        let mut statement = self.tx.prepare_cached(sql)?;
        let keys = statement.query_map(params![self.kind.name(), self.tag, slice.limit as i64, slice.offset as i64], |row| {
            Ok((row.get(0)?, Arc::from(row.get_ref(1)?.as_str()?)))
        })?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Oldest first, from after this place on.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn walk(&self, (sort, key): (i64, &str), limit: u64) -> Result<Vec<Listed>, Fault> {
        let sql = "select sort, key from tags where kind = ? and name = ? and (sort, key) > (?, ?) order by sort, key limit ?";
        let mut statement = self.tx.prepare_cached(sql)?;
        let keys = statement.query_map(params![self.kind.name(), self.tag, sort, key, limit as i64], |row| {
            Ok((row.get(0)?, Arc::from(row.get_ref(1)?.as_str()?)))
        })?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// The same, of the list as it is with what was put off.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn walk_with(&self, moves: &Moves, after: (i64, &str), limit: u64) -> Result<Vec<Listed>, Fault> {
        let moved: Vec<_> = moves.iter().filter(|((sort, key), _)| (*sort, &**key) > after).collect();
        // Those that have left may all come first.
        let mut places = self.walk(after, limit.saturating_add(moved.len() as u64))?;
        places.retain(|place| !moves.contains_key(place));
        places.extend(moved.into_iter().filter(|(_, joined)| **joined).map(|(place, _)| place.clone()));
        places.sort_unstable();
        places.truncate(limit as usize);
        Ok(places)
    }

    /// How many there are.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn count(&self) -> Result<u64, Fault> {
        let sql = "select count(*) from tags where kind = ? and name = ?";
        let count: i64 = self.tx.prepare_cached(sql)?.query_row(params![self.kind.name(), self.tag], |row| row.get(0))?;
        Ok(count as u64)
    }

    fn has(&self, sort: i64, key: &str) -> Result<bool, Fault> {
        let sql = "select 1 from tags where kind = ? and name = ? and sort = ? and key = ?";
        Ok(self.tx.prepare_cached(sql)?.exists(params![self.kind.name(), self.tag, sort, key])?)
    }

    /// A page of the list as it is with what was put off, and how long the whole list is.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn with(&self, moves: &Moves, slice: Slice) -> Result<(Vec<Arc<str>>, u64), Fault> {
        let mut total = self.count()?;
        for ((sort, key), joined) in moves {
            match (self.has(*sort, key)?, joined) {
                (false, true) => total += 1,
                (true, false) => total -= 1,
                _ => {}
            }
        }
        // Those that have left may all come first.
        let enough = slice.offset.saturating_add(slice.limit).saturating_add(moves.len() as u64);
        let mut places = self.keys(Slice { offset: 0, limit: enough, ..slice })?;
        places.retain(|place| !moves.contains_key(place));
        places.extend(moves.iter().filter(|(_, joined)| **joined).map(|(place, _)| place.clone()));
        places.sort_unstable();
        if slice.newest_first {
            places.reverse();
        }
        let page = places.into_iter().skip(slice.offset as usize).take(slice.limit as usize);
        Ok((page.map(|(_, key)| key).collect(), total))
    }
}
