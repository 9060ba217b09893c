//! Finds what is due, and sees that each row is worked on once at a time. While the worker is shut, rows stay on their list.

use super::{
    Worker,
    rows::{KNOWN, Rows, Took, Turn, Why},
};
use crate::{
    breaker,
    bus::Batch,
    engine::Engine,
    journal::{Fault, Listed, Share},
};
use futures_util::{Stream, StreamExt, stream};
use shared::Kind;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tokio_util::sync::CancellationToken;

/// Rows of a list read at once when a worker starts, or has fallen behind.
const CHUNK: u64 = 500;
/// How often a worker looks at its whole list, in case a row was missed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Rows after which others may go on, so that a worker that shuts meanwhile is noticed.
const BREATH: usize = 16;
/// Rows that somebody wants to be worked on now, and that wait to be taken.
const NUDGES: usize = 1_024;

/// Where a worker's rows are.
pub(super) trait Due: Send + Sync + 'static {
    /// Rows that are due, oldest first, from after this one on.
    fn walk(&self, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault>;
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
    fn walk(&self, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault> {
        self.engine.walk(self.kind, self.tag, after, limit)
    }

    fn is_mine(&self, key: &str) -> bool {
        self.engine.is_mine(self.kind.context(), key)
    }
}

/// The rounds of one worker.
pub(super) struct Rounds<D, W: Worker> {
    due: D,
    worker: Arc<W>,
    rows: Rows,
    /// A row was left on its list because the worker is shut.
    left: bool,
    /// A row was left on its list because too many are known.
    more: bool,
    /// What is worked on says here what came of it.
    report: mpsc::UnboundedSender<Ended>,
    reports: mpsc::UnboundedReceiver<Ended>,
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
    let rounds = Rounds::new(Tagged { engine: engine.clone(), kind, tag }, at_once, worker);
    let (nudge, nudged) = mpsc::channel(NUDGES);
    let stopping = stopping.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = rounds.run(commits, share, nudged) => {}
            () = stopping.cancelled() => {}
        }
    });
    nudge
}

impl<D: Due, W: Worker> Rounds<D, W> {
    pub(super) fn new(due: D, at_once: usize, worker: Arc<W>) -> Self {
        // As long as what may be worked on at once.
        let (report, reports) = mpsc::unbounded_channel();
        let rows = Rows::new(at_once, worker.pauses());
        Self { due, worker, rows, left: false, more: false, report, reports }
    }

    /// Goes on until commits end.
    pub(super) async fn run(
        mut self,
        mut commits: impl Stream<Item = Result<Batch, BroadcastStreamRecvError>> + Unpin,
        mut share: watch::Receiver<Share>,
        mut nudged: mpsc::Receiver<Arc<str>>,
    ) {
        let mut changes = self.worker.changes();
        let mut next_look = Instant::now();
        loop {
            if Instant::now() >= next_look || self.has_room() || (self.left && self.worker.shut().is_none()) {
                next_look = Instant::now() + LOOK_AGAIN;
                self.look().await;
            }
            self.begin().await;
            let shut = self.worker.shut().filter(|_| self.left);
            tokio::select! {
                batch = commits.next() => match batch {
                    Some(Ok(batch)) => self.hear(&batch),
                    // What was missed is on the list.
                    Some(Err(BroadcastStreamRecvError::Lagged(_))) => next_look = Instant::now(),
                    None => return,
                },
                Some(key) = nudged.recv() => drop(self.take(key, Why::Wanted)),
                Some(ended) = self.reports.recv() => self.ended(&ended),
                () = until(self.rows.first_wake()) => self.rows.wake_until(Instant::now(), |key| self.due.is_mine(key)),
                () = changed(&mut changes) => self.changed(),
                () = sleep(shut.unwrap_or_default()), if self.left => {}
                () = sleep_until(next_look) => {}
                // What another replica looked after may be this one's now.
                changed = share.changed() => match changed {
                    Ok(()) => next_look = Instant::now(),
                    Err(_) => return,
                },
            }
        }
    }

    /// Whether rows that were left because too many were known can be taken now.
    fn has_room(&self) -> bool {
        self.more && self.rows.len() <= KNOWN / 2
    }

