//! A context's one writer: takes what has arrived, decides it piece by piece, and commits it together.
//!
//! It is a thread and not a task, because a commit waits for the disk. While it waits, the next work piles up, and that
//! is the next transaction: the busier the context, the fewer flushes each command costs.

use super::{
    core::{Core, Done, Failure, Heard, Order, Rows},
    live::Live,
};
use crate::{
    bus::Bus,
    journal::{Answer, Commit, Fault, Journal, Stored},
};
use quick_cache::sync::Cache;
use shared::{Context, Kind, Millis, Recorded};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// Pieces of work in one transaction. More would not make a command cheaper, but would make the first one wait.
const MAX_BATCH: usize = 256;
/// Timers fired in one transaction, for the same reason.
const MAX_TIMERS: usize = 256;
/// Looks at the timers at least this often, so that a changed system clock is noticed.
const MAX_SLEEP: Duration = Duration::from_secs(10);
/// A transaction that is shared by so many is one of a busy time: each commit costs a flush and whole pages, and a
/// moment's wait makes it worth more. Few clients never meet it, so their answers come at once.
const BUSY: usize = 8;
/// The moment.
const BUSY_LINGER: Duration = Duration::from_millis(2);
/// Waits after a failed commit before the next try, so that a full disk does not become a busy loop.
const FAULT_PAUSE: Duration = Duration::from_millis(200);
/// Idempotency records live this long: a client that repeats a request later than a day is not retrying.
const ANSWER_LIFE_MS: Millis = 24 * 3_600_000;
/// Idempotency records forgotten in one go.
const MAX_FORGET: usize = 1_000;

/// What a committer can be asked.
pub enum Work {
    /// Decide a command.
    Command { order: Box<Order>, answer: Option<Answer>, reply: oneshot::Sender<Result<Done, Failure>> },
    /// Handle events of another context.
    Hear { source: Context, partition: u16, events: Vec<Arc<Recorded>>, reply: oneshot::Sender<Result<Heard, Fault>> },
    /// Complete an idempotency record.
    Answer(Answer),
    /// Keep a row in memory that readers ask for. Only the committer fills the cache, so it never holds an older row.
    Warm(RowKey),
    /// Finish what came before, and end.
    Stop,
}

impl Work {
    /// True when somebody waits for the answer, or for the end.
    fn is_urgent(&self) -> bool {
        match self {
            Work::Command { order, .. } => order.stamp.by != shared::Actor::System,
            Work::Stop => true,
            Work::Hear { .. } | Work::Answer(_) | Work::Warm(_) => false,
        }
    }
}

/// How far a context has come: its own journal, and what it has heard of others.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The last sequence number of each of its partitions.
    pub heads: Vec<u64>,
    /// The last event handled of each source's partition.
    pub cursors: HashMap<(Context, u16), u64>,
}

/// The name of a row in the cache.
pub type RowKey = (Kind, Arc<str>);

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
    pub cache: Arc<Cache<RowKey, Stored>>,
    pub bus: Arc<dyn Bus>,
    pub live: Arc<Live>,
    pub progress: watch::Sender<Progress>,
    pub inbox: Receiver<Work>,
}

enum Reply {
    Command(oneshot::Sender<Result<Done, Failure>>, Done),
    Hear(oneshot::Sender<Result<Heard, Fault>>, Heard),
}

/// Rows as the last commit left them: from the cache, or from the disk.
struct Shelf<'a> {
    cache: &'a Cache<RowKey, Stored>,
    journal: &'a dyn Journal,
}

impl Rows for Shelf<'_> {
    fn get(&self, kind: Kind, key: &Arc<str>) -> Result<Option<Stored>, Fault> {
        if let Some(stored) = self.cache.get(&(kind, key.clone())) {
            return Ok(Some(stored));
        }
        let stored = self.journal.load(kind, key)?;
        if let Some(stored) = &stored {
            self.cache.insert((kind, key.clone()), stored.clone());
        }
        Ok(stored)
    }
}

