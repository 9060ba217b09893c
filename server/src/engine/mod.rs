//! The engine: remembers, delivers and waits. It knows no business word; all of those are asked of `domain`.
//!
//! - [`core`]: takes work, asks the rules, drafts a transaction. Pure, so that the simulation runs this very code.
//! - [`committer`]: a thread per context that commits what has arrived together.
//! - [`listener`]: a subscription per source. [`live`]: watchers.

pub mod committer;
pub mod core;
pub mod feeds;
pub mod listener;
pub mod live;
pub mod ops;
pub mod rebuild;
mod steward;

use crate::{
    bus::{Bus, local::LocalBus},
    journal::{self, Answer, Fault, Listed, Place, Reader, Share, Slice, Stored},
    metrics::{Meter, Metrics},
    service::Peers,
    traces::Traces,
};
pub use committer::now_ms;
use committer::{Committer, Progress, RowKey, Work};
use core::{Core, Rows};
pub use core::{Done, Failure, Order};
use domain::{Deadlines, watch::Topic};
use feeds::Feeds;
use live::Live;
use quick_cache::sync::Cache;
use shared::{Context, Kind, Recorded};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};
use steward::Steward;
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
    /// The contexts that run here.
    pub contexts: Vec<Context>,
    /// Parts of each journal; fixed when a journal is made.
    pub partitions: u16,
    /// How long each wait may be.
    pub deadlines: Deadlines,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { contexts: Context::ALL.to_vec(), partitions: 1, deadlines: Deadlines::default() }
    }
}

struct Running {
    inbox: SyncSender<Work>,
    reader: Arc<dyn Reader>,
    cache: Arc<Cache<RowKey, Stored>>,
    progress: watch::Receiver<Progress>,
    share: watch::Receiver<Share>,
    /// Only to rehearse commands: it knows no journal.
    rules: Core,
    meter: Arc<Meter>,
}

