//! The way from a journal to its listeners: it loses, repeats, delays and shuffles batches. In an unruly run it even lets
//! the deciding contexts hear each other's events in any order, because the rules must not need an order.

use super::{
    node::{Load, Node},
    rng::Rng,
};
use server::journal::Commit;
use shared::{Context, Millis, Recorded};
use std::{collections::BTreeMap, sync::Arc};

/// The contexts whose rules must bear any order. The views of the others are made for the order of each stream.
const DECIDING: [Context; 4] = [Context::Order, Context::Payment, Context::Store, Context::Rider];

/// A listener's subscription to one partition of a source.
pub type Link = (Context, Context, u16);

/// How a source's partition looks to one listener when no order is kept: the same events, shuffled and numbered anew, so
/// that the real engine takes them for the journal's own order.
#[derive(Default)]
struct Relay {
    held: Vec<Arc<Recorded>>,
    feed: Vec<Arc<Recorded>>,
}

/// The network, and how bad it is, in percent.
pub struct Network {
    pub loss: u64,
    pub repeats: u64,
    /// How often what arrived later is handled earlier.
    pub shuffle: u64,
    pub unruly: bool,
    relays: BTreeMap<Link, Relay>,
    pub lost: u64,
    pub repeated: u64,
}

impl Network {
    pub fn new(rng: &mut Rng) -> Self {
        Self {
            loss: rng.pick(&[0, 3, 15]),
            repeats: rng.pick(&[0, 10, 30]),
            shuffle: rng.pick(&[0, 20, 70]),
            unruly: rng.percent(25),
            relays: BTreeMap::new(),
            lost: 0,
            repeated: 0,
        }
    }

    fn shuffles(&self, (listener, source, _): Link) -> bool {
        self.unruly && DECIDING.contains(&listener) && DECIDING.contains(&source)
    }

    /// Sends a commit to all who listen. `told` is false when the process ended before it could say anything: then
    /// everybody must find out from the journal.
    pub fn publish(&mut self, rng: &mut Rng, nodes: &mut [Node], source: Context, commit: &Commit, told: bool, now_ms: Millis) {
        let partitions = commit.events.iter().map(|event| event.position.partition).max().map_or(0, |last| last + 1);
        for partition in 0..partitions {
            let batch: Vec<_> = commit.events.iter().filter(|event| event.position.partition == partition).cloned().collect();
            if batch.is_empty() {
                continue;
            }
            for node in nodes.iter_mut().filter(|node| node.sources.contains(&(source, partition))) {
                let link = (node.context, source, partition);
                let events = if self.shuffles(link) {
                    self.relays.entry(link).or_default().held.extend(batch.iter().cloned());
                    let most = rng.index(batch.len() + 2);
                    self.let_go(rng, link, most)
                } else {
                    batch.clone()
                };
                // Who is away hears nothing, and fetches everything when it is back.
                if told && !events.is_empty() && node.away_until_ms <= now_ms {
                    self.send(rng, node, source, partition, events.into());
                }
            }
        }
    }

    fn send(&mut self, rng: &mut Rng, node: &mut Node, source: Context, partition: u16, events: Arc<[Arc<Recorded>]>) {
        if rng.percent(self.loss) {
            self.lost += 1;
            return;
        }
        let load = Load::Events { source, partition, events };
        while rng.percent(self.repeats) {
            self.repeated += 1;
            node.inbox.push(load.clone());
        }
        node.inbox.push(load);
    }

    /// Lets some of what is held on a link go its way, whichever.
    fn let_go(&mut self, rng: &mut Rng, link: Link, most: usize) -> Vec<Arc<Recorded>> {
        let Some(relay) = self.relays.get_mut(&link) else { return vec![] };
        let first = relay.feed.len();
        for _ in 0..most.min(relay.held.len()) {
            let held = rng.take(&mut relay.held);
            let mut event = Recorded::clone(&held);
            event.position.seq = relay.feed.len() as u64 + 1;
            relay.feed.push(Arc::new(event));
        }
        relay.feed[first..].to_vec()
    }

    /// The events of a source after a cursor, as its feed gives them.
    pub fn fetch(&mut self, rng: &mut Rng, nodes: &[Node], link: Link, after: u64, limit: usize) -> Vec<Arc<Recorded>> {
        let (_, source, partition) = link;
        let all = if self.shuffles(link) {
            let most = 1 + rng.index(limit);
            self.let_go(rng, link, most);
            self.relays.get(&link).map_or(&[][..], |relay| &relay.feed)
        } else {
            let source = nodes.iter().find(|node| node.context == source).expect("every source is a context");
            &source.disk.journal[usize::from(partition)]
        };
        all.iter().skip(after as usize).take(limit).cloned().collect()
    }
}
