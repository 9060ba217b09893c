//! Rebuilds a view beside the live one: reads all history from the beginning, makes every row anew in memory, and hands
//! the rows in small batches to the committer, which puts those that differ in the place of the live ones.
//!
//! A row counts its changes, and the two are compared only where they have lived through equally many; those that have
//! moved on meanwhile are brought up to date here and compared again. So no batch is larger than others, readers always
//! see a whole row, and nothing has to stand still. Events that are parked are left out, because the live view has not
//! seen them either; events that an operator has dropped are history all the same, and come in.

use super::{
    Engine, Running,
    committer::{Work, now_ms},
    core::Swapped,
};
use crate::journal::{Fault, Held, Reader, Stored};
use domain::Row;
use serde::Serialize;
use shared::{Context, Event, Kind, Millis, Recorded, event::Position};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, mpsc::TrySendError},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Events read at once.
const MAX_EVENTS: usize = 1_000;
/// Rows compared in one transaction: a few milliseconds of the committer's time.
const MAX_ROWS: usize = 128;
/// Rows that are made in memory, at about two kilobytes each: more than that would need another way.
const MAX_VIEW: usize = 500_000;
/// How long rows that change all the time are tried again. Each try takes milliseconds.
const SETTLE: Duration = Duration::from_secs(30);
/// How often it begins again because an operator has replayed something meanwhile.
const MAX_STARTS: u32 = 5;
/// Between two tries of rows that have moved on, and for an inbox that is full.
const PAUSE: Duration = Duration::from_millis(5);
/// Parked rows that are looked through. Whoever has more has other worries than a view.
const MAX_PARKED: u64 = 10_000;

/// How a rebuild is coming along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rebuild {
    /// Which view.
    pub view: Kind,
    /// Where it is.
    pub state: State,
    /// Events read.
    pub events: u64,
    /// Rows made anew.
    pub rows: u64,
    /// Rows of the live view that were wrong, and are right now.
    pub differed: u64,
    /// Rows that changed too often to be compared; they are as they were.
    pub unsettled: u64,
    /// When it began.
    pub started_ms: Millis,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Millis>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on.
    Running,
    /// Every row that could be compared is right.
    Done,
    /// It stopped; rows that were put right stay so.
    Failed,
}

/// The last rebuild of each view.
#[derive(Default)]
pub struct Rebuilds(Mutex<HashMap<Kind, Rebuild>>);

/// Rows of a view, built anew.
pub struct Built {
    /// The view.
    pub kind: Kind,
    /// Its rows.
    pub rows: Vec<(Arc<str>, Stored)>,
    /// What was parked when they were built.
    pub parking: Parking,
}

/// What is parked, as far as it takes to notice a change: numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parking {
    newest: Option<i64>,
    count: u64,
}

impl Parking {
    /// As of now.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn of(reader: &dyn Reader) -> Result<Self, Fault> {
        Ok(Self { newest: reader.parked(None, 1)?.first().map(|(id, _)| *id), count: reader.parked_count()? })
    }
}

/// A view in the making.
struct Builder<'a> {
    engine: &'a Engine,
    running: &'a Running,
    context: Context,
    kind: Kind,
    rows: HashMap<Arc<str>, (Row, u64)>,
    /// Only these rows are still of interest, once all have been made.
    only: Option<HashSet<Arc<str>>>,
    /// How far each journal was read.
    at: HashMap<(Context, u16), u64>,
    parked: HashSet<Position>,
    parking: Parking,
    events: u64,
}

/// How a run ended.
enum End {
    Done { rows: u64, differed: u64, unsettled: u64, events: u64 },
    Outdated { differed: u64 },
}

impl Engine {
    /// Begins to rebuild a view, unless that is going on already, and says how it is coming along.
    pub fn rebuild(self: &Arc<Self>, kind: Kind) -> Rebuild {
        let mut all = self.rebuilds.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = all.get(&kind).filter(|rebuild| rebuild.state == State::Running) {
            return running.clone();
        }
        let begun = Rebuild {
            view: kind,
            state: State::Running,
            events: 0,
            rows: 0,
            differed: 0,
            unsettled: 0,
            started_ms: now_ms(),
            ended_ms: None,
            reason: None,
        };
        all.insert(kind, begun.clone());
        let engine = self.clone();
        tokio::spawn(async move {
            let mut ended = engine.rebuild_now(kind).await;
            ended.started_ms = begun.started_ms;
            tracing::info!(view = kind.name(), rows = ended.rows, differed = ended.differed, state = ?ended.state, "a view was rebuilt");
            engine.rebuilds.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, ended);
        });
        begun
    }

    /// How the last rebuild of a view that began here is coming along.
    pub fn rebuilding(&self, kind: Kind) -> Option<Rebuild> {
        self.rebuilds.0.lock().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned()
    }

    async fn rebuild_now(&self, kind: Kind) -> Rebuild {
        let mut differed_before = 0;
        let mut ended = Rebuild {
            view: kind,
            state: State::Failed,
            events: 0,
            rows: 0,
            differed: 0,
            unsettled: 0,
            started_ms: 0,
            ended_ms: None,
            reason: Some("something was parked or replayed again and again meanwhile".into()),
        };
        for _ in 0..MAX_STARTS {
            let end = match Builder::new(self, kind) {
                Ok(builder) => builder.run().await,
                Err(fault) => Err(fault),
            };
            match end {
                Ok(End::Outdated { differed }) => differed_before += differed,
                Ok(End::Done { rows, differed, unsettled, events }) => {
                    ended = Rebuild { state: State::Done, rows, differed, unsettled, events, reason: None, ..ended };
                    break;
                }
                Err(fault) => {
                    ended.reason = Some(fault.0);
                    break;
                }
            }
        }
        ended.differed += differed_before;
        ended.ended_ms = Some(now_ms());
        ended
    }
}

