//! The engine: remembers, delivers and waits. It knows no business word; all of those are asked of `domain`.
//!
//! - [`core`]: takes work, asks the rules, drafts a transaction. Pure, so that the simulation runs this very code.
//! - [`committer`]: a thread per context that commits what has arrived together.
//! - [`listener`]: a subscription per source. [`live`]: watchers.

pub mod committer;
pub mod core;
pub mod listener;
pub mod live;

use crate::{
    bus::{Bus, local::LocalBus},
    journal::{Answer, Fault, Parked, Reader, Slice, Stored, sqlite},
};
pub use committer::now_ms;
use committer::{Committer, Progress, RowKey, Work};
use core::{Core, Rows};
pub use core::{Done, Failure, Order};
use domain::{Deadlines, watch::Topic};
use live::Live;
use quick_cache::sync::Cache;
use shared::{Context, Kind, Recorded};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Work that may wait for a committer. At ten thousand commands a second this is less than half a second of waiting; what
/// comes beyond is told to come again.
const MAX_WAITING: usize = 4_096;
/// Rows that a context keeps in memory: the orders of a busy evening, at two kilobytes each.
const CACHED_ROWS: usize = 20_000;

/// Positions that a reader has seen: what it reads next must not be older.
pub type Token = Vec<(Context, u16, u64)>;

/// What the engine needs to know.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Parts of each journal; fixed when a journal is made.
    pub partitions: u16,
    /// How long each wait may be.
    pub deadlines: Deadlines,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { partitions: 1, deadlines: Deadlines::default() }
    }
}

struct Running {
    inbox: SyncSender<Work>,
    reader: Arc<dyn Reader>,
    cache: Arc<Cache<RowKey, Stored>>,
    progress: watch::Receiver<Progress>,
    /// Only to rehearse commands: it knows no journal.
    rules: Core,
}

/// All contexts of this process.
pub struct Engine {
    running: HashMap<Context, Running>,
    bus: Arc<dyn Bus>,
    live: Arc<Live>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Engine {
    /// Starts every context on its file in this folder.
    ///
    /// # Errors
    /// A fault when a file cannot be opened.
    pub fn open(dir: &Path, config: &EngineConfig) -> Result<Arc<Self>, Fault> {
        let bus: Arc<dyn Bus> = Arc::new(LocalBus::new(config.partitions));
        let live = Arc::new(Live::default());
        let mut engine = Self { running: HashMap::new(), bus: bus.clone(), live, threads: Mutex::new(vec![]) };
        for context in Context::ALL {
            let (journal, reader) = sqlite::open(dir, context, config.partitions)?;
            engine.start(context, config, Box::new(journal), Arc::new(reader), bus.clone())?;
        }
        for (context, running) in &engine.running {
            for source in domain::sources(*context) {
                for partition in 0..config.partitions {
                    let cursor = running.progress.borrow().cursors.get(&(source, partition)).copied().unwrap_or(0);
                    let (feed, inbox) = (engine.running[&source].reader.clone(), running.inbox.clone());
                    tokio::spawn(listener::Listener { source, partition, cursor, feed, bus: bus.clone(), inbox }.run());
                }
            }
        }
        Ok(Arc::new(engine))
    }

    fn start(
        &mut self,
        context: Context,
        config: &EngineConfig,
        journal: Box<dyn crate::journal::Journal>,
        reader: Arc<dyn Reader>,
        bus: Arc<dyn Bus>,
    ) -> Result<(), Fault> {
        let (heads, cursors) = (journal.heads()?, journal.cursors()?);
        let rules = Core::new(context, config.deadlines.clone(), vec![0], HashMap::new());
        let (progress_sender, progress) = watch::channel(Progress { heads: heads.clone(), cursors: cursors.clone() });
        let (inbox, receiver) = sync_channel(MAX_WAITING);
        let cache = Arc::new(Cache::new(CACHED_ROWS));
        let committer = Committer {
            context,
            linger: Duration::from_millis(domain::linger_ms(context)),
            busy: false,
            unwritten: HashMap::new(),
            core: Core::new(context, config.deadlines.clone(), heads, cursors),
            journal,
            cache: cache.clone(),
            bus,
            live: self.live.clone(),
            progress: progress_sender,
            inbox: receiver,
        };
        let thread = std::thread::Builder::new().name(format!("{}-committer", context.name())).spawn(move || committer.run());
        let thread = thread.map_err(|e| Fault(format!("a thread cannot be started: {e}")))?;
        self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(thread);
        self.running.insert(context, Running { inbox, reader, cache, progress, rules });
        Ok(())
    }

    /// Decides a command, and answers when its effects are durable.
    ///
    /// # Errors
    /// The rule's no, or a fault.
    pub async fn dispatch(&self, order: Order, answer: Option<Answer>) -> Result<Done, Failure> {
        let running = &self.running[&order.command.kind().context()];
        let (reply, done) = oneshot::channel();
        match running.inbox.try_send(Work::Command { order: Box::new(order), answer, reply }) {
            Ok(()) => done.await.unwrap_or_else(|_| Err(Fault("the context has stopped".into()).into())),
            Err(TrySendError::Full(_)) => Err(Fault("the context is busy".into()).into()),
            Err(TrySendError::Disconnected(_)) => Err(Fault("the context has stopped".into()).into()),
        }
    }

    /// Completes an idempotency record, without waiting for it: until it is durable a repeat gets a fresh answer.
    pub fn complete(&self, context: Context, answer: Answer) {
        let _ = self.running[&context].inbox.try_send(Work::Answer(answer));
    }

    /// A row as of the last commit. On a miss of the cache this reads the disk for some microseconds, which is cheaper
    /// than a thread to wait for.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn read(&self, kind: Kind, key: &str) -> Result<Option<Stored>, Fault> {
        self.running[&kind.context()].get(kind, &key.into())
    }

