//! Records of commits whose rows were put off, and how a crash is made up for with them.
//!
//! An aggregate's row is folded from its events: its record names it, and the batches of the journal that the commit
//! appended. Rows that no event of the commit explains, those of views, are in the record itself, with the lists that
//! they leave and join.

use super::{Commit, Fault, Put, deferred::Writer, json, load, read};
use domain::Row;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::{Event, Kind, Recorded};
use std::collections::{HashMap, HashSet};

/// A record.
#[derive(Serialize, Deserialize)]
struct Record {
    /// Batches of the journal: partition, and sequence number of the last event.
    batches: Vec<(u16, u64)>,
    /// Rows that are folded from their events: kind, key.
    folded: Vec<(Kind, String)>,
    /// Rows: kind, key, version, body.
    rows: Vec<(Kind, String, u64, Box<RawValue>)>,
    /// Lists that rows leave: kind, list, place in it, key.
    gone: Vec<(Kind, String, i64, String)>,
    /// Lists that rows join.
    new: Vec<(Kind, String, i64, String)>,
}

/// Writes a record under a number that is higher than all before.
///
/// # Errors
/// A fault of the database.
pub fn write(tx: &Connection, id: i64, commit: &Commit) -> Result<(), Fault> {
    let mut batches: HashMap<u16, u64> = HashMap::new();
    let mut versions: HashMap<(Kind, &str), u64> = HashMap::new();
    for event in &commit.events {
        batches.insert(event.position.partition, event.position.seq);
        versions.insert((event.event.kind(), &event.stream), event.version);
    }
    let mut record = Record { batches: batches.into_iter().collect(), folded: vec![], rows: vec![], gone: vec![], new: vec![] };
    for Put { kind, key, stored, tags_gone, tags_new } in &commit.rows {
        if Row::is_folded(*kind) && versions.get(&(*kind, key)) == Some(&stored.version) {
            record.folded.push((*kind, key.to_string()));
            continue;
        }
        let key = key.to_string();
        record.gone.extend(tags_gone.iter().map(|tag| (*kind, tag.name.clone(), tag.sort, key.clone())));
        record.new.extend(tags_new.iter().map(|tag| (*kind, tag.name.clone(), tag.sort, key.clone())));
        record.rows.push((*kind, key, stored.version, RawValue::from_string(json::row(&stored.row)?)?));
    }
    let body = serde_json::to_string(&record)?;
    tx.prepare_cached("insert into redo (id, body) values (?, ?)")?.execute(params![id, body])?;
    Ok(())
}

/// Forgets all records: their rows are where they belong.
///
/// # Errors
/// A fault of the database.
pub fn clear(tx: &Connection) -> Result<(), Fault> {
    tx.prepare_cached("delete from redo")?.execute([])?;
    Ok(())
}

/// Brings rows that were put off to where they belong, from their records.
///
/// # Errors
/// A fault of the database, or what it holds cannot be read.
pub fn recover(connection: &mut Connection) -> Result<(), Fault> {
    let tx = connection.transaction()?;
    {
        let mut statement = tx.prepare("select body from redo order by id")?;
        let mut records = statement.query([])?;
        let mut writer = Writer::new(&tx)?;
        while let Some(record) = records.next()? {
            let record: Record = serde_json::from_str(record.get_ref(0)?.as_str().map_err(|e| Fault(e.to_string()))?)?;
            let folded: HashSet<(Kind, String)> = record.folded.into_iter().collect();
            for (partition, seq) in record.batches {
                for recorded in batch(&tx, partition, seq)? {
                    if folded.contains(&(recorded.event.kind(), recorded.stream.clone())) {
                        fold(&tx, &mut writer, &recorded)?;
                    }
                }
            }
            for (kind, key, version, body) in record.rows {
                writer.row(kind.name(), &key, version, body.get())?;
            }
            for (tags, joined) in [(record.gone, false), (record.new, true)] {
                for (kind, name, sort, key) in tags {
                    writer.tag(kind.name(), &name, sort, &key, joined)?;
                }
            }
        }
    }
    clear(&tx)?;
    tx.commit()?;
    Ok(())
}

fn batch(tx: &Connection, partition: u16, seq: u64) -> Result<Vec<Recorded>, Fault> {
    let mut statement = tx.prepare_cached("select body from journal where partition = ? and seq = ?")?;
    let body: String = statement.query_row(params![partition, seq as i64], |row| row.get(0))?;
    Ok(read::events(body.as_bytes())?)
}

/// Takes an event into the row of its stream, unless it is there already.
fn fold(tx: &Connection, writer: &mut Writer<'_>, recorded: &Recorded) -> Result<(), Fault> {
    let (kind, key) = (recorded.event.kind(), &recorded.stream);
    let stored = load(tx, kind, key)?;
    let (before, version) = stored.map_or((None, 0), |stored| (Some(Row::clone(&stored.row)), stored.version));
    if version >= recorded.version {
        return Ok(());
    }
    if version + 1 != recorded.version {
        return Err(Fault(format!("{} {key}: the row has {version} events, and the next is number {}", kind.name(), recorded.version)));
    }
    if let Event::Unreadable(_) = &recorded.event {
        return Err(Fault(format!("{} {key} has an event that a newer version wrote: use that version", kind.name())));
    }
    let Some(row) = before.clone().or_else(|| Row::empty(kind)) else {
        return Err(Fault(format!("{key} is no aggregate: {}", kind.name())));
    };
    let row = domain::evolve(row, &recorded.event);
    writer.row(kind.name(), key, recorded.version, &json::row(&row)?)?;
    let (leaves, joins) = domain::moves(before.as_ref(), &row);
    for (tags, joined) in [(leaves, false), (joins, true)] {
        for tag in tags {
            writer.tag(kind.name(), &tag.name, tag.sort, key, joined)?;
        }
    }
    Ok(())
}
