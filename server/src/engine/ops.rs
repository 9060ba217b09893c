//! What operators ask of the engine: how far behind it is, what is parked, and what happened around one name.

use super::{
    Engine, Running,
    committer::{Work, now_ms},
    core::{Failure, Mend, Mended, partition_of},
};
use crate::{
    journal::{Fault, Parked, Pending, Waits},
    metrics::Meter,
};
use domain::Deadlines;
use serde::Serialize;
use shared::{Context, Kind, Millis, Recorded, event::Position};
use std::{
    collections::HashSet,
    sync::{Arc, mpsc::TrySendError},
};
use tokio::sync::oneshot;

/// Events that are looked through for a story. An evening's events of one partition are some ten thousand; what was not
/// found among these is said to be missing.
const MAX_SCANNED: u64 = 50_000;
/// Events read at once.
const CHUNK: usize = 1_000;
/// Where a search by time is near enough.
const NEAR: u64 = 512;
/// Clocks of processes differ by less than this.
const SKEW_MS: Millis = 60_000;
/// Events of other streams that are added because they caused a part of the story.
const MAX_CAUSES: usize = 200;
/// Parked rows looked through for a story.
const MAX_PARKED: u64 = 1_000;

/// How far a subscription is behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Whose events are heard.
    pub source: Context,
    /// Which part of its journal.
    pub partition: u16,
    /// The last event that was handled.
    pub cursor: u64,
    /// The last event there is; absent when the source cannot be asked.
    pub head: Option<u64>,
    /// Events between the two.
    pub behind: Option<u64>,
    /// When the first of them happened.
    pub since_ms: Option<Millis>,
}

/// What a context knows of one name.
#[derive(Debug, Clone)]
pub struct Story {
    /// Its events, in the order of the journal, partition by partition.
    pub events: Vec<Arc<Recorded>>,
    /// False when the search ended before all of them were found.
    pub complete: bool,
    /// Timers that are set.
    pub pending: Vec<Pending>,
    /// What is parked.
    pub parked: Vec<(i64, Parked)>,
}

impl Engine {
    /// How far behind each subscription of a context is. Peers that do not answer leave their part open.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn lag(&self, context: Context) -> Result<Vec<Lag>, Fault> {
        let progress = self.running[&context].progress.borrow().clone();
        let mut lags = vec![];
        for source in domain::sources(context) {
            let heads = match self.running.get(&source) {
                Some(running) => running.progress.borrow().heads.clone(),
                None => self.feeds.heads(source).await.unwrap_or_default(),
            };
            for partition in 0..self.partitions {
                let cursor = progress.cursors.get(&(source, partition)).copied().unwrap_or(0);
                let head = heads.get(usize::from(partition)).copied();
                let behind = head.map(|head| head.saturating_sub(cursor));
                let since_ms = match behind {
                    Some(behind) if behind > 0 => {
                        let next = self.feeds.read(source, partition, cursor, 1).await.unwrap_or_default();
                        next.first().map(|event| event.at_ms)
                    }
                    _ => None,
                };
                lags.push(Lag { source, partition, cursor, head, behind, since_ms });
            }
        }
        Ok(lags)
    }

    /// Timers that are set, by name.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn waits(&self, context: Context) -> Result<Vec<Waits>, Fault> {
        self.running[&context].reader.waits(now_ms())
    }

    /// Parked rows with their numbers, newest first; only those with a number below `before`, if it is given.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn parked(&self, context: Context, before: Option<i64>, limit: u64) -> Result<Vec<(i64, Parked)>, Fault> {
        self.running[&context].reader.parked(before, limit)
    }

    /// How much is parked.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn parked_count(&self, context: Context) -> Result<u64, Fault> {
        self.running[&context].reader.parked_count()
    }

    /// One parked row.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn parked_one(&self, context: Context, id: i64) -> Result<Option<Parked>, Fault> {
        let found = self.parked(context, Some(id.saturating_add(1)), 1)?.pop();
        Ok(found.filter(|(found, _)| *found == id).map(|(_, parked)| parked))
    }

    /// Does a parked row again, or drops it.
    ///
    /// # Errors
    /// It is refused again, cannot be done still, or is gone.
    pub async fn mend(&self, context: Context, id: i64, mend: Mend) -> Result<Mended, Failure> {
        let (reply, done) = oneshot::channel();
        match self.running[&context].inbox.try_send(Work::Mend { id, mend, reply }) {
            Ok(()) => done.await.unwrap_or_else(|_| Err(Fault("the context has stopped".into()).into())),
            Err(TrySendError::Full(_)) => Err(Fault("the context is busy".into()).into()),
            Err(TrySendError::Disconnected(_)) => Err(Fault("the context has stopped".into()).into()),
        }
    }

    /// Everything that happened to one name in a context: the streams of that name, and those whose names begin with it
    /// and a dot. Looks from this time on, and ends when as many events were found as the rows have counted, or after so
    /// many events.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn story(&self, context: Context, name: &str, since_ms: Millis) -> Result<Story, Fault> {
        let running = &self.running[&context];
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.context() == context && is_aggregate(*kind)).collect();
        let mut wanted = 0;
        for kind in &kinds {
            wanted += running.reader.load(*kind, name)?.map_or(0, |stored| stored.version);
        }
        let mut story = Story { events: vec![], complete: false, pending: running.reader.pending(&kinds, name)?, parked: vec![] };
        let home = partition_of(name, usize::from(self.partitions)) as u16;
        let others = (0..self.partitions).filter(|partition| *partition != home);
        let mut left = MAX_SCANNED;
        for partition in std::iter::once(home).chain(others) {
            running.scan(partition, since_ms - SKEW_MS, &mut left, wanted, &mut story.events, |stream| is_of(stream, name))?;
        }
        let found = story.events.len() as u64;
        running.add_causes(context, &mut story.events)?;
        story.complete = if wanted > 0 { found >= wanted } else { left > 0 };
        let parked = running.reader.parked(None, MAX_PARKED)?;
        story.parked = parked.into_iter().filter(|(_, parked)| is_of(&parked.stream, name)).collect();
        Ok(story)
    }

    /// What is counted of a context.
    pub fn meter(&self, context: Context) -> &Meter {
        &self.running[&context].meter
    }

    /// How long each wait may be.
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Watchers of live streams.
    pub fn watchers(&self) -> usize {
        self.live.watchers()
    }
}

