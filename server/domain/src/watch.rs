//! Live streams: whom an event concerns while they watch, and what they are told.

use crate::story;
use shared::{AccountId, Cell, Event, Kind, OrderId, Recorded, StoreId, api::Change, delivery, order, payment, ticket};

/// What one may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One aggregate.
    One(Kind, OrderId),
    /// All that are this customer's.
    Customer(Kind, AccountId),
    /// All that are this owner's.
    Owner(Kind, AccountId),
    /// All of a store.
    Store(Kind, StoreId),
    /// All of a cell of the map.
    Cell(Kind, Cell),
}

/// Whom an event concerns.
pub fn topics(event: &Event) -> Vec<Topic> {
    let kind = event.kind();
    match event {
        Event::Order(event) => {
            let about = event.about();
            let mine = [Topic::One(kind, about.order), Topic::Customer(kind, about.customer.account())];
            // The store hears of an order from its payment on.
            let stores = [Topic::Owner(kind, about.owner), Topic::Store(kind, about.store)];
            let paid = !matches!(event, order::Event::Placed { .. } | order::Event::PaymentFailed { .. });
            mine.into_iter().chain(stores.into_iter().filter(|_| paid)).collect()
        }
        Event::Ticket(event) => {
            let about = event.about();
            vec![Topic::One(kind, about.order), Topic::Owner(kind, about.owner)]
        }
        Event::Delivery(event) => vec![Topic::One(kind, event.order()), Topic::Cell(kind, event.about().cell)],
        Event::Payment(event) => vec![Topic::One(kind, event.order())],
        Event::Store(_) | Event::Rider(_) | Event::Customer(_) | Event::Review(_) | Event::Notice(_) | Event::Unreadable(_) => vec![],
    }
}

/// What a watcher is told of an event; nothing, of what nobody watches.
pub fn change(recorded: &Recorded) -> Option<Change> {
    let change = |order, event: &str, status: Option<&str>| Change {
        of: recorded.event.kind(),
        order,
        version: recorded.version,
        event: event.to_owned(),
        status: status.map(str::to_owned),
        at_ms: recorded.at_ms,
        reason: None,
        eta_ms: None,
        amount: None,
        rider: None,
    };
    match &recorded.event {
        Event::Order(event) => {
            // An event that leaves the order where it stands has no status of its own; the step's is not used then.
            let step = story::step(event, event.status().unwrap_or(order::Status::Placed), recorded.version);
            let told = change(event.about().order, &step.event, event.status().map(order::Status::code));
            let rider = match event {
                order::Event::Picked { rider, .. } => Some(*rider),
                _ => None,
            };
            Some(Change { reason: step.reason, eta_ms: step.eta_ms, amount: step.amount, rider, ..told })
        }
        Event::Ticket(event) => {
            let (name, status) = ticket_words(event);
            Some(change(event.order(), name, status.map(ticket::Status::code)))
        }
        Event::Delivery(event) => {
            let (name, status, rider) = delivery_words(event);
            Some(Change { rider, ..change(event.order(), name, status.map(delivery::Status::code)) })
        }
        Event::Payment(event) => payment_words(event).map(|name| change(event.order(), name, None)),
        Event::Store(_) | Event::Rider(_) | Event::Customer(_) | Event::Review(_) | Event::Notice(_) | Event::Unreadable(_) => None,
    }
}

fn ticket_words(event: &ticket::Event) -> (&'static str, Option<ticket::Status>) {
    use ticket::{Event as E, Status as S};
    match event {
        E::Opened { .. } => ("opened", Some(S::Waiting)),
        E::Dropped { .. } => ("dropped", None),
        E::Accepted { .. } => ("accepted", Some(S::Accepted)),
        E::Rejected { .. } => ("rejected", Some(S::Rejected)),
        E::Started { .. } => ("started", Some(S::Cooking)),
        E::Delayed { .. } => ("delayed", None),
        E::Overdue { .. } => ("overdue", None),
        E::Finished { .. } => ("finished", Some(S::Finished)),
        E::Withdrawn { .. } => ("withdrawn", Some(S::Withdrawn)),
        E::WithdrawalRefused { .. } => ("withdrawal_refused", None),
        E::Revised { .. } => ("revised", None),
        E::RevisionRefused { .. } => ("revision_refused", None),
        E::Settled { .. } => ("settled", None),
        E::Reverted { .. } => ("reverted", None),
        E::Abandoned { .. } => ("abandoned", Some(S::Abandoned)),
    }
}

fn delivery_words(event: &delivery::Event) -> (&'static str, Option<delivery::Status>, Option<shared::RiderId>) {
    use delivery::{Event as E, Status as S};
    match event {
        E::Offered { .. } => ("offered", Some(S::Waiting), None),
        E::Ready { .. } => ("ready", None, None),
        E::Picked { rider, .. } => ("picked", Some(S::Picked), Some(*rider)),
        E::Released { .. } => ("released", Some(S::Waiting), None),
        E::Delivered { rider, .. } => ("delivered", Some(S::Delivered), Some(*rider)),
        E::CalledOff { .. } => ("called_off", Some(S::CalledOff), None),
        E::Widened { .. } => ("widened", None, None),
        E::Failed { .. } => ("failed", Some(S::Failed), None),
    }
}

fn payment_words(event: &payment::Event) -> Option<&'static str> {
    use payment::Event as E;
    match event {
        E::Approved { .. } => Some("approved"),
        E::Declined { .. } => Some("declined"),
        E::Voided { .. } => Some("voided"),
        E::Refunded { .. } => Some("refunded"),
        // A refund that is refused is a matter for operators: to those who watch an order it is still on its way.
        E::Requested { .. } | E::RefundRequested { .. } | E::RefundRefused { .. } | E::Adjusted { .. } | E::AdjustFailed { .. } => None,
    }
}
