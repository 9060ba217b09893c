//! Spans, and the ids that need no context to be handed on: both are computed from what every event already says.

use crate::bus::named::{self, Named};
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use shared::{Millis, Recorded, event::Position};

/// Where a trace comes from and goes to in HTTP (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";
const NANOS_PER_MS: u64 = 1_000_000;

/// Names a trace.
pub type TraceId = [u8; 16];
/// Names a span.
pub type SpanId = [u8; 8];

/// What a span is to its parent, as OTLP numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within the process.
    Internal = 1,
    /// A request that was answered.
    Server = 2,
    /// A question to somebody outside.
    Client = 3,
}

/// What an attribute says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Words of ours, or an id; never what a person has written.
    Text(String),
    /// A number.
    Number(i64),
}

/// A piece of work with a beginning and an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What it belongs to.
    pub trace: TraceId,
    /// Its name.
    pub id: SpanId,
    /// What it followed from.
    pub parent: Option<SpanId>,
    /// What it did.
    pub name: String,
    /// Where it stands.
    pub kind: Kind,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What more there is to say.
    pub attributes: Vec<(&'static str, Value)>,
    /// True when it came to no good end.
    pub failed: bool,
}

impl Span {
    /// The span of an event that was committed, as it is known now.
    ///
    /// # Errors
    /// An event that is no JSON, which would be a bug.
    pub fn of_event(event: &Recorded, now_ms: Millis) -> Result<Self, serde_json::Error> {
        let Named { name, correlation } = Named::of(event)?;
        let context = event.position.context.name();
        let text = |text: &str| Value::Text(text.to_owned());
        let mut attributes = vec![
            ("baemin.context", text(context)),
            ("baemin.stream", text(&event.stream)),
            ("baemin.correlation_id", text(&correlation)),
            ("baemin.position", Value::Text(named::id(&event.position))),
            ("baemin.by", event.by.map_or_else(|| text("system"), |by| Value::Text(by.to_string()))),
        ];
        if let Some(cause) = &event.cause {
            attributes.push(("baemin.cause", Value::Text(named::id(cause))));
        }
        Ok(Self {
            trace: trace_of(&correlation),
            id: span_of(&event.position),
            parent: event.cause.as_ref().map(span_of),
            name: format!("{context} {name}"),
            kind: Kind::Internal,
            start_ns: nanos(event.at_ms),
            // Clocks of two machines may differ: no span ends before it began.
            end_ns: nanos(now_ms.max(event.at_ms)),
            attributes,
            failed: false,
        })
    }
}

/// Milliseconds as OTLP counts time.
pub fn nanos(ms: Millis) -> u64 {
    u64::try_from(ms).unwrap_or(0) * NANOS_PER_MS
}

/// The trace of an order, of another stream, or of a request by its correlation id.
pub fn trace_of(correlation: &str) -> TraceId {
    first(&format!("trace:{correlation}"))
}

/// The span of an event.
pub fn span_of(position: &Position) -> SpanId {
    first(&named::id(position))
}

fn first<const N: usize>(text: &str) -> [u8; N] {
    let hash = digest(&SHA256, text.as_bytes());
    std::array::from_fn(|i| hash.as_ref()[i])
}

/// As OTLP and HTTP write ids.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the header for a child of a span. Whoever asks us for traces wants them all, so it is sampled.
pub fn traceparent(trace: TraceId, id: SpanId) -> String {
    format!("00-{}-{}-01", hex(&trace), hex(&id))
}

/// Reads the header; `None` when it is absent, said twice, or not well-formed.
pub fn parent(headers: &HeaderMap) -> Option<(TraceId, SpanId)> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let mut parts = value.to_str().ok()?.split('-');
    let [version] = bytes(parts.next()?)?;
    let (trace, id) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
    let [_flags] = bytes(parts.next()?)?;
    // Only later versions may say more, and 255 is none.
    let is_version = version != 0xff && (version != 0 || parts.next().is_none());
    (is_version && trace != [0; 16] && id != [0; 8]).then_some((trace, id))
}

/// Reads lower-case hex of exactly this length.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let good = text.len() == 2 * N && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2).filter(|_| good)?, 16).ok()?;
    }
    Some(bytes)
}
