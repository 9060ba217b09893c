//! Spans that have begun and not ended: requests, and what workers ask of the outside world.

use super::{
    Traces,
    span::{self, Kind, Span, SpanId, TRACEPARENT, TraceId, Value},
};
use crate::{engine::now_ms, gateway::headers, http::routes, random::random};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header},
    response::Response,
};
use shared::{OrderId, event::Position};
use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

/// What a request for nothing we know is called: its path is a stranger's text.
const UNKNOWN: &str = "*";

/// A span that has begun. It is handed in when it is dropped, so a request whose client has gone away has one too.
pub struct Open {
    traces: Arc<Traces>,
    began: Instant,
    span: Option<Span>,
}

impl Open {
    fn new(traces: &Arc<Traces>, trace: TraceId, parent: Option<SpanId>, name: String, kind: Kind) -> Self {
        let start_ns = span::nanos(now_ms());
        let id = random().max(1).to_be_bytes();
        let span = Span { trace, id, parent, name, kind, start_ns, end_ns: start_ns, attributes: vec![], failed: false };
        Self { traces: traces.clone(), began: Instant::now(), span: Some(span) }
    }

    /// The span of a request, if traces are wanted. `route` is its template; what leads nowhere has none.
    pub fn request(traces: Option<&Arc<Traces>>, route: Option<&str>, request: &Request) -> Option<Self> {
        let traces = traces?;
        let (method, route) = (method(request.method()), route.unwrap_or(UNKNOWN));
        let correlation = headers::correlation(request.headers());
        let correlation = correlation.to_str().unwrap_or_default();
        let (trace, parent) = match span::parent(request.headers()) {
            Some((trace, parent)) => (trace, Some(parent)),
            None => (span::trace_of(correlation), None),
        };
        let mut open = Self::new(traces, trace, parent, format!("{method} {route}"), Kind::Server);
        open.say("http.request.method", Value::Text(method.into()));
        open.say("http.route", Value::Text(route.into()));
        open.say("baemin.correlation_id", Value::Text(correlation.into()));
        open.order(request.uri().path());
        Some(open)
    }

    /// The span of a question to the outside world about an order: a child of the event that made it due, if it is known.
    pub fn call(traces: Option<&Arc<Traces>>, name: &'static str, order: OrderId, due: Option<Position>) -> Option<Self> {
        let order = order.to_string();
        let mut open = Self::new(traces?, span::trace_of(&order), due.as_ref().map(span::span_of), name.into(), Kind::Client);
        open.say("baemin.correlation_id", Value::Text(order));
        Some(open)
    }

    /// Makes whoever gets these headers a child of this span.
    pub fn hand_on(&self, headers: &mut HeaderMap) {
        let text = self.span.as_ref().map(|span| span::traceparent(span.trace, span.id));
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(TRACEPARENT, value);
        }
    }

    /// The request was answered. A stream's span ends here, with its head.
    pub fn answered(mut self, response: &Response) {
        let status = response.status();
        self.say("http.response.status_code", Value::Number(i64::from(status.as_u16())));
        if let Some(made) = response.headers().get(header::LOCATION).and_then(|made| made.to_str().ok()) {
            self.order(made);
        }
        self.ended(status.is_server_error());
    }

    /// It came to this end.
    pub fn ended(mut self, failed: bool) {
        if let Some(span) = &mut self.span {
            span.failed = failed;
        }
    }

    /// Says which order a path is about: its events are a trace of their own.
    fn order(&mut self, path: &str) {
        if let Some(order) = path.split('/').find_map(OrderId::parse) {
            self.say("baemin.order", Value::Text(order.to_string()));
        }
    }

    fn say(&mut self, key: &'static str, value: Value) {
        if let Some(span) = self.span.as_mut().filter(|span| span.attributes.iter().all(|(known, _)| *known != key)) {
            span.attributes.push((key, value));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(mut span) = self.span.take() {
            span.end_ns = span.start_ns + self.began.elapsed().as_nanos() as u64;
            self.traces.add(span);
        }
    }
}

/// A method as traces know it; another one is a stranger's text.
fn method(method: &Method) -> &str {
    let known = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS, Method::PATCH];
    if known.contains(method) { method.as_str() } else { "_OTHER" }
}

/// Templates in which fewer words are open come first.
static TEMPLATES: LazyLock<Vec<(Method, String)>> = LazyLock::new(|| {
    let mut all: Vec<_> = routes::all().into_iter().map(|route| (route.method, route.path)).collect();
    all.sort_by_key(|(_, path)| path.matches('{').count());
    all
});

/// The template that a request matches, for those who do not route by templates.
pub fn template(method: &Method, path: &str) -> Option<&'static str> {
    let fits = |template: &str| {
        let (mut words, mut wanted) = (path.split('/'), template.split('/'));
        loop {
            match (words.next(), wanted.next()) {
                (None, None) => return true,
                (Some(word), Some(wanted)) if word == wanted || (wanted.starts_with('{') && !word.is_empty()) => {}
                _ => return false,
            }
        }
    };
    TEMPLATES.iter().find(|(known, path)| known == method && fits(path)).map(|(_, path)| path.as_str())
}
