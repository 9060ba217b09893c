//! A context's one writer: takes what has arrived, decides it piece by piece, and commits it together.
//!
//! It is a thread and not a task, because a commit waits for the disk. While it waits, the next work piles up, and that
//! is the next transaction: the busier the context, the fewer flushes each command costs.

use super::{
    core::{Core, Done, Draft, Failure, Heard, Mend, Mended, Order, Rows, Swapped},
    live::Live,
    rebuild::{Built, Parking},
};
use crate::{
    bus::{Batch, Bus, local::LocalBus},
    journal::{Answer, Commit, Fault, Held, Journal, News, Parked, Reader, Share, Stored, Touched, Unwritten},
    metrics::Meter,
};
use quick_cache::sync::Cache;
use shared::{Context, Kind, Millis, Recorded, Refusal};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
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
/// How often the lease on this replica's partitions is renewed: a few times within the seconds after which it ends.
const SHARE_EVERY: Duration = Duration::from_secs(1);
/// How old the news may be that no other replica is there. A process that slept for longer asks again before it answers.
const ALONE_FOR: Duration = Duration::from_secs(2);
/// How often a replica that is not alone looks for what the others have committed: this is how much older than theirs
/// its answers to readers may be, unless a reader brings a consistency token.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Events of other replicas shown to this one's watchers in one go.
const MAX_SHOWN: usize = 1_000;
/// How often a batch is decided anew because another replica was quicker. Each time somebody else has made progress, so
/// this many in a row mean that something is wrong.
const MAX_CONFLICTS: usize = 50;
/// Idempotency records live this long: a client that repeats a request later than a day is not retrying.
const ANSWER_LIFE_MS: Millis = 24 * 3_600_000;
/// Idempotency records forgotten in one go.
const MAX_FORGET: usize = 1_000;
/// Parked rows that are looked through for streams that are held up. Long before there are so many, somebody is called.
const MAX_PARKED: u64 = 10_000;

/// What a committer can be asked.
pub enum Work {
    /// Decide a command.
    Command { order: Box<Order>, answer: Option<Answer>, reply: oneshot::Sender<Result<Done, Failure>> },
    /// Handle events of another context.
    Hear { source: Context, partition: u16, events: Vec<Arc<Recorded>>, reply: oneshot::Sender<Result<Heard, Fault>> },
    /// Do again, or drop, what was parked.
    Mend { id: i64, mend: Mend, reply: oneshot::Sender<Result<Mended, Failure>> },
    /// Compare rows of a view that were built anew with the live ones.
    Swap { built: Built, reply: oneshot::Sender<Result<Swapped, Fault>> },
    /// Complete an idempotency record.
    Answer(Answer),
    /// Keep a row in memory that readers ask for. Only the committer fills the cache, so it never holds an older row.
    Warm(RowKey),
    /// A reader waits for what other replicas have committed.
    Look(oneshot::Sender<()>),
    /// Finish what came before, and end.
    Stop,
}

