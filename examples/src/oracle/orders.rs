//! Orders: each acknowledged one is there once, as it was acknowledged; each acknowledged verb took effect once; each
//! order is in exactly one final state, and so is everything that belongs to it.

use super::{
    books::Books,
    finding::{Class, Finding},
    log::Told,
    story::{Said, Story, total},
};
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

/// Compares what each client was told with what is kept.
pub fn judge(books: &Books, told: &Told) -> Vec<Finding> {
    let mut wrong = vec![];
    let mut names = HashSet::new();
    for story in &told.stories {
        let Some(order) = story.order else {
            wrong.push(Class::Unfinished.of(format!("an order was never acknowledged: {story:?}")));
            continue;
        };
        if !names.insert(order) {
            wrong.push(Class::Duplicated.of(format!("{order} was given to two keys")));
        }
        wrong.extend(one(books, order, story));
    }
    // Whatever a request that was never answered made is nobody's fault; more than that is.
    let open = told.stories.len() - names.len();
    let strange: Vec<&str> = books.rows.keys().filter(|(kind, _)| *kind == Kind::Order).map(|(_, key)| key.as_str()).collect();
    let strange: Vec<&str> = strange.into_iter().filter(|key| !OrderId::parse(key).is_some_and(|order| names.contains(&order))).collect();
    if strange.len() > open {
        let known = strange.iter().take(3).collect::<Vec<_>>();
        wrong.push(Class::Duplicated.of(format!("{} orders are kept that no key was answered with: {known:?}", strange.len())));
    }
    wrong
}

fn one(books: &Books, order: OrderId, story: &Story) -> Vec<Finding> {
    let mut wrong = vec![];
    let mut mine: HashMap<(Kind, &str), u32> = HashMap::new();
    for entry in books.of(order) {
        *mine.entry((entry.fact.kind, &entry.fact.name)).or_default() += 1;
    }
    let count = |what: &(Kind, &str)| mine.get(what).copied().unwrap_or(0);
    for said in &story.said {
        let found: u32 = evidence(&said.verb).iter().map(count).max().unwrap_or(0);
        wrong.extend(verb(said, found).map(|(class, why)| class.of(format!("{order}: {why}"))));
    }
    match end(books, order) {
        Ok(status) if !story.plan.ends().contains(&status) => {
            wrong.push(Class::Unexpected.of(format!("{order} ended as {status:?}: {story:?}")));
        }
        Ok(Status::Completed) => {
            let missing = COMPLETED.iter().filter(|what| count(what) == 0);
            wrong.extend(missing.map(|what| Class::Lost.of(format!("{order} is completed without {what:?}"))));
        }
        Ok(_) => {}
        Err((class, why)) => wrong.push(class.of(format!("{order}: {why}"))),
    }
    wrong.extend(content(books, order, story).err().map(|(class, why)| class.of(format!("{order}: {why}"))));
    wrong.extend(parts(books, order).into_iter().map(|why| Class::Unfinished.of(format!("{order}: {why}"))));
    wrong
}

/// What an answer to a verb means for what is there.
fn verb(said: &Said, found: u32) -> Option<(Class, String)> {
    let Said { verb, status, code, .. } = said;
    match (said.acknowledged(), found) {
        (_, 2..) => Some((Class::Duplicated, format!("{verb} happened {found} times"))),
        (true, 0) => Some((Class::Lost, format!("{verb} was acknowledged and did not happen"))),
        (true, 1) => None,
        // Two that were asked at once cannot both win: whoever lost is told so, and that is no fault.
        (false, _) if matches!(verb.as_str(), "start" | "cancel") && *status == 409 => None,
        (false, _) if *status == 0 => Some((Class::Unfinished, format!("{verb} was never answered"))),
        (false, _) => Some((Class::Unexpected, format!("{verb} was refused with {status} {code}"))),
    }
}

/// The one final status, in the journal and in the row alike, and after it nothing.
fn end(books: &Books, order: OrderId) -> Result<Status, (Class, String)> {
    let status = |event: &Event| if let Event::Order(event) = event { event.status() } else { None };
    let statuses: Vec<Status> = books.of(order).filter_map(|entry| status(&entry.recorded.event)).collect();
    let ends: Vec<Status> = statuses.iter().copied().filter(|status| status.is_final()).collect();
    let row = books.row(Kind::Order, order).ok_or((Class::Lost, "it is not kept".to_owned()))?;
    match ends[..] {
        [end] if row["status"] == end.code() && statuses.last() == Some(&end) => Ok(end),
        [end] => Err((Class::Unexpected, format!("it ended as {end:?}, and is kept as {} after {statuses:?}", row["status"]))),
        [] => Err((Class::Unfinished, format!("it has not ended: {statuses:?}"))),
        _ => Err((Class::Duplicated, format!("it ended {} times: {ends:?}", ends.len()))),
    }
}

/// What was taken is what was asked for.
fn content(books: &Books, order: OrderId, story: &Story) -> Result<(), (Class, String)> {
    let placed = books.of(order).find_map(|entry| match &entry.recorded.event {
        Event::Order(E::Placed { about, basket, .. }) => Some((about, basket)),
        _ => None,
    });
    let (about, basket) = placed.ok_or((Class::Lost, "it was never placed".to_owned()))?;
    let (dishes, _) = story.plan.dishes();
    let [line] = &basket.lines[..] else { return Err((Class::Unexpected, format!("it was placed as {basket:?}"))) };
    if about.customer.account() != story.customer || line.quantity.get() != dishes || basket.total != total(dishes) {
        return Err((Class::Unexpected, format!("it was placed as {basket:?} by {}", about.customer)));
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
