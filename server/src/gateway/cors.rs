//! CORS from an exact list of origins, answered once: at the gateway.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// How long a browser may remember what it is allowed.
const CORS_MAX_AGE_S: u64 = 1_800;
/// What scripts of an allowed origin may read of an answer.
const EXPOSED: &str = "location, retry-after, baemin-consistency, baemin-journal, baemin-correlation";
/// What they may send.
const ALLOWED: &str =
    "authorization, content-type, accept, accept-language, idempotency-key, last-event-id, baemin-consistency, baemin-correlation";

/// Origins that may call from a browser.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Takes a list of exact origins, such as `https://shop.example`.
    ///
    /// # Errors
    /// Everything that is not exactly one origin, `*` above all: answers here depend on who asks.
    pub fn new(list: &[String]) -> Result<Self, String> {
        let one = |origin: &String| {
            let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let exact = rest.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b)));
            let value = HeaderValue::from_str(origin).ok().filter(|_| exact);
            value.ok_or_else(|| {
                format!(
                    "{origin}: an exact origin such as https://shop.example is wanted; * is refused, because answers depend on who asks"
                )
            })
        };
        list.iter().map(one).collect::<Result<_, _>>().map(Self)
    }
}

/// Answers what a browser asks before a request, and marks what an allowed origin may read.
pub(super) async fn cors(origins: Arc<Origins>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).filter(|origin| origins.0.contains(origin)).cloned();
    let preflight = request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    if let Some(origin) = origin {
        let mut allow = |name: HeaderName, value: HeaderValue| drop(headers.insert(name, value));
        allow(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        allow(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        if preflight {
            allow(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
            allow(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
            allow(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(CORS_MAX_AGE_S));
        }
    }
    if preflight {
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    }
    response
}
