//! What a worker hears of commits, of other replicas and of operators, on a clock that does not wait.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::*;
use shared::{
    Context, CustomerId, Event, OrderId, Recorded,
    event::Position,
    id::Bits,
    payment::{self, Event as E},
};
use std::{
    collections::BTreeSet,
    sync::{Mutex, atomic::AtomicBool, atomic::Ordering::Relaxed},
};
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;

/// A turn: which row, at which try, and because of which event.
type Tried = (String, u32, Option<u64>);

/// A list, and a worker that does nothing but remember.
struct Desk {
    rows: Mutex<BTreeSet<Arc<str>>>,
    looks: Mutex<u32>,
    is_mine: AtomicBool,
    tried: mpsc::UnboundedSender<Tried>,
    /// Whether a row is done once it was tried.
    is_done: AtomicBool,
    /// What it takes to try one.
    turns: Semaphore,
}

impl Due for Arc<Desk> {
    fn walk(&self, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault> {
        *self.looks.lock().unwrap() += 1;
        let rows = self.rows.lock().unwrap();
        let rest = rows.iter().filter(|key| after.is_none_or(|(_, last)| *key > last));
        Ok(rest.take(limit as usize).map(|key| (0, key.clone())).collect())
    }

    fn is_mine(&self, _: &str) -> bool {
        self.is_mine.load(Relaxed)
    }
}

impl Worker for Desk {
    fn is_due(&self, recorded: &Recorded) -> bool {
        matches!(&recorded.event, Event::Payment(E::Voided { .. }))
    }

    async fn work(&self, key: &str, attempt: u32, due: Option<Position>) -> bool {
        self.tried.send((key.to_owned(), attempt, due.map(|position| position.seq))).unwrap();
        self.turns.acquire().await.unwrap().forget();
        let is_done = self.is_done.load(Relaxed);
        if is_done {
            self.rows.lock().unwrap().remove(key);
        }
        is_done
    }
}

/// A worker that runs, and all that it hears.
struct Stage {
    desk: Arc<Desk>,
    commits: mpsc::Sender<Result<Batch, BroadcastStreamRecvError>>,
    share: watch::Sender<Share>,
    nudge: mpsc::Sender<Arc<str>>,
    tried: mpsc::UnboundedReceiver<Tried>,
}

impl Stage {
    /// With the first look over.
    async fn open() -> Self {
        let (sender, tried) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            rows: Mutex::default(),
            looks: Mutex::default(),
            is_mine: AtomicBool::new(true),
            tried: sender,
            is_done: AtomicBool::new(true),
            turns: Semaphore::new(100),
        });
        let (commits, heard) = mpsc::channel(4);
        let (share, shared) = watch::channel(Share::default());
        let (nudge, nudged) = mpsc::channel(4);
        let rounds = Rounds::new(desk.clone(), 1, desk.clone());
        tokio::spawn(rounds.run(ReceiverStream::new(heard), shared, nudged));
        sleep(Duration::from_millis(1)).await;
        assert_eq!(*desk.looks.lock().unwrap(), 1);
        Self { desk, commits, share, nudge, tried }
    }

    fn puts(&self, key: &str) {
        self.desk.rows.lock().unwrap().insert(key.into());
    }

    /// The next turn; none within a second.
    async fn next(&mut self) -> Option<Tried> {
        tokio::time::timeout(Duration::from_secs(1), self.tried.recv()).await.ok()?
    }
}

fn happened(key: &str, seq: u64, event: E) -> Arc<Recorded> {
    let position = Position { context: Context::Payment, partition: 0, seq };
    Arc::new(Recorded { position, stream: key.into(), version: seq, at_ms: 0, by: None, cause: None, event: Event::Payment(event) })
}

fn voided() -> E {
    E::Voided { order: OrderId(Bits([0; 10])), customer: CustomerId(Bits([0; 10])), at_ms: 0 }
}

