//! Finds what is due, and sees that each row is worked on once at a time.
//!
//! A row is in memory while it is worked on, or waits for its next try; only the work itself holds a permit, so that rows
//! that wait never keep others from being worked on. While the worker is shut, rows stay on their list.

use super::Worker;
use crate::{
    bus::Batch,
    engine::Engine,
    journal::{Fault, Share, Slice},
};
use futures_util::{Stream, StreamExt, stream};
use shared::{Kind, event::Position};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tokio_util::sync::CancellationToken;

/// Rows of a list read at once when a worker starts, or has fallen behind.
const CHUNK: u64 = 500;
/// The first pause before the outside world is asked again, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How often a worker looks at its whole list, in case a row was missed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Rows in memory at once, each of about a kilobyte: some seconds of a rush hour. More stay on their list.
const IN_MEMORY: usize = 4_096;
/// Rows after which a look lets others go on, so that a worker that shuts meanwhile is noticed.
const BREATH: usize = 16;
/// Rows that somebody wants to be worked on now, and that wait to be taken.
const NUDGES: usize = 1_024;

/// Where a worker's rows are.
pub(super) trait Due: Send + Sync + 'static {
    /// The names of rows that are due, oldest first.
    fn keys(&self, slice: Slice) -> Result<Vec<Arc<str>>, Fault>;
    /// Whether this replica looks after a row.
    fn is_mine(&self, key: &str) -> bool;
}

/// The list of a kind's rows under a tag.
pub(super) struct Tagged {
    engine: Arc<Engine>,
    kind: Kind,
    tag: &'static str,
}

impl Due for Tagged {
    fn keys(&self, slice: Slice) -> Result<Vec<Arc<str>>, Fault> {
        self.engine.keys(self.kind, self.tag, slice)
    }

    fn is_mine(&self, key: &str) -> bool {
        self.engine.is_mine(self.kind.context(), key)
    }
}

type Busy = Arc<Mutex<HashMap<Arc<str>, Arc<Notify>>>>;

/// Why a row is taken.
#[derive(Clone, Copy)]
enum Why {
    /// It is on the list; with the event that has put it there, if that was heard just now.
    Due(Option<Position>),
    /// Somebody wants it to be worked on now.
    Wanted,
}

/// The rounds of one worker.
pub(super) struct Rounds<D> {
    due: D,
    permits: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Rows in memory, and how one that waits for its next try is woken.
    busy: Busy,
    /// A row was left on its list because the worker is shut.
    left: Arc<Notify>,
}

/// Starts a worker on a list. Whoever sends a row's name has it worked on now.
pub(super) fn start<W: Worker>(
    engine: &Arc<Engine>,
    (kind, tag): (Kind, &'static str),
    at_once: usize,
    worker: Arc<W>,
    stopping: &CancellationToken,
) -> mpsc::Sender<Arc<str>> {
    let context = kind.context();
    let partitions = (0..engine.partitions()).map(|partition| BroadcastStream::new(engine.listen(context, partition)));
    let (commits, share) = (stream::select_all(partitions), engine.share(context));
    let rounds = Rounds::new(Tagged { engine: engine.clone(), kind, tag }, at_once);
    let (nudge, nudged) = mpsc::channel(NUDGES);
    let stopping = stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = rounds.run(worker, commits, share, nudged) => {}
            () = stopping.cancelled() => {}
        }
    });
    nudge
}

/// What became of a row that was to be taken.
enum Took {
    It,
    /// Somebody works on it.
    Nothing,
    /// The worker is shut, and the row stays on its list.
    Shut,
}

impl<D: Due> Rounds<D> {
    pub(super) fn new(due: D, at_once: usize) -> Self {
        let (permits, places) = (Arc::new(Semaphore::new(at_once)), Arc::new(Semaphore::new(IN_MEMORY)));
        Self { due, permits, places, busy: Arc::default(), left: Arc::default() }
    }

    /// Goes on until commits end.
    pub(super) async fn run<W: Worker>(
        self,
        worker: Arc<W>,
        mut commits: impl Stream<Item = Result<Batch, BroadcastStreamRecvError>> + Unpin,
        mut share: watch::Receiver<Share>,
        mut nudged: mpsc::Receiver<Arc<str>>,
    ) {
        let mut next_look = Instant::now();
        loop {
            if Instant::now() >= next_look {
                next_look = Instant::now() + LOOK_AGAIN;
            }
            self.look(&worker).await;
            let chance = self.chance(&worker);
            tokio::pin!(chance);
            loop {
                let batch = tokio::select! {
                    batch = commits.next() => batch,
                    Some(key) = nudged.recv() => {
                        self.take(&worker, key, Why::Wanted).await;
                        continue;
                    }
                    () = &mut chance => break,
                    () = sleep_until(next_look) => break,
                    // What another replica looked after may be this one's now.
                    changed = share.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                };
                match batch {
                    Some(Ok(batch)) => {
                        for recorded in batch.iter().filter(|recorded| worker.is_due(recorded)) {
                            self.take(&worker, recorded.stream.as_str().into(), Why::Due(Some(recorded.position))).await;
                        }
                    }
                    // What was missed is on the list.
                    Some(Err(BroadcastStreamRecvError::Lagged(_))) => break,
                    None => return,
                }
            }
        }
    }

