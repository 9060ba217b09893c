//! Who listens in this process, and the hints that they get.

use super::{Counters, backlog::Source};
use crate::bus::{BACKLOG, Batch, Ears};
use shared::Context;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, broadcast},
    time::interval,
};

/// Between hints while the broker cannot be reached: how stale listeners may become then.
const HINT_EVERY: Duration = Duration::from_millis(250);

/// A listening context, and which part of its sources it hears. They name a queue.
pub type Key = (Context, u16);

/// One listener's wish.
struct Listening {
    key: Key,
    channels: HashMap<Context, broadcast::Sender<Batch>>,
}

impl Listening {
    fn hint(&self) {
        // Nobody there is nobody who misses anything.
        self.channels.values().for_each(|channel| drop(channel.send(Arc::from([]))));
    }
}

/// Who listens, and whether the broker answers.
#[derive(Default)]
pub struct Wanted {
    listening: Mutex<Everybody>,
    /// Somebody began to listen, or ended.
    pub changed: Notify,
    reachable: AtomicBool,
}

#[derive(Default)]
struct Everybody {
    next: u64,
    all: BTreeMap<u64, Listening>,
    /// The queues that are consumed, and the sources that reach each.
    consumed: BTreeMap<u64, (Key, BTreeSet<Context>)>,
}

impl Everybody {
    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn queues(&self) -> BTreeMap<Key, BTreeSet<Context>> {
        let mut queues: BTreeMap<Key, BTreeSet<Context>> = BTreeMap::new();
        for listening in self.all.values() {
            queues.entry(listening.key).or_default().extend(listening.channels.keys());
        }
        queues
    }

    /// The queues that are wanted and not consumed.
    fn deaf(&self) -> Vec<Key> {
        let consumed: BTreeSet<_> = self.consumed.values().collect();
        self.queues().into_iter().filter(|queue| !consumed.contains(queue)).map(|(key, _)| key).collect()
    }
}

impl Wanted {
    /// The queues that are wanted, and the sources of each. Listeners that share a queue share what comes.
    pub fn queues(&self) -> BTreeMap<Key, BTreeSet<Context>> {
        self.locked().queues()
    }

    /// Brings a batch to everybody who shares the queue. False if there is nobody any more: then it is left to others.
    pub fn deliver(&self, key: Key, (source, _): Source, batch: &Batch) -> bool {
        let mut heard = false;
        for listening in self.locked().all.values().filter(|listening| listening.key == key) {
            heard = true;
            if let Some(channel) = listening.channels.get(&source) {
                let _ = channel.send(batch.clone());
            }
        }
        heard
    }

    /// The queue is consumed until the answer is dropped. What was told before is in the feed, so everybody who shares the
    /// queue is told to look there.
    pub fn hears(self: &Arc<Self>, key: Key, sources: BTreeSet<Context>) -> Hearing {
        let mut everybody = self.locked();
        everybody.all.values().filter(|listening| listening.key == key).for_each(Listening::hint);
        let id = everybody.id();
        everybody.consumed.insert(id, (key, sources));
        Hearing(self.clone(), id)
    }

    /// Whether the broker answered lately, and everybody who listens hears.
    pub fn reachable(&self) -> bool {
        self.reachable.load(SeqCst) && self.locked().deaf().is_empty()
    }

    /// It does, or it does not.
    pub fn reached(&self, answers: bool) {
        self.reachable.store(answers, SeqCst);
    }

    fn locked(&self) -> MutexGuard<'_, Everybody> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue is consumed for as long as this lives.
pub struct Hearing(Arc<Wanted>, u64);

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.locked().consumed.remove(&self.1);
    }
}

/// Ends the listening when the ears are dropped.
struct Hold(Arc<Wanted>, u64);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.locked().all.remove(&self.1);
        self.0.changed.notify_one();
    }
}

/// Begins to listen. A hint comes at once, and another one when the queue is there.
pub fn listen(wanted: &Arc<Wanted>, listener: Context, sources: &[Context], partition: u16) -> Ears {
    let channels: HashMap<_, _> = sources.iter().map(|source| (*source, broadcast::channel(BACKLOG).0)).collect();
    let receivers = channels.iter().map(|(source, channel)| (*source, channel.subscribe())).collect();
    let listening = Listening { key: (listener, partition), channels };
    listening.hint();
    let mut everybody = wanted.locked();
    let id = everybody.id();
    everybody.all.insert(id, listening);
    drop(everybody);
    wanted.changed.notify_one();
    Ears::new(receivers, Some(Box::new(Hold(wanted.clone(), id))))
}

/// Tells listeners to look at the feed: everybody while the broker is away or takes nothing from anybody, and otherwise
/// those whose queue is not consumed.
pub async fn hints(wanted: Arc<Wanted>, counters: Arc<Counters>) {
    let mut ticks = interval(HINT_EVERY);
    loop {
        ticks.tick().await;
        let away = !wanted.reachable.load(SeqCst) || !counters.publishing.load(SeqCst);
        let everybody = wanted.locked();
        let deaf = everybody.deaf();
        everybody.all.values().filter(|listening| away || deaf.contains(&listening.key)).for_each(Listening::hint);
    }
}
