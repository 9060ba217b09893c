//! What SQLite does not do by itself for files that several processes begin.

use rusqlite::{Connection, ErrorCode};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Between two tries to begin a file that others begin at the same time: it takes them a few milliseconds.
const PAUSE: Duration = Duration::from_millis(5);

/// Sets that a file is written by a log ahead of it, and each commit is on the disk when it is done. Processes that begin a
/// file at the same moment hold what each other waits for, so SQLite does not wait then, whatever its timeout is, and says
/// at once that it is locked: here it is tried again, for as long.
///
/// # Errors
/// When the file is locked for longer than `patience`, or cannot be written.
pub fn log_ahead(db: &Connection, patience: Duration) -> Result<(), rusqlite::Error> {
    let began = Instant::now();
    loop {
        match db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;") {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && began.elapsed() < patience => thread::sleep(PAUSE),
            done => return done,
        }
    }
}
