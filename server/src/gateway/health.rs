//! Whether everything behind the gateway is ready: asked together, and not more often than once a second.

use super::{Gateway, headers, pool::Pool};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a copy may take to say that it is ready.
const WAIT: Duration = Duration::from_secs(1);
/// How long an answer holds: however often this is asked, services are asked once in this time.
const FRESH_MS: u64 = 1_000;

/// What was found, and when.
pub type Found = tokio::sync::Mutex<Option<(u64, StatusCode, String)>>;

/// `GET /health/live`: the gateway itself.
pub fn live() -> Response {
    answer(StatusCode::OK, concat!(r#"{"status":"UP","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#).to_owned())
}

/// `GET /health/ready`: the gateway and every service. One copy of a service is enough.
pub async fn ready(gateway: &Gateway) -> Response {
    let mut found = gateway.found.lock().await;
    let now_ms = gateway.now_ms();
    if let Some((at_ms, status, body)) = &*found
        && now_ms < at_ms + FRESH_MS
        && !gateway.stopping.is_cancelled()
    {
        return answer(*status, body.clone());
    }
    let (status, body) = ask(gateway).await;
    *found = Some((gateway.now_ms(), status, body.clone()));
    answer(status, body)
}

async fn ask(gateway: &Gateway) -> (StatusCode, String) {
    let counts = join_all(gateway.pools.iter().map(|pool| ready_copies(gateway, pool))).await;
    let mut services = serde_json::Map::new();
    let mut waits: Vec<&str> = vec![];
    for (pool, up) in gateway.pools.iter().zip(counts) {
        let breaker = pool.breaker().state(gateway.now_ms());
        if up == 0 {
            waits.push(&pool.name);
        }
        let word = if up > 0 { "UP" } else { "OUT_OF_SERVICE" };
        // How many there are is said, where they are is not: anybody may ask.
        let said = json!({ "status": word, "ready": up, "copies": pool.copies.len(), "breaker": breaker.name() });
        services.insert(pool.name.clone(), said);
    }
    if gateway.stopping.is_cancelled() {
        waits.push("stopping");
    }
    let (status, word) = if waits.is_empty() { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE") };
    let body = json!({
        "status": word,
        "version": env!("CARGO_PKG_VERSION"),
        "waits_for": waits,
        "services": Value::Object(services),
    });
    (status, body.to_string())
}

async fn ready_copies(gateway: &Gateway, pool: &Pool) -> usize {
    let asked = pool.copies.iter().map(|copy| async {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = axum::http::Uri::from_static("/health/ready");
        request.headers_mut().insert(header::HOST, HeaderValue::from_static(""));
        request.headers_mut().insert(headers::DEADLINE, HeaderValue::from(WAIT.as_millis() as u64));
        let answer = tokio::time::timeout(WAIT, copy.ask(request, gateway.now_ms())).await;
        matches!(answer, Ok(Ok((response, _))) if response.status() == StatusCode::OK)
    });
    join_all(asked).await.into_iter().filter(|ready| *ready).count()
}

fn answer(status: StatusCode, body: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/hal+json"), (header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, body).into_response()
}
