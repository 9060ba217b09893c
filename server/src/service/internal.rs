//! What other services may ask of this one: the feed of a journal, and what identity knows. Whoever asks must know the
//! installation's secret; for everybody else there is nothing here.

use super::{
    Secret,
    peers::{DEADLINE, PersonKey, SERVICE, Waiting},
};
use crate::{engine::Engine, identity::Access, workers::Payments};
use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use shared::{AccountId, Context};
use std::{sync::Arc, time::Duration};

/// Events in one answer at most, of about a kilobyte each.
const MAX_EVENTS: usize = 1_000;

/// No answer waits longer for a payment: whoever asks has a customer waiting.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// What the answers come from.
#[derive(Clone)]
pub struct Inside {
    /// The contexts of this process.
    pub engine: Arc<Engine>,
    /// Identity, if it runs here.
    pub access: Access,
    /// The payment worker, if it runs here.
    pub pay: Option<Arc<Payments>>,
    /// What callers must know.
    pub secret: Secret,
}

/// The routes for other services.
pub fn router(inside: Inside) -> Router {
    Router::new()
        .route("/internal/feed/{context}/{partition}", get(feed))
        .route("/internal/heads/{context}", get(heads))
        .route("/internal/payments/{order}", get(payment))
        .route("/internal/identity/tokens", get(tokens))
        .route("/internal/identity/people/{person}", get(person))
        .layer(from_fn_with_state(inside.secret.clone(), guard))
        .with_state(inside)
}

async fn guard(State(secret): State<Secret>, request: Request, next: Next) -> Response {
    let known = request.headers().get(SERVICE).is_some_and(|sent| secret.is(sent.as_bytes()));
    if known { next.run(request).await } else { StatusCode::NOT_FOUND.into_response() }
}

#[derive(Deserialize)]
struct After {
    after: u64,
    limit: usize,
}

async fn feed(State(inside): State<Inside>, Path((context, partition)): Path<(String, u16)>, Query(query): Query<After>) -> Response {
    let Some(context) = Context::parse(&context).filter(|context| inside.engine.runs(*context)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match inside.engine.feed(context, partition, query.after, query.limit.min(MAX_EVENTS)) {
        Ok(events) => Json(events).into_response(),
        Err(fault) => away(&fault),
    }
}

async fn heads(State(inside): State<Inside>, Path(context): Path<String>) -> Response {
    match Context::parse(&context).filter(|context| inside.engine.runs(*context)) {
        Some(context) => Json(inside.engine.heads(context)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn tokens(State(inside): State<Inside>) -> Response {
    match inside.access.home() {
        Ok(identity) => Json(identity.token_keys()).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Whether the payment of an order is kept for later: answered as soon as that is known, or when the deadline comes.
/// There is nothing here about an order that another replica looks after.
async fn payment(State(inside): State<Inside>, Path(order): Path<String>, headers: HeaderMap) -> Response {
    let Some(pay) = inside.pay.as_ref().filter(|_| inside.engine.is_mine(Context::Payment, &order)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let said = headers.get(DEADLINE).and_then(|left| left.to_str().ok()).and_then(|left| left.parse().ok());
    let at_most = Duration::from_millis(said.unwrap_or(0)).min(MAX_WAIT);
    let shut = tokio::time::timeout(at_most, pay.till.shuts()).await.ok();
    Json(Waiting { kept_ms: shut.map(|shut| shut.as_millis() as u64) }).into_response()
}

#[derive(Deserialize)]
struct Make {
    make: bool,
}

async fn person(State(inside): State<Inside>, Path(person): Path<String>, Query(Make { make }): Query<Make>) -> Response {
    let (Ok(identity), Some(person)) = (inside.access.home(), AccountId::parse(&person)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let identity = identity.clone();
    let key = tokio::task::spawn_blocking(move || identity.person_key(person, make)).await;
    match key {
        Ok(Ok(Some(bytes))) => Json(PersonKey { key: STANDARD.encode(bytes) }).into_response(),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(fault)) => away(&fault),
        Err(fault) => away(&fault),
    }
}

fn away(fault: &dyn std::fmt::Display) -> Response {
    tracing::error!(%fault, "another service was not answered");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
