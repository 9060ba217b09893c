//! One request through the gateway: admitted, sent, sent again where that is harmless, and its answer passed on.

use super::{
    Gateway, headers,
    pool::{Pending, Pool},
    retry::{self, Cause, Tried},
};
use crate::{
    breaker::Permit,
    http::{MAX_BODY, caller::language, problem::Trouble},
    random::random,
};
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header},
    response::Response,
};
use futures_util::FutureExt;
use hyper::body::{Frame, SizeHint};
use shared::problem::Code;
use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// How long a request's body may take. It is read whole before a service is troubled, so that a client that stalls holds
/// no place there, and so that it can be sent again.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// Seconds after which a client may come again when a service is away.
const RETRY_AFTER_S: u64 = 1;

/// Who sent a request, when it came over a socket.
pub fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())
}

/// A request that can be sent any number of times.
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    repeatable: bool,
}

impl Call {
    /// Reads a request whole.
    async fn read(request: Request, correlation: &HeaderValue) -> Result<Self, Trouble> {
        let peer = peer(&request);
        let (parts, body) = request.into_parts();
        if parts.headers.get_all(header::HOST).iter().count() > 1 {
            return Err(Trouble::Edge(Code::InvalidParameter, Some("Host: one is wanted".into())));
        }
        let late = || Trouble::Edge(Code::InvalidBody, Some("the body did not come in time".into()));
        let body = match body.is_end_stream() {
            true => Bytes::new(),
            false => {
                let read = tokio::time::timeout(BODY_WAIT, axum::body::to_bytes(body, MAX_BODY)).await;
                read.map_err(|_| late())?.map_err(|_| Code::TooLarge)?
            }
        };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = path.parse::<Uri>().map_err(|_| Code::NotFound)?;
        let repeatable = retry::is_repeatable(&parts.method, &parts.headers);
        let mut headers = parts.headers;
        headers::inwards(&mut headers, &parts.uri, peer);
        headers.insert(headers::CORRELATION, correlation.clone());
        Ok(Self { method: parts.method, uri, headers, body, repeatable })
    }

    fn request(&self, left: Duration) -> Request {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(headers::DEADLINE, HeaderValue::from(left.as_millis().max(1) as u64));
        request
    }
}

/// Leave of a breaker, given back even when the client goes away.
struct Leave<'a> {
    gateway: &'a Gateway,
    pool: &'a Pool,
    permit: Option<Permit>,
    since: Instant,
}

impl Leave<'_> {
    fn done(mut self, failed: bool, took: Duration) {
        if let Some(permit) = self.permit.take() {
            self.pool.breaker().done(permit, failed, took.as_millis() as u64, self.gateway.now_ms(), random());
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let took = self.since.elapsed();
        // Whoever went away after a moment tells nothing of the service; whoever waited for long has seen that it is slow.
        if took.as_millis() as u64 > self.gateway.config.breaker.slow_ms
            && let Some(permit) = self.permit.take()
        {
            self.pool.breaker().done(permit, false, took.as_millis() as u64, self.gateway.now_ms(), random());
        }
        if let Some(permit) = self.permit.take() {
            self.pool.breaker().cancel(permit);
        }
    }
}

/// Sends a request to a service.
pub async fn forward(gateway: &Gateway, pool: &Pool, request: Request, correlation: &HeaderValue) -> Response {
    let lang = language(request.headers());
    let timeout = Duration::from_millis(headers::deadline_ms(request.headers(), pool.timeout_ms));
    let sent = async {
        let call = Call::read(request, correlation).await?;
        let leave = match pool.breaker().admit(gateway.now_ms()) {
            Ok(permit) => Leave { gateway, pool, permit: Some(permit), since: Instant::now() },
            Err(refused) => return Err(Trouble::Later(Code::Unavailable, refused.retry_ms.div_ceil(1_000).max(1))),
        };
        attempts(gateway, pool, &call, leave, Instant::now() + timeout).await
    };
    match sent.await {
        Ok((response, pending)) => passed(gateway, response, pending),
        Err(trouble) => trouble.answer(lang),
    }
}

async fn attempts(
    gateway: &Gateway,
    pool: &Pool,
    call: &Call,
    leave: Leave<'_>,
    deadline: Instant,
) -> Result<(Response, Pending), Trouble> {
    let (began, mut tried, mut asked) = (Instant::now(), Tried::default(), vec![]);
    pool.budget().earn(&gateway.config.retry);
    loop {
        let (number, _) = pool.pick(&asked, gateway.now_ms());
        asked.push(number);
        let start = Instant::now();
        let request = call.request(deadline.saturating_duration_since(start));
        let answer = tokio::time::timeout_at(deadline, pool.copies[number].ask(request, gateway.now_ms())).await;
        let cause = match answer {
            Ok(Ok((response, pending))) => {
                leave.done(response.status().is_server_error() && response.status() != StatusCode::NOT_IMPLEMENTED, start.elapsed());
                return Ok((response, pending));
            }
            Ok(Err(cause)) => cause,
            Err(_) => {
                tracing::warn!(service = pool.name, "no answer in time");
                leave.done(true, start.elapsed());
                return Err(away());
            }
        };
        tried.all += 1;
        tried.reached += u32::from(cause == Cause::Lost);
        tried.since_ms = began.elapsed().as_millis() as u64;
        let other = pool.pick(&asked, gateway.now_ms()).1;
        let pause = retry::again(&gateway.config.retry, &mut pool.budget(), cause, call.repeatable, tried, other, random());
        let pause = pause.map(Duration::from_millis).filter(|pause| Instant::now() + *pause < deadline);
        let Some(pause) = pause else {
            tracing::warn!(service = pool.name, ?cause, tries = tried.all, "a service does not answer");
            leave.done(true, start.elapsed());
            return Err(away());
        };
        gateway.figures.repeated.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if asked.len() >= pool.copies.len() {
            asked.clear();
        }
        tokio::time::sleep(pause).await;
    }
}

fn away() -> Trouble {
    Trouble::Later(Code::Unavailable, RETRY_AFTER_S)
}

/// Passes an answer on, piece by piece.
fn passed(gateway: &Gateway, response: Response, pending: Pending) -> Response {
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Trouble::Fault("a service wanted another protocol".into()).answer(shared::Lang::En);
    }
    headers::outwards(&mut parts.headers);
    parts.version = Version::HTTP_11;
    let media = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_stream = media.is_some_and(|media| media.starts_with(b"text/event-stream"));
    let stop = is_stream.then(|| Box::pin(gateway.stopping.clone().cancelled_owned()));
    Response::from_parts(parts, Body::new(Passed { body, stop, _pending: pending }))
}

/// The body of an answer on its way. An event stream has no end of its own: it ends when the gateway stops.
struct Passed {
    body: Body,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _pending: Pending,
}

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.stop.as_mut().is_some_and(|stop| stop.poll_unpin(context).is_ready()) {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
