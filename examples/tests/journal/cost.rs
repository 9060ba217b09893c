//! What a commit costs in either place: printed, because figures are the machine's; only a disaster fails.

use crate::stage::*;
use std::time::{Duration, Instant};

/// How long each kind of commit is measured.
const MEASURE: Duration = Duration::from_secs(2);

#[test]
fn a_commit_costs_one_round_trip() {
    let (server, _dir) = server();
    for (name, stage) in [("SQLite", Stage::sqlite()), ("PostgreSQL", Stage::postgres(&server))] {
        for pieces in [1u64, 16, 256] {
            let context = stage.open(1);
            let mut journal = context.0;
            let mut head = journal.refresh().unwrap().heads[0];
            let (began, first) = (Instant::now(), head);
            while began.elapsed() < MEASURE {
                let mut commit = appends(events(0, head, head + pieces));
                commit.rows = (0..pieces).map(|i| put(&format!("row {}", (head + i) % 20_000), head)).collect();
                journal.commit(&commit).unwrap();
                head += pieces;
            }
            let commits = ((head - first) / pieces) as f64 / began.elapsed().as_secs_f64();
            let (per_commit, rows) = (1e6 / commits, commits * pieces as f64);
            println!(
                "{name:10}  {pieces:>3} events and rows a commit: {commits:>6.0} commits/s, {per_commit:>6.0} µs each, {rows:>7.0} events/s"
            );
            assert!(commits > 5.0, "{commits} commits a second");
        }
        if !stage.is_sqlite() {
            let mut journal = stage.open(1).0;
            let began = Instant::now();
            (0..1_000).for_each(|_| drop(journal.refresh().unwrap()));
            println!("{name:10}  a refresh without news: {:.0} µs", began.elapsed().as_micros() as f64 / 1e3);
        }
    }
}
