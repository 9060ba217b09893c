//! Live streams: hands each committed event to those who watch it, in the order of the journal.

use domain::watch::{Topic, topics};
use shared::Recorded;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::mpsc;

/// Events that may wait for one watcher. Whoever is slower is cut off and comes back with the last id that was seen, so
/// that a stalled screen costs no memory.
const WAITING: usize = 256;

/// All watchers.
#[derive(Default)]
pub struct Live {
    watchers: RwLock<HashMap<Topic, Vec<mpsc::Sender<Arc<Recorded>>>>>,
}

impl Live {
    /// Watches from now on. The stream ends when the watcher falls behind, or the server stops.
    pub fn watch(&self, topics: &[Topic]) -> mpsc::Receiver<Arc<Recorded>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut watchers = self.watchers.write().unwrap_or_else(PoisonError::into_inner);
        for topic in topics {
            let same = watchers.entry(*topic).or_default();
            same.retain(|watcher| !watcher.is_closed());
            same.push(sender.clone());
        }
        receiver
    }

    /// Tells everybody whom these events concern. Never waits.
    pub fn publish(&self, events: &[Arc<Recorded>]) {
        let mut left: Vec<Topic> = vec![];
        {
            let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
            if watchers.is_empty() {
                return;
            }
            for event in events {
                for topic in topics(&event.event) {
                    let Some(same) = watchers.get(&topic) else { continue };
                    let lost = same.iter().filter(|watcher| watcher.try_send(event.clone()).is_err()).count();
                    if lost > 0 {
                        left.push(topic);
                    }
                }
            }
        }
        if !left.is_empty() {
            self.forget(&left);
        }
    }

    /// Forgets watchers that went away or fell behind. A sender that was full is dropped with them: its receiver reads
    /// what it still holds, then sees the end.
    fn forget(&self, topics: &[Topic]) {
        let mut watchers = self.watchers.write().unwrap_or_else(PoisonError::into_inner);
        for topic in topics {
            if let Some(same) = watchers.get_mut(topic) {
                same.retain(|watcher| !watcher.is_closed() && watcher.capacity() > 0);
                if same.is_empty() {
                    watchers.remove(topic);
                }
            }
        }
    }

    /// How many watch, each counted once for each topic.
    pub fn watchers(&self) -> usize {
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        watchers.values().flatten().filter(|watcher| !watcher.is_closed()).count()
    }

    /// Ends every stream.
    pub fn stop(&self) {
        self.watchers.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
