//! The bus port: how contexts hear of each other's commits. It is a fast path and never the truth: what it loses,
//! a subscription fetches from the source's journal.

pub mod local;
pub mod named;
mod place;
pub mod rabbitmq;

pub use place::{BadPlace, Place, RabbitPlace};
use shared::{Context, Recorded};
use std::{any::Any, collections::HashMap, fmt, sync::Arc};
use tokio::sync::broadcast;

/// Contiguous events of one partition, in order. An empty batch is a hint: something may have been missed, so look at
/// the feed.
pub type Batch = Arc<[Arc<Recorded>]>;

/// Commits waiting for a listener. One that falls farther behind reads the journal instead, which costs no memory.
pub const BACKLOG: usize = 1024;

/// Something that carries batches from a source to its listeners.
pub trait Bus: Send + Sync {
    /// Tells everybody who listens. Never waits and never fails: what cannot be carried is counted, and healed from the
    /// feed.
    fn publish(&self, source: Context, partition: u16, batch: Batch);

    /// Listens for a context to one partition of its sources, until the ears are dropped. Within one process everybody who
    /// listens hears everything; of the processes that listen for the same context to the same partition, one hears it.
    fn listen(&self, listener: Context, sources: &[Context], partition: u16) -> Ears;

    /// How it goes.
    fn health(&self) -> Health;
}

/// What one listener hears of one partition of its sources. While it lives the bus listens.
pub struct Ears {
    channels: HashMap<Context, broadcast::Receiver<Batch>>,
    /// Dropped with the ears, and tells the bus so.
    _hold: Option<Box<dyn Any + Send + Sync>>,
}

impl Ears {
    /// Ears over these channels; `hold` is dropped with them.
    pub fn new(channels: HashMap<Context, broadcast::Receiver<Batch>>, hold: Option<Box<dyn Any + Send + Sync>>) -> Self {
        Self { channels, _hold: hold }
    }

    /// The channel of a source, once. Its batches come for as long as these ears live. A receiver that lagged reads the
    /// feed.
    pub fn take(&mut self, source: Context) -> Option<broadcast::Receiver<Batch>> {
        self.channels.remove(&source)
    }
}

/// How a bus goes. The numbers count messages since the process began.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Health {
    /// Whether what is published now can be carried.
    pub connected: bool,
    /// Handed to the carrier, second attempts included.
    pub published: u64,
    /// Taken over by the carrier.
    pub confirmed: u64,
    /// Taken over, but nobody has ever listened.
    pub returned: u64,
    /// Refused by the carrier, because a listener that is away has too many waiting.
    pub nacked: u64,
    /// Given up: too many were waiting, or it was refused and newer ones tell of it.
    pub dropped: u64,
    /// Brought to listeners.
    pub consumed: u64,
    /// Not understood, and put aside with their reason.
    pub parked: u64,
    /// How often a session with the carrier was built.
    pub sessions: u64,
    /// The latest failure, without secrets.
    pub trouble: Option<String>,
}

/// A bus that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the bus cannot be opened: {0}")]
pub struct NotOpened(pub String);

/// Opens the bus at this place for a number of partitions. A broker need not be there: it is awaited.
///
/// # Errors
/// The place cannot be used as it is written.
pub fn open(place: &Place, partitions: u16) -> Result<Arc<dyn Bus>, NotOpened> {
    match place {
        Place::Local => Ok(Arc::new(local::LocalBus::new(partitions))),
        Place::Rabbit(place) => Ok(Arc::new(rabbitmq::RabbitBus::new(place))),
    }
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.channels.keys()).finish()
    }
}