/// The contexts of this process.
pub struct Engine {
    running: HashMap<Context, Running>,
    bus: Arc<dyn Bus>,
    /// Commits for those who listen within this process.
    commits: Arc<LocalBus>,
    live: Arc<Live>,
    partitions: u16,
    deadlines: Deadlines,
    feeds: Feeds,
    rebuilds: rebuild::Rebuilds,
    /// What is counted of this process.
    pub metrics: Metrics,
    /// Where spans go, once and if they are wanted.
    pub traces: OnceLock<Arc<Traces>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Engine {
    /// Starts the contexts on their journals in this place.
    ///
    /// # Errors
    /// A fault when a journal cannot be opened.
    pub fn open(place: &Place, bus: Arc<dyn Bus>, peers: Arc<Peers>, config: &EngineConfig) -> Result<Arc<Self>, Fault> {
        let mut journals = vec![];
        for context in &config.contexts {
            let (journal, reader) = journal::open(place, *context, config.partitions)?;
            journals.push((*context, journal, reader));
        }
        let here = journals.iter().map(|(context, _, reader)| (*context, reader.clone())).collect();
        let feeds = Feeds::new(here, peers);
        let mut engine = Self {
            running: HashMap::new(),
            bus,
            commits: Arc::new(LocalBus::new(config.partitions)),
            live: Arc::default(),
            partitions: config.partitions,
            deadlines: config.deadlines.clone(),
            feeds: feeds.clone(),
            rebuilds: rebuild::Rebuilds::default(),
            metrics: Metrics::default(),
            traces: OnceLock::new(),
            threads: Mutex::default(),
        };
        for (context, journal, reader) in journals {
            engine.start(context, config, journal, reader, &feeds)?;
        }
        Ok(Arc::new(engine))
    }

    fn start(
        &mut self,
        context: Context,
        config: &EngineConfig,
        journal: Box<dyn journal::Journal>,
        reader: Arc<dyn Reader>,
        feeds: &Feeds,
    ) -> Result<(), Fault> {
        let (heads, cursors) = (journal.heads()?, journal.cursors()?);
        if heads.len() != usize::from(config.partitions) {
            let (has, context) = (heads.len(), context.name());
            return Err(Fault(format!("the journal of {context} was made with {has} partitions: set --partitions {has}")));
        }
        let (progress_sender, progress) = watch::channel(Progress { heads: heads.clone(), cursors: cursors.clone(), is_well: true });
        let (share_sender, share) = watch::channel(Share::default());
        let (inbox, receiver) = sync_channel(MAX_WAITING);
        let cache = Arc::new(Cache::new(CACHED_ROWS));
        let meter = Arc::new(Meter::default());
        let committer = Committer {
            context,
            linger: Duration::from_millis(domain::linger_ms(context)),
            busy: false,
            unwritten: HashMap::new(),
            core: Core::new(context, config.deadlines.clone(), heads, cursors),
            journal,
            reader: reader.clone(),
            cache: cache.clone(),
            bus: self.bus.clone(),
            commits: self.commits.clone(),
            live: self.live.clone(),
            meter: meter.clone(),
            held_up: std::cell::RefCell::default(),
            progress: progress_sender,
            share: share_sender,
            inbox: receiver,
            shared_at: None,
            doubtful: false,
            failing: false,
            stopping: false,
        };
        let thread = std::thread::Builder::new().name(format!("{}-committer", context.name())).spawn(move || committer.run());
        let thread = thread.map_err(|e| Fault(format!("a thread cannot be started: {e}")))?;
        self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(thread);
        let (bus, feeds) = (self.bus.clone(), feeds.clone());
        let (share, progress) = (share, progress);
        let steward = Steward { context, share: share.clone(), progress: progress.clone(), feeds, bus, inbox: inbox.clone() };
        tokio::spawn(steward.run());
        let rules = Core::new(context, config.deadlines.clone(), vec![0], HashMap::new());
        self.running.insert(context, Running { inbox, reader, cache, progress, share, rules, meter });
        Ok(())
    }

    /// The contexts that run here.
    pub fn contexts(&self) -> impl Iterator<Item = Context> {
        Context::ALL.into_iter().filter(|context| self.running.contains_key(context))
    }

    /// Parts of each journal.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// True when this context runs here.
    pub fn runs(&self, context: Context) -> bool {
        self.running.contains_key(&context)
    }

    /// Whether commands of a context would be committed now, as far as is known.
    pub fn is_ready(&self, context: Context) -> bool {
        let running = &self.running[&context];
        running.progress.borrow().is_well
    }

    /// Whether this replica looks after a stream: fires its timers, and works on what is due for it.
    pub fn is_mine(&self, context: Context, stream: &str) -> bool {
        let partition = core::partition_of(stream, usize::from(self.partitions)) as u16;
        self.running[&context].share.borrow().partitions.contains(&partition)
    }

    /// Tells when the partitions that this replica looks after have changed.
    pub fn share(&self, context: Context) -> watch::Receiver<Share> {
        self.running[&context].share.clone()
    }

    /// Decides a command, and answers when its effects are durable.
    ///
    /// # Errors
    /// The rule's no, or a fault.
    pub async fn dispatch(&self, order: Order, answer: Option<Answer>) -> Result<Done, Failure> {
        let running = &self.running[&order.command.kind().context()];
        let (reply, done) = oneshot::channel();
        let began = std::time::Instant::now();
        match running.inbox.try_send(Work::Command { order: Box::new(order), answer, reply }) {
            Ok(()) => {
                let done = done.await.unwrap_or_else(|_| Err(Fault("the context has stopped".into()).into()));
                running.meter.commanded(began.elapsed());
                done
            }
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

    /// A part of a list, oldest first; see [`Reader::walk`](crate::journal::Reader::walk).
    ///
    /// # Errors
    /// A fault of the database.
    pub fn walk(&self, kind: Kind, tag: &str, after: Option<&Listed>, limit: u64) -> Result<Vec<Listed>, Fault> {
        self.running[&kind.context()].reader.walk(kind, tag, after, limit)
    }

    /// Has a row listed anew that an older version may have listed otherwise. Nobody waits for it: whoever finds the row on
    /// the old list once more asks again.
    pub fn relist(&self, kind: Kind, key: &str) {
        let _ = self.running[&kind.context()].inbox.try_send(Work::Relist((kind, key.into())));
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

    /// Where a context's journal stands: one number for each partition.
    pub fn heads(&self, context: Context) -> Vec<u64> {
        self.running[&context].progress.borrow().heads.clone()
    }

    /// Waits until a context has handled what the reader has seen of its sources, but not longer than this. Whoever reads
    /// earlier than that reads what is there.
    pub async fn caught_up(&self, context: Context, token: &Token, at_most: Duration) {
        let mut progress = self.running[&context].progress.clone();
        let sources = domain::sources(context);
        // A partition in which nothing has happened has no cursor, and nothing to wait for.
        let matters = |source: &Context, seq: u64| seq > 0 && (*source == context || sources.contains(source));
        let seen: Vec<_> = token.iter().filter(|(source, _, seq)| matters(source, *seq)).collect();
        let reached = |progress: &Progress| {
            seen.iter().all(|(source, partition, seq)| {
                let (own, heard) = (progress.heads.get(usize::from(*partition)), progress.cursors.get(&(*source, *partition)));
                if *source == context { own } else { heard }.is_some_and(|at| at >= seq)
            })
        };
        if reached(&progress.borrow_and_update()) {
            return;
        }
        // Perhaps another replica has it already. A full inbox brings the news by itself.
        let _ = self.running[&context].inbox.try_send(Work::Look(oneshot::channel().0));
        let _ = tokio::time::timeout(at_most, progress.wait_for(reached)).await;
    }

    /// Waits until this replica knows what the others had committed when it was asked. Where there are no others it costs
    /// nothing. A fault is met by whoever reads next.
    pub async fn fresh(&self, context: Context) {
        let running = &self.running[&context];
        if running.share.borrow().alone {
            return;
        }
        let (reply, known) = oneshot::channel();
        if running.inbox.try_send(Work::Look(reply)).is_ok() {
            let _ = known.await;
        }
    }

    /// Hears a context's commits from now on, as a worker does. It may lag, and then looks at what is due.
    pub fn listen(&self, context: Context, partition: u16) -> tokio::sync::broadcast::Receiver<crate::bus::Batch> {
        self.commits.subscribe(context, partition)
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
