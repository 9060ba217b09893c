//! The session that consumes: a channel for each queue, and a consumer only for as long as somebody listens.
//!
//! A message is acknowledged when it has been handed over: the durable cursor and the feed are the truth.

use super::{
    Counters, message,
    session::{Role, Trouble, WATCH, within},
    topology,
    wanted::{Key, Wanted},
};
use futures_util::StreamExt;
use lapin::{
    Channel, Connection, ExchangeKind,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, ExchangeDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use shared::Context;
use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Messages on their way to one listener: half of what its channel holds, and enough that the broker never waits for acks.
pub const PREFETCH: u16 = 512;
/// Messages that share an acknowledgement, and how long the first of them waits for it.
const ACK_EVERY: u32 = 32;
const ACK_WITHIN: Duration = Duration::from_millis(5);
/// An answer that takes longer is missing.
const SLOW: Duration = Duration::from_millis(500);

/// How long the broker may take to delete it: it first tries for some seconds to ask the queue itself.
const DELETE_DEADLINE: Duration = Duration::from_secs(20);

/// Queues that could not be consumed in the session before, and are made anew. A broker that dies just when it makes a
/// quorum queue can come back with one that has no leader and answers nothing for ever (seen with RabbitMQ 3.10). What
/// such a queue holds is in the feed, and so is what a healthy one held that was only slow.
type Stuck = Arc<Mutex<HashSet<Key>>>;

/// The role.
pub struct Consumer {
    wanted: Arc<Wanted>,
    counters: Arc<Counters>,
    stuck: Stuck,
}

/// The queues that are consumed, with their sources.
type Running = HashMap<Key, (BTreeSet<Context>, CancellationToken)>;

impl Consumer {
    /// Consumes for whoever is wanted.
    pub fn new(wanted: Arc<Wanted>, counters: Arc<Counters>) -> Self {
        Self { wanted, counters, stuck: Stuck::default() }
    }

    async fn work(&self, connection: &Connection) -> Result<Infallible, Trouble> {
        let control = within("a channel", connection.create_channel()).await?;
        topology::declare(&control, &topology::common()).await?;
        self.wanted.reached(true);
        // Beside each other: beginning to consume may take long just when the broker does not answer.
        tokio::select! {
            ended = self.follow(connection) => ended,
            ended = self.watch(&control) => ended,
        }
    }

    /// Begins and ends consumers, so that they are those that are wanted.
    async fn follow(&self, connection: &Connection) -> Result<Infallible, Trouble> {
        let (mut queues, mut running) = (JoinSet::new(), Running::new());
        loop {
            let wanted = self.wanted.queues();
            running.retain(|key, (sources, stop)| {
                let keep = wanted.get(key) == Some(sources);
                if !keep {
                    stop.cancel();
                }
                keep
            });
            for (key, sources) in wanted {
                let Entry::Vacant(free) = running.entry(key) else { continue };
                let channel = within("a channel", connection.create_channel()).await?;
                let stop = CancellationToken::new();
                free.insert((sources.clone(), stop.clone()));
                let queue = Queue {
                    channel,
                    key,
                    sources,
                    wanted: self.wanted.clone(),
                    counters: self.counters.clone(),
                    stuck: self.stuck.clone(),
                    stop,
                };
                queues.spawn(queue.consume());
            }
            tokio::select! {
                () = self.wanted.changed.notified() => {}
                Some(ended) = queues.join_next() => ended.map_err(over)??,
            }
        }
    }

    /// Sees to it that listeners need not wait for the deadline: they are told to look for themselves when the broker is slow.
    async fn watch(&self, control: &Channel) -> Result<Infallible, Trouble> {
        let mut ticks = interval(WATCH);
        loop {
            ticks.tick().await;
            let mut answer = std::pin::pin!(ping(control));
            if let Ok(in_time) = timeout(SLOW, &mut answer).await {
                in_time?;
                continue;
            }
            self.wanted.reached(false);
            answer.await?;
            self.wanted.reached(true);
        }
    }
}

/// Why a task is no more: a process that ends takes its tasks with it, and that is no bug.
fn over(ended: JoinError) -> Trouble {
    if ended.is_panic() { Trouble::Bug("a consumer panicked") } else { Trouble::Ended("this process") }
}

/// A round trip.
async fn ping(channel: &Channel) -> Result<(), Trouble> {
    let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let ask = channel.exchange_declare(topology::EVENTS.into(), ExchangeKind::Topic, options, FieldTable::default());
    within("an answer", ask).await
}

impl Role for Consumer {
    const NAME: &'static str = "consume";

    async fn run(&mut self, connection: &Connection) -> Result<Infallible, Trouble> {
        let ended = self.work(connection).await;
        self.wanted.reached(false);
        ended
    }
}

/// One queue, on a channel of its own.
struct Queue {
    channel: Channel,
    key: Key,
    sources: BTreeSet<Context>,
    wanted: Arc<Wanted>,
    counters: Arc<Counters>,
    stuck: Stuck,
    stop: CancellationToken,
}

/// The latest delivery, how many wait with it for their acknowledgement, and until when.
type Unsettled = Option<(Delivery, u32, Instant)>;

impl Queue {
    async fn consume(self) -> Result<(), Trouble> {
        let Self { channel, key, .. } = &self;
        let sources: Vec<_> = self.sources.iter().copied().collect();
        within("the prefetch", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        self.unstick().await?;
        // Noted beforehand: a session that ends meanwhile takes this task with it.
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).insert(*key);
        topology::declare(channel, &topology::ears(key.0, &sources, key.1)).await?;
        let queue = topology::queue(key.0, key.1);
        let consuming = channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
        let mut deliveries = within("consuming", consuming).await?;
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        let _hearing = self.wanted.hears(*key, self.sources.clone());
        let mut unsettled: Unsettled = None;
        loop {
            let due = unsettled.as_ref().map_or_else(Instant::now, |(_, _, due)| *due);
            tokio::select! {
                () = self.stop.cancelled() => {
                    settle(&mut unsettled).await?;
                    return within("closing", channel.close(200, "nobody listens any more".into())).await;
                }
                () = sleep_until(due), if unsettled.is_some() => settle(&mut unsettled).await?,
                delivery = deliveries.next() => {
                    let delivery = delivery.ok_or(Trouble::Ended("a consumer"))??;
                    let Some(delivery) = self.hand_over(delivery).await? else { continue };
                    let (count, due) = unsettled.as_ref().map_or((1, Instant::now() + ACK_WITHIN), |(_, count, due)| (count + 1, *due));
                    unsettled = Some((delivery, count, due));
                    if count >= ACK_EVERY {
                        settle(&mut unsettled).await?;
                    }
                }
            }
        }
    }

    /// Deletes the queue if it could not be consumed the last time.
    async fn unstick(&self) -> Result<(), Trouble> {
        if !self.stuck.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.key) {
            return Ok(());
        }
        let queue = topology::queue(self.key.0, self.key.1);
        tracing::warn!(queue, "a queue answers nothing, and is made anew; what it held is in the feed");
        let deleting = self.channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        timeout(DELETE_DEADLINE, deleting).await.map_err(|_| Trouble::Late("deleting a queue"))??;
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        Ok(())
    }

    /// Gives the delivery back when it is to be acknowledged. One that nobody heard goes back to its queue when the channel
    /// is closed.
    async fn hand_over(&self, delivery: Delivery) -> Result<Option<Delivery>, Trouble> {
        let key = delivery.routing_key.as_str();
        match message::decode(key, &delivery.properties, &delivery.data) {
            Ok((source, batch)) => {
                let heard = self.wanted.deliver(self.key, source, &batch);
                self.counters.consumed.fetch_add(u64::from(heard), Relaxed);
                Ok(heard.then_some(delivery))
            }
            Err(reason) => {
                if self.counters.parked.fetch_add(1, Relaxed) == 0 {
                    tracing::error!(key, reason, "a message cannot be read and is parked; further ones are only counted");
                }
                within("a rejection", delivery.reject(BasicRejectOptions { requeue: false })).await?;
                Ok(None)
            }
        }
    }
}

/// Acknowledges everything up to the latest.
async fn settle(unsettled: &mut Unsettled) -> Result<(), Trouble> {
    if let Some((delivery, _, _)) = unsettled.take() {
        within("an acknowledgement", delivery.ack(BasicAckOptions { multiple: true })).await?;
    }
    Ok(())
}