impl Committer {
    /// Works until it is told to stop.
    pub fn run(mut self) {
        let mut next_due = self.journal.next_due().unwrap_or(None);
        let mut next_sweep = 0;
        loop {
            let now = now_ms();
            if now >= next_sweep {
                self.sweep(now);
                next_sweep = now + ANSWER_LIFE_MS / 24;
            }
            let wait = next_due.map_or(MAX_SLEEP, |due| Duration::from_millis((due - now).max(0) as u64).min(MAX_SLEEP));
            let work = match self.inbox.recv_timeout(wait) {
                Ok(first) => self.gather(first),
                Err(RecvTimeoutError::Timeout) => vec![],
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let timers = next_due.is_some_and(|due| due <= now_ms());
            match self.transact(work, timers) {
                Ok((stopped, set)) => {
                    if timers {
                        next_due = self.journal.next_due().unwrap_or(Some(now_ms()));
                    }
                    next_due = [next_due, set].into_iter().flatten().min();
                    if stopped {
                        if let Err(fault) = self.journal.close() {
                            tracing::warn!(context = self.context.name(), %fault, "the journal was not tidied up");
                        }
                        return;
                    }
                }
                Err(fault) => {
                    tracing::error!(context = self.context.name(), %fault, "a transaction failed; it will be tried again");
                    std::thread::sleep(FAULT_PAUSE);
                    next_due = Some(now_ms());
                }
            }
        }
    }

    /// The first piece of work, and what shares its transaction: whatever has arrived meanwhile, and, if nobody waits for
    /// an answer, what arrives in a moment.
    fn gather(&mut self, first: Work) -> Vec<Work> {
        let linger = if self.busy { self.linger.max(BUSY_LINGER) } else { self.linger };
        let until = Instant::now() + linger;
        let mut work = vec![first];
        while work.len() < MAX_BATCH {
            let patient = !linger.is_zero() && (self.busy || !work.last().is_some_and(Work::is_urgent));
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
        work
    }

    /// One transaction. Says whether it was the last, and when the earliest timer that it set is due.
    fn transact(&mut self, work: Vec<Work>, timers: bool) -> Result<(bool, Option<Millis>), Fault> {
        let mut draft = self.core.draft();
        let mut replies: Vec<Reply> = vec![];
        let (mut stopped, idle) = (false, work.is_empty());
        {
            let shelf = Shelf { cache: &self.cache, journal: &*self.journal };
            for work in work {
                match work {
                    Work::Command { answer: Some(Answer { key, .. }), reply, .. }
                        if draft.answers(key) || self.journal.answered(key)? =>
                    {
                        drop(reply.send(Err(Failure::Repeated)));
                    }
                    Work::Command { order, answer, reply } => match self.core.command(&mut draft, &shelf, &order) {
                        Ok(done) => {
                            if let Some(answer) = answer {
                                self.core.answer(&mut draft, answer);
                            }
                            replies.push(Reply::Command(reply, done));
                        }
                        Err(failure) => drop(reply.send(Err(failure))),
                    },
                    Work::Hear { source, partition, events, reply } => match self.core.hear(&mut draft, &shelf, source, partition, &events)
                    {
                        Ok(heard) => replies.push(Reply::Hear(reply, heard)),
                        Err(fault) => drop(reply.send(Err(fault))),
                    },
                    Work::Answer(answer) => self.core.answer(&mut draft, answer),
                    Work::Warm((kind, key)) => drop(shelf.get(kind, &key)),
                    Work::Stop => {
                        stopped = true;
                        break;
                    }
                }
            }
            if timers {
                let now = now_ms();
                for timer in self.journal.due(now, MAX_TIMERS)? {
                    self.core.fire(&mut draft, &shelf, &timer, now)?;
                }
            }
        }
        let mut commit = draft.finish();
        let moved = std::mem::take(&mut commit.cursors);
        // A commit for cursors alone would flush the disk for nothing; when it is quiet anyway, they are written.
        let write = !commit.is_empty() || ((idle || stopped) && !self.unwritten.is_empty());
        if write {
            commit.cursors.clone_from(&self.unwritten);
            commit.cursors.extend(&moved);
        }
        let outcome = if write { self.journal.commit(&commit) } else { Ok(()) };
        // Only now: a cursor that moved in a failed transaction must not be written by the next one.
        match &outcome {
            Ok(()) if write => self.unwritten.clear(),
            Ok(()) => self.unwritten.extend(&moved),
            Err(_) => {}
        }
        commit.cursors = moved;
        if let Err(fault) = outcome {
            refuse_all(replies, &fault);
            return Err(fault);
        }
        let set = commit.timers.iter().map(|timer| timer.due_ms).min();
        self.publish(commit);
        answer_all(replies);
        Ok((stopped, set))
    }

    /// Shows a commit to readers, listeners and watchers, in this order: who is told of an event can read it.
    fn publish(&mut self, commit: Commit) {
        self.core.committed(&commit);
        for parked in &commit.parked {
            tracing::warn!(
                context = self.context.name(),
                stream = parked.stream,
                reason = parked.reason,
                "a reaction was refused and parked"
            );
        }
        for put in commit.rows {
            self.cache.insert((put.kind, put.key), put.stored);
        }
        self.progress.send_modify(|progress| {
            progress.heads.clear();
            progress.heads.extend(self.core.heads());
            progress.cursors.extend(&commit.cursors);
        });
        if commit.events.is_empty() {
            return;
        }
        self.live.publish(&commit.events);
        for partition in 0..self.core.heads().len() as u16 {
            let batch: Vec<_> = commit.events.iter().filter(|event| event.position.partition == partition).cloned().collect();
            if !batch.is_empty() {
                self.bus.publish(self.context, partition, batch.into());
            }
        }
    }

    fn sweep(&mut self, now: Millis) {
        if let Err(fault) = self.journal.forget_answers(now - ANSWER_LIFE_MS, MAX_FORGET) {
            tracing::error!(context = self.context.name(), %fault, "old idempotency records could not be forgotten");
        }
    }
}

fn answer_all(replies: Vec<Reply>) {
    // A caller that went away needs no answer; what was decided stays.
    for reply in replies {
        match reply {
            Reply::Command(reply, done) => drop(reply.send(Ok(done))),
            Reply::Hear(reply, heard) => drop(reply.send(Ok(heard))),
        }
    }
}

fn refuse_all(replies: Vec<Reply>, fault: &Fault) {
    for reply in replies {
        match reply {
            Reply::Command(reply, _) => drop(reply.send(Err(Failure::Fault(fault.clone())))),
            Reply::Hear(reply, _) => drop(reply.send(Err(fault.clone()))),
        }
    }
}

/// The time now.
pub fn now_ms() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as Millis)
}