fn other() -> E {
    let movement: payment::Movement = 1;
    E::Refunded { order: OrderId(Bits([0; 10])), customer: CustomerId(Bits([0; 10])), movement, amount: shared::Won(1), at_ms: 0 }
}

fn tried(key: &str, attempt: u32, due: Option<u64>) -> Option<Tried> {
    Some((key.into(), attempt, due))
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_is_worked_on_at_once_with_its_event_and_nothing_else_is() {
    let mut stage = Stage::open().await;
    let batch: Batch = vec![happened("a", 7, other()), happened("b", 8, voided()), happened("c", 9, voided())].into();
    stage.commits.send(Ok(batch)).await.unwrap();
    assert_eq!((stage.next().await, stage.next().await), (tried("b", 0, Some(8)), tried("c", 0, Some(9))));
    assert_eq!(stage.next().await, None);
    assert_eq!(*stage.desk.looks.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_on_the_list_and_looked_for_at_once() {
    let mut stage = Stage::open().await;
    stage.puts("missed");
    assert_eq!(stage.next().await, None, "nobody has heard of it");
    stage.commits.send(Err(BroadcastStreamRecvError::Lagged(3))).await.unwrap();
    assert_eq!(stage.next().await, tried("missed", 0, None));
    // And so it is after a while, should nothing at all have told of it.
    stage.puts("unheard");
    sleep(LOOK_AGAIN).await;
    assert_eq!(stage.next().await, tried("unheard", 0, None));
}

#[tokio::test(start_paused = true)]
async fn what_another_replica_looked_after_is_taken_over_with_its_share() {
    let mut stage = Stage::open().await;
    stage.desk.is_mine.store(false, Relaxed);
    stage.puts("theirs");
    stage.commits.send(Ok(vec![happened("theirs", 1, voided())].into())).await.unwrap();
    assert_eq!(stage.next().await, None);
    // Where somebody wants it now it is tried, once.
    stage.desk.is_done.store(false, Relaxed);
    stage.nudge.send("theirs".into()).await.unwrap();
    assert_eq!((stage.next().await, stage.next().await), (tried("theirs", 0, None), None));
    stage.desk.is_mine.store(true, Relaxed);
    stage.share.send(Share { partitions: vec![0], alone: true }).unwrap();
    assert_eq!((stage.next().await, stage.next().await), (tried("theirs", 0, None), tried("theirs", 1, None)));
    // Given away again, it is left when its pause is over.
    stage.desk.is_mine.store(false, Relaxed);
    while stage.next().await.is_some() {}
    sleep(2 * LOOK_AGAIN).await;
    assert_eq!(stage.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_due_once_more_has_another_turn_with_its_own_event() {
    let mut stage = Stage::open().await;
    stage.desk.turns.forget_permits(100);
    let batch: Batch = vec![happened("a", 1, voided()), happened("a", 2, voided())].into();
    stage.commits.send(Ok(batch)).await.unwrap();
    assert_eq!(stage.next().await, tried("a", 0, Some(1)), "the two of one batch are one turn");
    // It is being worked on, and has been read already.
    stage.commits.send(Ok(vec![happened("a", 3, voided())].into())).await.unwrap();
    assert_eq!(stage.next().await, None, "one turn at a time");
    stage.desk.turns.add_permits(1);
    assert_eq!(stage.next().await, tried("a", 0, Some(3)));
    // It is not done, and sleeps: news wakes it.
    stage.desk.is_done.store(false, Relaxed);
    stage.desk.turns.add_permits(1);
    assert_eq!(stage.next().await, tried("a", 1, None));
    stage.desk.turns.add_permits(1);
    tokio::task::yield_now().await;
    stage.commits.send(Ok(vec![happened("a", 4, voided())].into())).await.unwrap();
    assert_eq!(stage.next().await, tried("a", 2, Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_with_its_commits() {
    let Stage { desk, commits, share, nudge, mut tried } = Stage::open().await;
    drop(desk);
    drop(commits);
    assert_eq!(tried.recv().await, None, "it holds nothing any more");
    drop((share, nudge));
}
