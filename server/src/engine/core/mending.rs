//! What cannot be done is tried again, then parked; and an operator does it again, drops it, or has a view built anew.

use super::{
    Core, Failure, Order, Rows,
    draft::{Draft, Slot},
};
use crate::journal::{Fault, Held, Parked, Stored};
use domain::Row;
use shared::{Actor, Kind, Millis, Recorded, Refusal, Stamp};
use std::sync::Arc;

/// How often an event is tried whose own fault it seems to be that it cannot be handled. The tries follow each other at
/// once: a fault that passes by itself is the infrastructure's, and then nothing is parked.
const MAX_TRIES: u32 = 3;
/// The reason of an event that is parked because an earlier one of its stream is.
pub const BEHIND: &str = "behind_an_earlier_one";

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

impl Core {
    pub(super) fn hear_or_park(&self, draft: &mut Draft, store: &dyn Rows, recorded: &Recorded) -> Result<(), Fault> {
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
    pub(super) fn within_tries(
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

    /// Lists a row anew that an older version may have listed otherwise.
    ///
    /// # Errors
    /// The infrastructure's fault.
    pub fn relist(&self, draft: &mut Draft, store: &dyn Rows, kind: Kind, key: &Arc<str>) -> Result<(), Fault> {
        let slot = self.step(draft, store).slot(kind, key)?.clone();
        if slot.before.as_ref().is_some_and(|row| !row.former_tags().is_empty()) {
            draft.rows.insert((kind, key.clone()), Slot { changed: true, ..slot });
        }
        Ok(())
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
}
