//! Who follows the feed skips nothing, whatever holds and rollbacks there are; who follows a serial number does.

use crate::stage::*;
use examples::servers::postgres::Postgres;
use server::journal::Unwritten;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
};
use tokio_postgres::NoTls;

const WRITERS: usize = 8;
/// Events of one commit at most.
const BATCH: u64 = 400;
/// Held and rolled back within the transaction, after the events were given their numbers.
const HOLD: &str = "create function hold() returns trigger language plpgsql as $$ begin
        perform pg_sleep(random() * 0.003);
        if random() < 0.1 then raise exception 'rolled back'; end if;
        return null;
    end $$;
    create constraint trigger hold after insert on {table} deferrable initially deferred for each row execute function hold()";

fn wanted() -> u64 {
    std::env::var("JOURNAL_EVENTS").map_or(100_000, |number| number.parse().expect("JOURNAL_EVENTS is a number"))
}

#[test]
fn the_feed_never_skips_where_a_serial_number_does() {
    let (server, _dir) = server();
    let total = wanted();
    follow_feed(&server, total);
    let (seen, there) = follow_serial(&server);
    println!("following a serial number: {seen} of {there} rows seen");
    assert!(seen < there, "the control must skip, or these holds prove nothing");
}

fn follow_feed(server: &Postgres, total: u64) {
    let stage = Stage::postgres(server);
    drop(stage.open(1));
    stage.sql(&HOLD.replace("{table}", "journal"));
    let (conflicts, rollbacks) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for writer in 0..WRITERS as u64 {
            let (stage, conflicts, rollbacks) = (&stage, &conflicts, &rollbacks);
            scope.spawn(move || {
                let mut journal = stage.open(1).0;
                let mut size = 1 + writer * 37 % BATCH;
                while let Some(head) = Some(journal.refresh().unwrap().heads[0]).filter(|head| *head < total) {
                    size = 1 + (size * 31 + writer) % BATCH;
                    match journal.commit(&appends(events(0, head, (head + size).min(total)))) {
                        Ok(()) => {}
                        Err(Unwritten::Conflict) => drop(conflicts.fetch_add(1, SeqCst)),
                        Err(Unwritten::Fault(fault)) => {
                            assert!(fault.to_string().contains("rolled back"), "{fault}");
                            rollbacks.fetch_add(1, SeqCst);
                        }
                    }
                }
            });
        }
        let reader = stage.open(1).1;
        let mut last = 0;
        while last < total {
            for event in reader.feed(0, last, 1_000).unwrap() {
                assert_eq!(event.position.seq, last + 1, "skipped, or out of order");
                last += 1;
            }
        }
    });
    let (conflicts, rollbacks) = (conflicts.into_inner(), rollbacks.into_inner());
    println!("{total} events of {WRITERS} writers followed, with {conflicts} conflicts and {rollbacks} rollbacks");
    assert!(conflicts > 0 && rollbacks > 0, "nothing happened that could have gone wrong");
}

/// The usual way: `id > last` over a serial number, with the same holds. How many rows were seen, and how many there are.
fn follow_serial(server: &Postgres) -> (u64, u64) {
    const COMMITS: usize = 60;
    let stage = Stage::postgres(server);
    drop(stage.open(1));
    stage.sql("create table naive (id bigserial primary key)");
    stage.sql(&HOLD.replace("{table}", "naive"));
    let server::journal::Place::Postgres(place) = &stage.place else { unreachable!() };
    let connect = || async {
        let (client, connection) = place.config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("set search_path = baemin_customer").await.unwrap();
        client
    };
    let done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                scope.spawn(|| {
                    run(async {
                        let client = connect().await;
                        for _ in 0..COMMITS {
                            // That some are rolled back is meant.
                            drop(client.batch_execute("insert into naive default values").await);
                        }
                    })
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            run(async {
                let (client, mut last, mut seen) = (connect().await, 0i64, 0);
                loop {
                    let end = done.load(SeqCst);
                    for row in client.query("select id from naive where id > $1 order by id", &[&last]).await.unwrap() {
                        (last, seen) = (row.get(0), seen + 1);
                    }
                    if end {
                        return seen;
                    }
                }
            })
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, SeqCst);
        reader.join().unwrap()
    });
    (seen, stage.sql("select count(*) from naive")[0][0].parse().unwrap())
}
