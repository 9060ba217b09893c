//! A transaction in the making: what has been decided so far, and how the last piece of it is taken back.

use crate::journal::{Commit, Put, Stored, Timer};
use domain::Row;
use shared::{Kind, Recorded};
use std::{collections::HashMap, sync::Arc};

/// A transaction in the making.
#[derive(Debug, Default)]
pub struct Draft {
    pub(super) commit: Commit,
    pub(super) rows: HashMap<RowName, Slot>,
    pub(super) heads: Vec<u64>,
    /// What rows were before, newest last, while a piece of work may still have to be taken back.
    pub(super) undo: Option<Vec<(RowName, Option<Slot>)>>,
}

pub(super) type RowName = (Kind, Arc<str>);

/// Where a draft stood before a piece of work.
pub(super) struct Mark {
    pub(super) heads: Vec<u64>,
    pub(super) events: usize,
    pub(super) timers: usize,
    pub(super) timers_done: usize,
    pub(super) parked: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// As committed before, to know which lists it leaves.
    pub(super) before: Option<Arc<Row>>,
    pub(super) now: Option<Row>,
    pub(super) version: u64,
    pub(super) changed: bool,
}

/// What a step leaves behind.
pub(super) struct Effects {
    pub(super) rows: HashMap<RowName, Slot>,
    pub(super) heads: Vec<u64>,
    pub(super) events: Vec<Arc<Recorded>>,
    pub(super) timers: Vec<Timer>,
}

impl Draft {
    /// True when a parked row goes with this draft.
    pub fn is_gone(&self, id: i64) -> bool {
        self.commit.parked_gone.contains(&id)
    }

    pub(super) fn holds_up(&self, recorded: &Recorded) -> bool {
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

    pub(super) fn mark(&mut self) -> Mark {
        self.undo = Some(vec![]);
        let Commit { events, timers, timers_done, parked, .. } = &self.commit;
        let (events, timers, timers_done, parked) = (events.len(), timers.len(), timers_done.len(), parked.len());
        Mark { heads: self.heads.clone(), events, timers, timers_done, parked }
    }

    pub(super) fn take_back(&mut self, mark: Mark) {
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

    pub(super) fn merge(&mut self, effects: Effects) {
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
            let (tags_gone, tags_new) = domain::moves(slot.before.as_deref(), &row);
            self.commit.rows.push(Put { kind, key, stored: Stored { row: Arc::new(row), version: slot.version }, tags_gone, tags_new });
        }
        self.commit
    }
}
