//! What waits for the session that publishes.

use crate::bus::Batch;
use shared::Context;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Events that wait while the broker is away: seconds of a busy evening. Older ones come from the feed.
pub const MAX_EVENTS: usize = 16_384;

/// Whose journal, and which part of it.
pub type Source = (Context, u16);

/// Whose events these are. Nobody's, if there are none.
pub fn source(batch: &Batch) -> Option<Source> {
    batch.first().map(|event| (event.position.context, event.position.partition))
}

/// Batches that wait for the session.
#[derive(Default)]
pub struct Backlog {
    waiting: Mutex<Waiting>,
    /// Something came.
    pub came: Notify,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    events: usize,
}

impl Backlog {
    /// Adds a batch; says how many old ones had to go.
    pub fn push(&self, batch: Batch) -> u64 {
        let mut waiting = self.locked();
        waiting.events += batch.len();
        waiting.batches.push_back(batch);
        let dropped = if waiting.events > MAX_EVENTS { waiting.thin_out() } else { 0 };
        drop(waiting);
        self.came.notify_one();
        dropped
    }

    /// The oldest.
    pub fn pop(&self) -> Option<Batch> {
        let mut waiting = self.locked();
        let batch = waiting.batches.pop_front()?;
        waiting.events -= batch.len();
        Some(batch)
    }

    fn locked(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Drops the older half. The newest batch of every source stays, because it tells its listeners that they have missed
    /// something: a loss that nothing follows is seen much later.
    fn thin_out(&mut self) -> u64 {
        let newest: HashMap<Option<Source>, usize> = self.batches.iter().enumerate().map(|(at, batch)| (source(batch), at)).collect();
        let (before, mut at, mut events) = (self.batches.len(), 0, self.events);
        self.batches.retain(|batch| {
            let keep = events <= MAX_EVENTS / 2 || newest[&source(batch)] == at;
            at += 1;
            if !keep {
                events -= batch.len();
            }
            keep
        });
        self.events = events;
        (before - self.batches.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::rabbitmq::message::tests::batch;

    #[test]
    fn too_many_go_but_never_the_newest_of_a_source() {
        let backlog = Backlog::default();
        assert_eq!(backlog.push(batch(3, 1, 1)), 0);
        let dropped: u64 = (1..=MAX_EVENTS as u64).map(|seq| backlog.push(batch(0, seq, 1))).sum();
        let left: Vec<_> = std::iter::from_fn(|| backlog.pop()).map(|batch| batch[0].position).collect();
        assert_eq!(dropped as usize + left.len(), MAX_EVENTS + 1);
        assert_eq!((left[0].partition, left[0].seq), (3, 1), "the only one of its source was dropped");
        let last = left[1..].iter().map(|position| position.seq).collect::<Vec<_>>();
        let first = MAX_EVENTS as u64 + 1 - last.len() as u64;
        assert_eq!(last, (first..=MAX_EVENTS as u64).collect::<Vec<_>>(), "the newer ones stay, in order");
        assert!(last.len() >= MAX_EVENTS / 2 - 1);
        assert_eq!(backlog.locked().events, 0);
    }
}
