//! The heart of the engine, without a thread, a clock or a disk: takes work, asks the rules, and drafts one transaction.
//!
//! Whatever a piece of work causes within its own context happens in the same transaction, and a refusal anywhere in it
//! refuses all of it. What other contexts must hear of, they hear from the journal.
//!
//! An event that cannot be handled, although the infrastructure is well, is parked whole: none of it has had an effect.
//! It holds up its own stream and no other: later events of that stream are parked behind it, everything else goes on.
//! Replayed oldest first, they take effect late, but in their order; that they come after events of other streams is
//! nothing new to the rules, which need no order between streams.

use crate::journal::{Answer, Commit, DueTimer, Fault, Held, Parked, Put, Stored, Timer};
use domain::{
    Deadlines, Row,
    fault::{Fault as Planted, planted},
};
use shared::{Actor, Command, Context, Event, Kind, Millis, Recorded, Refusal, Stamp, event::Position};
use std::{collections::HashMap, sync::Arc};

/// How far events may cause each other within one transaction. The longest chain of the rules is four; a loop between
/// two policies must end as a refusal, not as a full disk.
const MAX_DEPTH: usize = 16;
/// How often an event is tried whose own fault it seems to be that it cannot be handled. The tries follow each other at
/// once: a fault that passes by itself is the infrastructure's, and then nothing is parked.
const MAX_TRIES: u32 = 3;
/// The reason of an event that is parked because an earlier one of its stream is.
pub const BEHIND: &str = "behind_an_earlier_one";

/// Where rows are read from: the cache and the disk of the context.
pub trait Rows {
    /// A row, if it is there.
    ///
    /// # Errors
    /// A fault of the database.
    fn get(&self, kind: Kind, key: &Arc<str>) -> Result<Option<Stored>, Fault>;

    /// Whether the infrastructure does its part at this moment: if so, a fault just seen is that of what was read.
    fn is_well(&self) -> bool {
        false
    }

    /// Whether an earlier event of this one's stream is parked.
    ///
    /// # Errors
    /// A fault of the database.
    fn is_held_up(&self, recorded: &Recorded) -> Result<bool, Fault> {
        let _ = recorded;
        Ok(false)
    }
}

/// Why a piece of work has no effect.
#[derive(Debug, Clone)]
pub enum Failure {
    /// A rule's no.
    Refused(Refusal),
    /// Infrastructure failed.
    Fault(Fault),
    /// A request under this key came before.
    Repeated,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Failure::Fault(fault)
    }
}

/// A command on its way to an aggregate.
#[derive(Debug, Clone)]
pub struct Order {
    /// The aggregate.
    pub stream: Arc<str>,
    /// What is asked of it.
    pub command: Command,
    /// By whom, and when.
    pub stamp: Stamp,
    /// Because of which event.
    pub cause: Option<Position>,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub struct Done {
    /// The aggregate afterwards.
    pub stored: Stored,
    /// True when it was already so.
    pub unchanged: bool,
}

/// What became of events heard from another context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Handled up to here.
    UpTo(u64),
    /// Something is missing after here: it must be fetched from the source's feed.
    Gap(u64),
}

/// What an operator does with a parked row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Do it again.
    Replay {
        /// The time of what is decided.
        now_ms: Millis,
    },
    /// Forget it.
    Drop,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mended {
    /// Reactions of an event that was heard at last, but that are refused themselves.
    pub parked_anew: usize,
}

/// What became of rows that were built anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swapped {
    /// Rows that were put right.
    pub differed: u64,
    /// Rows that have changed since.
    pub later: Vec<Arc<str>>,
    /// True when something was parked or mended since: what was built anew may hold what the live view does not.
    pub outdated: bool,
}

/// A context's side of the engine.
#[derive(Debug)]
pub struct Core {
    context: Context,
    deadlines: Deadlines,
    /// The last sequence number of each partition, as committed.
    heads: Vec<u64>,
    cursors: HashMap<(Context, u16), u64>,
}

