//! Answers that are lost on the way, connections that are cut, and a database that is killed.

use crate::stage::*;
use server::journal::{self, Commit, Place, Unwritten};
use shared::Kind;
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

const OPEN: u8 = 0;
/// The next thing that is asked does not arrive.
const CUT_BEFORE: u8 = 1;
/// The next thing that is asked arrives, but its answer does not.
const CUT_AFTER: u8 = 2;

/// A proxy that cuts connections: for good, but new ones are let through.
struct Proxy {
    port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, cut) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU8::new(OPEN)));
        let mode = cut.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let (up, down) = ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
                let (first, second) = (mode.clone(), mode.clone());
                thread::spawn(move || pass(up, &first, CUT_BEFORE));
                thread::spawn(move || pass(down, &second, CUT_AFTER));
            }
        });
        Self { port, cut }
    }
}

fn pass((mut from, mut to): (TcpStream, TcpStream), mode: &AtomicU8, cut: u8) {
    let mut buffer = vec![0; 65_536];
    while let Ok(read) = from.read(&mut buffer) {
        if read == 0 || mode.compare_exchange(cut, OPEN, SeqCst, SeqCst).is_ok() || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}

fn commit(seq: u64) -> Commit {
    Commit { rows: vec![put("a", seq)], ..appends(events(0, seq - 1, seq)) }
}

#[test]
fn a_commit_whose_answer_is_lost_is_resolved() {
    let (server, _dir) = server();
    let stage = Stage::postgres(&server);
    let Place::Postgres(own) = &stage.place else { unreachable!() };
    let proxy = Proxy::start(server.port());
    let url = on(&server, own.config.get_dbname().unwrap()).replace(&format!(":{}/", server.port()), &format!(":{}/", proxy.port));
    let (mut journal, reader) = journal::open(&Place::parse(&url).unwrap(), CONTEXT, 1).unwrap();
    let (mut other, _) = stage.open(1);
    for (round, cut) in [OPEN, CUT_BEFORE, CUT_AFTER, CUT_AFTER, CUT_BEFORE].into_iter().enumerate() {
        let seq = round as u64 + 1;
        proxy.cut.store(cut, SeqCst);
        journal.commit(&commit(seq)).unwrap();
        assert_eq!(proxy.cut.load(SeqCst), OPEN, "nothing was cut in round {round}");
        assert_eq!(other.refresh().unwrap().heads, [seq]);
        assert_eq!(other.load(Kind::Customer, "a").unwrap().unwrap().version, seq);
    }
    assert_eq!(stage.sql("select count(*) from journal"), [["5"]], "each is there once");
    // A conflict remains one, whatever is lost.
    other.commit(&commit(6)).unwrap();
    for cut in [CUT_BEFORE, CUT_AFTER] {
        proxy.cut.store(cut, SeqCst);
        assert!(matches!(journal.commit(&puts(vec![put("a", 7)])), Err(Unwritten::Conflict)));
        assert_eq!(proxy.cut.load(SeqCst), OPEN, "nothing was cut");
        journal.refresh().unwrap();
        other.commit(&puts(vec![put("b", 1)])).unwrap();
    }
    assert_eq!(reader.feed(0, 0, 100).unwrap().len(), 6);
}

#[test]
fn connections_that_the_server_ends_are_made_anew() {
    let (server, _dir) = server();
    let stage = Stage::postgres(&server);
    let (mut journal, reader) = stage.open(1);
    for seq in 1..=5 {
        reader.load(Kind::Customer, "a").unwrap();
        sql(&server.url(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'baemin%'");
        journal.commit(&commit(seq)).unwrap();
        assert_eq!(reader.feed(0, 0, 100).unwrap().len() as u64, seq);
    }
    // In the middle of a commit, which waits for a lock meanwhile.
    let held = std::sync::Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let end =
                "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select write%' and wait_event_type = 'Lock'";
            run(async {
                let Place::Postgres(place) = &stage.place else { unreachable!() };
                let (client, connection) = place.config.connect(tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute("begin; lock table baemin_customer.head").await.unwrap();
                held.wait();
                let until = Instant::now() + Duration::from_secs(5);
                while client.query(end, &[]).await.unwrap().is_empty() {
                    assert!(Instant::now() < until, "the commit does not wait");
                    // The activity is seen as of the transaction's first look.
                    client.batch_execute("select pg_stat_clear_snapshot()").await.unwrap();
                }
                client.batch_execute("rollback").await.unwrap();
            });
        });
        held.wait();
        journal.commit(&commit(6)).unwrap();
    });
    assert_eq!(reader.feed(0, 0, 100).unwrap().len(), 6);
}

/// The database is killed five times while a writer commits: every acknowledged commit is there, and none twice.
#[test]
fn what_was_acknowledged_survives_kills() {
    const KILLS: usize = 5;
    let (mut server, _dir) = server();
    let stage = Stage::postgres(&server);
    let (mut journal, reader) = stage.open(1);
    let (mut acknowledged, mut doubtful) = (0, 0);
    for kill in 0..KILLS {
        let began = acknowledged;
        let stop = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut seq = began;
                let mut faults = 0;
                while !stop.load(SeqCst) || seq == began {
                    match journal.commit(&commit(seq + 1)) {
                        Ok(()) => seq += 1,
                        Err(_) => {
                            faults += 1;
                            // Unknown is not lost: whether it was written is what the journal says.
                            if let Ok(news) = journal.refresh() {
                                assert!(news.heads[0] == seq || news.heads[0] == seq + 1, "{} after {seq}", news.heads[0]);
                                seq = news.heads[0];
                            }
                        }
                    }
                }
                (seq, faults)
            });
            thread::sleep(Duration::from_millis(150 + 70 * kill as u64));
            server.kill().unwrap();
            // Every other time the database is away for longer than a commit looks for it.
            thread::sleep(Duration::from_millis(if kill % 2 == 0 { 0 } else { 6_000 }));
            server.restart().unwrap();
            stop.store(true, SeqCst);
            let (seq, faults) = writer.join().unwrap();
            (acknowledged, doubtful) = (seq, doubtful + faults);
        });
        assert!(acknowledged > began);
    }
    let events = reader.feed(0, 0, usize::MAX).unwrap();
    let seqs: Vec<u64> = events.iter().map(|event| event.position.seq).collect();
    assert_eq!(seqs, (1..=acknowledged).collect::<Vec<_>>());
    assert_eq!(reader.load(Kind::Customer, "a").unwrap().unwrap().version, acknowledged);
    println!("{KILLS} kills, {acknowledged} commits acknowledged, all there; {doubtful} faults on the way");
}
