//! A context's one writer: takes what has arrived, decides it piece by piece, and commits it together.
//!
//! It is a thread and not a task, because a commit waits for the disk. While it waits, the next work piles up, and that
//! is the next transaction: the busier the context, the fewer flushes each command costs.

mod decide;
mod replicas;
mod shelf;
mod work;

pub use work::{RowKey, Work};

use super::{core::Core, live::Live};
use crate::{
    bus::{Batch, Bus, local::LocalBus},
    journal::{Commit, Fault, Journal, Reader, Share, Stored, Unwritten},
    metrics::Meter,
};
use quick_cache::sync::Cache;
use shared::{Context, Millis};
use shelf::{StreamName, stream_of};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;
use work::{Outcome, answer_all, refuse_all};

/// Pieces of work in one transaction. More would not make a command cheaper, but would make the first one wait.
const MAX_BATCH: usize = 256;
/// The same where nobody waits: what arrives while a context lingers, in a rush hour.
const MAX_PATIENT_BATCH: usize = 1_024;
/// Looks at the timers at least this often, so that a changed system clock is noticed.
const MAX_SLEEP: Duration = Duration::from_secs(10);
/// A transaction that is shared by so many is one of a busy time: each commit costs a flush and whole pages, and a
/// moment's wait makes it worth more. Few clients never meet it, so their answers come at once.
const BUSY: usize = 8;
/// The moment.
const BUSY_LINGER: Duration = Duration::from_millis(2);
/// Waits after a failed commit before the next try, so that a full disk does not become a busy loop.
const FAULT_PAUSE: Duration = Duration::from_millis(200);
/// How often a batch is decided anew because another replica was quicker. Each time somebody else has made progress, so
/// this many in a row mean that something is wrong.
const MAX_CONFLICTS: usize = 50;
/// Idempotency records live this long: a client that repeats a request later than a day is not retrying.
const ANSWER_LIFE_MS: Millis = 24 * 3_600_000;
/// Idempotency records forgotten in one go.
const MAX_FORGET: usize = 1_000;

/// How far a context has come: its own journal, and what it has heard of others.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The last sequence number of each of its partitions.
    pub heads: Vec<u64>,
    /// The last event handled of each source's partition.
    pub cursors: HashMap<(Context, u16), u64>,
    /// True while transactions succeed.
    pub is_well: bool,
}

/// A context's committer.
pub struct Committer {
    pub context: Context,
    /// How long work that nobody waits for may wait for more of its kind.
    pub linger: Duration,
    /// True when the last transaction was shared by many: then the next one waits a moment for as many.
    pub busy: bool,
    /// Cursors that moved over events without an effect here: they are written with the next commit, because moving
    /// them again after a crash costs nothing.
    pub unwritten: HashMap<(Context, u16), u64>,
    pub core: Core,
    pub journal: Box<dyn Journal>,
    /// What other replicas have committed is read here.
    pub reader: Arc<dyn Reader>,
    pub cache: Arc<Cache<RowKey, Stored>>,
    pub bus: Arc<dyn Bus>,
    /// Commits for those who listen within this process.
    pub commits: Arc<LocalBus>,
    pub live: Arc<Live>,
    pub meter: Arc<Meter>,
    /// Streams of which an event is parked, or was.
    pub held_up: RefCell<HashSet<StreamName>>,
    pub progress: watch::Sender<Progress>,
    /// The partitions that this replica looks after.
    pub share: watch::Sender<Share>,
    pub inbox: Receiver<Work>,
    /// When the lease was renewed last, if it ever was.
    pub shared_at: Option<Instant>,
    /// True after a commit that did not come through: what is in memory may be old.
    pub doubtful: bool,
    /// True while transactions fail, so that this is logged once.
    pub failing: bool,
    /// True when the end was asked for.
    pub stopping: bool,
}

