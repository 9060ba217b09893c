//! A collector that keeps what it is sent, and checks that it is what a collector may be sent.

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

/// One span, as it came.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    pub kind: u64,
    pub start_ns: u64,
    pub end_ns: u64,
    pub said: BTreeMap<String, String>,
}

impl Span {
    pub fn says(&self, key: &str) -> &str {
        self.said.get(key).map_or("", String::as_str)
    }
}

#[derive(Clone, Default)]
pub struct Collector {
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    /// Listens on a free port.
    pub async fn open() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self::serve(listener), address)
    }

    pub fn serve(listener: TcpListener) -> Self {
        let collector = Self::default();
        let bodies = collector.bodies.clone();
        let take = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/json");
            bodies.lock().unwrap().push(body);
            "{}"
        };
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    /// All bytes that came.
    pub fn text(&self) -> String {
        self.bodies.lock().unwrap().iter().map(|body| String::from_utf8(body.to_vec()).unwrap()).collect()
    }

    /// All spans that came.
    pub fn spans(&self) -> Vec<Span> {
        let bodies: Vec<Value> = self.bodies.lock().unwrap().iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
        bodies.iter().flat_map(spans).collect()
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is wanted: {value}"))
}

fn spans(body: &Value) -> Vec<Span> {
    let mut all = vec![];
    for resource in list(body, "resourceSpans") {
        assert_eq!(attributes(&resource["resource"])["service.name"], "baemin");
        for scope in list(resource, "scopeSpans") {
            all.extend(list(scope, "spans").iter().map(span));
        }
    }
    all
}

fn span(value: &Value) -> Span {
    let text = |key: &str| value[key].as_str().unwrap_or_else(|| panic!("{key} is wanted: {value}")).to_owned();
    let id = |text: String, letters: usize| {
        assert!(text.len() == letters && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{value}");
        text
    };
    let known = ["traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status"];
    assert!(value.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{value}");
    Span {
        trace: id(text("traceId"), 32),
        id: id(text("spanId"), 16),
        parent: value.get("parentSpanId").map(|_| id(text("parentSpanId"), 16)),
        name: text("name"),
        kind: value["kind"].as_u64().unwrap(),
        start_ns: text("startTimeUnixNano").parse().unwrap(),
        end_ns: text("endTimeUnixNano").parse().unwrap(),
        said: attributes(value),
    }
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let one = |attribute: &Value| {
        let (key, value) = (attribute["key"].as_str().unwrap().to_owned(), &attribute["value"]);
        let said = value["stringValue"].as_str().or(value["intValue"].as_str());
        (key, said.unwrap_or_else(|| panic!("{attribute}")).to_owned())
    };
    list(of, "attributes").iter().map(one).collect()
}
