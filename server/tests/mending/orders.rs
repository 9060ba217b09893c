//! A journal of orders.

use crate::samples;
use server::journal::{self, Commit, Place};
use shared::{Context, Event, Millis, OrderId, Recorded, event::Position, id::Bits, order};
use std::{path::Path, sync::Arc};

/// The order of this number.
pub fn order_id(number: u64) -> OrderId {
    let mut bits = [7; 10];
    bits[2..].copy_from_slice(&number.to_be_bytes());
    OrderId(Bits(bits))
}

/// An order's first events: placed, and paid.
fn life(number: u64) -> Vec<Event> {
    let all = samples::events().into_iter().map(|(_, event)| event);
    let first = all.filter(|event| matches!(event, Event::Order(order::Event::Placed { .. } | order::Event::Paid { .. })));
    let (sample, own) = (samples::order_id().to_string(), order_id(number).to_string());
    first.take(2).map(|event| serde_json::from_str(&serde_json::to_string(&event).unwrap().replace(&sample, &own)).unwrap()).collect()
}

/// Writes the journal of the order context: so many orders, placed and paid, the events of different orders mixed.
pub fn write_orders(dir: &Path, orders: u64, at_ms: Millis) {
    let (mut journal, _) = journal::open(&Place::Sqlite(dir.to_owned()), Context::Order, 1).unwrap();
    let lives: Vec<Vec<Event>> = (0..orders).map(life).collect();
    let mut seq = 0;
    for chunk in lives.chunks(50) {
        let mut commit = Commit::default();
        for (version, number) in (0..2).flat_map(|version| (0..chunk.len()).map(move |number| (version, number))) {
            seq += 1;
            let event = chunk[number][version].clone();
            let Event::Order(of) = &event else { unreachable!("orders only") };
            let stream = of.about().order.to_string();
            let position = Position { context: Context::Order, partition: 0, seq };
            let version = version as u64 + 1;
            commit.events.push(Arc::new(Recorded { position, stream, version, at_ms, by: None, cause: None, event }));
        }
        journal.commit(&commit).unwrap();
    }
    journal.close().unwrap();
}