impl<'a> Builder<'a> {
    fn new(engine: &'a Engine, kind: Kind) -> Result<Self, Fault> {
        let context = kind.context();
        let running = &engine.running[&context];
        // First what tells of a change, then what it tells of: a change in between is noticed at the first swap.
        let parking = Parking::of(&*running.reader)?;
        if parking.count > MAX_PARKED {
            return Err(Fault(format!("more than {MAX_PARKED} rows are parked: replay or drop them first")));
        }
        let parked = running.reader.parked(None, MAX_PARKED)?.into_iter().filter_map(|(_, parked)| match parked.held {
            Held::Event(recorded) => Some(recorded.position),
            Held::Command(_) => None,
        });
        let parked = parked.collect();
        let (rows, at) = (HashMap::new(), HashMap::new());
        Ok(Self { engine, running, context, kind, rows, only: None, at, parked, parking, events: 0 })
    }

    async fn run(mut self) -> Result<End, Fault> {
        self.catch_up().await?;
        let made = self.rows.len() as u64;
        let mut differed = 0;
        let mut keys: Vec<Arc<str>> = self.rows.keys().cloned().collect();
        let give_up = Instant::now() + SETTLE;
        loop {
            let mut later = vec![];
            for chunk in keys.chunks(MAX_ROWS) {
                let swapped = self.swap(chunk).await?;
                differed += swapped.differed;
                if swapped.outdated {
                    return Ok(End::Outdated { differed });
                }
                later.extend(swapped.later);
            }
            if later.is_empty() || Instant::now() > give_up {
                return Ok(End::Done { rows: made, differed, unsettled: later.len() as u64, events: self.events });
            }
            tokio::time::sleep(PAUSE).await;
            self.keep(&later);
            self.catch_up().await?;
            keys = later;
        }
    }

    /// Forgets the rows that are settled.
    fn keep(&mut self, later: &[Arc<str>]) {
        let only: HashSet<_> = later.iter().cloned().collect();
        self.rows.retain(|key, _| only.contains(key));
        self.only = Some(only);
    }

    /// Reads every journal as far as the live view has.
    async fn catch_up(&mut self) -> Result<(), Fault> {
        let progress = self.running.progress.borrow().clone();
        let sources = domain::sources(self.context);
        for partition in 0..self.engine.partitions {
            let own = progress.heads.get(usize::from(partition)).copied().unwrap_or(0);
            self.read(self.context, partition, own).await?;
            for source in &sources {
                let heard = progress.cursors.get(&(*source, partition)).copied().unwrap_or(0);
                self.read(*source, partition, heard).await?;
            }
        }
        Ok(())
    }

    async fn read(&mut self, source: Context, partition: u16, until: u64) -> Result<(), Fault> {
        let mut at = self.at.get(&(source, partition)).copied().unwrap_or(0);
        while at < until {
            let events = self.engine.feeds.read(source, partition, at, MAX_EVENTS).await?;
            if events.is_empty() {
                return Err(Fault(format!("the journal of {} ends at {at}, before {until}", source.name())));
            }
            for recorded in events.iter().filter(|recorded| recorded.position.seq <= until) {
                at = recorded.position.seq;
                self.project(recorded)?;
            }
            // Other requests of this thread come first.
            tokio::task::yield_now().await;
        }
        self.at.insert((source, partition), at);
        Ok(())
    }

    fn project(&mut self, recorded: &Recorded) -> Result<(), Fault> {
        self.events += 1;
        if self.parked.contains(&recorded.position) {
            return Ok(());
        }
        if let Event::Unreadable(event) = &recorded.event {
            return Err(Fault(format!("this version does not understand {}: {}", recorded.position, event.why)));
        }
        for (kind, key) in domain::projections(self.context, &recorded.event) {
            if kind != self.kind || self.only.as_ref().is_some_and(|only| !only.contains(key.as_str())) {
                continue;
            }
            let (row, changes) = self.rows.remove(key.as_str()).map_or((None, 0), |(row, changes)| (Some(row), changes));
            if let Some(row) = domain::project(kind, row, &recorded.event, recorded.version) {
                self.rows.insert(key.into(), (row, changes + 1));
            }
            if self.rows.len() > MAX_VIEW {
                return Err(Fault(format!("the view has more than {MAX_VIEW} rows, which is more than is rebuilt in memory")));
            }
        }
        Ok(())
    }

    async fn swap(&self, keys: &[Arc<str>]) -> Result<Swapped, Fault> {
        let made = |key: &Arc<str>| {
            let (row, version) = self.rows.get(key)?.clone();
            Some((key.clone(), Stored { row: Arc::new(row), version }))
        };
        let built = Built { kind: self.kind, rows: keys.iter().filter_map(made).collect(), parking: self.parking };
        let (reply, swapped) = oneshot::channel();
        let mut work = Work::Swap { built, reply };
        let stopped = || Fault("the context has stopped".into());
        loop {
            match self.running.inbox.try_send(work) {
                Ok(()) => return swapped.await.map_err(|_| stopped())?,
                Err(TrySendError::Full(same)) => work = same,
                Err(TrySendError::Disconnected(_)) => return Err(stopped()),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