impl Work {
    /// True when somebody waits for the answer, or for the end.
    fn is_urgent(&self) -> bool {
        match self {
            Work::Command { order, .. } => order.stamp.by != shared::Actor::System,
            Work::Stop | Work::Mend { .. } => true,
            Work::Hear { .. } | Work::Swap { .. } | Work::Answer(_) | Work::Warm(_) | Work::Look(_) => false,
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
    /// True while transactions succeed.
    pub is_well: bool,
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
    /// What other replicas have committed is read here.
    pub reader: Arc<dyn Reader>,
    pub cache: Arc<Cache<RowKey, Stored>>,
    pub bus: Arc<dyn Bus>,
    /// Commits for those who listen within this process.
    pub commits: Arc<LocalBus>,
    pub live: Arc<Live>,
    pub meter: Arc<Meter>,
    /// Streams of which an event is parked, or was.
    pub held_up: RefCell<HashSet<(Context, String)>>,
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

/// What became of one piece of work.
enum Outcome {
    Command(Result<Done, Failure>),
    Heard(Result<Heard, Fault>),
    Mended(Result<Mended, Failure>),
    Swapped(Result<Swapped, Fault>),
    /// Nobody waits.
    Done,
}

/// Rows as the last commit left them: from the cache, or from the disk.
struct Shelf<'a> {
    cache: &'a Cache<RowKey, Stored>,
    journal: &'a dyn Journal,
    /// Rows that were read ahead, and names that have none.
    ahead: HashMap<RowKey, Option<Stored>>,
    reader: &'a dyn Reader,
    held_up: &'a RefCell<HashSet<StreamName>>,
}

/// The source of a stream, and its name.
type StreamName = (Context, String);

impl Rows for Shelf<'_> {
    fn get(&self, kind: Kind, key: &Arc<str>) -> Result<Option<Stored>, Fault> {
        if let Some(stored) = self.cache.get(&(kind, key.clone())) {
            return Ok(Some(stored));
        }
        if let Some(known) = self.ahead.get(&(kind, key.clone())) {
            return Ok(known.clone());
        }
        let stored = self.journal.load(kind, key)?;
        if let Some(stored) = &stored {
            self.cache.insert((kind, key.clone()), stored.clone());
        }
        Ok(stored)
    }

    fn is_well(&self) -> bool {
        // The cheapest question that the database answers.
        self.journal.answered([0; 16]).is_ok()
    }

    fn is_held_up(&self, recorded: &Recorded) -> Result<bool, Fault> {
        if self.held_up.borrow().is_empty() {
            return Ok(false);
        }
        let name = (recorded.position.context, recorded.stream.clone());
        if !self.held_up.borrow().contains(&name) {
            return Ok(false);
        }
        // An operator may have mended it since, here or through another replica.
        let still = self.reader.parked(None, MAX_PARKED)?.iter().any(|(_, parked)| parked.holds_up(recorded));
        if !still {
            self.held_up.borrow_mut().remove(&name);
        }
        Ok(still)
    }
}

/// Rows as they are on the disk, for whoever must not believe the cache.
struct Disk<'a>(&'a dyn Journal);

