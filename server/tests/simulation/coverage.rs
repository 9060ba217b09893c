//! What the runs have been through, so that a promise is not kept merely because nobody called upon it.

use super::{
    city::City,
    watch::{OrderSeen, hold},
};
use shared::order::{Reason, Status};
use std::fmt;

/// Runs in which something happened at least once, and how often things happened in all runs.
#[derive(Debug, Default, Clone, Copy)]
pub struct Coverage {
    pub runs: u64,
    completed: u64,
    cancelled: u64,
    rejected: u64,
    taken_back: u64,
    declined: u64,
    changed: u64,
    refused_changes: u64,
    left_out: u64,
    declined_offers: u64,
    crowded: u64,
    expired: u64,
    unruly: u64,
    orders: u64,
    pub events: u64,
    pub timers: u64,
    pub gaps: u64,
    pub crashes: u64,
    lost: u64,
    repeated: u64,
}

impl Coverage {
    /// Counts a run that has ended.
    pub fn of(city: &City) -> Self {
        let some = |wanted: &dyn Fn(&OrderSeen) -> bool| u64::from(city.watch.orders.values().any(wanted));
        let wish = |seen: &OrderSeen| matches!(seen.reason, Some(Reason::Said(_) | Reason::Unsaid));
        Self {
            runs: 1,
            completed: some(&|seen| seen.status == Status::Completed),
            cancelled: some(&|seen| seen.status == Status::Cancelled && wish(seen)),
            rejected: some(&|seen| seen.status == Status::Rejected),
            taken_back: u64::from(city.watch.tickets.values().any(|ticket| ticket.taken_back)),
            declined: some(&|seen| seen.status == Status::PaymentFailed),
            changed: some(&|seen| seen.changes > 0),
            refused_changes: some(&|seen| seen.asked_change && seen.changes == 0),
            left_out: some(&|seen| seen.left_out > 0),
            declined_offers: some(&|seen| seen.declined_offer),
            crowded: some(&|seen| seen.reason == Some(Reason::OverCapacity)),
            expired: some(&|seen| seen.status == Status::Cancelled && !wish(seen)),
            unruly: u64::from(city.network.unruly),
            orders: city.watch.orders.len() as u64,
            lost: city.network.lost,
            repeated: city.network.repeated,
            ..city.coverage
        }
    }

    pub fn add(&mut self, other: Coverage) {
        self.runs += other.runs;
        self.completed += other.completed;
        self.cancelled += other.cancelled;
        self.rejected += other.rejected;
        self.taken_back += other.taken_back;
        self.declined += other.declined;
        self.changed += other.changed;
        self.refused_changes += other.refused_changes;
        self.left_out += other.left_out;
        self.declined_offers += other.declined_offers;
        self.crowded += other.crowded;
        self.expired += other.expired;
        self.unruly += other.unruly;
        self.orders += other.orders;
        self.events += other.events;
        self.timers += other.timers;
        self.gaps += other.gaps;
        self.crashes += other.crashes;
        self.lost += other.lost;
        self.repeated += other.repeated;
    }

    /// Fails when too few runs went where the promises are.
    pub fn is_wide(&self) -> Result<(), String> {
        let wanted = [
            ("completed", self.completed, 30),
            ("cancelled", self.cancelled, 10),
            ("rejected", self.rejected, 10),
            ("rejected after it was accepted", self.taken_back, 2),
            ("declined", self.declined, 10),
            ("changed", self.changed, 5),
            ("changed by the store's offer", self.left_out, 2),
        ];
        for (what, runs, percent) in wanted {
            hold!(
                runs * 100 >= self.runs * percent,
                "at least {percent} % of the runs have an order that is {what}: {runs} of {}",
                self.runs
            );
        }
        Ok(())
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |runs: u64| format!("{} ({} %)", runs, runs * 100 / self.runs.max(1));
        writeln!(f, "{} runs, {} orders, {} events, {} timers", self.runs, self.orders, self.events, self.timers)?;
        writeln!(
            f,
            "  {} crashes, {} batches lost, {} repeated, {} gaps, {} runs without an order of events",
            self.crashes,
            self.lost,
            self.repeated,
            self.gaps,
            share(self.unruly)
        )?;
        writeln!(f, "runs with an order that was")?;
        let all = [
            ("completed", self.completed),
            ("cancelled at the customer's wish", self.cancelled),
            ("rejected", self.rejected),
            ("rejected over capacity", self.crowded),
            ("rejected after it was accepted", self.taken_back),
            ("declined by the card company", self.declined),
            ("changed", self.changed),
            ("not changed though asked", self.refused_changes),
            ("changed by the store's offer", self.left_out),
            ("left as it was, by the customer's no to an offer", self.declined_offers),
            ("cancelled by a deadline", self.expired),
        ];
        all.iter().try_for_each(|(what, runs)| writeln!(f, "  {what}: {}", share(*runs)))
    }
}
