//! Money: what the provider took and gave back is what the ledger says, and what the order costs in the end.

use super::Books;
use crate::{settle::total, story::Story};
use shared::{
    Event, Kind, OrderId, Won,
    api::{LedgerAccount, LedgerEntry},
    order::Event as E,
};
use std::collections::HashMap;

pub fn judge(books: &Books, stories: &[Story]) -> Vec<String> {
    let mut wrong = vec![];
    let mut provider: HashMap<OrderId, i64> = HashMap::new();
    let mut moved: HashMap<&str, i64> = HashMap::new();
    for movement in books.moved.iter().filter(|movement| movement.approved) {
        let amount = if movement.refund { -movement.amount } else { movement.amount };
        *provider.entry(movement.order).or_default() += amount;
        moved.insert(&movement.key, amount);
    }
    let mut ledger: HashMap<OrderId, i64> = HashMap::new();
    let mut accounts: HashMap<LedgerAccount, i64> = HashMap::new();
    for ((_, key), row) in books.rows.iter().filter(|((kind, _), _)| *kind == Kind::LedgerEntry) {
        let Ok(entry) = serde_json::from_value::<LedgerEntry>(row.clone()) else {
            wrong.push(format!("{key} is no entry: {row}"));
            continue;
        };
        let amount = if entry.debit == LedgerAccount::Provider { entry.amount.0 } else { -entry.amount.0 };
        *ledger.entry(entry.order).or_default() += amount;
        *accounts.entry(entry.debit).or_default() += entry.amount.0;
        *accounts.entry(entry.credit).or_default() -= entry.amount.0;
        if moved.remove(key.as_str()) != Some(amount) {
            wrong.push(format!("{key}: the ledger says {amount}, and the provider something else"));
        }
    }
    wrong.extend(moved.iter().map(|(key, amount)| format!("{key}: the provider moved {amount}, and the ledger does not know")));
    if accounts.values().sum::<i64>() != 0 {
        wrong.push(format!("the ledger does not balance: {accounts:?}"));
    }
    for story in stories {
        let Some(order) = story.order else { continue };
        let (there, here) = (provider.get(&order).copied().unwrap_or(0), ledger.get(&order).copied().unwrap_or(0));
        let cost = cost(books, order, story);
        if (there, here) != (cost.0, cost.0) {
            wrong.push(format!("{order} costs {cost}, the provider holds {there}, the ledger says {here}"));
        }
    }
    wrong
}

/// What an order costs in the end: nothing, or its dishes.
fn cost(books: &Books, order: OrderId, story: &Story) -> Won {
    let (mut completed, mut changed) = (false, false);
    for entry in books.of(order) {
        match &entry.recorded.event {
            Event::Order(E::Completed { .. }) => completed = true,
            Event::Order(E::Changed { .. }) => changed = true,
            _ => {}
        }
    }
    let (first, instead) = story.plan.dishes();
    if completed { total(instead.filter(|_| changed).unwrap_or(first)) } else { Won::ZERO }
}
