//! The single entry point: a reverse proxy that behaves the same whether services run in this process or in others.
//!
//! - [`table`]: which path leads where. [`headers`]: what passes. [`proxy`]: one request through.
//! - [`pool`]: the copies of a service, and [`connections`] to each. [`retry`]: when a request is sent again. [`crate::breaker`]: when none is sent.
//! - [`limits`]: how often one may ask. [`cors`]: which browsers may. [`health`]: whether all is well.
//!
//! It sheds what is too much, and turns a bug into an answer instead of a closed connection.

mod connections;
pub mod cors;
pub mod headers;
pub mod health;
pub mod limits;
mod pool;
mod proxy;
pub mod retry;
pub mod table;

pub use cors::Origins;
pub use table::Table;

use crate::{
    breaker,
    http::{caller::language, problem::Trouble},
    traces::{self, Traces},
};
use axum::{
    Router,
    extract::Request,
    http::HeaderName,
    middleware::{Next, from_fn},
    response::Response,
};
use pool::Pool;
use shared::problem::Code;
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use table::Place;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

/// Requests that may wait for their answers at once; beyond that the next one is told to come again, while those inside
/// are still answered in time.
pub const MAX_REQUESTS: usize = 2_048;
/// Seconds after which a request that was shed may come again.
const RETRY_AFTER_S: u64 = 1;

/// When a call of one of our own services is slow: an order may wait a second for its payment, as it is meant to, while the
/// provider is in trouble; that must not shut the service out.
const SLOW_MS: u64 = 2_000;
/// How long the breaker before one of our own services is open, and the longest. A database that is back serves at once,
/// and a few requests to see whether it is cost nothing: people shall not wait longer for the gateway than for the service.
const OPEN_MS: u64 = 1_000;
const MAX_OPEN_MS: u64 = 4_000;

/// Everything that may be set of the gateway.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may call from a browser.
    pub origins: Origins,
    /// How often one may ask.
    pub limits: limits::Config,
    /// When requests are sent again.
    pub retry: retry::Config,
    /// When none is sent.
    pub breaker: breaker::Config,
    /// Where spans of requests go, if they are wanted.
    pub traces: Option<Arc<Traces>>,
}

impl Default for Config {
    fn default() -> Self {
        let breaker = breaker::Config { slow_ms: SLOW_MS, open_ms: OPEN_MS, max_open_ms: MAX_OPEN_MS, ..breaker::Config::default() };
        Self { breaker, origins: Origins::default(), limits: limits::Config::default(), retry: retry::Config::default(), traces: None }
    }
}

/// What the gateway has done since it began.
#[derive(Debug, Default)]
pub struct Figures {
    /// Requests that came.
    pub requests: AtomicU64,
    /// Tries after the first.
    pub repeated: AtomicU64,
    /// Requests beyond [`MAX_REQUESTS`].
    pub shed: AtomicU64,
    /// Requests beyond somebody's rate.
    pub limited: AtomicU64,
}

/// The gateway.
pub struct Gateway {
    config: Config,
    table: Table,
    pools: Vec<Pool>,
    limits: limits::Limits,
    found: health::Found,
    figures: Figures,
    inside: AtomicUsize,
    /// The beginning of its clock.
    began: Instant,
    stopping: CancellationToken,
}