    fn hear(&mut self, batch: &Batch) {
        let worker = self.worker.clone();
        worker.hears(batch.iter().map(|recorded| &**recorded).filter(|recorded| self.due.is_mine(&recorded.stream)));
        for recorded in batch.iter().filter(|recorded| worker.is_due(recorded)) {
            let why = match worker.keeps_back(recorded) {
                None => Why::Due(Some(recorded.position)),
                Some(time) => Why::Later(recorded.position, Instant::now() + time),
            };
            self.take(recorded.stream.as_str().into(), why);
        }
    }

    /// Everything on the list, oldest first, as far as the worker takes it. What joins it meanwhile is heard of.
    async fn look(&mut self) {
        (self.left, self.more) = (false, false);
        let mut last = None;
        loop {
            let rows = match self.due.walk(last.as_ref(), CHUNK) {
                Ok(rows) => rows,
                Err(fault) => {
                    tracing::error!(%fault, "the list of due work cannot be read");
                    return;
                }
            };
            let is_whole = rows.len() < CHUNK as usize;
            last = rows.last().cloned();
            for (_, key) in rows {
                if matches!(self.take(key, Why::Due(None)), Took::Shut | Took::Full) {
                    return;
                }
            }
            // A long list of rows that all sleep is read as well, and others have their turn meanwhile.
            tokio::task::yield_now().await;
            self.begin().await;
            if is_whole {
                return;
            }
        }
    }

    /// Takes a row. Of what is wanted now, one that another replica looks after is tried once here, where it was wanted:
    /// whoever works knows that others may.
    fn take(&mut self, key: Arc<str>, why: Why) -> Took {
        if self.worker.shut().is_some() {
            self.left = true;
            return Took::Shut;
        }
        let is_mine = self.due.is_mine(&key);
        if !is_mine && !matches!(why, Why::Wanted) {
            return Took::Nothing;
        }
        let took = self.rows.take(key, why, !is_mine);
        self.more |= took == Took::Full;
        took
    }

    /// Works on what is ready, as much of it as may be worked on at once.
    async fn begin(&mut self) {
        let mut begun = 0;
        while self.rows.has_next() {
            if begun % BREATH == 0 {
                // What was begun may shut the worker.
                if begun > 0 {
                    tokio::task::yield_now().await;
                }
                if self.worker.shut().is_some() {
                    self.left |= self.rows.leave_idle();
                    return;
                }
            }
            let Some(Turn { key, attempt, due, once }) = self.rows.next() else { return };
            // It may have waited long, and be another replica's now.
            if !once && !self.due.is_mine(&key) {
                self.rows.leave(&key);
                continue;
            }
            begun += 1;
            let (worker, report) = (self.worker.clone(), self.report.clone());
            tokio::spawn(async move {
                // One that breaks down is tried again.
                let mut ended = Report { report, ended: Some(Ended { key: key.clone(), is_done: false }) };
                let is_done = worker.work(&key, attempt, due).await;
                ended.ended = Some(Ended { key, is_done });
            });
        }
    }

    /// A row that is not done is tried again, or is left to its list if the worker is shut.
    fn ended(&mut self, Ended { key, is_done }: &Ended) {
        match is_done {
            true => self.rows.done(key),
            false if self.worker.shut().is_some() => {
                self.rows.leave(key);
                self.left = true;
            }
            false => self.rows.failed(key, Instant::now()),
        }
    }

    /// The worker may be shut now, or open, and then nobody waits for the end of a pause.
    fn changed(&mut self) {
        match self.worker.shut() {
            Some(_) => self.left |= self.rows.leave_idle(),
            None => self.rows.wake_all(),
        }
    }
}

/// What came of a row that was worked on.
struct Ended {
    key: Arc<str>,
    is_done: bool,
}

/// Says what came of a row, however that ends.
struct Report {
    report: mpsc::UnboundedSender<Ended>,
    ended: Option<Ended>,
}

impl Drop for Report {
    fn drop(&mut self) {
        // The worker may have stopped.
        let _ = self.ended.take().map(|ended| self.report.send(ended));
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Ready when something has changed, if anything ever does.
async fn changed(changes: &mut Option<watch::Receiver<breaker::State>>) {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests;