/// A transaction in the making.
#[derive(Debug, Default)]
pub struct Draft {
    commit: Commit,
    rows: HashMap<RowName, Slot>,
    heads: Vec<u64>,
    /// What rows were before, newest last, while a piece of work may still have to be taken back.
    undo: Option<Vec<(RowName, Option<Slot>)>>,
}

type RowName = (Kind, Arc<str>);

/// Where a draft stood before a piece of work.
struct Mark {
    heads: Vec<u64>,
    events: usize,
    timers: usize,
    timers_done: usize,
    parked: usize,
}

#[derive(Debug, Clone)]
struct Slot {
    /// As committed before, to know which lists it leaves.
    before: Option<Arc<Row>>,
    now: Option<Row>,
    version: u64,
    changed: bool,
}

/// One piece of work within a draft: merged whole, or forgotten.
struct Step<'a> {
    core: &'a Core,
    draft: &'a Draft,
    store: &'a dyn Rows,
    rows: HashMap<RowName, Slot>,
    heads: Vec<u64>,
    events: Vec<Arc<Recorded>>,
    timers: Vec<Timer>,
}

/// What a step leaves behind.
struct Effects {
    rows: HashMap<RowName, Slot>,
    heads: Vec<u64>,
    events: Vec<Arc<Recorded>>,
    timers: Vec<Timer>,
}

impl Core {
    /// Takes up a context where its journal stands.
    pub fn new(context: Context, deadlines: Deadlines, heads: Vec<u64>, cursors: HashMap<(Context, u16), u64>) -> Self {
        assert!(!heads.is_empty(), "a journal has at least one partition");
        Self { context, deadlines, heads, cursors }
    }

    /// Begins a transaction.
    pub fn draft(&self) -> Draft {
        Draft { heads: self.heads.clone(), ..Draft::default() }
    }

    /// The last event handled of a source's partition.
    pub fn cursor(&self, source: Context, partition: u16) -> u64 {
        self.cursors.get(&(source, partition)).copied().unwrap_or(0)
    }

    /// The last sequence number of each partition.
    pub fn heads(&self) -> &[u64] {
        &self.heads
    }

    /// Remembers that a draft was committed.
    pub fn committed(&mut self, commit: &Commit) {
        for event in &commit.events {
            self.heads[usize::from(event.position.partition)] = event.position.seq;
        }
        self.cursors.extend(&commit.cursors);
    }

    /// Takes over where the journal stands by what other replicas have committed.
    pub fn refreshed(&mut self, heads: Vec<u64>, cursors: HashMap<(Context, u16), u64>) {
        assert!(heads.len() == self.heads.len(), "the partitions of a journal are fixed");
        (self.heads, self.cursors) = (heads, cursors);
    }

    /// A command of a person, a worker or another context.
    ///
    /// # Errors
    /// The rule's no, or a fault; the draft is as it was.
    pub fn command(&self, draft: &mut Draft, store: &dyn Rows, order: &Order) -> Result<Done, Failure> {
        let mut step = self.step(draft, store);
        step.run(order, 0)?;
        let slot = step.slot(order.command.kind(), &order.stream)?;
        let row = slot.now.clone().ok_or(Refusal::NotFound {})?;
        let done = Done { stored: Stored { row: Arc::new(row), version: slot.version }, unchanged: step.events.is_empty() };
        let effects = step.finish();
        draft.merge(effects);
        Ok(done)
    }

    /// Whether a command would be taken now, and would change anything. Nothing is kept.
    pub fn rehearse(&self, store: &dyn Rows, order: &Order) -> bool {
        let draft = self.draft();
        let mut step = self.step(&draft, store);
        step.run(order, 0).is_ok() && !step.events.is_empty()
    }

    /// Begins an idempotency record, or completes one.
    pub fn answer(&self, draft: &mut Draft, answer: Answer) {
        draft.commit.answers.push(answer);
    }

