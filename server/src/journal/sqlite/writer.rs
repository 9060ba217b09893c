//! What a commit writes.

use super::{
    Answer, Commit, Fault,
    deferred::{self, Deferred},
    json,
};
use rusqlite::{Connection, params};
use shared::Recorded;
use std::sync::{Arc, PoisonError, RwLock};

/// Writes a commit, whole or not at all. Its rows are put off unless they are due.
///
/// # Errors
/// A fault of the database.
pub(super) fn write(connection: &mut Connection, deferred: &RwLock<Deferred>, commit: &Commit) -> Result<(), Fault> {
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    append(&tx, &commit.events)?;
    let is_due = {
        let deferred = super::put_off(deferred);
        let is_due = deferred.is_due();
        if is_due {
            deferred.write(&tx)?;
            deferred::write(&tx, &commit.rows)?;
        } else if !commit.rows.is_empty() {
            deferred.record(&tx, commit)?;
        }
        is_due
    };
    write_rest(&tx, commit)?;
    tx.commit()?;
    // Readers see in memory what is not where it belongs, and so only now.
    let mut deferred = deferred.write().unwrap_or_else(PoisonError::into_inner);
    if is_due {
        deferred.written();
    } else if !commit.rows.is_empty() {
        deferred.put_off(&commit.rows);
    }
    Ok(())
}

fn write_rest(tx: &Connection, commit: &Commit) -> Result<(), Fault> {
    write_timers(tx, commit)?;
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
