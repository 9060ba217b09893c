//! Where a decision reads its rows.

use super::{Committer, RowKey, Work};
use crate::{
    engine::core::Rows,
    journal::{Fault, Held, Journal, Parked, Reader, Stored},
};
use quick_cache::sync::Cache;
use shared::{Context, Kind, Recorded};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Parked rows that are looked through for streams that are held up. Long before there are so many, somebody is called.
pub(super) const MAX_PARKED: u64 = 10_000;

/// Rows as the last commit left them: from the cache, or from the disk.
pub(super) struct Shelf<'a> {
    cache: &'a Cache<RowKey, Stored>,
    journal: &'a dyn Journal,
    /// Rows that were read ahead, and names that have none.
    ahead: HashMap<RowKey, Option<Stored>>,
    reader: &'a dyn Reader,
    held_up: &'a RefCell<HashSet<StreamName>>,
}

/// The source of a stream, and its name.
pub(super) type StreamName = (Context, String);

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
pub(super) struct Disk<'a>(pub(super) &'a dyn Journal);

impl Rows for Disk<'_> {
    fn get(&self, kind: Kind, key: &Arc<str>) -> Result<Option<Stored>, Fault> {
        self.0.load(kind, key)
    }

    fn is_well(&self) -> bool {
        self.0.answered([0; 16]).is_ok()
    }
}

impl Committer {
    /// The rows that this work begins with, in one round trip to a journal that is one away.
    pub(super) fn read_ahead(&self, work: &[Work]) -> Result<HashMap<RowKey, Option<Stored>>, Fault> {
        if !self.journal.is_shared() {
            return Ok(HashMap::new());
        }
        let mut needs: Vec<RowKey> = vec![];
        for work in work {
            match work {
                Work::Command { order, .. } => needs.push((order.command.kind(), order.stream.clone())),
                Work::Hear { events, .. } => needs.extend(self.core.needs(events)),
                Work::Relist(name) => needs.push(name.clone()),
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

    pub(super) fn shelf(&self, ahead: HashMap<RowKey, Option<Stored>>) -> Shelf<'_> {
        Shelf { cache: &self.cache, journal: &*self.journal, ahead, reader: &*self.reader, held_up: &self.held_up }
    }
}

/// The stream that a parked event holds up.
pub(super) fn stream_of(parked: &Parked) -> Option<StreamName> {
    match &parked.held {
        Held::Event(recorded) => Some((recorded.position.context, recorded.stream.clone())),
        Held::Command(_) => None,
    }
}