    /// Events of another context, in the order of its journal.
    ///
    /// # Errors
    /// A fault; the draft is as it was, and the events must come again.
    pub fn hear(
        &self,
        draft: &mut Draft,
        store: &dyn Rows,
        source: Context,
        partition: u16,
        events: &[Arc<Recorded>],
    ) -> Result<Heard, Fault> {
        let key = (source, partition);
        let mut cursor = draft.commit.cursors.get(&key).copied().unwrap_or_else(|| self.cursor(source, partition));
        for event in events {
            let seq = event.position.seq;
            if seq <= cursor && !planted(Planted::DropDedupe) {
                continue;
            }
            if seq > cursor + 1 {
                return Ok(Heard::Gap(cursor));
            }
            self.hear_or_park(draft, store, event)?;
            cursor = cursor.max(seq);
            draft.commit.cursors.insert(key, cursor);
        }
        Ok(Heard::UpTo(cursor))
    }

    fn hear_or_park(&self, draft: &mut Draft, store: &dyn Rows, recorded: &Recorded) -> Result<(), Fault> {
        let reason = if draft.holds_up(recorded) || store.is_held_up(recorded)? {
            BEHIND.to_owned()
        } else {
            match Self::within_tries(draft, store, |draft| self.hear_one(draft, store, recorded))? {
                Some(fault) => fault.0,
                None => return Ok(()),
            }
        };
        let (stream, held) = (recorded.stream.clone(), Held::Event(Box::new(recorded.clone())));
        draft.commit.parked.push(Parked { cause: recorded.cause, stream, held, reason, at_ms: recorded.at_ms });
        Ok(())
    }

    /// Does a piece of work whole or not at all. Gives the fault back when it is the work's own, which it is when it
    /// comes again at each try while the infrastructure is well.
    ///
    /// # Errors
    /// The infrastructure's fault.
    fn within_tries(
        draft: &mut Draft,
        store: &dyn Rows,
        mut work: impl FnMut(&mut Draft) -> Result<(), Fault>,
    ) -> Result<Option<Fault>, Fault> {
        let mut tries = 0;
        loop {
            let mark = draft.mark();
            let Err(fault) = work(draft) else {
                draft.undo = None;
                return Ok(None);
            };
            draft.take_back(mark);
            tries += 1;
            if !store.is_well() {
                return Err(fault);
            }
            if tries == MAX_TRIES {
                return Ok(Some(fault));
            }
        }
    }

    /// Does again what was parked, or drops it; it is gone in the transaction of what it does.
    ///
    /// # Errors
    /// Still refused, or still a fault: it stays, and the draft is as it was. Or it is gone already.
    pub fn mend(&self, draft: &mut Draft, store: &dyn Rows, id: i64, parked: &Parked, mend: Mend) -> Result<Mended, Failure> {
        if draft.is_gone(id) {
            return Err(Refusal::NotFound {}.into());
        }
        let before = draft.commit.parked.len();
        match (&parked.held, mend) {
            (_, Mend::Drop) => {}
            (Held::Event(recorded), Mend::Replay { .. }) => {
                if let Some(fault) = Self::within_tries(draft, store, |draft| self.hear_one(draft, store, recorded))? {
                    return Err(fault.into());
                }
            }
            (Held::Command(command), Mend::Replay { now_ms }) => {
                let stamp = Stamp { by: Actor::System, at_ms: now_ms.max(parked.at_ms) };
                let order = Order { stream: parked.stream.as_str().into(), command: command.clone(), stamp, cause: parked.cause };
                let mut step = self.step(draft, store);
                step.run(&order, 0)?;
                let effects = step.finish();
                draft.merge(effects);
            }
        }
        draft.commit.parked_gone.push(id);
        Ok(Mended { parked_anew: draft.commit.parked.len() - before })
    }

