//! What a commit writes.

use super::{Answer, Commit, Fault, Put, json};
use rusqlite::{Connection, params};
use shared::Recorded;
use std::sync::Arc;

/// Writes a commit, whole or not at all.
///
/// # Errors
/// A fault of the database.
pub(super) fn write(connection: &mut Connection, commit: &Commit) -> Result<(), Fault> {
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    append(&tx, &commit.events)?;
    write_rows(&tx, &commit.rows)?;
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

/// Each statement is looked up once, since there may be hundreds of rows.
fn write_rows(tx: &Connection, rows: &[Put]) -> Result<(), Fault> {
    let sql = "insert into rows values (?, ?, ?, ?) on conflict do update set version = excluded.version, body = excluded.body";
    let mut row = tx.prepare_cached(sql)?;
    let mut gone = tx.prepare_cached("delete from tags where kind = ? and name = ? and sort = ? and key = ?")?;
    let mut new = tx.prepare_cached("insert or ignore into tags values (?, ?, ?, ?)")?;
    for put in rows {
        let kind = put.kind.name();
        row.execute(params![kind, &*put.key, put.stored.version as i64, json::row(&put.stored.row)?])?;
        for tag in &put.tags_gone {
            gone.execute(params![kind, tag.name, tag.sort, &*put.key])?;
        }
        for tag in &put.tags_new {
            new.execute(params![kind, tag.name, tag.sort, &*put.key])?;
        }
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
