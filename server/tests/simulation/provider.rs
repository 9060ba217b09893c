//! The payment company, which keeps its own record, and the worker that asks it. Questions and answers get lost; the
//! record does not.

use super::{
    node::{Disk, Request},
    rng::Rng,
    watch::{Broken, hold},
};
use domain::{
    Row,
    payment::{DUE, Due, provider_key},
};
use server::engine::core::Order;
use shared::{
    Actor, Kind, Millis, OrderId, Stamp, Won,
    order::{Means, Reason},
    payment::{Command, Movement},
};
use std::collections::{BTreeMap, BTreeSet};

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
    /// What the worker remembers: how often it asked. It forgets with its process.
    attempts: BTreeMap<(OrderId, Movement), u32>,
}

impl Provider {
    /// The worker looks at its list, and asks for some of what is due there. Gives the commands with the answers.
    pub fn work(&mut self, rng: &mut Rng, disk: &Disk, now_ms: Millis) -> Result<Vec<Request>, Broken> {
        let due = disk.list(Kind::Payment, DUE).filter_map(|key| disk.rows.get(&(Kind::Payment, key.clone())));
        let due: Vec<Due> = due
            .flat_map(|stored| match &*stored.row {
                Row::Payment(state) => state.due(),
                _ => vec![],
            })
            .collect();
        let mut answers = vec![];
        for due in due {
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
        if rng.percent(10) {
            return Ok(None);
        }
        let wait_ms = match (due.means, due.charge) {
            (Means::SlowCard, Some(_)) => rng.between(1, 20 * 60_000),
            _ => 0,
        };
        let approved = !matches!((due.means, due.charge), (Means::DeclinedCard, Some(_)) | (Means::OnceCard, Some(true)));
        if approved && !self.record.contains_key(&key) {
            let first = self.moving.insert((due.order, due.movement));
            hold!(first, "a movement moves money once: movement {} of {} would again, as {key}", due.movement, due.order);
        }
        let moved = self.record.entry(key).or_insert(Moved {
            order: due.order,
            movement: due.movement,
            refund: due.charge.is_none(),
            amount: due.amount,
            approved,
            at_ms: now_ms + wait_ms,
        });
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

    /// The worker's process ends.
    pub fn forget(&mut self) {
        self.attempts.clear();
    }

    /// Movements on which money moved.
    pub fn moved(&self) -> impl Iterator<Item = &Moved> {
        self.record.values().filter(|moved| moved.approved)
    }

    /// When the next slow card pays.
    pub fn next_ms(&self, now_ms: Millis) -> Option<Millis> {
        self.record.values().map(|moved| moved.at_ms).filter(|at_ms| *at_ms > now_ms).min()
    }
}

/// A worker's command to its own context.
pub fn by_worker(stream: String, command: impl Into<shared::Command>, now_ms: Millis) -> Request {
    let order = Order { stream: stream.into(), command: command.into(), stamp: Stamp { by: Actor::System, at_ms: now_ms }, cause: None };
    Request { order, answer: None, person: false, foreign: false }
}
