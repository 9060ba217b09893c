//! Rows that are put off when a crash comes: a copy of a file as it is at some moment, opened anew, has the same rows and
//! lists as the server that went on.

use crate::{
    cast::{Cast, Stage},
    files::{database, settled},
    ops::settled_in,
};
use rusqlite::{Connection, types::Value};
use server::journal::{self, Place};
use shared::Context;
use std::collections::BTreeSet;

/// Orders that are played at most until each context was met with rows that it had put off.
const MAX_ROUNDS: usize = 40;

fn table(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|i| row.get(i)).collect::<Result<Vec<Value>, _>>()).unwrap();
    rows.map(Result::unwrap).collect()
}

/// What has happened.
fn happened(connection: &Connection) -> Vec<Vec<Value>> {
    table(connection, "select partition, max(seq) from journal group by 1 order by 1")
}

/// What must be the same.
fn kept(connection: &Connection) -> [Vec<Vec<Value>>; 2] {
    ["select * from rows order by 1, 2", "select * from tags order by 1, 2, 3, 4"].map(|sql| table(connection, sql))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_put_off_are_there_after_a_crash() {
    let cast = Cast::gather().await;
    let mut seen = BTreeSet::new();
    for _ in 0..MAX_ROUNDS {
        cast.order(Stage::Completed).await;
        cast.order(Stage::Delivered).await;
        // Notices that are kept back for a moment are not waited for: what is put off would be written meanwhile.
        settled_in(&cast, &Context::ALL.into_iter().filter(|context| *context != Context::Notification).collect::<Vec<_>>()).await;
        let copy = tempfile::tempdir().unwrap();
        let lives = Context::ALL.map(|context| {
            let live = database(cast.house.data.path(), context);
            live.execute("vacuum into ?", [copy.path().join(format!("{}.db", context.name())).to_str()]).unwrap();
            live
        });
        for (context, live) in Context::ALL.into_iter().zip(&lives) {
            let late = table(&database(copy.path(), context), "select body from redo").len();
            // As after a crash: what was put off is only in the records.
            drop(journal::open(&Place::Sqlite(copy.path().into()), context, 1).unwrap());
            let recovered = database(copy.path(), context);
            settled(live);
            if late > 0 && happened(&recovered) == happened(live) {
                assert_eq!(kept(&recovered), kept(live), "{}", context.name());
                seen.insert(context);
            }
        }
        if Context::ALL.iter().all(|context| seen.contains(context)) {
            return;
        }
    }
    panic!("only {seen:?} had put something off");
}
