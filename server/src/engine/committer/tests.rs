//! What becomes of a commit whose answer was lost: whoever watches here sees it once, also when the database fails again
//! before it could be read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

use super::*;
use crate::{
    engine::core::{Failure, Order},
    journal::{DueTimer, Listed, News, Parked, Pending, Slice, Touched, Waits, sqlite},
};
use domain::Deadlines;
use shared::{Actor, Kind, Recorded, RiderId, Stamp, Text, id::Bits, rider};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tokio::sync::{broadcast, oneshot};

/// A journal whose answers to commits can be lost.
struct Lossy {
    journal: sqlite::SqliteJournal,
    lost: Arc<AtomicU32>,
}

/// A reader that can fail to tell what was appended.
struct Flaky {
    reader: sqlite::SqliteReader,
    failing: Arc<AtomicU32>,
}

/// True so many times.
fn strikes(times: &AtomicU32) -> bool {
    times.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Journal for Lossy {
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        self.journal.load(kind, key)
    }

    fn answered(&self, key: [u8; 16]) -> Result<bool, Fault> {
        self.journal.answered(key)
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), Unwritten> {
        self.journal.commit(commit)?;
        if strikes(&self.lost) { Err(Fault("the answer was lost".into()).into()) } else { Ok(()) }
    }

    fn refresh(&mut self) -> Result<News, Fault> {
        Ok(News { heads: self.journal.heads()?, cursors: self.journal.cursors()?, touched: Touched::All })
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn share(&mut self) -> Result<Share, Fault> {
        self.journal.share()
    }

    fn close(&mut self) -> Result<(), Fault> {
        self.journal.close()
    }

    fn heads(&self) -> Result<Vec<u64>, Fault> {
        self.journal.heads()
    }

    fn cursors(&self) -> Result<HashMap<(Context, u16), u64>, Fault> {
        self.journal.cursors()
    }

    fn due(&self, now_ms: Millis, limit: usize, partitions: &[u16]) -> Result<Vec<DueTimer>, Fault> {
        self.journal.due(now_ms, limit, partitions)
    }

    fn next_due(&self, partitions: &[u16]) -> Result<Option<Millis>, Fault> {
        self.journal.next_due(partitions)
    }

    fn forget_answers(&mut self, before_ms: Millis, limit: usize) -> Result<usize, Fault> {
        self.journal.forget_answers(before_ms, limit)
    }
}

impl Reader for Flaky {
    fn load(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        self.reader.load(kind, key)
    }

    fn list(&self, kind: Kind, tag: &str, slice: Slice) -> Result<(Vec<Arc<str>>, u64), Fault> {
        self.reader.list(kind, tag, slice)
    }

    fn walk(&self, kind: Kind, tag: &str, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault> {
        self.reader.walk(kind, tag, after, limit)
    }

    fn feed(&self, partition: u16, after: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, Fault> {
        if strikes(&self.failing) { Err(Fault("the database is away".into())) } else { self.reader.feed(partition, after, limit) }
    }

    fn answer(&self, key: [u8; 16]) -> Result<Option<crate::journal::Answer>, Fault> {
        self.reader.answer(key)
    }

    fn parked(&self, before: Option<i64>, limit: u64) -> Result<Vec<(i64, Parked)>, Fault> {
        self.reader.parked(before, limit)
    }

    fn parked_count(&self) -> Result<u64, Fault> {
        self.reader.parked_count()
    }

    fn waits(&self, now_ms: Millis) -> Result<Vec<Waits>, Fault> {
        self.reader.waits(now_ms)
    }

    fn pending(&self, kinds: &[Kind], stream: &str) -> Result<Vec<Pending>, Fault> {
        self.reader.pending(kinds, stream)
    }
}

struct Bench {
    committer: Committer,
    lost: Arc<AtomicU32>,
    failing: Arc<AtomicU32>,
    watched: broadcast::Receiver<Batch>,
    _dir: tempfile::TempDir,
}

const PARTITIONS: u16 = 3;

impl Bench {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (journal, reader) = sqlite::open(dir.path(), Context::Rider, PARTITIONS).unwrap();
        let (lost, failing) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let commits = Arc::new(LocalBus::new(PARTITIONS));
        let watched = commits.subscribe(Context::Rider, 0);
        let committer = Committer {
            context: Context::Rider,
            linger: Duration::ZERO,
            busy: false,
            unwritten: HashMap::new(),
            core: Core::new(Context::Rider, Deadlines::default(), vec![0; PARTITIONS.into()], HashMap::new()),
            journal: Box::new(Lossy { journal, lost: lost.clone() }),
            reader: Arc::new(Flaky { reader, failing: failing.clone() }),
            cache: Arc::new(Cache::new(100)),
            bus: Arc::new(LocalBus::new(PARTITIONS)),
            commits,
            live: Arc::default(),
            meter: Arc::default(),
            held_up: RefCell::default(),
            progress: watch::channel(Progress::default()).0,
            share: watch::channel(Share::default()).0,
            inbox: std::sync::mpsc::sync_channel(1).1,
            shared_at: None,
            doubtful: false,
            failing: false,
            stopping: false,
        };
        Self { committer, lost, failing, watched, _dir: dir }
    }

    /// Registers a rider whose stream is in the partition that is watched; numbers that are not are skipped.
    fn register(&mut self, number: &mut u8) -> Result<(), Failure> {
        let rider = loop {
            *number += 1;
            let rider = RiderId(Bits([*number; 10]));
            if crate::engine::core::partition_of(&rider.to_string(), PARTITIONS.into()) == 0 {
                break rider;
            }
        };
        let command = rider::Command::Register { rider, name: Text::new("라이더").unwrap() };
        let stamp = Stamp { by: Actor::System, at_ms: 1 };
        let order = Box::new(Order { stream: rider.to_string().into(), command: command.into(), stamp, cause: None });
        let (reply, mut done) = oneshot::channel();
        drop(self.committer.transact(vec![Work::Command { order, answer: None, reply }], false));
        done.try_recv().unwrap().map(drop)
    }

    /// The numbers of the events that were shown since the last look.
    fn seen(&mut self) -> Vec<u64> {
        let mut seen = vec![];
        while let Ok(batch) = self.watched.try_recv() {
            seen.extend(batch.iter().map(|event| event.position.seq));
        }
        seen
    }
}

#[test]
fn a_commit_whose_answer_was_lost_is_shown_once_however_often_the_database_fails() {
    for failures in [0, 1, 3] {
        let (mut bench, mut number) = (Bench::open(), 0);
        bench.register(&mut number).unwrap();
        assert_eq!(bench.seen(), [1]);
        bench.lost.store(2, SeqCst);
        for _ in 0..2 {
            assert!(matches!(bench.register(&mut number), Err(Failure::Fault(_))));
        }
        // The second of them was decided on the first, which had been read by then.
        assert_eq!(bench.seen(), [2]);
        bench.failing.store(failures, SeqCst);
        for _ in 0..failures {
            assert!(matches!(bench.register(&mut number), Err(Failure::Fault(_))), "nothing is decided on what is not known");
        }
        bench.register(&mut number).unwrap();
        assert_eq!(bench.seen(), [3, 4], "{failures} failures");
    }
}
