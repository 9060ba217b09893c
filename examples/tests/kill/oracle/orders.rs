//! Orders: each acknowledged one is there once, as it was acknowledged; each acknowledged verb took effect once; each
//! order is in exactly one final state, and so is everything that belongs to it.

use super::Books;
use crate::{settle::total, story::Story};
use serde_json::Value;
use shared::{
    Event, Kind, OrderId,
    order::{Event as E, Status},
};
use std::collections::{HashMap, HashSet};

/// What a completed order has behind it, in every context.
const COMPLETED: [(Kind, &str); 21] = [
    (Kind::Order, "placed"),
    (Kind::Order, "paid"),
    (Kind::Order, "accepted"),
    (Kind::Order, "delivered"),
    (Kind::Order, "completed"),
    (Kind::Payment, "requested"),
    (Kind::Payment, "approved"),
    (Kind::Store, "admitted"),
    (Kind::Store, "released"),
    (Kind::Ticket, "opened"),
    (Kind::Ticket, "accepted"),
    (Kind::Ticket, "started"),
    (Kind::Ticket, "finished"),
    (Kind::Delivery, "offered"),
    (Kind::Delivery, "ready"),
    (Kind::Delivery, "picked"),
    (Kind::Delivery, "delivered"),
    (Kind::Rider, "took"),
    (Kind::Rider, "dropped"),
    (Kind::Customer, "counted"),
    (Kind::Review, "invited"),
];

/// Which events an acknowledged verb may have left: exactly one of them, once.
fn evidence(verb: &str) -> &'static [(Kind, &'static str)] {
    match verb {
        "accept" => &[(Kind::Ticket, "accepted")],
        "reject" => &[(Kind::Ticket, "rejected")],
        "start" => &[(Kind::Ticket, "started")],
        "finish" => &[(Kind::Ticket, "finished")],
        "pick" => &[(Kind::Delivery, "picked")],
        "deliver" => &[(Kind::Delivery, "delivered")],
        "confirm" => &[(Kind::Order, "completed")],
        // An unpaid order is cancelled at once, a paid one asks its store.
        "cancel" => &[(Kind::Order, "cancel_requested"), (Kind::Order, "cancelled")],
        "change" => &[(Kind::Order, "change_requested")],
        _ => &[],
    }
}

pub fn judge(books: &Books, stories: &[Story]) -> Vec<String> {
    let mut wrong = vec![];
    let mut names = HashSet::new();
    for story in stories {
        let Some(order) = story.order else {
            wrong.push(format!("an order was never acknowledged: {story:?}"));
            continue;
        };
        if !names.insert(order) {
            wrong.push(format!("{order} was given to two keys"));
        }
        let mut mine: HashMap<(Kind, &str), u32> = HashMap::new();
        for entry in books.of(order) {
            *mine.entry((entry.fact.kind, &entry.fact.name)).or_default() += 1;
        }
        let count = |what: &(Kind, &str)| mine.get(what).copied().unwrap_or(0);
        for said in story.said.iter().filter(|said| said.acknowledged()) {
            let found: u32 = evidence(said.verb).iter().map(count).max().unwrap_or(0);
            if found != 1 {
                wrong.push(format!("{order}: {} was acknowledged and happened {found} times", said.verb));
            }
        }
        match end(books, order) {
            Ok(status) if !story.plan.ends().contains(&status) => wrong.push(format!("{order} ended as {status:?}: {story:?}")),
            Ok(Status::Completed) => {
                wrong.extend(COMPLETED.iter().filter(|what| count(what) == 0).map(|what| format!("{order} is completed without {what:?}")))
            }
            Ok(_) => {}
            Err(why) => wrong.push(format!("{order}: {why}")),
        }
        wrong.extend(content(books, order, story).err().map(|why| format!("{order}: {why}")));
        wrong.extend(parts(books, order).into_iter().map(|why| format!("{order}: {why}")));
    }
    // A key that was never answered would show here as an order that nobody knows.
    let kept = books.rows.keys().filter(|(kind, _)| *kind == Kind::Order).count();
    if kept != stories.len() {
        wrong.push(format!("{} keys were used, and {kept} orders are kept", stories.len()));
    }
    wrong
}

/// The one final status, in the journal and in the row alike, and after it nothing.
fn end(books: &Books, order: OrderId) -> Result<Status, String> {
    let status = |event: &Event| if let Event::Order(event) = event { event.status() } else { None };
    let statuses: Vec<Status> = books.of(order).filter_map(|entry| status(&entry.recorded.event)).collect();
    let ends: Vec<Status> = statuses.iter().copied().filter(|status| status.is_final()).collect();
    let row = books.row(Kind::Order, order).ok_or("it is not kept")?;
    match ends[..] {
        [end] if row["status"] == end.code() && statuses.last() == Some(&end) => Ok(end),
        [end] => Err(format!("it ended as {end:?}, and is kept as {} after {statuses:?}", row["status"])),
        _ => Err(format!("it ended {} times: {ends:?}", ends.len())),
    }
}

/// What was taken is what was asked for.
fn content(books: &Books, order: OrderId, story: &Story) -> Result<(), String> {
    let placed = books.of(order).find_map(|entry| match &entry.recorded.event {
        Event::Order(E::Placed { about, basket, .. }) => Some((about, basket)),
        _ => None,
    });
    let (about, basket) = placed.ok_or("it was never placed")?;
    let (dishes, _) = story.plan.dishes();
    let [line] = &basket.lines[..] else { return Err(format!("it was placed as {basket:?}")) };
    if about.customer.account() != story.customer || line.quantity.get() != dishes || basket.total != total(dishes) {
        return Err(format!("it was placed as {basket:?} by {}", about.customer));
    }
    Ok(())
}

/// Tickets and deliveries that belong to an order that is over are over, and no place in a kitchen is held.
fn parts(books: &Books, order: OrderId) -> Vec<String> {
    let mut wrong = vec![];
    let status = |row: &Value, part: &str| row[part]["status"].as_str().unwrap_or("none").to_owned();
    if let Some(row) = books.row(Kind::Ticket, order) {
        let status = status(row, "on_wall");
        if !matches!(status.as_str(), "finished" | "rejected" | "withdrawn" | "abandoned" | "none") {
            wrong.push(format!("its ticket is {status}"));
        }
    }
    if let Some(row) = books.row(Kind::Delivery, order) {
        let status = status(row, "job");
        if !matches!(status.as_str(), "delivered" | "called_off" | "failed" | "none") {
            wrong.push(format!("its delivery is {status}"));
        }
    }
    let told = |wanted: &str| books.of(order).filter(|entry| entry.fact.kind == Kind::Store && entry.fact.name == wanted).count();
    if told("admitted") != told("released") {
        wrong.push("its place in the kitchen is held".into());
    }
    wrong
}
