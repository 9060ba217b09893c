//! The payment company, which keeps its own record, and the worker that asks it. Questions and answers get lost; the
//! record does not.

use super::{
    node::{Disk, Request},
    rng::Rng,
    watch::{Broken, hold},
};
use domain::{
    Row,
    payment::{DUE, Due, UNWANTED, provider_key},
};
use server::engine::core::Order;
use shared::{
    Actor, Kind, Millis, OrderId, Stamp, Won,
    order::{Means, Reason},
    payment::{Command, Movement},
};
use std::collections::{BTreeMap, BTreeSet};

/// The longest that a question stays under way, and the longest that a slow card takes: together within what the company
/// promises.
const UNDER_WAY_MS: i64 = 8 * 60_000;
const SLOW_MS: i64 = 20 * 60_000;
/// What was asked for has come by then, or never comes.
const LATE_MS: Millis = 30 * 60_000;

/// A line of the provider's record.
pub struct Moved {
    pub order: OrderId,
    pub movement: Movement,
    pub refund: bool,
    pub amount: Won,
    pub approved: bool,
    /// A slow card pays only then.
    at_ms: Millis,
}

/// The payment company.
#[derive(Default)]
pub struct Provider {
    /// By the key under which it was asked.
    record: BTreeMap<String, Moved>,
    /// Movements on which money moved, or will once a slow card pays.
    moving: BTreeSet<(OrderId, Movement)>,
    /// Questions that nobody waits for any more, and when they arrive all the same.
    under_way: Vec<(Millis, String, Due, Millis)>,
    /// What the worker remembers: how often it asked, and since when it hears of nothing. It forgets with its process.
    attempts: BTreeMap<(OrderId, Movement), u32>,
    nothing: BTreeMap<String, Millis>,
}

impl Provider {
    /// The worker looks at its list, and asks for some of what is due there. Gives the commands with the answers.
    pub fn work(&mut self, rng: &mut Rng, disk: &Disk, now_ms: Millis) -> Result<Vec<Request>, Broken> {
        self.arrive(now_ms)?;
        let payments = |list| {
            disk.list(Kind::Payment, list).filter_map(|key| match &*disk.rows.get(&(Kind::Payment, key.clone()))?.row {
                Row::Payment(state) => Some(state),
                _ => None,
            })
        };
        let mut answers = vec![];
        for due in payments(UNWANTED).flat_map(|state| state.unwanted()) {
            if rng.percent(70) {
                answers.extend(self.look_up(rng, due.order, due.movement, now_ms));
            }
        }
        for due in payments(DUE).flat_map(|state| state.due()) {
            // An answer may still be on its way: the worker asks again all the same, as one that was restarted would.
            if rng.percent(70) {
                answers.extend(self.ask(rng, &due, now_ms)?);
            }
        }
        Ok(answers)
    }

    /// Asks once. `None` when the question or the answer is lost, or the card takes its time.
    fn ask(&mut self, rng: &mut Rng, due: &Due, now_ms: Millis) -> Result<Option<Request>, Broken> {
        let attempt = self.attempts.entry((due.order, due.movement)).or_default();
        *attempt += 1;
        let key = provider_key(due.order, due.movement, *attempt);
        let wait_ms = match (due.means, due.charge) {
            (Means::SlowCard, Some(_)) => rng.between(1, SLOW_MS),
            _ => 0,
        };
        match rng.between(0, 100) {
            0..6 => return Ok(None),
            6..12 => {
                self.under_way.push((now_ms + rng.between(1, UNDER_WAY_MS), key, due.clone(), wait_ms));
                return Ok(None);
            }
            _ => {}
        }
        let moved = self.arrived(key, due, now_ms, wait_ms)?;
        if moved.at_ms > now_ms || rng.percent(15) {
            return Ok(None);
        }
        let movement = due.movement;
        let command = match (moved.refund, moved.approved) {
            (true, _) => Command::ConfirmRefund { movement },
            (false, true) => Command::Approve { movement },
            (false, false) => Command::Decline { movement, reason: Reason::Declined },
        };
        Ok(Some(by_worker(due.order.to_string(), command, now_ms)))
    }

    /// Asks what became of a charge that nobody waits for. Nothing is believed only after it was said for long enough.
    fn look_up(&mut self, rng: &mut Rng, order: OrderId, movement: Movement, now_ms: Millis) -> Option<Request> {
        let key = provider_key(order, movement, 0);
        if rng.percent(20) {
            return None;
        }
        let command = match self.record.get(&key).filter(|moved| moved.at_ms <= now_ms) {
            Some(Moved { approved: true, .. }) => Command::Approve { movement },
            Some(_) => Command::Decline { movement, reason: Reason::Declined },
            None if now_ms - *self.nothing.entry(key).or_insert(now_ms) > LATE_MS => Command::Decline { movement, reason: Reason::NotPaid },
            None => return None,
        };
        Some(by_worker(order.to_string(), command, now_ms))
    }

    /// What was under way is there.
    fn arrive(&mut self, now_ms: Millis) -> Result<(), Broken> {
        let (there, under_way) = std::mem::take(&mut self.under_way).into_iter().partition(|(at_ms, ..)| *at_ms <= now_ms);
        self.under_way = under_way;
        let there: Vec<_> = there;
        for (at_ms, key, due, wait_ms) in there {
            self.arrived(key, &due, at_ms, wait_ms)?;
        }
        Ok(())
    }

    fn arrived(&mut self, key: String, due: &Due, now_ms: Millis, wait_ms: Millis) -> Result<&Moved, Broken> {
        let approved = !matches!((due.means, due.charge), (Means::DeclinedCard, Some(_)) | (Means::OnceCard, Some(true)));
        if approved && !self.record.contains_key(&key) {
            let first = self.moving.insert((due.order, due.movement));
            hold!(first, "a movement moves money once: movement {} of {} would again, as {key}", due.movement, due.order);
        }
        Ok(self.record.entry(key).or_insert(Moved {
            order: due.order,
            movement: due.movement,
            refund: due.charge.is_none(),
            amount: due.amount,
            approved,
            at_ms: now_ms + wait_ms,
        }))
    }

    /// The worker's process ends.
    pub fn forget(&mut self) {
        self.attempts.clear();
        self.nothing.clear();
    }

    /// Movements on which money moved.
    pub fn moved(&self) -> impl Iterator<Item = &Moved> {
        self.record.values().filter(|moved| moved.approved)
    }

    /// When the next slow card pays, a question arrives, or nothing is believed.
    pub fn next_ms(&self, now_ms: Millis) -> Option<Millis> {
        let (pays, arrives) = (self.record.values().map(|moved| moved.at_ms), self.under_way.iter().map(|(at_ms, ..)| *at_ms));
        let believed = self.nothing.values().map(|since_ms| since_ms + LATE_MS + 1);
        pays.chain(arrives).chain(believed).filter(|at_ms| *at_ms > now_ms).min()
    }
}

/// A worker's command to its own context.
pub fn by_worker(stream: String, command: impl Into<shared::Command>, now_ms: Millis) -> Request {
    let order = Order { stream: stream.into(), command: command.into(), stamp: Stamp { by: Actor::System, at_ms: now_ms }, cause: None };
    Request { order, answer: None, person: false, foreign: false }
}
