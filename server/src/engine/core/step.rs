//! One piece of work: a command, and everything that it causes within its own context.

use super::{
    Core, Failure, Order, Rows,
    draft::{Draft, Effects, RowName, Slot},
    partition_of,
};
use crate::journal::{Fault, Stored, Timer};
use domain::Row;
use shared::{Actor, Event, Kind, Recorded, Refusal, Stamp, event::Position};
use std::{collections::HashMap, sync::Arc};

/// How far events may cause each other within one transaction. The longest chain of the rules is four; a loop between
/// two policies must end as a refusal, not as a full disk.
const MAX_DEPTH: usize = 16;
/// One piece of work within a draft: merged whole, or forgotten.
pub(super) struct Step<'a> {
    pub(super) core: &'a Core,
    pub(super) draft: &'a Draft,
    pub(super) store: &'a dyn Rows,
    pub(super) rows: HashMap<RowName, Slot>,
    pub(super) heads: Vec<u64>,
    pub(super) events: Vec<Arc<Recorded>>,
    pub(super) timers: Vec<Timer>,
}

impl Step<'_> {
    pub(super) fn run(&mut self, order: &Order, depth: usize) -> Result<(), Failure> {
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
        for number in first..self.events.len() {
            let recorded = Arc::clone(&self.events[number]);
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
    pub(super) fn project(&mut self, event: &Event, version: u64) -> Result<(), Fault> {
        for (kind, key) in domain::projections(self.core.context, event) {
            let slot = self.slot(kind, &key.into())?;
            slot.now = domain::project(kind, slot.now.take(), event, version);
            slot.version += 1;
            slot.changed = true;
        }
        Ok(())
    }

    pub(super) fn slot(&mut self, kind: Kind, key: &Arc<str>) -> Result<&mut Slot, Fault> {
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

    pub(super) fn finish(self) -> Effects {
        Effects { rows: self.rows, heads: self.heads, events: self.events, timers: self.timers }
    }
}