impl Rows for Disk<'_> {
    fn get(&self, kind: Kind, key: &Arc<str>) -> Result<Option<Stored>, Fault> {
        self.0.load(kind, key)
    }

    fn is_well(&self) -> bool {
        self.0.answered([0; 16]).is_ok()
    }
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
            let work = match self.inbox.recv_timeout(wait.min(self.patience())) {
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

    /// How long it may sleep while nothing arrives.
    fn patience(&self) -> Duration {
        if !self.journal.is_shared() {
            MAX_SLEEP
        } else if self.is_alone() {
            SHARE_EVERY
        } else {
            LOOK_EVERY
        }
    }

    /// True when nobody else commits to this journal, as far as is known from a moment ago.
    fn is_alone(&self) -> bool {
        !self.journal.is_shared() || (self.share.borrow().alone && self.shared_at.is_some_and(|at| at.elapsed() < ALONE_FOR))
    }

    /// Renews the lease when it is time. True when this replica's partitions are others than before.
    fn renew(&mut self) -> bool {
        let every = if self.journal.is_shared() { SHARE_EVERY } else { Duration::MAX };
        if self.shared_at.is_some_and(|at| at.elapsed() < every) {
            return false;
        }
        let asked = Instant::now();
        match self.journal.share() {
            Ok(share) => {
                self.shared_at = Some(asked);
                self.share.send_if_modified(|before| {
                    let changed = *before != share;
                    before.clone_from(&share);
                    changed
                })
            }
            Err(fault) => {
                tracing::warn!(context = self.context.name(), %fault, "the lease was not renewed");
                false
            }
        }
    }

    /// Another replica may have parked events of the streams that are looked after here now.
    fn look_for_held_up(&mut self) {
        match self.reader.parked(None, MAX_PARKED) {
            Ok(parked) => self.held_up.get_mut().extend(parked.iter().filter_map(|(_, parked)| stream_of(parked))),
            // One row that cannot be read must not stop a whole context.
            Err(fault) if self.journal.answered([0; 16]).is_ok() => {
                tracing::error!(context = self.context.name(), %fault, "a parked row cannot be read: streams that it holds up go on");
            }
            Err(fault) => {
                tracing::warn!(context = self.context.name(), %fault, "what is parked cannot be read; it is tried again");
                (self.shared_at, _) = (None, self.share.send_replace(Share::default()));
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
        let write = !commit.is_empty() || ((work.is_empty() || stopped) && !self.unwritten.is_empty());
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

    fn decide(&self, draft: &mut Draft, work: &[Work]) -> Result<(Vec<Outcome>, bool), Fault> {
        let shelf = self.shelf(self.read_ahead(work)?);
        let mut outcomes = Vec::with_capacity(work.len());
        for work in work {
            outcomes.push(match work {
                Work::Command { answer: Some(Answer { key, .. }), .. } if draft.answers(*key) || self.journal.answered(*key)? => {
                    Outcome::Command(Err(Failure::Repeated))
                }
                Work::Command { order, answer, .. } => {
                    let done = self.core.command(draft, &shelf, order);
                    if let (Ok(_), Some(answer)) = (&done, answer) {
                        self.core.answer(draft, answer.clone());
                    }
                    Outcome::Command(done)
                }
                Work::Hear { source, partition, events, .. } => Outcome::Heard(self.core.hear(draft, &shelf, *source, *partition, events)),
                Work::Mend { id, mend, .. } => Outcome::Mended(self.mend(draft, &shelf, *id, *mend)),
                Work::Swap { built, .. } => Outcome::Swapped(self.swap(draft, built)),
                Work::Answer(answer) => {
                    self.core.answer(draft, answer.clone());
                    Outcome::Done
                }
                Work::Warm((kind, key)) => {
                    drop(shelf.get(*kind, key));
                    Outcome::Done
                }
                Work::Look(_) => Outcome::Done,
                Work::Stop => return Ok((outcomes, true)),
            });
        }
        Ok((outcomes, false))
    }

    /// The rows that this work begins with, in one round trip to a journal that is one away.
    fn read_ahead(&self, work: &[Work]) -> Result<HashMap<RowKey, Option<Stored>>, Fault> {
        if !self.journal.is_shared() {
            return Ok(HashMap::new());
        }
        let mut needs: Vec<RowKey> = vec![];
        for work in work {
            match work {
                Work::Command { order, .. } => needs.push((order.command.kind(), order.stream.clone())),
                Work::Hear { events, .. } => needs.extend(self.core.needs(events)),
                Work::Mend { .. } | Work::Swap { .. } | Work::Answer(_) | Work::Warm(_) | Work::Look(_) | Work::Stop => {}
            }
        }
        needs.retain(|name| self.cache.peek(name).is_none());
        needs.sort();
        needs.dedup();
        if needs.is_empty() {
            return Ok(HashMap::new());
        }
        // One row that cannot be read must not hide the others: they are read one by one then, and it shows itself.
        let Ok(rows) = self.journal.load_many(&needs) else { return Ok(HashMap::new()) };
        for (name, stored) in needs.iter().zip(&rows) {
            if let Some(stored) = stored {
                self.cache.insert(name.clone(), stored.clone());
            }
        }
        Ok(needs.into_iter().zip(rows).collect())
    }

    fn shelf(&self, ahead: HashMap<RowKey, Option<Stored>>) -> Shelf<'_> {
        Shelf { cache: &self.cache, journal: &*self.journal, ahead, reader: &*self.reader, held_up: &self.held_up }
    }

    fn mend(&self, draft: &mut Draft, shelf: &Shelf<'_>, id: i64, mend: Mend) -> Result<Mended, Failure> {
        let Some((_, parked)) = self.reader.parked(Some(id.saturating_add(1)), 1)?.pop().filter(|(found, _)| *found == id) else {
            return Err(Refusal::NotFound {}.into());
        };
        if let (Held::Event(recorded), Mend::Replay { .. }) = (&parked.held, mend) {
            let older = self.reader.parked(Some(id), MAX_PARKED)?;
            let first = older.iter().rev().find(|(older, parked)| parked.holds_up(recorded) && !draft.is_gone(*older));
            if let Some((first, _)) = first {
                return Err(Fault(format!("an earlier event of the same stream comes first: {}:{first}", self.context.name())).into());
            }
        }
        self.core.mend(draft, shelf, id, &parked, mend)
    }

    fn swap(&self, draft: &mut Draft, built: &Built) -> Result<Swapped, Fault> {
        if draft.parks() || Parking::of(&*self.reader)? != built.parking {
            return Ok(Swapped { outdated: true, ..Swapped::default() });
        }
        self.core.swap(draft, &Disk(&*self.journal), built.kind, &built.rows)
    }

    fn fire(&self, draft: &mut Draft) -> Result<(), Fault> {
        let shelf = self.shelf(HashMap::new());
        let now = now_ms();
        for timer in self.journal.due(now, MAX_TIMERS, &self.share.borrow().partitions)? {
            self.core.fire(draft, &shelf, &timer, now)?;
        }
        Ok(())
    }

    /// Takes in what other replicas have committed: forgets rows that changed, and shows the events to those who watch
    /// and work here.
    fn take_news(&mut self) -> Result<(), Fault> {
        let News { heads, cursors, touched } = self.journal.refresh()?;
        match touched {
            Touched::Rows(rows) => rows.into_iter().for_each(|row| drop(self.cache.remove(&row))),
            Touched::All => self.cache.clear(),
        }
        let before = self.core.heads().to_vec();
        let mut cursors = cursors;
        // A cursor that moved in memory only stays where it is, unless another replica has gone beyond it.
        self.unwritten.retain(|place, seq| cursors.get(place).is_none_or(|written| written < seq));
        cursors.extend(&self.unwritten);
        self.core.refreshed(heads, cursors.clone());
        self.doubtful = false;
        let after = self.core.heads().to_vec();
        self.tell_progress(&cursors);
        for (partition, (mut at, head)) in before.into_iter().zip(after).enumerate() {
            while at < head {
                let events = self.reader.feed(partition as u16, at, MAX_SHOWN)?;
                let Some(last) = events.last() else { break };
                at = last.position.seq;
                self.live.publish(&events);
                self.commits.publish(self.context, partition as u16, events.into());
            }
        }
        Ok(())
    }

    fn count_heard(&self, work: &[Work], outcomes: &[Outcome]) {
        for (work, outcome) in work.iter().zip(outcomes) {
            if let (Work::Hear { events, .. }, Outcome::Heard(Ok(Heard::UpTo(_)))) = (work, outcome) {
                let now = now_ms();
                events.iter().for_each(|event| self.meter.heard(now - event.at_ms));
            }
        }
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

/// The stream that a parked event holds up.
fn stream_of(parked: &Parked) -> Option<StreamName> {
    match &parked.held {
        Held::Event(recorded) => Some((recorded.position.context, recorded.stream.clone())),
        Held::Command(_) => None,
    }
}

fn answer_all(work: Vec<Work>, outcomes: Vec<Outcome>) {
    // A caller that went away needs no answer; what was decided stays.
    for (work, outcome) in work.into_iter().zip(outcomes) {
        match (work, outcome) {
            (Work::Command { reply, .. }, Outcome::Command(done)) => drop(reply.send(done)),
            (Work::Hear { reply, .. }, Outcome::Heard(heard)) => drop(reply.send(heard)),
            (Work::Look(reply), Outcome::Done) => drop(reply.send(())),
            (Work::Mend { reply, .. }, Outcome::Mended(mended)) => drop(reply.send(mended)),
            (Work::Swap { reply, .. }, Outcome::Swapped(swapped)) => drop(reply.send(swapped)),
            _ => {}
        }
    }
}

fn refuse_all(work: Vec<Work>, fault: &Fault) {
    for work in work {
        match work {
            Work::Command { reply, .. } => drop(reply.send(Err(Failure::Fault(fault.clone())))),
            Work::Hear { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Work::Mend { reply, .. } => drop(reply.send(Err(Failure::Fault(fault.clone())))),
            Work::Swap { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Work::Answer(_) | Work::Warm(_) | Work::Look(_) | Work::Stop => {}
        }
    }
}

/// The time now.
pub fn now_ms() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as Millis)
}