impl Committer {
    /// Works until it is told to stop.
    pub fn run(mut self) {
        let (mut next_due, mut next_sweep) = (Some(now_ms()), 0);
        loop {
            let now = now_ms();
            if now >= next_sweep {
                self.sweep(now);
                next_sweep = now + ANSWER_LIFE_MS / 24;
            }
            if self.renew() {
                next_due = Some(now);
                self.look_for_held_up();
            }
            let wait = next_due.map_or(MAX_SLEEP, |due| Duration::from_millis((due - now).max(0) as u64));
            let put_off = self.journal.put_off_until().map_or(MAX_SLEEP, |until| until.saturating_duration_since(Instant::now()));
            let work = match self.inbox.recv_timeout(wait.min(put_off).min(self.patience())) {
                Ok(first) => self.gather(first),
                Err(RecvTimeoutError::Timeout) => vec![],
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let timers = next_due.is_some_and(|due| due <= now_ms());
            match self.transact(work, timers) {
                Ok(Ended { stopped: true, .. }) => return self.close(),
                Ok(Ended { set, .. }) => {
                    if std::mem::replace(&mut self.failing, false) {
                        self.tell_health(true);
                        tracing::info!(context = self.context.name(), "transactions succeed again");
                    }
                    if timers {
                        next_due = self.next_due();
                    }
                    next_due = [next_due, set].into_iter().flatten().min();
                }
                Err(_) if self.stopping => return self.close(),
                Err(fault) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        self.tell_health(false);
                        tracing::error!(context = self.context.name(), %fault, "a transaction failed; it will be tried again");
                    }
                    std::thread::sleep(FAULT_PAUSE);
                    next_due = Some(now_ms());
                }
            }
        }
    }

    fn close(mut self) {
        if let Err(fault) = self.journal.close() {
            tracing::warn!(context = self.context.name(), %fault, "the journal was not tidied up");
        }
    }

    fn next_due(&self) -> Option<Millis> {
        self.journal.next_due(&self.share.borrow().partitions).unwrap_or_else(|_| Some(now_ms() + MAX_SLEEP.as_millis() as Millis))
    }

    /// The first piece of work, and what shares its transaction: whatever has arrived meanwhile, and, if nobody waits for
    /// an answer, what arrives in a moment.
    fn gather(&mut self, first: Work) -> Vec<Work> {
        if self.busy {
            // Asleep and not at the inbox: there, each arrival would wake it.
            std::thread::sleep(BUSY_LINGER);
        }
        let until = Instant::now() + self.linger;
        let most = if self.linger.is_zero() { MAX_BATCH } else { MAX_PATIENT_BATCH };
        let mut work = vec![first];
        while work.len() < most {
            let patient = !self.linger.is_zero() && !work.last().is_some_and(Work::is_urgent);
            let next = if patient {
                self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
            } else {
                self.inbox.try_recv().ok()
            };
            match next {
                Some(next) => work.push(next),
                None => break,
            }
        }
        self.busy = work.len() >= BUSY;
        self.stopping |= work.iter().any(|work| matches!(work, Work::Stop));
        work
    }

    /// One transaction, tried again whenever another replica was quicker.
    fn transact(&mut self, work: Vec<Work>, timers: bool) -> Result<Ended, Fault> {
        for _ in 0..MAX_CONFLICTS {
            match self.attempt(&work, timers) {
                Ok((ended, outcomes)) => {
                    self.count_heard(&work, &outcomes);
                    answer_all(work, outcomes);
                    return Ok(ended);
                }
                Err(Unwritten::Conflict) => self.doubtful = true,
                Err(Unwritten::Fault(fault)) => {
                    self.doubtful = true;
                    refuse_all(work, &fault);
                    return Err(fault);
                }
            }
        }
        let fault = Fault("other replicas were always quicker".into());
        refuse_all(work, &fault);
        Err(fault)
    }

    /// Decides the work, and commits it.
    fn attempt(&mut self, work: &[Work], timers: bool) -> Result<(Ended, Vec<Outcome>), Unwritten> {
        // Whoever is not alone decides on what is there now: a refusal, too, must not come from an old row.
        if self.doubtful || !self.is_alone() {
            self.take_news()?;
        }
        let mut draft = self.core.draft();
        let (outcomes, stopped) = self.decide(&mut draft, work)?;
        if timers {
            self.fire(&mut draft)?;
        }
        let mut commit = draft.finish();
        let moved = std::mem::take(&mut commit.cursors);
        // A commit for cursors alone would flush the disk for nothing; when it is quiet anyway, they are written.
        let is_quiet = work.is_empty() || stopped;
        let is_late = self.journal.put_off_until().is_some_and(|until| until <= Instant::now());
        let write = !commit.is_empty() || (is_quiet && !self.unwritten.is_empty()) || is_late;
        if write {
            commit.cursors.clone_from(&self.unwritten);
            commit.cursors.extend(&moved);
            let began = Instant::now();
            self.journal.commit(&commit)?;
            self.meter.committed(began.elapsed(), work.len());
            self.unwritten.clear();
        } else {
            // Only now: a cursor that moved in a failed transaction must not be written by the next one.
            self.unwritten.extend(&moved);
        }
        commit.cursors = moved;
        let set = commit.timers.iter().map(|timer| timer.due_ms).min();
        self.publish(commit);
        Ok((Ended { stopped, set }, outcomes))
    }

    fn tell_progress(&self, moved: &HashMap<(Context, u16), u64>) {
        self.progress.send_modify(|progress| {
            progress.heads.clear();
            progress.heads.extend(self.core.heads());
            progress.cursors.extend(moved);
        });
    }

    /// Says whether transactions succeed, when that has changed.
    fn tell_health(&self, is_well: bool) {
        self.progress.send_if_modified(|progress| std::mem::replace(&mut progress.is_well, is_well) != is_well);
    }

    /// Shows a commit to readers, listeners and watchers, in this order: who is told of an event can read it.
    fn publish(&mut self, commit: Commit) {
        self.core.committed(&commit);
        self.held_up.get_mut().extend(commit.parked.iter().filter_map(stream_of));
        for parked in &commit.parked {
            tracing::warn!(
                context = self.context.name(),
                stream = parked.stream,
                reason = parked.reason,
                "something could not be done, and is parked"
            );
        }
        for put in commit.rows {
            self.cache.insert((put.kind, put.key), put.stored);
        }
        self.tell_progress(&commit.cursors);
        if commit.events.is_empty() {
            return;
        }
        self.live.publish(&commit.events);
        for partition in 0..self.core.heads().len() as u16 {
            let batch: Vec<_> = commit.events.iter().filter(|event| event.position.partition == partition).cloned().collect();
            if !batch.is_empty() {
                let batch: Batch = batch.into();
                self.commits.publish(self.context, partition, batch.clone());
                self.bus.publish(self.context, partition, batch);
            }
        }
    }

    fn sweep(&mut self, now: Millis) {
        if let Err(fault) = self.journal.forget_answers(now - ANSWER_LIFE_MS, MAX_FORGET) {
            tracing::error!(context = self.context.name(), %fault, "old idempotency records could not be forgotten");
        }
    }
}

/// How a transaction ended.
struct Ended {
    /// True when it was the last.
    stopped: bool,
    /// When the earliest timer that it set is due.
    set: Option<Millis>,
}

/// The time now.
pub fn now_ms() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as Millis)
}

#[cfg(test)]
mod tests;
