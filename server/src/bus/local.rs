//! The bus within one process: a channel per source and partition.

use super::{BACKLOG, Batch, Bus, Ears, Health};
use shared::Context;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::sync::broadcast;

/// Channels in memory.
pub struct LocalBus {
    channels: HashMap<(Context, u16), broadcast::Sender<Batch>>,
    published: AtomicU64,
}

impl LocalBus {
    /// Channels for every partition of every context.
    pub fn new(partitions: u16) -> Self {
        let sources = Context::ALL.into_iter().flat_map(|context| (0..partitions).map(move |partition| (context, partition)));
        Self { channels: sources.map(|source| (source, broadcast::channel(BACKLOG).0)).collect(), published: AtomicU64::new(0) }
    }

    /// Hears a partition of a source from now on.
    pub fn subscribe(&self, source: Context, partition: u16) -> broadcast::Receiver<Batch> {
        self.channels[&(source, partition)].subscribe()
    }
}

impl Bus for LocalBus {
    fn publish(&self, source: Context, partition: u16, batch: Batch) {
        self.published.fetch_add(1, Relaxed);
        // An error means that nobody listens, and then nobody misses anything.
        let _ = self.channels[&(source, partition)].send(batch);
    }

    fn listen(&self, _: Context, sources: &[Context], partition: u16) -> Ears {
        let channels = sources.iter().map(|source| (*source, self.subscribe(*source, partition)));
        Ears::new(channels.collect(), None)
    }

    fn health(&self) -> Health {
        let carried = self.published.load(Relaxed);
        Health { connected: true, published: carried, confirmed: carried, consumed: carried, sessions: 1, ..Health::default() }
    }
}
