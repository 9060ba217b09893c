//! A context's steward: runs the subscriptions of those partitions that this replica looks after, and hands them over
//! when its share changes.

use super::{
    committer::{Progress, Work},
    feeds::Feeds,
    listener::Listener,
};
use crate::{
    bus::{Bus, Ears},
    journal::Share,
};
use shared::Context;
use std::{
    collections::HashMap,
    sync::{Arc, mpsc::SyncSender},
};
use tokio::{sync::watch, task::JoinSet};

/// What subscriptions need.
pub struct Steward {
    pub context: Context,
    pub share: watch::Receiver<Share>,
    pub progress: watch::Receiver<Progress>,
    pub feeds: Feeds,
    pub bus: Arc<dyn Bus>,
    pub inbox: SyncSender<Work>,
}

impl Steward {
    /// Follows the share until the context stops.
    pub async fn run(mut self) {
        let mut running: HashMap<u16, (JoinSet<()>, Ears)> = HashMap::new();
        loop {
            let partitions = self.share.borrow_and_update().partitions.clone();
            // A subscription that is cut off in the middle has either moved its cursor, or has had no effect.
            running.retain(|partition, _| partitions.contains(partition));
            for partition in partitions {
                running.entry(partition).or_insert_with(|| self.subscribe(partition));
            }
            if self.share.changed().await.is_err() {
                return;
            }
        }
    }

    /// Subscribes to a partition of each source. Dropping the set and the ears ends all of them.
    fn subscribe(&self, partition: u16) -> (JoinSet<()>, Ears) {
        let sources = domain::sources(self.context);
        let mut subscriptions = JoinSet::new();
        let mut ears = self.bus.listen(self.context, &sources, partition);
        for source in sources {
            let Some(batches) = ears.take(source) else { continue };
            let cursor = self.progress.borrow().cursors.get(&(source, partition)).copied().unwrap_or(0);
            let (feeds, inbox) = (self.feeds.clone(), self.inbox.clone());
            subscriptions.spawn(Listener { source, partition, cursor, feeds, batches, inbox }.run());
        }
        (subscriptions, ears)
    }
}
