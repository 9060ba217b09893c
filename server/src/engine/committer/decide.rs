//! Hands each piece of work to the rules, within one transaction.

use super::{
    Committer, Work, now_ms,
    shelf::{Disk, MAX_PARKED, Shelf},
    work::Outcome,
};
use crate::{
    engine::{
        core::{Draft, Failure, Heard, Mend, Mended, Rows, Swapped},
        rebuild::{Built, Parking},
    },
    journal::{Answer, Fault, Held},
};
use shared::Refusal;
use std::collections::HashMap;

/// Timers fired in one transaction, for the same reason.
const MAX_TIMERS: usize = 256;

impl Committer {
    pub(super) fn decide(&self, draft: &mut Draft, work: &[Work]) -> Result<(Vec<Outcome>, bool), Fault> {
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
                Work::Relist((kind, key)) => {
                    // One that cannot be read stays as it is, and is no reason to refuse others.
                    drop(self.core.relist(draft, &shelf, *kind, key));
                    Outcome::Done
                }
                Work::Look(_) => Outcome::Done,
                Work::Stop => return Ok((outcomes, true)),
            });
        }
        Ok((outcomes, false))
    }

    pub(super) fn mend(&self, draft: &mut Draft, shelf: &Shelf<'_>, id: i64, mend: Mend) -> Result<Mended, Failure> {
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

    pub(super) fn swap(&self, draft: &mut Draft, built: &Built) -> Result<Swapped, Fault> {
        if draft.parks() || Parking::of(&*self.reader)? != built.parking {
            return Ok(Swapped { outdated: true, ..Swapped::default() });
        }
        self.core.swap(draft, &Disk(&*self.journal), built.kind, &built.rows)
    }

    pub(super) fn fire(&self, draft: &mut Draft) -> Result<(), Fault> {
        let shelf = self.shelf(HashMap::new());
        let now = now_ms();
        for timer in self.journal.due(now, MAX_TIMERS, &self.share.borrow().partitions)? {
            self.core.fire(draft, &shelf, &timer, now)?;
        }
        Ok(())
    }

    pub(super) fn count_heard(&self, work: &[Work], outcomes: &[Outcome]) {
        for (work, outcome) in work.iter().zip(outcomes) {
            if let (Work::Hear { events, .. }, Outcome::Heard(Ok(Heard::UpTo(_)))) = (work, outcome) {
                let now = now_ms();
                events.iter().for_each(|event| self.meter.heard(now - event.at_ms));
            }
        }
    }
}
