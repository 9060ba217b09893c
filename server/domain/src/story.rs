//! An order's story: what each of its events adds, for whoever tells it, and which change or offer is open after it.

use shared::{
    api::Step,
    order::{self, Basket, Status},
};

/// What an order's event adds to its story.
pub fn step(event: &order::Event, status: order::Status, version: u64) -> Step {
    use order::Event as E;
    let name = match event {
        E::Placed { .. } => "placed",
        E::Paid { .. } => "paid",
        E::PaymentFailed { .. } => "payment_failed",
        E::Accepted { .. } => "accepted",
        E::Delayed { .. } => "delayed",
        E::Rejected { .. } => "rejected",
        E::Started { .. } => "started",
        E::Cooked { .. } => "cooked",
        E::Picked { .. } => "picked",
        E::Released { .. } => "released",
        E::Delivered { .. } => "delivered",
        E::Completed { .. } => "completed",
        E::CancelRequested { .. } => "cancel_requested",
        E::CancelRefused { .. } => "cancel_refused",
        E::Cancelled { .. } => "cancelled",
        E::ChangeRequested { .. } => "change_requested",
        E::Changed { .. } => "changed",
        E::ChangeRefused { .. } => "change_refused",
        E::OfferMade { .. } => "offer_made",
        E::OfferAccepted { .. } => "offer_accepted",
        E::OfferDeclined { .. } => "offer_declined",
    };
    let reason = match event {
        E::PaymentFailed { reason, .. }
        | E::Rejected { reason, .. }
        | E::CancelRequested { reason, .. }
        | E::Cancelled { reason, .. }
        | E::ChangeRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    let amount = match event {
        E::Rejected { refund, .. } | E::Cancelled { refund, .. } | E::OfferMade { refund, .. } => Some(*refund),
        E::Changed { difference, .. } => Some(*difference),
        _ => None,
    };
    let eta_ms = match event {
        E::Accepted { eta_ms, .. } | E::Delayed { eta_ms, .. } => Some(*eta_ms),
        _ => None,
    };
    Step { version, event: name.into(), status, at_ms: event.at_ms(), reason, amount, eta_ms }
}

/// The dishes that are asked for instead after an event, until that is settled or the order ends.
pub fn change(asked: Option<Basket>, event: &order::Event, status: Status) -> Option<Basket> {
    match event {
        order::Event::ChangeRequested { basket, .. } | order::Event::OfferAccepted { basket, .. } => Some(basket.clone()),
        order::Event::Changed { .. } | order::Event::ChangeRefused { .. } => None,
        _ => asked.filter(|_| !status.is_final()),
    }
}

/// The store's offer that is open after an event. It lapses by itself: with the start of cooking, with the order's end, and
/// as soon as the customer asks for a cancel or for other dishes.
pub fn offer(open: Option<Basket>, event: &order::Event, status: Status) -> Option<Basket> {
    match event {
        order::Event::OfferMade { basket, .. } => Some(basket.clone()),
        order::Event::OfferDeclined { .. } => None,
        _ => open.filter(|_| matches!(status, Status::Placed | Status::Accepted)),
    }
}
