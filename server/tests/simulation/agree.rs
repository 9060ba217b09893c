//! When everything that was said is heard, all contexts agree on where each order stands, whatever happened on the way.
//! Only people, deadlines and the provider can move an order then, and no wish waits for anybody else.

use super::{
    city::City,
    oracle::{operator, person, shown},
    watch::{Broken, OrderSeen, hold},
};
use domain::Shown;
use shared::{
    Context, Kind, OrderId, Role,
    api::{OrderShown, TicketShown},
    order::Status,
    ticket,
};

/// Looks at all orders of a city in which nothing is on its way.
pub fn check(city: &City) -> Result<(), Broken> {
    for (id, seen) in &city.watch.orders {
        wishes(city, *id, seen)?;
        standing(city, *id, seen)?;
    }
    for shop in &city.cast.shops {
        let Some(Shown::Store(store)) = shown(city, Kind::Store, &shop.store.to_string(), &person(shop.owner, Role::Owner)) else {
            return Err(format!("a store is there: {}", shop.store));
        };
        let open = city.watch.open(shop.store) as u32;
        hold!(store.open_tickets == open, "a place is held by an open ticket: {} for {open} in {}", store.open_tickets, shop.store);
    }
    for rider in &city.cast.riders {
        let Some(Shown::Rider(shown)) = shown(city, Kind::Rider, &rider.to_string(), &person(rider.account(), Role::Rider)) else {
            return Err(format!("a rider is there: {rider}"));
        };
        let carried = city.watch.deliveries.iter().filter(|(_, delivery)| delivery.rider == Some(*rider)).map(|(id, _)| *id);
        hold!(carried.eq(shown.jobs.iter().copied()), "a rider's jobs are what the rider carries: {rider} has {:?}", shown.jobs);
    }
    Ok(())
}

/// An order, as an operator sees it.
pub fn order(city: &City, id: OrderId) -> Result<OrderShown, Broken> {
    match shown(city, Kind::Order, &id.to_string(), &operator()) {
        Some(Shown::Order(order)) => Ok(order),
        _ => Err(format!("an order is there: {id}")),
    }
}

/// A ticket, as its owner sees it, if it is on the wall.
pub fn ticket(city: &City, id: OrderId, seen: &OrderSeen) -> Option<TicketShown> {
    match shown(city, Kind::Ticket, &id.to_string(), &person(seen.about.owner, Role::Owner)) {
        Some(Shown::Ticket(ticket)) => Some(ticket),
        _ => None,
    }
}

/// A cancel has its answer, and a change waits for money at most.
fn wishes(city: &City, id: OrderId, seen: &OrderSeen) -> Result<(), Broken> {
    hold!(seen.status != Status::CancelRequested, "a cancel is answered once the store has heard of it: {id}");
    let OrderShown { change, offer, .. } = order(city, id)?;
    hold!(offer == seen.offer, "an offer is in sight while it is open: {offer:?}, not {:?}, for {id}", seen.offer);
    hold!(change.is_some() == (seen.status == Status::ChangeRequested), "a change is asked for in sight: {id} is {:?}", seen.status);
    let owed = city.nodes[Context::Payment as usize].disk.list(Kind::Payment, domain::payment::DUE).any(|key| **key == *id.to_string());
    hold!(change.is_none() || owed, "a change is answered once everybody has heard of it, unless its money is owed: {id}");
    let revision = ticket(city, id, seen).and_then(|ticket| ticket.change);
    hold!(revision == change, "kitchen and order wait for the same change: {revision:?} and {change:?} of {id}");
    Ok(())
}

/// The order stands where its ticket and its delivery have brought it.
fn standing(city: &City, id: OrderId, seen: &OrderSeen) -> Result<(), Broken> {
    use ticket::Status as T;
    let ticket = city.watch.tickets.get(&id).and_then(|ticket| ticket.status);
    let delivery = city.watch.deliveries.get(&id);
    let delivered = delivery.is_some_and(|delivery| delivery.delivered);
    let carried = delivery.is_some_and(|delivery| delivery.picks > 0);
    let agreed = match (ticket, seen.status) {
        // The lock is looked at above; the ticket beneath it is not on the stove.
        (Some(T::Waiting | T::Accepted), Status::ChangeRequested) => true,
        (Some(T::Waiting), status) => status == Status::Placed,
        (Some(T::Accepted), status) => status == Status::Accepted,
        (Some(T::Cooking), status) => status == Status::Cooking,
        (Some(T::Rejected), status) => status == Status::Rejected,
        (Some(T::Withdrawn | T::Abandoned), status) => status == Status::Cancelled,
        (Some(T::Finished), Status::Delivered | Status::Completed) => delivered,
        (Some(T::Finished), Status::Picked) => carried && !delivered,
        (Some(T::Finished), Status::Cooked) => !carried,
        (Some(T::Finished), status) => status == Status::Cancelled && delivery.is_some_and(|delivery| delivery.over),
        // No ticket: not paid, or turned away, or taken back before it came.
        (None, status) => matches!(status, Status::PendingPayment | Status::PaymentFailed | Status::Cancelled | Status::Rejected),
    };
    hold!(agreed, "all agree where an order stands: {id} is {:?}, its ticket {ticket:?}, delivered: {delivered}", seen.status);
    Ok(())
}
