//! Feeds: where a subscription fetches what the bus did not bring. The journal of a context in this process is read
//! directly, that of another service is asked over HTTP.

use crate::{
    journal::{Fault, Reader},
    service::Peers,
};
use futures_util::future::BoxFuture;
use shared::{Context, Recorded};
use std::{collections::HashMap, sync::Arc};

/// Journals to be read.
#[derive(Clone)]
pub struct Feeds {
    here: HashMap<Context, Arc<dyn Reader>>,
    elsewhere: Arc<Peers>,
}

impl Feeds {
    /// These journals are here; all others are with their services.
    pub fn new(here: HashMap<Context, Arc<dyn Reader>>, elsewhere: Arc<Peers>) -> Self {
        Self { here, elsewhere }
    }

    /// Events of a context's partition after a position, at most about `limit`.
    ///
    /// # Errors
    /// A fault of the database, or of the service that has it.
    pub fn read(&self, source: Context, partition: u16, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, Fault>> {
        match self.here.get(&source) {
            Some(reader) => {
                let events = reader.feed(partition, after, limit);
                Box::pin(std::future::ready(events))
            }
            None => Box::pin(self.elsewhere.feed(source, partition, after, limit)),
        }
    }

    /// Where the journal of a context of another service stands.
    ///
    /// # Errors
    /// A fault of the service that has it.
    pub async fn heads(&self, source: Context) -> Result<Vec<u64>, Fault> {
        self.elsewhere.heads(source).await
    }
}
