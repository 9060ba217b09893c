//! The ledger: a row per movement of money, from one account to another, never changed.

use crate::{Tag, View, tag};
use shared::{
    Actor, Context, Event, Kind, Role,
    api::{LedgerAccount, LedgerEntry},
    payment,
};

/// The view of all movements.
pub struct Ledger;

impl View for Ledger {
    const KIND: Kind = Kind::LedgerEntry;
    const LISTENS: &'static [Context] = &[];
    type Row = LedgerEntry;
    type Shown = LedgerEntry;

    fn key(event: &Event) -> Option<String> {
        entry(event).map(|entry| format!("{}-{}", entry.order, entry.movement))
    }

    fn project(row: Option<LedgerEntry>, event: &Event, _: u64) -> Option<LedgerEntry> {
        row.or_else(|| entry(event))
    }

    fn show(row: &LedgerEntry, actor: &Actor) -> Option<LedgerEntry> {
        actor.is(Role::Operator).then(|| row.clone())
    }

    fn tags(row: &LedgerEntry) -> Vec<Tag> {
        vec![tag("all", row.at_ms)]
    }
}

fn entry(event: &Event) -> Option<LedgerEntry> {
    use LedgerAccount::{Orders, Provider};
    match event {
        Event::Payment(payment::Event::Approved { order, movement, amount, at_ms, .. }) => {
            Some(LedgerEntry { order: *order, movement: *movement, debit: Provider, credit: Orders, amount: *amount, at_ms: *at_ms })
        }
        Event::Payment(payment::Event::Refunded { order, movement, amount, at_ms, .. }) => {
            Some(LedgerEntry { order: *order, movement: *movement, debit: Orders, credit: Provider, amount: *amount, at_ms: *at_ms })
        }
        _ => None,
    }
}
