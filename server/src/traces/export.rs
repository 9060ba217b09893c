//! Spans on their way to a collector: OTLP over HTTP, with the JSON encoding.

use super::{
    Figures,
    span::{Span, Value, hex},
};
use reqwest::{Client, Url, redirect};
use serde_json::json;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Spans of one request: about a quarter of a megabyte.
pub const BATCH: usize = 512;
/// How long a span waits for others.
const FLUSH: Duration = Duration::from_secs(1);
/// How long a collector may take for a request, and for all that is left when the process ends.
const DEADLINE: Duration = Duration::from_secs(5);

/// Sends what is queued.
pub struct Exporter {
    client: Client,
    url: Url,
    service: String,
    queue: mpsc::Receiver<Span>,
    figures: Arc<Figures>,
    /// True after a request that failed, so that an outage is told once.
    away: bool,
}

impl Exporter {
    /// An exporter to the collector at this address, for a process of this name.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(endpoint: &Url, service: String, queue: mpsc::Receiver<Span>, figures: Arc<Figures>) -> Result<Self, String> {
        let client = Client::builder().no_proxy().timeout(DEADLINE).redirect(redirect::Policy::none()).build();
        let mut url = endpoint.clone();
        url.set_path(&format!("{}/v1/traces", endpoint.path().trim_end_matches('/')));
        Ok(Self { client: client.map_err(|e| e.to_string())?, url, service, queue, figures, away: false })
    }

    /// Sends batches until it is told to end, and then what is left.
    pub async fn run(mut self, ending: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        while !ending.is_cancelled() {
            self.gather(&mut batch, &ending).await;
            self.send(&mut batch).await;
        }
        let rest = async {
            while let Ok(span) = self.queue.try_recv() {
                batch.push(span);
                if batch.len() == BATCH {
                    self.send(&mut batch).await;
                }
            }
            self.send(&mut batch).await;
        };
        let _ = tokio::time::timeout(DEADLINE, rest).await;
    }

    /// Waits for a span, and then a moment for others.
    async fn gather(&mut self, batch: &mut Vec<Span>, ending: &CancellationToken) {
        tokio::select! {
            _ = self.queue.recv_many(batch, BATCH) => {}
            () = ending.cancelled() => return,
        }
        let flush = tokio::time::sleep(FLUSH);
        tokio::pin!(flush);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                count = self.queue.recv_many(batch, room) => if count == 0 { return },
                () = &mut flush => return,
                () = ending.cancelled() => return,
            }
        }
    }

    /// Sends a batch, once: what a collector does not take is counted and forgotten, for newer spans wait behind it.
    async fn send(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let sent = self.client.post(self.url.clone()).json(&request(&self.service, batch)).send().await;
        batch.clear();
        let sent = sent.and_then(reqwest::Response::error_for_status).map_err(reqwest::Error::without_url);
        match sent {
            Ok(_) => {
                self.figures.sent.fetch_add(count, Relaxed);
                if std::mem::take(&mut self.away) {
                    tracing::warn!("the collector of traces takes spans again");
                }
            }
            Err(why) => {
                self.figures.dropped.fetch_add(count, Relaxed);
                if !std::mem::replace(&mut self.away, true) {
                    tracing::warn!(%why, "the collector of traces does not take spans; they are dropped until it does");
                }
            }
        }
    }
}

/// An `ExportTraceServiceRequest` in protobuf's JSON: ids in hex, 64-bit numbers as text.
pub fn request(service: &str, spans: &[Span]) -> serde_json::Value {
    let resource = [("service.name", Value::Text(service.into())), ("service.version", Value::Text(env!("CARGO_PKG_VERSION").into()))];
    json!({ "resourceSpans": [{
        "resource": { "attributes": attributes(&resource) },
        "scopeSpans": [{ "scope": { "name": "baemin" }, "spans": spans.iter().map(span).collect::<Vec<_>>() }],
    }] })
}

fn span(span: &Span) -> serde_json::Value {
    let mut json = json!({
        "traceId": hex(&span.trace),
        "spanId": hex(&span.id),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes(&span.attributes),
    });
    if let Some(parent) = &span.parent {
        json["parentSpanId"] = hex(parent).into();
    }
    if span.failed {
        // STATUS_CODE_ERROR
        json["status"] = json!({ "code": 2 });
    }
    json
}

fn attributes(attributes: &[(&'static str, Value)]) -> Vec<serde_json::Value> {
    let value = |value: &Value| match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    attributes.iter().map(|(key, said)| json!({ "key": key, "value": value(said) })).collect()
}
