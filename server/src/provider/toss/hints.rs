//! Webhooks of Toss Payments: unsigned, repeated, out of order, and at times contradictory, so each is a hint to look at one
//! order again and nothing more. Of the body the order's id is read; what it says of the money is not.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use quick_cache::sync::Cache;
use serde::Deserialize;
use shared::OrderId;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where they come in.
pub const PATH: &str = "/webhooks/toss";
/// Names a webhook: the same for each repeat of it.
const ID: &str = "tosspayments-webhook-transmission-id";
/// The longest name that is remembered.
const MAX_ID: usize = 200;
/// The longest body: a payment with its cancels.
const MAX_BYTES: usize = 256 * 1024;
/// Webhooks remembered, so that a repeat is known. One that was forgotten costs a look-up.
const REMEMBERED: usize = 10_000;
/// Hints that wait for the worker. The provider sends again what was not taken.
const QUEUE: usize = 1_000;

#[derive(Deserialize)]
struct Hook {
    data: About,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    order_id: String,
}

/// What has come in.
#[derive(Clone)]
struct Hints {
    seen: Arc<Cache<String, ()>>,
    queue: mpsc::Sender<OrderId>,
}

/// The way in for webhooks, and the orders that they point at.
pub fn hints() -> (Router, mpsc::Receiver<OrderId>) {
    let (queue, hinted) = mpsc::channel(QUEUE);
    let hints = Hints { seen: Arc::new(Cache::new(REMEMBERED)), queue };
    (Router::new().route(PATH, post(take)).layer(DefaultBodyLimit::max(MAX_BYTES)).with_state(hints), hinted)
}

/// Tells somebody of each order that was pointed at; who looks after it then asks the provider, if anything is due.
pub async fn follow(mut hinted: mpsc::Receiver<OrderId>, nudge: impl Fn(OrderId)) {
    while let Some(order) = hinted.recv().await {
        nudge(order);
    }
}

/// 200 for whatever is taken, or means nothing to us: there is nothing to be learned here by trying.
async fn take(State(hints): State<Hints>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers.get(ID).and_then(|id| id.to_str().ok()).filter(|id| (1..=MAX_ID).contains(&id.len()));
    let (Some(id), Some(order)) = (id, order(&body)) else { return StatusCode::OK };
    if hints.seen.get(id).is_some() {
        return StatusCode::OK;
    }
    match hints.queue.try_send(order) {
        Ok(()) => {
            hints.seen.insert(id.to_owned(), ());
            StatusCode::OK
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The order over here: the one over there is named after a movement of it.
fn order(body: &[u8]) -> Option<OrderId> {
    let hook: Hook = serde_json::from_slice(body).ok()?;
    let (order, _) = hook.data.order_id.rsplit_once('-')?;
    OrderId::parse(order)
}