    /// Puts rows of a view that were built anew in the place of those that differ from them. A row that has changed since
    /// it was built is left for later; as events only ever add changes, equal counts mean equal histories.
    ///
    /// # Errors
    /// The infrastructure's fault.
    pub fn swap(&self, draft: &mut Draft, store: &dyn Rows, kind: Kind, built: &[(Arc<str>, Stored)]) -> Result<Swapped, Fault> {
        let mut swapped = Swapped::default();
        for (key, anew) in built {
            let kept = match self.step(draft, store).slot(kind, key) {
                Ok(slot) => slot.clone(),
                // A row that cannot be read has not changed since it broke: events that need it are parked.
                Err(_) if store.is_well() => Slot { before: None, now: None, version: 0, changed: false },
                Err(fault) => return Err(fault),
            };
            if kept.version > anew.version {
                swapped.later.push(key.clone());
            } else if kept.version < anew.version || kept.now.as_ref() != Some(&*anew.row) {
                swapped.differed += 1;
                let slot = Slot { before: kept.before, now: Some(Row::clone(&anew.row)), version: anew.version, changed: true };
                draft.rows.insert((kind, key.clone()), slot);
            }
        }
        Ok(swapped)
    }

    fn hear_one(&self, draft: &mut Draft, store: &dyn Rows, recorded: &Recorded) -> Result<(), Fault> {
        if let Event::Unreadable(event) = &recorded.event {
            return Err(Fault(format!("this version does not understand the event: {}", event.why)));
        }
        let mut step = self.step(draft, store);
        step.project(&recorded.event, recorded.version)?;
        let effects = step.finish();
        draft.merge(effects);
        for reaction in domain::react(self.context, &recorded.event) {
            let order = Order {
                stream: reaction.stream.into(),
                command: reaction.command,
                stamp: Stamp { by: Actor::System, at_ms: recorded.at_ms },
                cause: Some(recorded.position),
            };
            if let Some(deadline) = reaction.after {
                let due_ms = recorded.at_ms + self.deadlines.of(deadline);
                draft.commit.timers.push(Timer {
                    stream: order.stream,
                    name: deadline.name(),
                    due_ms,
                    command: order.command,
                    cause: order.cause,
                });
                continue;
            }
            self.run_or_park(draft, store, &order)?;
        }
        Ok(())
    }

    /// The rows that handling these events begins with.
    pub fn needs(&self, events: &[Arc<Recorded>]) -> Vec<(Kind, Arc<str>)> {
        let mut needs = vec![];
        for event in events.iter().map(|recorded| &recorded.event) {
            needs.extend(domain::projections(self.context, event).into_iter().map(|(kind, key)| (kind, key.into())));
            let now = domain::react(self.context, event).into_iter().filter(|reaction| reaction.after.is_none());
            needs.extend(now.map(|reaction| (reaction.command.kind(), reaction.stream.into())));
        }
        needs
    }

    /// A timer whose time has come. It is done in the transaction of what it does.
    ///
    /// # Errors
    /// A fault; the timer stays.
    pub fn fire(&self, draft: &mut Draft, store: &dyn Rows, timer: &DueTimer, now_ms: Millis) -> Result<(), Fault> {
        // Set anew in this transaction, it has another time: the new one takes its place at the commit.
        if draft.commit.timers.iter().any(|new| new.stream == timer.stream && new.command == timer.command) {
            return Ok(());
        }
        let order = Order {
            stream: timer.stream.clone(),
            command: timer.command.clone(),
            stamp: Stamp { by: Actor::System, at_ms: now_ms.max(timer.due_ms) },
            cause: timer.cause,
        };
        // A timer that can never fire must not hold up the others.
        if let Some(fault) = Self::within_tries(draft, store, |draft| self.run_or_park(draft, store, &order))? {
            draft.commit.parked.push(Self::parked(&order, fault.0));
        }
        if !planted(Planted::TimerFiresTwice) {
            draft.commit.timers_done.push(timer.id);
        }
        Ok(())
    }