    /// Ready when rows that were left on their list can be worked on.
    async fn chance<W: Worker>(&self, worker: &Arc<W>) {
        self.left.notified().await;
        let mut changes = worker.changes();
        while let Some(shut) = worker.shut() {
            tokio::select! {
                () = sleep(shut) => {}
                () = changed(&mut changes) => {}
            }
        }
    }

    /// Everything on the list, oldest first, as far as the worker takes it. Rows that are done leave the list while it is
    /// read in parts, so that others move up and are passed over: it is read until nothing on it is new.
    async fn look<W: Worker>(&self, worker: &Arc<W>) {
        let (mut offset, mut taken) = (0, 0);
        loop {
            let slice = Slice { offset, limit: CHUNK, newest_first: false };
            let keys = match self.due.keys(slice) {
                Ok(keys) => keys,
                Err(fault) => {
                    tracing::error!(%fault, "the list of due work cannot be read");
                    return;
                }
            };
            let (last, seen) = (keys.len() < CHUNK as usize, keys.len() as u64);
            for (number, key) in keys.into_iter().enumerate() {
                if number % BREATH == 0 {
                    tokio::task::yield_now().await;
                }
                match self.take(worker, key, Why::Due(None)).await {
                    Took::It => taken += 1,
                    Took::Nothing => {}
                    Took::Shut => return,
                }
            }
            match (last, std::mem::take(&mut taken)) {
                (true, 0) => return,
                (true, _) => offset = 0,
                (false, more) => (offset, taken) = (offset + seen, more),
            }
        }
    }

    /// Works on a row, unless somebody does. Of what is wanted now, one that waits for its next try waits no longer; and one
    /// that another replica looks after is tried once here, where it was wanted: whoever works knows that others may.
    async fn take<W: Worker>(&self, worker: &Arc<W>, key: Arc<str>, why: Why) -> Took {
        if worker.shut().is_some() {
            self.left.notify_one();
            return Took::Shut;
        }
        let (is_mine, is_wanted) = (self.due.is_mine(&key), matches!(why, Why::Wanted));
        if !is_mine && !is_wanted {
            return Took::Nothing;
        }
        let woken = match self.busy.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()) {
            Entry::Occupied(busy) => {
                // What has become due meanwhile does not wait either.
                if is_wanted || matches!(why, Why::Due(Some(_))) {
                    busy.get().notify_one();
                }
                return Took::Nothing;
            }
            Entry::Vacant(free) => free.insert(Arc::default()).clone(),
        };
        let Ok(place) = self.places.clone().acquire_owned().await else { return Took::Shut };
        let (worker, permits, busy, left) = (worker.clone(), self.permits.clone(), self.busy.clone(), self.left.clone());
        let due = if let Why::Due(position) = why { position } else { None };
        tokio::spawn(async move {
            let is_done = work(&*worker, &permits, &key, due, is_mine.then_some(&*woken)).await;
            busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            drop(place);
            if !is_done {
                left.notify_one();
            }
        });
        Took::It
    }
}

/// Tries until it is done, or until the worker is shut: false then. Once only, when it cannot be woken: somebody else goes on
/// trying.
async fn work<W: Worker>(worker: &W, permits: &Semaphore, key: &str, due: Option<Position>, woken: Option<&Notify>) -> bool {
    let (mut pause, mut attempt) = (PAUSE, 0);
    let mut changes = worker.changes();
    loop {
        let Ok(permit) = permits.acquire().await else { return true };
        if worker.work(key, attempt, due).await {
            return true;
        }
        drop(permit);
        let Some(woken) = woken else { return true };
        if worker.shut().is_some() {
            return false;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = changed(&mut changes) => {}
            () = woken.notified() => {}
        }
        (pause, attempt) = ((pause * 2).min(MAX_PAUSE), attempt + 1);
    }
}

/// Ready when something has changed, if anything ever does.
async fn changed<T>(changes: &mut Option<watch::Receiver<T>>) {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
