//! The session that publishes: confirms are pipelined, and what is not confirmed is sent again in order.

use super::{
    Counters,
    backlog::{Backlog, Source, source},
    message::{self, Message},
    session::{DEADLINE, Role, Trouble, WATCH, within},
    topology,
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream::FuturesUnordered,
};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use shared::Context;
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::Duration,
};
use tokio::time::{Instant, interval, sleep_until};

/// Messages that wait for their confirm at once: a broker confirms many with one flush, and more gain nothing.
const WINDOW: usize = 256;
/// Between attempts with the newest message of a source that the broker refused, because the queue of a listener that is
/// away is full. Older ones are given up at once: they must not hold up everybody else, and the newest tells of them.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a broker that is short of memory or disk is waited for before the session is built anew.
const MAX_BLOCKED: Duration = Duration::from_secs(60);

/// A message until its confirm.
struct Pending {
    source: Source,
    message: Arc<Message>,
    sent: Option<Instant>,
}

/// The number of a message, or none for a probe, and what became of it.
type Settled = (Option<u64>, lapin::Result<Confirmation>);
type Confirms = FuturesUnordered<BoxFuture<'static, Settled>>;

/// The role.
pub struct Publisher {
    backlog: Arc<Backlog>,
    counters: Arc<Counters>,
    /// By number, which is the order.
    pending: BTreeMap<u64, Pending>,
    next: u64,
    /// The newest confirmed message of each source.
    confirmed: HashMap<Source, u64>,
    /// The newest refused one of each, if no newer one was confirmed, and when they are tried again.
    refused: HashMap<Source, (u64, Pending)>,
    again: Option<Instant>,
    /// Since when a probe has been waiting for its confirm.
    probed: Option<Instant>,
    /// Since when the broker takes nothing.
    blocked: Option<Instant>,
    /// Contexts that one of our own listens to. Nobody has to hear the others, and the broker would send each of their
    /// messages back whole.
    heard: Vec<Context>,
}

impl Publisher {
    /// Publishes what comes into this backlog.
    pub fn new(backlog: Arc<Backlog>, counters: Arc<Counters>) -> Self {
        let (pending, confirmed, refused) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        let heard = Context::ALL.iter().flat_map(|context| domain::sources(*context)).collect();
        Self { backlog, counters, pending, next: 0, confirmed, refused, again: None, probed: None, blocked: None, heard }
    }

