//! One transaction of a context: what has arrived is decided together, and then it is committed, refused by the disk, or
//! lost with the process, before or after the commit.

use super::{
    city::City,
    node::{Load, Node, Request, Set},
    story::words,
    watch::{Broken, Watch, hold},
};
use server::{
    engine::core::{Draft, Failure, Heard},
    journal::Commit,
};
use shared::{Command, Context, OrderId, order};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// How a transaction ends, beside being committed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Committed,
    /// The disk refused it; the process lives.
    Refused,
    /// The process ended before the commit.
    Before,
    /// The process ended after the commit, before anybody was told.
    After,
}

/// Requests of this transaction, by their keys.
type Begun = BTreeMap<[u8; 16], Arc<str>>;

/// What a caller is told.
enum Outcome {
    Done(Arc<str>),
    Unchanged(Arc<str>),
    Refused(&'static str),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done(_) => f.write_str("done"),
            Outcome::Unchanged(_) => f.write_str("already so"),
            Outcome::Refused(why) => write!(f, "refused, {why}"),
        }
    }
}

impl City {
    /// One transaction of a context, and how it ends.
    pub fn transact(&mut self, context: Context, loads: Vec<Load>, timers: bool) -> Result<(), Broken> {
        let fate = self.fate();
        let node = &mut self.nodes[context as usize];
        let now_ms = node.clock(self.now_ms);
        let mut draft = node.core.draft();
        let (mut answered, mut fired, mut gaps) = (vec![], vec![], vec![]);
        let mut begun = BTreeMap::new();
        for load in &loads {
            match load {
                Load::Events { source, partition, events } => {
                    match node.core.hear(&mut draft, &node.disk, *source, *partition, events).map_err(|fault| fault.to_string())? {
                        Heard::UpTo(_) => {}
                        Heard::Gap(_) => gaps.push((*source, *partition)),
                    }
                }
                Load::Command(request) if barred(&self.watch, self.mood.once, request) => {}
                Load::Command(request) => {
                    let outcome = decide(node, &mut draft, &mut begun, request)?;
                    answered.push((request, outcome));
                }
            }
        }
        if timers {
            for (set, timer) in node.disk.due(now_ms) {
                node.core.fire(&mut draft, &node.disk, &timer, now_ms).map_err(|fault| fault.to_string())?;
                fired.push(set);
            }
        }
        self.coverage.gaps += gaps.len() as u64;
        node.behind.extend(gaps);
        let commit = draft.finish();
        if matches!(fate, Fate::Committed | Fate::After) {
            for (request, outcome) in answered {
                self.answered(fate, request, outcome)?;
            }
            self.commit(context, commit, &fired, fate)?;
        } else {
            self.nothing_happened(context, &loads, fate);
        }
        if matches!(fate, Fate::Before | Fate::After) {
            self.crash(context);
        }
        Ok(())
    }

    fn fate(&mut self) -> Fate {
        if !self.stormy || self.rng.below(100_000) >= self.trouble {
            return Fate::Committed;
        }
        self.rng.pick(&[Fate::Refused, Fate::Before, Fate::After])
    }

    fn commit(&mut self, context: Context, mut commit: Commit, fired: &[Set], fate: Fate) -> Result<(), Broken> {
        for event in &commit.events {
            self.story.tell(|| format!("  {} {} v{} {}", event.position, event.stream, event.version, words(&event.event)));
            self.story.tell_in_full(|| format!("{event:?}"));
        }
        for ((kind, stream, name), _) in fired {
            self.story.tell(|| format!("  timer {name} of {} {stream} fired", kind.name()));
        }
        self.watch.see(&commit, fired)?;
        let moved = std::mem::take(&mut commit.cursors);
        let node = &mut self.nodes[context as usize];
        node.unwritten.extend(&moved);
        // Cursors that moved over events without an effect may stay in memory: they are written with the next commit.
        if !commit.is_empty() || self.rng.percent(50) {
            commit.cursors = std::mem::take(&mut node.unwritten);
            node.disk.commit(&commit);
        }
        commit.cursors = moved;
        node.core.committed(&commit);
        hold!(node.core.heads() == node.disk.heads(), "the heads of {context:?} are those of its journal");
        self.coverage.events += commit.events.len() as u64;
        self.coverage.timers += fired.len() as u64;
        self.network.publish(&mut self.rng, &mut self.nodes, context, &commit, fate == Fate::Committed, self.now_ms);
        Ok(())
    }