fn is_aggregate(kind: Kind) -> bool {
    domain::Row::empty(kind).is_some()
}

fn is_of(stream: &str, name: &str) -> bool {
    stream.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Running {
    fn scan(
        &self,
        partition: u16,
        since_ms: Millis,
        left: &mut u64,
        wanted: u64,
        found: &mut Vec<Arc<Recorded>>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<(), Fault> {
        let mut at = self.position_at(partition, since_ms)?;
        while *left > 0 && (wanted == 0 || (found.len() as u64) < wanted) {
            let events = self.reader.feed(partition, at, CHUNK)?;
            let Some(last) = events.last() else { return Ok(()) };
            at = last.position.seq;
            *left = left.saturating_sub(events.len() as u64);
            found.extend(events.into_iter().filter(|event| is_wanted(&event.stream)));
        }
        Ok(())
    }

    /// Adds what caused these events in the same context, and what caused that.
    fn add_causes(&self, context: Context, events: &mut Vec<Arc<Recorded>>) -> Result<(), Fault> {
        let mut known: HashSet<Position> = events.iter().map(|event| event.position).collect();
        let (mut at, most) = (0, events.len() + MAX_CAUSES);
        while at < events.len() && events.len() < most {
            let cause = events[at].cause.filter(|cause| cause.context == context && !known.contains(cause));
            if let Some(cause) = cause {
                known.insert(cause);
                let found = self.reader.feed(cause.partition, cause.seq.saturating_sub(1), 1)?;
                events.extend(found.into_iter().filter(|event| event.position == cause));
            }
            at += 1;
        }
        Ok(())
    }

    /// A position with, as clocks go, nothing later than this time before it.
    fn position_at(&self, partition: u16, since_ms: Millis) -> Result<u64, Fault> {
        let (mut low, mut high) = (0, self.progress.borrow().heads.get(usize::from(partition)).copied().unwrap_or(0));
        while high - low > NEAR {
            let middle = low + (high - low) / 2;
            match self.reader.feed(partition, middle, 1)?.first() {
                Some(event) if event.at_ms < since_ms => low = middle,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
