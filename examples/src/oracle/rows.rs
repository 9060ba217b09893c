//! Rows: each aggregate's row has taken in each of its events and nothing else, and belongs to somebody.

use super::{
    books::Books,
    finding::{Class, Finding},
    log::Told,
};
use shared::{Kind, OrderId};
use std::collections::{HashMap, HashSet};

/// Kinds whose rows are made of their own events; the other kinds are views.
const AGGREGATES: [Kind; 9] =
    [Kind::Order, Kind::Payment, Kind::Store, Kind::Ticket, Kind::Rider, Kind::Delivery, Kind::Customer, Kind::Review, Kind::Notice];
/// Kinds of which an order has one row at most, named as the order is.
const OF_AN_ORDER: [Kind; 6] = [Kind::Order, Kind::Payment, Kind::Ticket, Kind::Delivery, Kind::Review, Kind::MyPage];

/// Compares every row with the journal, and with the orders that were placed.
pub fn judge(books: &Books, told: &Told) -> Vec<Finding> {
    let mut wrong = vec![];
    let mut events: HashMap<(Kind, &str), u64> = HashMap::new();
    for entry in books.journals.values().flatten() {
        *events.entry((entry.recorded.event.kind(), &entry.recorded.stream)).or_default() += 1;
    }
    for ((kind, key), (version, _)) in books.rows.iter().filter(|((kind, _), _)| AGGREGATES.contains(kind)) {
        let name = kind.name();
        match events.remove(&(*kind, key.as_str())) {
            None => wrong.push(Class::Unexpected.of(format!("{name} {key} is kept, and nothing ever happened to it"))),
            Some(count) if count > *version => {
                wrong.push(Class::Lost.of(format!("{name} {key} is kept as of {version} events, and {count} happened")));
            }
            Some(count) if count < *version => {
                wrong.push(Class::Lost.of(format!("{name} {key} is kept as of {version} events, and {count} are in the journal")));
            }
            Some(_) => {}
        }
    }
    wrong.extend(events.keys().map(|(kind, key)| Class::Lost.of(format!("{} {key} is not kept", kind.name()))));
    wrong.extend(strangers(books, told));
    wrong
}

/// Rows of orders that nobody placed. A key that was never answered may have made one.
fn strangers(books: &Books, told: &Told) -> Vec<Finding> {
    let mut known: HashSet<OrderId> = told.stories.iter().filter_map(|story| story.order).collect();
    if told.stories.iter().any(|story| story.order.is_none()) {
        known.extend(books.orders());
    }
    let mut wrong = vec![];
    for (kind, key) in books.rows.keys().filter(|(kind, _)| OF_AN_ORDER.contains(kind)) {
        if !OrderId::parse(key).is_some_and(|order| known.contains(&order)) {
            wrong.push(Class::Unexpected.of(format!("{} {key} belongs to no order that anybody placed", kind.name())));
        }
    }
    wrong
}
