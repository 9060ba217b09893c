//! The disk's limit: durable appends to one SQLite file. Producers hand rows to one thread, which commits together what
//! has arrived, and each producer waits for its commit before it brings the next row.

use super::MEASURED;
use rusqlite::{Connection, params};
use std::{
    path::Path,
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Instant,
};
use tokio::{sync::oneshot, task::JoinSet};

/// A row as large as a small event.
const ROW: [u8; 300] = [b'x'; 300];
/// Rows that may wait for the writer, and rows of one commit.
const WAITING: usize = 4_096;

type Row = oneshot::Sender<()>;

/// Rows per second that so many producers get onto the disk of this folder.
///
/// # Errors
/// The file cannot be made or written.
pub async fn per_second(folder: &Path, producers: usize) -> Result<f64, String> {
    let path = folder.join("limit.db");
    let connection = prepare(&path).map_err(|e| e.to_string())?;
    let (sender, rows) = sync_channel::<Row>(WAITING);
    let writer = thread::spawn(move || write(connection, &rows));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..producers {
        let sender = sender.clone();
        tasks.spawn(async move {
            let mut appended = 0u64;
            while began.elapsed() < MEASURED {
                let (done, committed) = oneshot::channel();
                if sender.try_send(done).is_err() || committed.await.is_err() {
                    break;
                }
                appended += 1;
            }
            appended
        });
    }
    drop(sender);
    let appended: u64 = tasks.join_all().await.into_iter().sum();
    let seconds = began.elapsed().as_secs_f64();
    writer.join().map_err(|_| "the writer panicked".to_owned())?.map_err(|e| e.to_string())?;
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("limit.db{end}")));
    }
    Ok(appended as f64 / seconds)
}

/// The same settings as the journals have.
fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 10_000)?;
    connection.execute_batch("create table rows (id integer primary key, body blob not null)")?;
    Ok(connection)
}

fn write(mut connection: Connection, rows: &Receiver<Row>) -> rusqlite::Result<()> {
    let mut batch: Vec<Row> = vec![];
    while let Ok(first) = rows.recv() {
        batch.push(first);
        batch.extend(rows.try_iter().take(WAITING));
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for _ in &batch {
            transaction.prepare_cached("insert into rows (body) values (?)")?.execute(params![&ROW[..]])?;
        }
        transaction.commit()?;
        for done in batch.drain(..) {
            // Whoever waited may have run out of time.
            let _ = done.send(());
        }
    }
    Ok(())
}
