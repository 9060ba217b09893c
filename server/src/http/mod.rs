//! The HTTP edge: one generic set of routes for every context. It translates, and decides nothing.
//!
//! - [`routes`]: the table of all routes; the router, the OpenAPI document and the access matrix are made from it.
//! - [`caller`]: who asks. [`problem`]: how a no is said. [`hal`]: how a yes is said.
//! - [`ops`]: what operators look at and mend. [`pay`]: waiting for money, for as long as its customer does.
//! - [`resources`]: get, list, verb. [`create`]: post. [`live`]: streams. [`accounts`]: joining and logging in.

pub mod accounts;
pub mod asyncapi;
pub mod caller;
pub mod create;
pub mod hal;
pub mod live;
pub mod openapi;
pub mod ops;
pub mod pay;
pub mod problem;
pub mod resources;
pub mod routes;
pub mod verbs;

use crate::{
    engine::Engine,
    identity::Access,
    service::{Peers, Service},
    traces,
    workers::Payments,
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use caller::{Caller, JOURNAL, language};
use problem::Trouble;
use routes::{Op, Route};
use shared::problem::Code;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The largest body: a menu's dish with all its options needs a tenth of it.
pub const MAX_BODY: usize = 64 * 1024;
/// How long a body may take: whoever stalls must not hold a request's place for ever.
const BODY_WAIT: Duration = Duration::from_secs(10);

/// What an operator may set of the edge.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Live streams that one account may hold open.
    pub max_streams: usize,
}

/// What every request needs.
pub struct App {
    /// The contexts.
    pub engine: Arc<Engine>,
    /// Accounts, tokens and the vault, wherever they are.
    pub identity: Access,
    /// The payment worker, where payments are kept.
    pub pay: Option<Arc<Payments>>,
    /// Services in other processes.
    pub peers: Arc<Peers>,
    /// Commands that people send.
    pub verbs: verbs::Verbs,
    /// Requests being worked on.
    pub in_flight: create::InFlight,
    /// Streams being open.
    pub streams: live::Streams,
    /// Settings.
    pub config: HttpConfig,
    /// Names this folder's journals.
    pub journal_id: String,
    /// Set when the server stops.
    pub stopping: CancellationToken,
}

/// The router of all routes that this process serves.
pub fn router(app: &Arc<App>) -> Router {
    let mut paths: BTreeMap<String, MethodRouter> = BTreeMap::new();
    for route in routes::all().into_iter().filter(|route| app.serves(&route.op)) {
        let app = app.clone();
        let Route { method, path, op } = route;
        let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
        let meter = app.engine.metrics.route(method.as_str(), &path);
        let template = path.clone();
        let handler = move |request: Request| async move {
            let span = traces::Open::request(app.engine.traces.get(), Some(&template), &request);
            let response = serve(&app, op, request).await;
            meter.answered(response.status().as_u16());
            if let Some(span) = span {
                span.answered(&response);
            }
            response
        };
        let known = paths.remove(&path).unwrap_or_default();
        paths.insert(path, known.merge(on(filter, handler)));
    }
    let router = paths.into_iter().fold(Router::new(), |router, (path, methods)| router.route(&path, methods));
    router
        .method_not_allowed_fallback(
            |request: Request| async move { Trouble::from(Code::MethodNotAllowed).answer(language(request.headers())) },
        )
        .fallback(|request: Request| async move { Trouble::from(Code::NotFound).answer(language(request.headers())) })
}

impl App {
    fn serves(&self, op: &Op) -> bool {
        match op.service() {
            Some(Service::Context(context)) => self.engine.runs(context),
            Some(Service::Identity) => self.identity.home().is_ok(),
            Some(Service::Gateway) | None => true,
        }
    }
}

