//! What every bus promises, over each of them; and what the one at a broker does when the broker does not do its part.
//!
//! Brokers are heavy: the tests that start one take turns.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod contract;
mod follow;
mod outage;
mod parked;
mod proxy;
#[path = "../../../shared/tests/samples/mod.rs"]
mod samples;
mod speed;
mod topology;
#[path = "../venv/mod.rs"]
mod venv;

use examples::servers::rabbitmq::RabbitMq;
use server::bus::{self, Batch, Bus, Ears, Place};
use shared::{Context, Recorded};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, MutexGuard, broadcast::Receiver},
    time::{sleep, timeout},
};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// What publishing may take: nobody waits for a broker.
const AT_ONCE: Duration = Duration::from_millis(100);
const PARTITIONS: u16 = 8;

static TURN: Mutex<()> = Mutex::const_new(());

/// A broker of one's own, and a turn to use it.
struct Alone {
    broker: RabbitMq,
    _dir: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Alone {
    async fn start() -> Self {
        let turn = TURN.lock().await;
        let dir = tempfile::tempdir().unwrap();
        Self { broker: RabbitMq::start(dir.path()).unwrap(), _dir: dir, _turn: turn }
    }

    /// A bus as another process would have it, connected.
    async fn bus(&self) -> Arc<dyn Bus> {
        let bus = bus::open(&Place::parse(&self.broker.url()).unwrap(), PARTITIONS).unwrap();
        connected(&*bus).await;
        bus
    }
}

async fn connected(bus: &dyn Bus) {
    until("the bus is connected", || bus.health().connected).await;
}

/// Looks again and again until it is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Events of one partition of the rider context, from `first`.
fn batch(partition: u16, first: u64, count: u64) -> Batch {
    let event = |seq: u64| -> Arc<Recorded> {
        let event = serde_json::json!({
            "position": { "context": "rider", "partition": partition, "seq": seq }, "stream": "r-1", "version": seq,
            "at_ms": 1_700_000_000_000_i64,
            "event": { "rider": { "type": "took", "rider": "rid_aaaaaaaaaaaaaaaa", "order": "ord_bbbbbbbbbbbbbbbb", "at_ms": 1 } },
        });
        Arc::new(serde_json::from_value(event).unwrap())
    };
    (first..first + count).map(event).collect()
}

/// Publishes single events, at once.
fn tell(bus: &dyn Bus, partition: u16, numbers: std::ops::RangeInclusive<u64>) {
    let batches: Vec<_> = numbers.map(|seq| batch(partition, seq, 1)).collect();
    let began = Instant::now();
    batches.into_iter().for_each(|batch| bus.publish(Context::Rider, partition, batch));
    assert!(began.elapsed() < AT_ONCE, "publishing waited for {:?}", began.elapsed());
}

/// Somebody who takes a queue up, with what waits in it. The bus must be connected.
async fn take_up(bus: &dyn Bus, listener: Context, partition: u16) -> (Receiver<Batch>, Ears) {
    let mut ears = bus.listen(listener, &[Context::Rider], partition);
    let channel = ears.take(Context::Rider).unwrap();
    connected(bus).await;
    (channel, ears)
}

/// Somebody who listens to riders, and hears from now on.
async fn listen(bus: &dyn Bus, listener: Context, partition: u16) -> (Receiver<Batch>, Ears) {
    let (mut channel, ears) = take_up(bus, listener, partition).await;
    while let Ok(batch) = channel.try_recv() {
        assert!(batch.is_empty(), "not a hint: {batch:?}");
    }
    (channel, ears)
}

async fn hint(channel: &mut Receiver<Batch>) {
    let batch = timeout(PATIENCE, channel.recv()).await.expect("no hint came").unwrap();
    assert!(batch.is_empty(), "not a hint: {batch:?}");
}

/// The numbers that are heard until `last` is, and the hints before it.
async fn hear(channel: &mut Receiver<Batch>, last: u64) -> (Vec<u64>, usize) {
    let (mut heard, mut hints) = (vec![], 0);
    let listening = async {
        while heard.last() != Some(&last) {
            let batch = channel.recv().await.unwrap();
            hints += usize::from(batch.is_empty());
            heard.extend(batch.iter().map(|event| event.position.seq));
        }
    };
    let in_time = timeout(PATIENCE, listening).await;
    assert!(in_time.is_ok(), "{last} was not heard, but {heard:?} and {hints} hints");
    (heard, hints)
}
