//! The bus within one process: a channel per source and partition.

use super::{BACKLOG, Batch, Bus};
use shared::Context;
use std::collections::HashMap;
use tokio::sync::broadcast;

/// Channels in memory.
pub struct LocalBus {
    channels: HashMap<(Context, u16), broadcast::Sender<Batch>>,
}

impl LocalBus {
    /// Channels for every partition of every context.
    pub fn new(partitions: u16) -> Self {
        let sources = Context::ALL.into_iter().flat_map(|context| (0..partitions).map(move |partition| (context, partition)));
        Self { channels: sources.map(|source| (source, broadcast::channel(BACKLOG).0)).collect() }
    }
}

impl Bus for LocalBus {
    fn publish(&self, source: Context, partition: u16, batch: Batch) {
        // An error means that nobody listens, and then nobody misses anything.
        let _ = self.channels[&(source, partition)].send(batch);
    }

    fn listen(&self, source: Context, partition: u16) -> broadcast::Receiver<Batch> {
        self.channels[&(source, partition)].subscribe()
    }
}