    /// A transaction without a commit: whoever waits for an answer gets none, or a fault, and knows nothing.
    fn nothing_happened(&mut self, context: Context, loads: &[Load], fate: Fate) {
        self.story.tell(|| format!("  {} {fate:?}: nothing was committed", context.name()));
        for load in loads {
            match load {
                Load::Command(request) => self.unheard(request),
                Load::Events { source, partition, .. } => {
                    self.node(context).behind.insert((*source, *partition));
                }
            }
        }
    }

    /// A person who got no answer tries again, or gives up.
    pub fn unheard(&mut self, request: &Request) {
        if request.person && self.rng.percent(70) {
            self.unanswered.push(request.clone());
        }
    }

    fn answered(&mut self, fate: Fate, request: &Request, outcome: Outcome) -> Result<(), Broken> {
        self.story.tell(|| format!("  {} {}: {outcome}", request.order.stream, words(&request.order.command)));
        hold!(!request.foreign || matches!(outcome, Outcome::Refused(_)), "nobody moves what is not theirs: {:?}", request.order);
        if fate == Fate::After {
            self.unheard(request);
        } else if let (Some(answer), Outcome::Done(stream) | Outcome::Unchanged(stream)) = (&request.answer, &outcome) {
            let order = OrderId::parse(stream).expect("what was placed is an order");
            let first = *self.acknowledged.entry(answer.key).or_insert(order);
            hold!(first == order, "a request makes one order, however often it is sent: {first} and {order}");
        }
        Ok(())
    }

    fn crash(&mut self, context: Context) {
        self.coverage.crashes += 1;
        self.story.tell(|| format!("  {} crashed", context.name()));
        let away_ms = if self.rng.percent(30) { self.rng.between(0, 30 * 60_000) } else { 0 };
        let back_ms = self.now_ms + away_ms;
        let node = self.node(context);
        node.away_until_ms = back_ms;
        let lost = node.restart();
        for load in lost {
            if let Load::Command(request) = load {
                self.unheard(&request);
            }
        }
        if context == Context::Payment {
            self.provider.forget();
        }
    }
}

/// The rules need no order of events but this: one change of an order is settled before the next is asked for. Where no
/// order is kept, a customer therefore changes an order once.
fn barred(watch: &Watch, once: bool, request: &Request) -> bool {
    let Command::Order(order::Command::Change { .. } | order::Command::AcceptOffer {}) = &request.order.command else { return false };
    let seen = OrderId::parse(&request.order.stream).and_then(|order| watch.orders.get(&order));
    once && seen.is_some_and(|seen| seen.asked_change)
}

/// Decides a command as the committer does: a request that came before, if only in this transaction, gets the first answer.
fn decide(node: &Node, draft: &mut Draft, begun: &mut Begun, request: &Request) -> Result<Outcome, Broken> {
    if let Some(answer) = &request.answer {
        let first = node.disk.answers.get(&answer.key).map(|first| &first.stream).or(begun.get(&answer.key));
        if let Some(first) = first {
            return Ok(Outcome::Unchanged(first.clone()));
        }
    }
    let stream = request.order.stream.clone();
    match node.core.command(draft, &node.disk, &request.order) {
        Ok(done) => {
            if let Some(answer) = &request.answer {
                begun.insert(answer.key, stream.clone());
                node.core.answer(draft, answer.clone());
            }
            Ok(if done.unchanged { Outcome::Unchanged(stream) } else { Outcome::Done(stream) })
        }
        Err(Failure::Refused(refusal)) => Ok(Outcome::Refused(refusal.code())),
        Err(failure) => Err(format!("a disk in memory has no faults: {failure:?}")),
    }
}
