//! The bus port: how contexts hear of each other's commits. It is a fast path and never the truth: what it loses,
//! a subscription fetches from the source's journal.

pub mod local;

use shared::{Context, Recorded};
use std::sync::Arc;

/// The events of one commit in one partition, in order.
pub type Batch = Arc<[Arc<Recorded>]>;

/// Commits waiting for a listener. One that falls farther behind reads the journal instead, which costs no memory.
pub const BACKLOG: usize = 1024;

/// Something that carries batches from a source to its listeners.
pub trait Bus: Send + Sync {
    /// Tells everybody who listens. Never waits.
    fn publish(&self, source: Context, partition: u16, batch: Batch);

    /// Listens from now on.
    fn listen(&self, source: Context, partition: u16) -> tokio::sync::broadcast::Receiver<Batch>;
}
