//! What replicas of one journal promise each other.

use crate::stage::*;
use server::journal::{self, Place, Touched, Unwritten};
use shared::Kind;
use std::time::{Duration, Instant};

#[test]
fn who_is_slower_has_a_conflict_and_learns_what_changed() {
    let (server, _dir) = server();
    let stage = Stage::postgres(&server);
    let ((mut one, _), (mut two, reader)) = (stage.open(2), stage.open(2));
    let mut commit = appends(events(0, 0, 2));
    commit.rows = vec![put("a", 1), put("b", 1)];
    commit.cursors.insert((shared::Context::Order, 1), 5);
    one.commit(&commit).unwrap();
    one.commit(&puts(vec![put("a", 2)])).unwrap();

    assert!(matches!(two.commit(&appends(events(0, 0, 1))), Err(Unwritten::Conflict)));
    assert!(matches!(two.commit(&puts(vec![put("c", 1)])), Err(Unwritten::Conflict)), "only a refresh ends a conflict");
    assert!(two.load(Kind::Customer, "c").unwrap().is_none());
    let news = two.refresh().unwrap();
    assert_eq!(news.heads, [2, 0]);
    assert_eq!(news.cursors[&(shared::Context::Order, 1)], 5);
    let Touched::Rows(mut rows) = news.touched else { panic!("the record reaches back") };
    rows.sort();
    assert_eq!(rows, [(Kind::Customer, "a".into()), (Kind::Customer, "b".into())]);
    two.commit(&appends(events(0, 2, 3))).unwrap();
    assert_eq!(reader.feed(0, 0, 100).unwrap().len(), 3);

    // What was pruned is not known: then anything may have changed.
    stage.sql("delete from commits where version = 3");
    assert_eq!(one.refresh().unwrap().touched, Touched::All);
    assert_eq!(one.refresh().unwrap().touched, Touched::Rows(vec![]));
}

#[test]
fn the_record_of_commits_is_pruned() {
    let (server, _dir) = server();
    let stage = Stage::postgres(&server);
    let (mut journal, _) = stage.open(1);
    stage.sql("insert into commits select v, 'x', '{}', '{}' from generate_series(1, 10000) v; update head set version = 10000");
    journal.refresh().unwrap();
    for version in 1..=3 {
        journal.commit(&puts(vec![put("a", version)])).unwrap();
    }
    assert_eq!(stage.sql("select min(version), max(version), count(*) from commits"), [["4", "10003", "10000"]]);
}

#[test]
fn partitions_are_shared_and_move() {
    const PARTITIONS: u16 = 8;
    let (server, _dir) = server();
    let stage = Stage::postgres(&server);
    let mut replicas: Vec<_> = (0..3).map(|_| stage.open(PARTITIONS).0).collect();
    let settle = |replicas: &mut [Box<dyn journal::Journal>], limit| {
        let began = Instant::now();
        until("each partition is somebody's, in even shares", limit, || {
            let shares: Vec<_> = replicas.iter_mut().map(|replica| replica.share().unwrap()).collect();
            let alone = shares.len() == 1;
            let mut all: Vec<u16> = shares.iter().flat_map(|share| share.partitions.clone()).collect();
            let sizes: Vec<usize> = shares.iter().map(|share| share.partitions.len()).collect();
            all.sort_unstable();
            let even = sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1;
            let mut once = all.clone();
            once.dedup();
            assert_eq!(once, all, "two hold the same partition");
            even && all == (0..PARTITIONS).collect::<Vec<_>>() && shares.iter().all(|share| share.alone == alone)
        });
        began.elapsed()
    };
    assert_eq!(replicas[0].share().unwrap().partitions.len(), usize::from(PARTITIONS));
    settle(&mut replicas, Duration::from_secs(2));
    // One dies without a word.
    drop(replicas.pop());
    let moved = settle(&mut replicas, Duration::from_secs(10));
    println!("a dead replica's share moved within {moved:?}");
    // One leaves in order.
    replicas.pop().unwrap().close().unwrap();
    let share = replicas[0].share().unwrap();
    assert_eq!((share.partitions.len(), share.alone), (usize::from(PARTITIONS), true));
}

#[test]
fn many_may_come_at_once() {
    let (server, _dir) = server();
    let stage = Stage::postgres(&server);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| stage.open(2));
        }
    });
    assert_eq!(stage.open(2).0.heads().unwrap(), [0, 0]);
}

#[test]
fn a_server_that_loses_commits_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = examples::servers::postgres::Postgres::start_with(dir.path(), &["fsync=off", "synchronous_commit=off"]).unwrap();
    let Err(fault) = journal::open(&Place::parse(&server.url()).unwrap(), CONTEXT, 1) else { panic!("it was taken") };
    assert!(fault.to_string().contains("fsync = off"), "{fault}");
    assert!(fault.to_string().contains("may_lose_commits=yes"), "{fault}");
    let place = Place::parse(&format!("{}?may_lose_commits=yes", server.url())).unwrap();
    journal::open(&place, CONTEXT, 1).unwrap().0.commit(&puts(vec![put("a", 1)])).unwrap();
}
