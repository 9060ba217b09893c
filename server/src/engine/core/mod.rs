//! The heart of the engine, without a thread, a clock or a disk: takes work, asks the rules, and drafts one transaction.
//!
//! Whatever a piece of work causes within its own context happens in the same transaction, and a refusal anywhere in it
//! refuses all of it. What other contexts must hear of, they hear from the journal.
//!
//! An event that cannot be handled, although the infrastructure is well, is parked whole: none of it has had an effect.
//! It holds up its own stream and no other: later events of that stream are parked behind it, everything else goes on.
//! Replayed oldest first, they take effect late, but in their order; that they come after events of other streams is
//! nothing new to the rules, which need no order between streams.

mod draft;
mod mending;
mod step;

pub use draft::Draft;
pub use mending::{BEHIND, Mend, Mended, Swapped};

use crate::journal::{Answer, Commit, DueTimer, Fault, Held, Parked, Stored, Timer};
use domain::{
    Deadlines,
    fault::{Fault as Planted, planted},
};
use shared::{Actor, Command, Context, Event, Kind, Millis, Recorded, Refusal, Stamp, event::Position};
use std::{collections::HashMap, sync::Arc};
use step::Step;

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

/// A context's side of the engine.
#[derive(Debug)]
pub struct Core {
    context: Context,
    deadlines: Deadlines,
    /// The last sequence number of each partition, as committed.
    heads: Vec<u64>,
    cursors: HashMap<(Context, u16), u64>,
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

/// The partition of a stream: FNV-1a over its name, which must never change once a journal exists.
pub fn partition_of(stream: &str, partitions: usize) -> usize {
    let hash = stream.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash % partitions as u64) as usize
}