    async fn work(&mut self, connection: &Connection) -> Result<Infallible, Trouble> {
        let channel = within("a channel", connection.create_channel()).await?;
        within("confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        topology::declare(&channel, &topology::common()).await?;
        self.pending.values_mut().for_each(|pending| pending.sent = None);
        (self.probed, self.blocked) = (None, None);
        self.counters.publishes(true);
        let mut confirms = Confirms::new();
        let mut watch = interval(WATCH);
        let backlog = self.backlog.clone();
        loop {
            self.fill(&channel, &mut confirms)?;
            let again = self.again.unwrap_or_else(Instant::now);
            tokio::select! {
                Some((number, confirmation)) = confirms.next() => self.settle(number, confirmation?)?,
                () = backlog.came.notified(), if self.pending.len() < WINDOW => {}
                () = sleep_until(again), if self.again.is_some() => self.try_again(),
                _ = watch.tick() => self.look(connection, &channel, &mut confirms)?,
            }
        }
    }

    /// Sends what may be sent, in order. Never waits: a broker that takes nothing is seen when one looks.
    fn fill(&mut self, channel: &Channel, confirms: &mut Confirms) -> Result<(), Trouble> {
        while self.pending.len() < WINDOW {
            let Some(batch) = self.backlog.pop() else { break };
            let Some(source) = source(&batch) else { continue };
            let Ok(messages) = message::encode(&batch) else { return Err(Trouble::Bug("an event is no JSON")) };
            for message in messages {
                self.pending.insert(self.next, Pending { source, message: Arc::new(message), sent: None });
                self.next += 1;
            }
        }
        for (&number, pending) in self.pending.iter_mut().filter(|(_, pending)| pending.sent.is_none()) {
            pending.sent = Some(Instant::now());
            self.counters.published.fetch_add(1, Relaxed);
            let (channel, message) = (channel.clone(), pending.message.clone());
            let mandatory = self.heard.contains(&pending.source.0);
            let confirm = async move {
                let options = BasicPublishOptions { mandatory, ..Default::default() };
                let Message { key, properties, body, .. } = &*message;
                channel.basic_publish(topology::EVENTS.into(), key.as_str().into(), options, body, properties.clone()).await?.await
            };
            queue(Some(number), confirm, confirms);
        }
        Ok(())
    }

    fn settle(&mut self, number: Option<u64>, confirmation: Confirmation) -> Result<(), Trouble> {
        let (acked, returned) = match confirmation {
            Confirmation::Ack(returned) => (true, returned),
            Confirmation::Nack(returned) => (false, returned),
            Confirmation::NotRequested => return Err(Trouble::Bug("confirms were not asked for")),
        };
        if let Some(returned) = returned {
            // It comes with whichever confirm is next, so only its own id says which message it is.
            let id = returned.delivery.properties.message_id().as_ref().map_or("", |id| id.as_str());
            tracing::debug!(id, key = %returned.delivery.routing_key, "nobody has ever listened");
            self.counters.returned.fetch_add(1, Relaxed);
        }
        let Some(number) = number else {
            self.probed = None;
            return Ok(());
        };
        let Some(pending) = self.pending.remove(&number) else { return Ok(()) };
        if acked {
            self.counters.confirmed.fetch_add(1, Relaxed);
            let newest = self.confirmed.entry(pending.source).or_insert(number);
            *newest = number.max(*newest);
            if self.refused.get(&pending.source).is_some_and(|(older, _)| *older < number) {
                self.refused.remove(&pending.source);
                self.counters.drops(1);
            }
        } else {
            self.counters.nacked.fetch_add(1, Relaxed);
            self.refuse(number, pending);
        }
        Ok(())
    }

    /// Keeps what was refused, if it is the newest of its source.
    fn refuse(&mut self, number: u64, pending: Pending) {
        let source = pending.source;
        let newest = self.confirmed.get(&source).is_none_or(|newer| *newer < number)
            && self.refused.get(&source).is_none_or(|(newer, _)| *newer < number);
        let given_up = if newest { self.refused.insert(source, (number, pending)).is_some() } else { true };
        self.counters.drops(u64::from(given_up));
        self.again = self.again.or_else(|| Some(Instant::now() + AGAIN));
    }

    fn try_again(&mut self) {
        self.again = None;
        for (_, (number, pending)) in self.refused.drain() {
            self.pending.insert(number, Pending { sent: None, ..pending });
        }
    }

    /// Whether the broker still takes something.
    fn look(&mut self, connection: &Connection, channel: &Channel, confirms: &mut Confirms) -> Result<(), Trouble> {
        if !connection.status().connected() {
            return Err(Trouble::Ended("the connection"));
        }
        let now = Instant::now();
        if connection.status().blocked() {
            if self.blocked.is_none() {
                tracing::warn!("the broker is short of memory or disk and takes nothing; listeners read the feeds meanwhile");
            }
            self.counters.publishes(false);
            // It is not late before it goes on.
            self.pending.values_mut().for_each(|pending| pending.sent = pending.sent.map(|_| now));
            self.probed = self.probed.map(|_| now);
            let since = *self.blocked.get_or_insert(now);
            return if now - since > MAX_BLOCKED { Err(Trouble::Late("a blocked connection")) } else { Ok(()) };
        }
        self.blocked = None;
        self.counters.publishes(true);
        if self.pending.values().filter_map(|pending| pending.sent).chain(self.probed).any(|sent| now - sent > DEADLINE) {
            return Err(Trouble::Late("a confirm"));
        }
        if self.probed.is_none() {
            // Only who publishes is told that the broker is short of memory.
            self.probed = Some(now);
            let (channel, options) = (channel.clone(), BasicPublishOptions::default());
            let probe = async move {
                channel.basic_publish(topology::PROBE.into(), "".into(), options, &[], BasicProperties::default()).await?.await
            };
            queue(None, probe, confirms);
        }
        Ok(())
    }
}

/// Puts a message into the library's own queue, which the first poll does, and waits for its confirm with all others.
fn queue(number: Option<u64>, confirm: impl Future<Output = lapin::Result<Confirmation>> + Send + 'static, confirms: &mut Confirms) {
    let mut confirm: BoxFuture<'static, Settled> = Box::pin(async move { (number, confirm.await) });
    confirms.push(match (&mut confirm).now_or_never() {
        Some(settled) => Box::pin(ready(settled)),
        None => confirm,
    });
}

impl Role for Publisher {
    const NAME: &'static str = "publish";

    async fn run(&mut self, connection: &Connection) -> Result<Infallible, Trouble> {
        let ended = self.work(connection).await;
        self.counters.publishing.store(false, SeqCst);
        ended
    }
}