impl Gateway {
    /// A gateway before the services of a table. Streams end when `stopping` is cancelled.
    pub fn new(table: Table, config: Config, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            pools: table.services.iter().map(|service| Pool::new(service, &config.breaker, &config.retry)).collect(),
            limits: limits::Limits::new(config.limits.clone()),
            config,
            table,
            found: health::Found::default(),
            figures: Figures::default(),
            inside: AtomicUsize::new(0),
            began: Instant::now(),
            stopping,
        })
    }

    /// What it has done.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Each service's breaker: its state, and what an operator wanted of it.
    pub fn breakers(&self) -> Vec<(String, breaker::State, Option<breaker::Forced>)> {
        let now_ms = self.now_ms();
        let one = |pool: &Pool| {
            let breaker = pool.breaker();
            (pool.name.clone(), breaker.state(now_ms), breaker.forced().cloned())
        };
        self.pools.iter().map(one).collect()
    }

    /// Does with a service's breaker what an operator wants; `None` lets it decide again.
    ///
    /// # Errors
    /// There is no such service.
    pub fn force(&self, service: &str, forced: Option<breaker::Forced>) -> Result<(), String> {
        let pool = self.pools.iter().find(|pool| pool.name == service);
        let pool = pool.ok_or_else(|| format!("{service}: no such service"))?;
        tracing::warn!(service, ?forced, "an operator sets a breaker");
        pool.breaker().force(forced);
        Ok(())
    }

    /// The router that a listener serves.
    pub fn router(self: &Arc<Self>) -> Router {
        let handler = |gateway: Arc<Self>| move |request: Request| async move { gateway.handle(request).await };
        let (outer, inner) = (self.clone(), self.clone());
        let origins = Arc::new(self.config.origins.clone());
        Router::new()
            .fallback(handler(self.clone()))
            .layer(CatchPanicLayer::custom(|_| Trouble::Fault("a bug: a request panicked".into()).answer(shared::Lang::En)))
            .layer(from_fn(move |request, next| shed(inner.clone(), request, next)))
            .layer(from_fn(move |request, next| named(outer.clone(), request, next)))
            .layer(from_fn(move |request, next| cors::cors(origins.clone(), request, next)))
    }

    async fn handle(&self, request: Request) -> Response {
        let correlation = headers::correlation(request.headers());
        match self.table.find(request.uri().path()) {
            Place::Service(number) => proxy::forward(self, &self.pools[number], request, &correlation).await,
            Place::Live | Place::Ready if self.is_local() => self.itself(request).await,
            Place::Live => health::live(),
            Place::Ready => health::ready(self).await,
            Place::Any => proxy::forward(self, self.any(), request, &correlation).await,
            Place::Nowhere => Trouble::from(Code::NotFound).answer(language(request.headers())),
        }
    }

    /// A process with everything in it speaks for itself; no breaker counts what it says of its health.
    async fn itself(&self, request: Request) -> Response {
        let lang = language(request.headers());
        let answer = self.pools[0].copies[0].ask(request, self.now_ms()).await;
        answer.map_or_else(|_| Trouble::Later(Code::Unavailable, RETRY_AFTER_S).answer(lang), |(response, _)| response)
    }

    fn is_local(&self) -> bool {
        self.pools.iter().all(|pool| pool.copies.iter().all(|copy| copy.is_local()))
    }

    /// The first service that seems to work.
    fn any(&self) -> &Pool {
        let now_ms = self.now_ms();
        let works = |pool: &&Pool| pool.seems_up(now_ms) && pool.breaker().state(now_ms) == breaker::State::Closed;
        self.pools.iter().find(works).unwrap_or(&self.pools[0])
    }

    /// Milliseconds of a clock that never goes back.
    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

/// Puts the gateway before a router that has every service of this process.
pub fn before(router: Router, origins: Origins) -> Router {
    // The router's own streams end when the process does; nothing here has to end them.
    Gateway::new(Table::local(&router), Config { origins, ..Config::default() }, CancellationToken::new()).router()
}

/// Serves until `stop` is ready; then takes no more connections, and finishes what has begun, but no longer than `drain`.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    gateway: &Arc<Gateway>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
    drain: Duration,
) -> Result<(), String> {
    let (stopping, stopped) = (gateway.stopping.clone(), gateway.stopping.clone());
    let signal = async move {
        stop.await;
        // Streams would hold the gateway for ever: they end now, and their readers come back.
        stopping.cancel();
    };
    let service = gateway.router().into_make_service_with_connect_info::<SocketAddr>();
    let serve = axum::serve(listener, service).with_graceful_shutdown(signal);
    tokio::select! {
        served = async { serve.await } => served.map_err(|e| e.to_string()),
        () = async { stopped.cancelled().await; tokio::time::sleep(drain).await } => Ok(()),
    }
}

/// Counts a request while it is inside, even if its client goes away.
struct Inside(Arc<Gateway>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Relaxed);
    }
}

async fn shed(gateway: Arc<Gateway>, request: Request, next: Next) -> Response {
    if gateway.inside.fetch_add(1, Relaxed) >= MAX_REQUESTS {
        gateway.inside.fetch_sub(1, Relaxed);
        gateway.figures.shed.fetch_add(1, Relaxed);
        return Trouble::Later(Code::Unavailable, RETRY_AFTER_S).answer(language(request.headers()));
    }
    let _inside = Inside(gateway);
    next.run(request).await
}

/// Gives every request a name, and counts it for its sender.
async fn named(gateway: Arc<Gateway>, mut request: Request, next: Next) -> Response {
    gateway.figures.requests.fetch_add(1, Relaxed);
    let correlation = headers::correlation(request.headers());
    request.headers_mut().insert(HeaderName::from_static(headers::CORRELATION), correlation.clone());
    let wanted = gateway.config.traces.as_ref();
    let route = wanted.and_then(|_| traces::open::template(request.method(), request.uri().path()));
    let span = traces::Open::request(wanted, route, &request);
    if let Some(span) = &span {
        span.hand_on(request.headers_mut());
    }
    let took = match proxy::peer(&request) {
        Some(peer) => gateway.limits.take(peer, request.headers(), gateway.now_ms()),
        None => Ok(()),
    };
    let mut response = match took {
        Ok(()) => next.run(request).await,
        Err(wait_ms) => {
            gateway.figures.limited.fetch_add(1, Relaxed);
            Trouble::Later(Code::TooManyRequests, wait_ms.div_ceil(1_000).max(1)).answer(language(request.headers()))
        }
    };
    response.headers_mut().insert(HeaderName::from_static(headers::CORRELATION), correlation);
    if let Some(span) = span {
        span.answered(&response);
    }
    response
}
