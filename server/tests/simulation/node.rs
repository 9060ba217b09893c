//! A context as one process with a disk. What is on the disk survives; everything else is gone with a crash.

use domain::Deadlines;
use server::{
    engine::core::{Core, Order, Rows},
    journal::{Answer, Commit, DueTimer, Fault, Parked, Stored, Timer},
};
use shared::{Context, Kind, Millis, Recorded, event::Position};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

pub type RowKey = (Kind, Arc<str>);

/// Names a timer: its aggregate's kind and stream, and its deadline.
pub type TimerKey = (Kind, Arc<str>, &'static str);

/// Names one setting of a timer.
pub type Set = (TimerKey, Option<Position>);

/// What the last commit left.
#[derive(Default)]
pub struct Disk {
    pub rows: BTreeMap<RowKey, Stored>,
    /// By partition.
    pub journal: Vec<Vec<Arc<Recorded>>>,
    pub timers: BTreeMap<TimerKey, (i64, Timer)>,
    last_timer: i64,
    pub cursors: BTreeMap<(Context, u16), u64>,
    pub answers: BTreeMap<[u8; 16], Answer>,
    pub parked: Vec<Parked>,
    pub lists: BTreeMap<(Kind, String), BTreeSet<(i64, Arc<str>)>>,
}

impl Rows for Disk {
    fn get(&self, kind: Kind, key: &Arc<str>) -> Result<Option<Stored>, Fault> {
        Ok(self.rows.get(&(kind, key.clone())).cloned())
    }
}

impl Disk {
    /// Takes a transaction, whole.
    pub fn commit(&mut self, commit: &Commit) {
        for event in &commit.events {
            self.journal[usize::from(event.position.partition)].push(event.clone());
        }
        for put in &commit.rows {
            for tag in &put.tags_gone {
                if let Some(list) = self.lists.get_mut(&(put.kind, tag.name.clone())) {
                    list.remove(&(tag.sort, put.key.clone()));
                }
            }
            for tag in &put.tags_new {
                self.lists.entry((put.kind, tag.name.clone())).or_default().insert((tag.sort, put.key.clone()));
            }
            self.rows.insert((put.kind, put.key.clone()), put.stored.clone());
        }
        self.timers.retain(|_, (id, _)| !commit.timers_done.contains(id));
        for timer in &commit.timers {
            self.last_timer += 1;
            self.timers.insert((timer.command.kind(), timer.stream.clone(), timer.name), (self.last_timer, timer.clone()));
        }
        self.cursors.extend(&commit.cursors);
        self.answers.extend(commit.answers.iter().map(|answer| (answer.key, answer.clone())));
        self.parked.extend(commit.parked.iter().cloned());
    }

    /// Timers whose time has come, earliest first.
    pub fn due(&self, now_ms: Millis) -> Vec<(Set, DueTimer)> {
        let due = self.timers.iter().filter(|(_, (_, timer))| timer.due_ms <= now_ms);
        let mut due: Vec<_> = due
            .map(|(key, (id, timer))| {
                let Timer { stream, due_ms, command, cause, .. } = timer.clone();
                ((key.clone(), cause), DueTimer { id: *id, due_ms, stream, command, cause })
            })
            .collect();
        due.sort_by_key(|(_, timer)| (timer.due_ms, timer.id));
        due
    }

    /// The keys of a list, oldest first.
    pub fn list(&self, kind: Kind, name: &str) -> impl Iterator<Item = &Arc<str>> {
        self.lists.get(&(kind, name.to_owned())).into_iter().flatten().map(|(_, key)| key)
    }

    pub fn heads(&self) -> Vec<u64> {
        self.journal.iter().map(|partition| partition.len() as u64).collect()
    }

    pub fn events(&self) -> impl Iterator<Item = &Arc<Recorded>> {
        self.journal.iter().flatten()
    }
}

/// Somebody's command on its way, and what is known of it outside the context.
#[derive(Clone)]
pub struct Request {
    pub order: Order,
    /// The idempotency record of a request that makes something.
    pub answer: Option<Answer>,
    /// True for a person, who notices when no answer comes; a worker looks at its list again anyhow.
    pub person: bool,
    /// True when the rules must refuse it: it is sent by somebody whose business it is not.
    pub foreign: bool,
}

/// What arrives at a context.
#[derive(Clone)]
pub enum Load {
    Events { source: Context, partition: u16, events: Arc<[Arc<Recorded>]> },
    Command(Box<Request>),
}

/// A context.
pub struct Node {
    pub context: Context,
    pub disk: Disk,
    pub core: Core,
    /// What has arrived and is not worked off.
    pub inbox: Vec<Load>,
    /// Subscriptions that know, or fear, that they missed something.
    pub behind: BTreeSet<(Context, u16)>,
    /// All subscriptions.
    pub sources: Vec<(Context, u16)>,
    /// Cursors that are newer than those on the disk.
    pub unwritten: HashMap<(Context, u16), u64>,
    /// Until when nobody is there.
    pub away_until_ms: Millis,
    /// How much its clock is wrong.
    skew_ms: Millis,
}

impl Node {
    pub fn new(context: Context, partitions: usize, sources: Vec<(Context, u16)>, skew_ms: Millis) -> Self {
        let disk = Disk { journal: vec![vec![]; partitions], ..Disk::default() };
        let core = Core::new(context, Deadlines::default(), disk.heads(), [].into());
        Self { context, disk, core, inbox: vec![], behind: BTreeSet::new(), sources, unwritten: HashMap::new(), away_until_ms: 0, skew_ms }
    }

    /// The process ends and another begins with what is on the disk. Gives back what had arrived, which is lost.
    pub fn restart(&mut self) -> Vec<Load> {
        let cursors = self.disk.cursors.iter().map(|(key, cursor)| (*key, *cursor)).collect();
        self.core = Core::new(self.context, Deadlines::default(), self.disk.heads(), cursors);
        self.unwritten.clear();
        self.behind = self.sources.iter().copied().collect();
        std::mem::take(&mut self.inbox)
    }

    /// The time, as this process knows it.
    pub fn clock(&self, now_ms: Millis) -> Millis {
        now_ms + self.skew_ms
    }

    /// When its next timer is due, by the right clock.
    pub fn next_due(&self) -> Option<Millis> {
        self.disk.timers.values().map(|(_, timer)| timer.due_ms - self.skew_ms).min()
    }

    /// True when nothing waits here, timers aside.
    pub fn is_quiet(&self) -> bool {
        self.inbox.is_empty() && self.behind.is_empty()
    }
}