    /// A command that has no caller: a refusal is kept for an operator.
    fn run_or_park(&self, draft: &mut Draft, store: &dyn Rows, order: &Order) -> Result<(), Fault> {
        let mut step = self.step(draft, store);
        match step.run(order, 0) {
            Ok(()) => {
                let effects = step.finish();
                draft.merge(effects);
                Ok(())
            }
            Err(Failure::Fault(fault)) => Err(fault),
            Err(Failure::Repeated) => unreachable!("only requests of people have a key"),
            Err(Failure::Refused(refusal)) => {
                draft.commit.parked.push(Self::parked(order, refusal.code().to_owned()));
                Ok(())
            }
        }
    }

    fn parked(order: &Order, reason: String) -> Parked {
        let (stream, held) = (order.stream.to_string(), Held::Command(order.command.clone()));
        Parked { cause: order.cause, stream, held, reason, at_ms: order.stamp.at_ms }
    }

    fn step<'a>(&'a self, draft: &'a Draft, store: &'a dyn Rows) -> Step<'a> {
        Step { core: self, draft, store, rows: HashMap::new(), heads: draft.heads.clone(), events: vec![], timers: vec![] }
    }
}

impl Step<'_> {
    fn run(&mut self, order: &Order, depth: usize) -> Result<(), Failure> {
        let kind = order.command.kind();
        assert_eq!(kind.context(), self.core.context, "a command came to the wrong context");
        assert!(depth < MAX_DEPTH, "policies of {:?} cause each other without end", self.core.context);
        let slot = self.slot(kind, &order.stream)?;
        let empty;
        let row = match &slot.now {
            Some(row) => row,
            None => {
                empty = Row::empty(kind).ok_or(Refusal::NotFound {})?;
                &empty
            }
        };
        let events = domain::decide(row, &order.command, &order.stamp)?;
        let first = self.events.len();
        for event in events {
            self.record(kind, order, event)?;
        }
        // Policies hear of an event once the aggregate has taken all events of its decision.
        for recorded in self.events[first..].to_vec() {
            self.react(&recorded, depth)?;
        }
        Ok(())
    }

    fn record(&mut self, kind: Kind, order: &Order, event: Event) -> Result<(), Fault> {
        let partition = partition_of(&order.stream, self.heads.len());
        self.heads[partition] += 1;
        let seq = self.heads[partition];
        let slot = self.slot(kind, &order.stream)?;
        let Some(row) = slot.now.take().or_else(|| Row::empty(kind)) else { return Ok(()) };
        slot.now = Some(domain::evolve(row, &event));
        slot.version += 1;
        slot.changed = true;
        let version = slot.version;
        let recorded = Recorded {
            position: Position { context: self.core.context, partition: partition as u16, seq },
            stream: order.stream.to_string(),
            version,
            at_ms: order.stamp.at_ms,
            by: order.stamp.by.account(),
            cause: order.cause,
            event,
        };
        self.project(&recorded.event, version)?;
        self.events.push(Arc::new(recorded));
        Ok(())
    }

    fn react(&mut self, recorded: &Recorded, depth: usize) -> Result<(), Failure> {
        for reaction in domain::react(self.core.context, &recorded.event) {
            let stream: Arc<str> = reaction.stream.into();
            let cause = Some(recorded.position);
            match reaction.after {
                Some(deadline) => {
                    let due_ms = recorded.at_ms + self.core.deadlines.of(deadline);
                    self.timers.push(Timer { stream, name: deadline.name(), due_ms, command: reaction.command, cause });
                }
                None => {
                    let stamp = Stamp { by: Actor::System, at_ms: recorded.at_ms };
                    self.run(&Order { stream, command: reaction.command, stamp, cause }, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Brings the context's views up to an event.
    fn project(&mut self, event: &Event, version: u64) -> Result<(), Fault> {
        for (kind, key) in domain::projections(self.core.context, event) {
            let slot = self.slot(kind, &key.into())?;
            slot.now = domain::project(kind, slot.now.take(), event, version);
            slot.version += 1;
            slot.changed = true;
        }
        Ok(())
    }

    fn slot(&mut self, kind: Kind, key: &Arc<str>) -> Result<&mut Slot, Fault> {
        use std::collections::hash_map::Entry;
        match self.rows.entry((kind, key.clone())) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let slot = match self.draft.rows.get(entry.key()) {
                    Some(slot) => slot.clone(),
                    None => match self.store.get(kind, key)? {
                        Some(Stored { row, version }) => Slot { now: Some(Row::clone(&row)), before: Some(row), version, changed: false },
                        None => Slot { before: None, now: None, version: 0, changed: false },
                    },
                };
                Ok(entry.insert(slot))
            }
        }
    }

    fn finish(self) -> Effects {
        Effects { rows: self.rows, heads: self.heads, events: self.events, timers: self.timers }
    }
}

impl Draft {
    /// True when a parked row goes with this draft.
    pub fn is_gone(&self, id: i64) -> bool {
        self.commit.parked_gone.contains(&id)
    }

    fn holds_up(&self, recorded: &Recorded) -> bool {
        self.commit.parked.iter().any(|parked| parked.holds_up(recorded))
    }

    /// True when something is parked, or a parked row gone, with this draft.
    pub fn parks(&self) -> bool {
        !self.commit.parked.is_empty() || !self.commit.parked_gone.is_empty()
    }

    /// True when a request under this key is part of the draft.
    pub fn answers(&self, key: [u8; 16]) -> bool {
        self.commit.answers.iter().any(|answer| answer.key == key)
    }

    fn mark(&mut self) -> Mark {
        self.undo = Some(vec![]);
        let Commit { events, timers, timers_done, parked, .. } = &self.commit;
        let (events, timers, timers_done, parked) = (events.len(), timers.len(), timers_done.len(), parked.len());
        Mark { heads: self.heads.clone(), events, timers, timers_done, parked }
    }

    fn take_back(&mut self, mark: Mark) {
        for (name, before) in self.undo.take().into_iter().flatten().rev() {
            match before {
                Some(slot) => drop(self.rows.insert(name, slot)),
                None => drop(self.rows.remove(&name)),
            }
        }
        self.heads = mark.heads;
        self.commit.events.truncate(mark.events);
        self.commit.timers.truncate(mark.timers);
        self.commit.timers_done.truncate(mark.timers_done);
        self.commit.parked.truncate(mark.parked);
    }

    fn merge(&mut self, effects: Effects) {
        for (name, slot) in effects.rows.into_iter().filter(|(_, slot)| slot.changed) {
            match &mut self.undo {
                Some(undo) => {
                    let before = self.rows.insert(name.clone(), slot);
                    undo.push((name, before));
                }
                None => drop(self.rows.insert(name, slot)),
            }
        }
        self.heads = effects.heads;
        self.commit.events.extend(effects.events);
        self.commit.timers.extend(effects.timers);
    }

    /// The transaction, ready to be committed.
    pub fn finish(mut self) -> Commit {
        for ((kind, key), slot) in self.rows {
            let Some(row) = slot.now else { continue };
            let (old, new) = (slot.before.map_or_else(Vec::new, |row| row.tags()), row.tags());
            let tags_gone = old.iter().filter(|tag| !new.contains(tag)).cloned().collect();
            let tags_new = new.into_iter().filter(|tag| !old.contains(tag)).collect();
            self.commit.rows.push(Put { kind, key, stored: Stored { row: Arc::new(row), version: slot.version }, tags_gone, tags_new });
        }
        self.commit
    }
}

/// The partition of a stream: FNV-1a over its name, which must never change once a journal exists.
pub fn partition_of(stream: &str, partitions: usize) -> usize {
    let hash = stream.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash % partitions as u64) as usize
}