    /// A page of a list, with its rows, and how long the whole list is.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn list(&self, kind: Kind, tag: &str, slice: Slice) -> Result<(Vec<(Arc<str>, Stored)>, u64), Fault> {
        let running = &self.running[&kind.context()];
        let (keys, total) = running.reader.list(kind, tag, slice)?;
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            // A row may have left the list since the list was read, but rows are never deleted.
            if let Some(stored) = running.get(kind, &key)? {
                rows.push((key, stored));
            }
        }
        Ok((rows, total))
    }

    /// The names alone of a list's page.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn keys(&self, kind: Kind, tag: &str, slice: Slice) -> Result<Vec<Arc<str>>, Fault> {
        Ok(self.running[&kind.context()].reader.list(kind, tag, slice)?.0)
    }

    /// Whether a command would be taken now and would change anything. Only a command whose effects could be refused
    /// elsewhere in its context is rehearsed; for the others the rule's own answer is enough.
    pub fn may(&self, order: &Order) -> bool {
        let kind = order.command.kind();
        let running = &self.running[&kind.context()];
        let Ok(stored) = running.get(kind, &order.stream) else { return false };
        let Some(row) = stored.map(|stored| stored.row).or_else(|| domain::Row::empty(kind).map(Arc::new)) else { return false };
        match domain::decide(&row, &order.command, &order.stamp) {
            Err(_) => false,
            Ok(events) => {
                let reacts = |event| domain::react(kind.context(), event).iter().any(|reaction| reaction.after.is_none());
                !events.is_empty() && (!events.iter().any(reacts) || running.rules.rehearse(running, order))
            }
        }
    }

    /// The record of a request, if it came before.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn answer(&self, context: Context, key: [u8; 16]) -> Result<Option<Answer>, Fault> {
        self.running[&context].reader.answer(key)
    }

    /// Events of a context's partition after a position.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn feed(&self, context: Context, partition: u16, after: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, Fault> {
        self.running[&context].reader.feed(partition, after, limit)
    }

    /// Refused reactions of a context, newest first.
    ///
    /// # Errors
    /// A fault of the database.
    pub fn parked(&self, context: Context, limit: u64) -> Result<Vec<Parked>, Fault> {
        self.running[&context].reader.parked(limit)
    }

    /// Where a context's journal stands: one number for each partition.
    pub fn heads(&self, context: Context) -> Vec<u64> {
        self.running[&context].progress.borrow().heads.clone()
    }

    /// Waits until a context has handled what the reader has seen of its sources, but not longer than this. Whoever reads
    /// earlier than that reads what is there.
    pub async fn caught_up(&self, context: Context, token: &Token, at_most: Duration) {
        let mut progress = self.running[&context].progress.clone();
        let sources = domain::sources(context);
        let seen: Vec<_> = token.iter().filter(|(source, _, _)| sources.contains(source)).collect();
        let reached = |progress: &Progress| {
            seen.iter().all(|(source, partition, seq)| progress.cursors.get(&(*source, *partition)).is_some_and(|cursor| cursor >= seq))
        };
        if reached(&progress.borrow_and_update()) {
            return;
        }
        let _ = tokio::time::timeout(at_most, progress.wait_for(reached)).await;
    }

    /// Hears a context's commits from now on, as a worker does. It may lag, and then looks at what is due.
    pub fn listen(&self, context: Context, partition: u16) -> tokio::sync::broadcast::Receiver<crate::bus::Batch> {
        self.bus.listen(context, partition)
    }

    /// Watches topics from now on.
    pub fn watch(&self, topics: &[Topic]) -> mpsc::Receiver<Arc<Recorded>> {
        self.live.watch(topics)
    }

    /// Finishes what has begun, and stops.
    pub fn stop(&self) {
        self.live.stop();
        for running in self.running.values() {
            // A full inbox is being worked off: a moment later there is room.
            while let Err(TrySendError::Full(_)) = running.inbox.try_send(Work::Stop) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        for thread in self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a committer panicked");
            }
        }
    }
}

impl Rows for Running {
    fn get(&self, kind: Kind, key: &Arc<str>) -> Result<Option<Stored>, Fault> {
        if let Some(stored) = self.cache.get(&(kind, key.clone())) {
            return Ok(Some(stored));
        }
        let stored = self.reader.load(kind, key)?;
        if stored.is_some() {
            let _ = self.inbox.try_send(Work::Warm((kind, key.clone())));
        }
        Ok(stored)
    }
}
