//! Money: what the provider took and gave back is what the ledger says, and what the order costs in the end.

use super::{
    books::Books,
    finding::{Class, Finding},
    story::{Story, total},
};
use shared::{
    Event, Kind, OrderId, Won,
    api::{LedgerAccount, LedgerEntry},
    order::Event as E,
};
use std::collections::HashMap;

/// Compares the provider, the ledger, and the prices.
pub fn judge(books: &Books, stories: &[Story]) -> Vec<Finding> {
    let mut wrong = vec![];
    let mut provider: HashMap<OrderId, i64> = HashMap::new();
    let mut moved: HashMap<&str, i64> = HashMap::new();
    for movement in books.moved.iter().filter(|movement| movement.approved) {
        let amount = if movement.refund { -movement.amount } else { movement.amount };
        *provider.entry(movement.order).or_default() += amount;
        if moved.insert(&movement.key, amount).is_some() {
            wrong.push(Class::Duplicated.of(format!("{} moved twice", movement.key)));
        }
    }
    let mut ledger: HashMap<OrderId, i64> = HashMap::new();
    let mut accounts: HashMap<LedgerAccount, i64> = HashMap::new();
    for ((_, key), (_, row)) in books.rows.iter().filter(|((kind, _), _)| *kind == Kind::LedgerEntry) {
        let Ok(entry) = serde_json::from_value::<LedgerEntry>(row.clone()) else {
            wrong.push(Class::Unexpected.of(format!("{key} is no entry: {row}")));
            continue;
        };
        let amount = if entry.debit == LedgerAccount::Provider { entry.amount.0 } else { -entry.amount.0 };
        *ledger.entry(entry.order).or_default() += amount;
        *accounts.entry(entry.debit).or_default() += entry.amount.0;
        *accounts.entry(entry.credit).or_default() -= entry.amount.0;
        let there = moved.remove(key.as_str()).unwrap_or(0);
        if there != amount {
            wrong.push(Finding::won(there - amount, format!("{key}: the ledger says {amount}, and the provider {there}")));
        }
    }
    for (key, amount) in moved {
        wrong.push(Finding::won(amount, format!("{key}: the provider moved {amount}, and the ledger does not know")));
    }
    let sum: i64 = accounts.values().sum();
    if sum != 0 {
        wrong.push(Finding::won(sum, format!("the ledger does not balance: {accounts:?}")));
    }
    for story in stories {
        let Some(order) = story.order else { continue };
        let (there, here) = (provider.get(&order).copied().unwrap_or(0), ledger.get(&order).copied().unwrap_or(0));
        let cost = cost(books, order, story);
        if (there, here) != (cost.0, cost.0) {
            let difference = (there - cost.0).abs().max((here - cost.0).abs());
            wrong.push(Finding::won(difference, format!("{order} costs {cost}, the provider holds {there}, the ledger says {here}")));
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
