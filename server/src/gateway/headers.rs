//! Which headers pass the gateway, and which it writes itself.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use std::net::IpAddr;

pub use crate::service::peers::DEADLINE;
use crate::traces::span::TRACEPARENT;
use crate::{random::random, service::peers::SERVICE};

/// The header that names a request through all services and logs.
pub const CORRELATION: &str = "baemin-correlation";
/// The header of a refusal by a service that is about to end, and has not touched the request.
pub const DRAINING: &str = "baemin-draining";
/// A longer name is none of ours.
const MAX_CORRELATION: usize = 64;

/// What is said between two neighbours only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What a client could say to pass for somebody else. The gateway says these itself, or nobody does.
const OURS_TO_SAY: [&str; 12] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    SERVICE,
    DEADLINE,
    DRAINING,
];
/// Nobody can have these dropped by naming them in `Connection`.
const KEPT: [&str; 5] = ["host", "authorization", "idempotency-key", CORRELATION, TRACEPARENT];

/// Takes out what is for this connection alone.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| !KEPT.contains(&name.as_str()))
        .collect();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in named {
        headers.remove(name);
    }
}

/// Makes the headers of a request those that a service gets.
pub fn inwards(headers: &mut HeaderMap, uri: &Uri, peer: Option<IpAddr>) {
    strip(headers);
    for name in OURS_TO_SAY {
        headers.remove(name);
    }
    // The body is whole by now: its length is written anew, and nobody need be told to go on.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::EXPECT);
    // A request line with a host counts more than the header (RFC 9112, section 3.2.2). Links lead to this host.
    let host = match uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => headers.get(header::HOST).cloned(),
    };
    // Without any, the service must not show its own.
    let host = host.unwrap_or(HeaderValue::from_static(""));
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    headers.insert("x-forwarded-host", host.clone());
    headers.insert(header::HOST, host);
    if let Some(value) = peer.and_then(|peer| HeaderValue::try_from(peer.to_canonical().to_string()).ok()) {
        headers.insert("x-forwarded-for", value);
    }
}

/// Makes the headers of an answer those that a client gets.
pub fn outwards(headers: &mut HeaderMap) {
    strip(headers);
    headers.remove(DRAINING);
    let cors: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in cors {
        headers.remove(name);
    }
}

/// The request's name: as its sender has named it, or a new one when that could harm a log line.
pub fn correlation(headers: &HeaderMap) -> HeaderValue {
    let good = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=MAX_CORRELATION).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    headers.get(CORRELATION).filter(good).cloned().unwrap_or_else(fresh)
}

fn fresh() -> HeaderValue {
    let name = format!("{:016x}{:016x}", random(), random());
    HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("none"))
}

/// The milliseconds that a client gives, when it gives fewer than there are.
pub fn deadline_ms(headers: &HeaderMap, most: u64) -> u64 {
    let given = headers.get(DEADLINE).and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<u64>().ok());
    given.map_or(most, |given| given.clamp(1, most))
}