async fn serve(app: &Arc<App>, op: Op, request: Request) -> Response {
    let lang = language(request.headers());
    let mut response = handle(app, op, request).await.unwrap_or_else(|trouble| trouble.answer(lang));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&app.journal_id) {
        headers.insert(JOURNAL, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Language, Authorization, Origin"));
    response
}

async fn handle(app: &Arc<App>, op: Op, request: Request) -> Result<Response, Trouble> {
    use axum::RequestExt;
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let caller = Caller::read(app, &method, &headers)?;
    let query = Query::<resources::Query>::try_from_uri(request.uri()).map(|Query(query)| query).unwrap_or_default();
    let mut request = request;
    let id = match request.extract_parts::<Path<BTreeMap<String, String>>>().await {
        Ok(Path(mut segments)) => segments.remove("id").unwrap_or_default(),
        Err(_) => String::new(),
    };
    let body = if matches!(method, Method::POST | Method::PUT | Method::DELETE) { read(request).await? } else { Bytes::new() };
    match op {
        Op::Get(kind) => resources::get(app, &caller, kind, &id).await,
        Op::List(kind) => resources::list(app, &caller, kind, &query).await,
        Op::Verb(kind, verb) => resources::put(app, &caller, kind, &id, &verb, &body).await,
        Op::Create(kind) => create::post(app, &caller, kind, &body).await,
        Op::Watch => live::one(app, caller, &headers, &id).await,
        Op::WatchMany(kind) => live::many(app, caller, &headers, kind, &query).await,
        Op::Join => accounts::join(app, &caller, &body).await,
        Op::Account => accounts::get(app, &caller, &id).await,
        Op::Login => accounts::login(app, &caller, &body).await,
        Op::Logout => accounts::logout(app, &body).await,
        Op::Ops(context, what) => ops::answer(app, &caller, context, what, &id, &query, &body).await,
        Op::Root => Ok(hal::answer(&caller, StatusCode::OK, routes::root(&caller.base))),
        Op::Profiles => Ok(hal::answer(&caller, StatusCode::OK, routes::profiles(&caller.base))),
        Op::Profile(kind) => Ok(([(header::CONTENT_TYPE, "application/alps+json")], routes::profile(kind)).into_response()),
        Op::OpenApi => Ok(([(header::CONTENT_TYPE, "application/json")], openapi::document()).into_response()),
        Op::AsyncApi => Ok(([(header::CONTENT_TYPE, "application/json")], asyncapi::document()).into_response()),
        Op::Live => Ok(live(&caller)),
        Op::Ready => Ok(ready(app, &caller)),
    }
}

/// What a server that answers at all can say of itself.
fn live(caller: &Caller) -> Response {
    hal::answer(caller, StatusCode::OK, concat!(r#"{"status":"UP","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#))
}

/// Whether requests would be served: tokens can be verified, journals written, and the process is not about to end.
fn ready(app: &App, caller: &Caller) -> Response {
    let mut waits: Vec<String> = app.engine.contexts().filter(|context| !app.engine.is_ready(*context)).map(|c| c.name().into()).collect();
    if !app.identity.is_ready() {
        waits.push("identity".into());
    }
    if app.stopping.is_cancelled() {
        waits.push("stopping".into());
    }
    let (status, word) = if waits.is_empty() { (StatusCode::OK, "UP") } else { (StatusCode::SERVICE_UNAVAILABLE, "OUT_OF_SERVICE") };
    let body = serde_json::json!({ "status": word, "version": env!("CARGO_PKG_VERSION"), "waits_for": waits });
    hal::answer(caller, status, body.to_string())
}

/// Reads a body of JSON, within the limit.
async fn read(request: Request) -> Result<Bytes, Trouble> {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = tokio::time::timeout(BODY_WAIT, axum::body::to_bytes(request.into_body(), MAX_BODY)).await;
    let body = body.map_err(|_| verbs::invalid("the body did not come in time"))?.map_err(|_| Code::TooLarge)?;
    let media = media.as_deref().map(|media| media.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    match media.as_deref() {
        Some("application/json" | "application/hal+json") => Ok(body),
        None if body.is_empty() => Ok(body),
        _ => Err(Code::UnsupportedMediaType.into()),
    }
}
