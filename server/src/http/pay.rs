//! Waiting for money, for as long as its customer does: after placing an order, and when a customer asks to pay now.
//!
//! Whoever waits listens to commits; nothing is polled. An order is kept whatever becomes of the wait: this only decides
//! what its customer is told.

use super::{App, caller::Caller, hal, problem::Trouble, resources::tokened};
use crate::engine::Order;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use domain::{Row, watch::Topic};
use shared::{Context, Event, Kind, OrderId, Recorded, order, payment};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How long an answer waits for a payment. A card company that takes longer counts as slow, and the customer would rather
/// know that the order is safe than watch a cursor.
const WAIT: Duration = Duration::from_secs(1);
/// How long it is waited before the payment service in another process is asked whether it keeps the payment: several
/// times as long as a payment takes when all is well, so that then nobody is asked; short enough to answer in 300 ms.
const ASK_AFTER: Duration = Duration::from_millis(100);
/// Seconds after which a payment that is slow, but not kept from the provider, may be looked at again.
const RETRY_AFTER_S: u64 = 2;

/// A payment that is kept for later.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// How long the provider will not be asked, if that is known.
    shut: Option<Duration>,
}

impl Kept {
    /// When to come again.
    pub fn retry_after(self) -> HeaderValue {
        HeaderValue::from(self.shut.map_or(RETRY_AFTER_S, |shut| shut.as_millis().div_ceil(1_000).max(1) as u64))
    }
}

/// Waits until a new order's payment has answered, or is known to be kept for later. The order as it is then.
///
/// # Errors
/// A fault of the database.
pub async fn settled(
    app: &App,
    caller: &Caller,
    order: &Arc<str>,
    placed: Arc<Row>,
    changes: mpsc::Receiver<Arc<Recorded>>,
) -> Result<(Arc<Row>, Option<Kept>), Trouble> {
    if !is_unpaid(&placed) {
        return Ok((placed, None));
    }
    let at_most = caller.patience(WAIT);
    let is_answer = |event: &Event| matches!(event, Event::Order(event) if !matches!(event, order::Event::Placed { .. }));
    let shut = tokio::select! {
        () = heard(changes, is_answer) => None,
        shut = kept(app, caller, order, at_most) => Some(shut),
        () = tokio::time::sleep(at_most) => None,
    };
    let row = app.engine.read(Kind::Order, order)?.map_or(placed, |stored| stored.row);
    let kept = is_unpaid(&row).then_some(Kept { shut });
    Ok((row, kept))
}

/// `PUT /payments/{id}/pay`, once the rules have said that something is due: has it asked for now, and waits a little.
///
/// # Errors
/// A fault of the database.
pub async fn now(app: &App, caller: &Caller, id: &str, before: Arc<Row>) -> Result<Response, Trouble> {
    let mut shut = None;
    if let (Some(pay), Some(order)) = (&app.pay, OrderId::parse(id)) {
        let changes = app.engine.watch(&[Topic::One(Kind::Payment, order)]);
        // The answer may have come since the rules were asked, and before anybody listened.
        if app.engine.read(Kind::Payment, id)?.is_some_and(|now| is_charging(&now.row)) {
            pay.nudge(id);
            let is_answer = |event: &Event| {
                matches!(
                    event,
                    Event::Payment(payment::Event::Approved { .. } | payment::Event::Declined { .. } | payment::Event::Voided { .. })
                )
            };
            shut = tokio::select! {
                () = heard(changes, is_answer) => None,
                shut = pay.till.shuts() => Some(shut),
                () = tokio::time::sleep(caller.patience(WAIT)) => None,
            };
        }
    }
    let row = app.engine.read(Kind::Payment, id)?.map_or(before, |stored| stored.row);
    let mut body = hal::visible(app, caller, Kind::Payment, id, &row)?;
    let is_due = is_charging(&row);
    if is_due {
        body.insert_str(1, r#""kept":true,"#);
    }
    let mut response = tokened(app, Kind::Payment, hal::answer(caller, StatusCode::OK, body));
    if is_due {
        response.headers_mut().insert(header::RETRY_AFTER, Kept { shut }.retry_after());
    }
    Ok(response)
}

/// Whether the rules would take this wish to pay now.
pub fn is_due(app: &App, wish: &Order) -> bool {
    let stored = app.engine.read(Kind::Payment, &wish.stream).ok().flatten();
    stored.is_some_and(|stored| domain::decide(&stored.row, &wish.command, &wish.stamp).is_ok())
}

/// Ready when something that is watched has happened, or nobody can tell any more.
async fn heard(mut changes: mpsc::Receiver<Arc<Recorded>>, is_it: impl Fn(&Event) -> bool) {
    while let Some(recorded) = changes.recv().await {
        if is_it(&recorded.event) {
            return;
        }
    }
}

/// Ready when the payment of an order is kept for later: with how long, as far as is known. Where payments are kept in
/// another process, that is asked; a payment service that is away keeps it as well.
async fn kept(app: &App, caller: &Caller, order: &str, at_most: Duration) -> Duration {
    if let Some(pay) = &app.pay {
        return pay.till.shuts().await;
    }
    tokio::time::sleep(ASK_AFTER).await;
    match app.peers.payment_kept(order, at_most.saturating_sub(ASK_AFTER), &caller.correlation).await {
        Ok(Some(shut)) => shut,
        Ok(None) => std::future::pending().await,
        Err(fault) => {
            tracing::warn!(%fault, service = Context::Payment.name(), "an order is kept without having asked for its payment");
            Duration::from_secs(RETRY_AFTER_S)
        }
    }
}

fn is_unpaid(row: &Row) -> bool {
    matches!(row, Row::Order(Some(order)) if order.status() == order::Status::PendingPayment)
}

fn is_charging(row: &Row) -> bool {
    matches!(row, Row::Payment(payment) if payment.is_charging())
}
