//! A context's database, to look into it and to break it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

use rusqlite::Connection;
use shared::{Context, Kind};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// How long a server may hold its file, or put rows off.
const PATIENCE: Duration = Duration::from_secs(40);

/// A context's file in a folder.
pub fn database(dir: &Path, context: Context) -> Connection {
    let connection = Connection::open(dir.join(format!("{}.db", context.name()))).unwrap();
    connection.busy_timeout(PATIENCE).unwrap();
    connection
}

/// Until no row is put off.
pub fn settled(connection: &Connection) {
    let give_up = Instant::now() + PATIENCE;
    while connection.prepare("select 1 from redo").unwrap().exists([]).unwrap() {
        assert!(Instant::now() < give_up, "rows stay put off");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The rows of a kind, byte by byte: version and body.
pub fn rows(dir: &Path, kind: Kind) -> BTreeMap<String, (i64, String)> {
    let connection = database(dir, kind.context());
    settled(&connection);
    let mut statement = connection.prepare("select key, version, body from rows where kind = ?").unwrap();
    let rows = statement.query_map([kind.name()], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
    rows.map(Result::unwrap).collect()
}
