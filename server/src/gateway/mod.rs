//! The single entry point. In one process it calls the services' routers in memory, with no socket between.
//!
//! It answers CORS from an exact list of origins, sheds what is too much, and turns a bug into an answer instead of a
//! closed connection.

use crate::http::{caller::language, problem::Trouble};
use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use shared::problem::Code;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use tower_http::catch_panic::CatchPanicLayer;

/// Requests that may wait for their answers at once; beyond that the next one is told to come again, while those inside
/// are still answered in time.
pub const MAX_REQUESTS: usize = 2_048;
/// Seconds after which a request that was shed may come again.
const RETRY_AFTER_S: u64 = 1;
/// How long a browser may remember what it is allowed.
const CORS_MAX_AGE_S: u64 = 1_800;
/// What scripts of an allowed origin may read of an answer.
const EXPOSED: &str = "location, retry-after, baemin-consistency, baemin-journal";
/// What they may send.
const ALLOWED: &str = "authorization, content-type, accept, accept-language, idempotency-key, last-event-id, baemin-consistency";

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

/// Puts the gateway before a router.
pub fn before(router: Router, origins: Origins) -> Router {
    let (origins, inside) = (Arc::new(origins), Arc::new(AtomicUsize::new(0)));
    router
        .layer(CatchPanicLayer::custom(|_| Trouble::Fault("a bug: a request panicked".into()).answer(shared::Lang::En)))
        .layer(from_fn(move |request, next| shed(inside.clone(), request, next)))
        .layer(from_fn(move |request, next| cors(origins.clone(), request, next)))
}

/// Counts a request while it is inside, even if its client goes away.
struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn shed(inside: Arc<AtomicUsize>, request: Request, next: Next) -> Response {
    if inside.fetch_add(1, Relaxed) >= MAX_REQUESTS {
        inside.fetch_sub(1, Relaxed);
        return Trouble::Later(Code::Unavailable, RETRY_AFTER_S).answer(language(request.headers()));
    }
    let _inside = Inside(inside);
    next.run(request).await
}

async fn cors(origins: Arc<Origins>, request: Request, next: Next) -> Response {
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
