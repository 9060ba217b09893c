//! Workers: the only code that acts on the outside world. Each looks after a list of rows that are due, does what they
//! wait for, and answers with a command to its own context. What is due stays on the list until that command is durable,
//! so nothing is forgotten in a crash; and the outside world sees a name that repeats, so nothing is done twice.

mod gate;
mod notify;
mod pay;

pub use notify::Figures;

use crate::{
    engine::{Engine, Order, now_ms},
    identity::Access,
    journal::Slice,
    notifier::Notifier,
    provider::Provider,
};
use futures_util::{StreamExt, stream};
use shared::{Actor, Command, Kind, Recorded, Stamp, event::Position};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tokio_util::sync::CancellationToken;

/// Rows of a list read at once when a worker starts, or has fallen behind.
const CHUNK: u64 = 500;
/// The first pause before the outside world is asked again, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How often a worker looks at its whole list, in case a row was missed.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Starts the worker that asks for money, where payments are kept.
pub fn start_pay(engine: &Arc<Engine>, provider: Arc<dyn Provider>, stopping: &CancellationToken) {
    let pay = Arc::new(pay::Pay { engine: engine.clone(), provider });
    tokio::spawn(Rounds::new(engine, Kind::Payment, domain::payment::DUE, pay::AT_ONCE).run(pay, stopping.clone()));
}

/// Starts the worker that tells people, by these ways in their order, where notices are kept.
pub fn start_notify(engine: &Arc<Engine>, ways: Vec<Arc<dyn Notifier>>, access: &Access, stopping: &CancellationToken) {
    start_notify_with(engine, ways, access, (notify::ROOM, notify::AT_ONCE), stopping);
}

/// The same, with room for so many notices of progress that wait, and so many on their way at once; and says what is counted.
pub fn start_notify_with(
    engine: &Arc<Engine>,
    ways: Vec<Arc<dyn Notifier>>,
    access: &Access,
    (room, at_once): (usize, usize),
    stopping: &CancellationToken,
) -> Arc<Figures> {
    let figures = Arc::new(Figures::default());
    let (gate, seats) = (gate::Gate::new(at_once), Semaphore::new(room));
    let notify = notify::Notify { engine: engine.clone(), ways, access: access.clone(), gate, room: seats, figures: figures.clone() };
    let notify = Arc::new(notify);
    let shown = figures.clone();
    engine.metrics.also(move |page| shown.write(page));
    let mandatory = Rounds::new(engine, Kind::Notice, domain::notification::MANDATORY, notify::AT_ONCE);
    tokio::spawn(mandatory.run(Arc::new(notify::Mandatory(notify.clone())), stopping.clone()));
    let progress = Rounds::new(engine, Kind::Notice, domain::notification::PROGRESS, room + notify::SHEDDING);
    tokio::spawn(progress.run(Arc::new(notify::Progress(notify)), stopping.clone()));
    figures
}

/// What a worker does with one row.
trait Worker: Send + Sync + 'static {
    /// Whether an event puts its row on the list.
    fn is_due(&self, recorded: &Recorded) -> bool;
    /// Does what the row waits for; `due` is the event that put it on the list, if it is known. False when it must be
    /// tried again.
    fn work(&self, key: &str, attempt: u32, due: Option<Position>) -> impl Future<Output = bool> + Send;
}

/// Finds what is due, and sees that each row is worked on once at a time.
struct Rounds {
    engine: Arc<Engine>,
    kind: Kind,
    tag: &'static str,
    permits: Arc<Semaphore>,
    busy: Arc<Mutex<HashSet<Arc<str>>>>,
}

impl Rounds {
    fn new(engine: &Arc<Engine>, kind: Kind, tag: &'static str, at_once: usize) -> Self {
        Self { engine: engine.clone(), kind, tag, permits: Arc::new(Semaphore::new(at_once)), busy: Arc::default() }
    }

    async fn run<W: Worker>(self, worker: Arc<W>, stopping: CancellationToken) {
        tokio::select! {
            () = self.rounds(worker) => {}
            () = stopping.cancelled() => {}
        }
    }

    async fn rounds<W: Worker>(self, worker: Arc<W>) {
        let context = self.kind.context();
        let partitions = (0..self.engine.partitions()).map(|partition| BroadcastStream::new(self.engine.listen(context, partition)));
        let mut commits = stream::select_all(partitions);
        let mut share = self.engine.share(context);
        loop {
            self.look(&worker).await;
            let next_look = tokio::time::sleep(LOOK_AGAIN);
            tokio::pin!(next_look);
            loop {
                let batch = tokio::select! {
                    batch = commits.next() => batch,
                    () = &mut next_look => break,
                    // What another replica looked after may be this one's now.
                    changed = share.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                };
                match batch {
                    Some(Ok(batch)) => {
                        for recorded in batch.iter().filter(|recorded| worker.is_due(recorded)) {
                            self.take(&worker, recorded.stream.as_str().into(), Some(recorded.position)).await;
                        }
                    }
                    // What was missed is on the list.
                    Some(Err(BroadcastStreamRecvError::Lagged(_))) => break,
                    None => return,
                }
            }
        }
    }

    /// Everything on the list, oldest first.
    async fn look<W: Worker>(&self, worker: &Arc<W>) {
        let mut offset = 0;
        loop {
            let slice = Slice { offset, limit: CHUNK, newest_first: false };
            let keys = match self.engine.keys(self.kind, self.tag, slice) {
                Ok(keys) => keys,
                Err(fault) => {
                    tracing::error!(kind = self.kind.name(), %fault, "the list of due work cannot be read");
                    return;
                }
            };
            let (last, busy) = (keys.len() < CHUNK as usize, keys.len() as u64);
            for key in keys {
                self.take(worker, key, None).await;
            }
            if last {
                return;
            }
            // Rows that are done leave the list, so some are looked at again later; none is left out for good.
            offset += busy;
        }
    }

    /// Works on a row, unless somebody does, here or in another replica.
    async fn take<W: Worker>(&self, worker: &Arc<W>, key: Arc<str>, due: Option<Position>) {
        if !self.engine.is_mine(self.kind.context(), &key) {
            return;
        }
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
            return;
        }
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
        let (worker, busy) = (worker.clone(), self.busy.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let (mut pause, mut attempt) = (PAUSE, 0);
            while !worker.work(&key, attempt, due).await {
                tokio::time::sleep(pause).await;
                (pause, attempt) = ((pause * 2).min(MAX_PAUSE), attempt + 1);
            }
            busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        });
    }
}

/// Answers with a command to the worker's own context. False when that failed.
async fn report(engine: &Engine, stream: &str, command: impl Into<Command>) -> bool {
    let order = Order { stream: stream.into(), command: command.into(), stamp: Stamp { by: Actor::System, at_ms: now_ms() }, cause: None };
    match engine.dispatch(order, None).await {
        Ok(_) => true,
        Err(failure) => {
            tracing::warn!(stream, ?failure, "a worker's report was not taken; it will be sent again");
            false
        }
    }
}
