//! An order's story: what each of its events adds, for whoever tells it.

use shared::{api::Step, order};

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
        E::Rejected { refund, .. } | E::Cancelled { refund, .. } => Some(*refund),
        E::Changed { difference, .. } => Some(*difference),
        _ => None,
    };
    let eta_ms = match event {
        E::Accepted { eta_ms, .. } | E::Delayed { eta_ms, .. } => Some(*eta_ms),
        _ => None,
    };
    Step { version, event: name.into(), status, at_ms: event.at_ms(), reason, amount, eta_ms }
}
