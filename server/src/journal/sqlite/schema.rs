//! The tables, and how a file of an older version is brought up to them.

use super::Fault;
use rusqlite::Connection;
use std::path::Path;

/// The schema that this code reads and writes. An older file is brought up to it, a newer one is refused.
const SCHEMA_VERSION: i64 = 4;

/// Each step brings a file from the version of its index to the next.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [
    "
    create table meta (name text primary key, value) without rowid;
    create table journal (partition integer not null, seq integer not null, body text not null, unique (partition, seq));
    create table rows (kind text not null, key text not null, version integer not null, body text not null, unique (kind, key));
    create table tags (kind text not null, name text not null, sort integer not null, key text not null,
        primary key (kind, name, sort, key)) without rowid;
    create table timers (id integer primary key, kind text not null, stream text not null, name text not null,
        due_ms integer not null, command text not null, cause text, unique (kind, stream, name));
    create index timers_due on timers (due_ms);
    create table cursors (context text not null, partition integer not null, seq integer not null,
        primary key (context, partition)) without rowid;
    create table answers (key blob primary key, fingerprint blob not null, stream text not null, body blob, at_ms integer not null) without rowid;
    create index answers_at on answers (at_ms);
    create table parked (id integer primary key, body text not null);
",
    // A number that an operator has seen must never name another reaction, not even after that one is gone.
    "
    alter table parked rename to parked_before;
    create table parked (id integer primary key autoincrement, body text not null);
    insert into parked select id, body from parked_before order by id;
    drop table parked_before;
",
    // Keys arrive in no order, and every page that a commit touches is written: so they lie in a small tree of their own,
    // and the records in the order of their time.
    "
    alter table answers rename to answers_before;
    create table answers (id integer primary key, key blob not null unique, fingerprint blob not null, stream text not null, body blob,
        at_ms integer not null);
    insert into answers (key, fingerprint, stream, body, at_ms)
        select key, fingerprint, stream, body, at_ms from answers_before order by at_ms;
    drop table answers_before;
",
    // Rows and lists that a commit has put off; empty after an orderly stop.
    "
    create table redo (id integer primary key, body text not null);
",
];

/// Brings a file up to this version.
///
/// # Errors
/// A fault when it was written by a newer one, or cannot be written.
pub(super) fn migrate(connection: &mut Connection, path: &Path, partitions: u16) -> Result<(), Fault> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > SCHEMA_VERSION {
        let path = path.display();
        return Err(Fault(format!(
            "{path} was written by a newer version (schema {found}, this is {SCHEMA_VERSION}): use that version, or another --data folder"
        )));
    }
    for version in found..SCHEMA_VERSION {
        let step = connection.transaction()?;
        step.execute_batch(MIGRATIONS[version as usize])?;
        if version == 0 {
            step.execute("insert into meta (name, value) values ('partitions', ?)", [partitions])?;
        }
        step.pragma_update(None, "user_version", version + 1)?;
        step.commit()?;
    }
    Ok(())
}
