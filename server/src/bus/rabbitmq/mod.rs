//! The bus on RabbitMQ: one session to publish and one to consume, each on a connection of its own, because a broker
//! that is short of memory blocks the connections that publish.

mod backlog;
mod consumer;
pub mod message;
mod publisher;
mod session;
pub mod topology;
mod wanted;

use super::{Batch, Bus, Ears, Health, RabbitPlace};
use backlog::Backlog;
pub use consumer::PREFETCH;
use session::Trouble;
use shared::Context;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
};
use tokio::task::JoinHandle;
use wanted::Wanted;

/// The bus at a broker. Its sessions end when it is dropped.
pub struct RabbitBus {
    backlog: Arc<Backlog>,
    wanted: Arc<Wanted>,
    counters: Arc<Counters>,
    tasks: [JoinHandle<()>; 3],
}

/// What the sessions count.
#[derive(Default)]
pub struct Counters {
    publishing: AtomicBool,
    published: AtomicU64,
    confirmed: AtomicU64,
    returned: AtomicU64,
    nacked: AtomicU64,
    dropped: AtomicU64,
    /// Something was dropped since publishing was possible last.
    dropping: AtomicBool,
    consumed: AtomicU64,
    parked: AtomicU64,
    sessions: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Counters {
    /// A failure is logged where it is handled, once until another one comes.
    fn say(&self, role: &'static str, trouble: &Trouble) {
        let text = format!("{role}: {trouble}");
        let mut latest = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.as_ref() != Some(&text) {
            tracing::warn!(role, %trouble, "a session with the broker ended and is built again");
            *latest = Some(text);
        }
    }

    /// Publishing is possible, or is not.
    fn publishes(&self, possible: bool) {
        if self.publishing.swap(possible, SeqCst) != possible && possible {
            self.dropping.store(false, SeqCst);
        }
    }

    /// Counts what listeners have to fetch from the feed, and says so once until the broker has been away again.
    fn drops(&self, messages: u64) {
        self.dropped.fetch_add(messages, Relaxed);
        if messages > 0 && !self.dropping.swap(true, SeqCst) {
            tracing::warn!("the broker does not take what is told, and old messages are dropped; listeners read the feeds instead");
        }
    }
}

impl RabbitBus {
    /// Begins; the broker need not be there yet. Must be called within the runtime.
    pub fn new(place: &RabbitPlace) -> Self {
        let (backlog, wanted, counters) = (Arc::new(Backlog::default()), Arc::new(Wanted::default()), Arc::new(Counters::default()));
        let publisher = publisher::Publisher::new(backlog.clone(), counters.clone());
        let consumer = consumer::Consumer::new(wanted.clone(), counters.clone());
        let tasks = [
            tokio::spawn(session::supervise(publisher, place.clone(), counters.clone())),
            tokio::spawn(session::supervise(consumer, place.clone(), counters.clone())),
            tokio::spawn(wanted::hints(wanted.clone(), counters.clone())),
        ];
        Self { backlog, wanted, counters, tasks }
    }
}

impl Bus for RabbitBus {
    fn publish(&self, _: Context, _: u16, batch: Batch) {
        self.counters.drops(self.backlog.push(batch));
    }

    fn listen(&self, listener: Context, sources: &[Context], partition: u16) -> Ears {
        wanted::listen(&self.wanted, listener, sources, partition)
    }

    fn health(&self) -> Health {
        let counters = &self.counters;
        Health {
            connected: counters.publishing.load(SeqCst) && self.wanted.reachable(),
            published: counters.published.load(Relaxed),
            confirmed: counters.confirmed.load(Relaxed),
            returned: counters.returned.load(Relaxed),
            nacked: counters.nacked.load(Relaxed),
            dropped: counters.dropped.load(Relaxed),
            consumed: counters.consumed.load(Relaxed),
            parked: counters.parked.load(Relaxed),
            sessions: counters.sessions.load(Relaxed),
            trouble: counters.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Drop for RabbitBus {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
