//! The counter: HTTP/1.1 on loopback. What is under `/sim` is for the tests alone, and needs no signature.

use super::{Answer, Faults, Office, error};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::net::TcpListener;

/// SOLAPI takes requests of up to 15 megabytes.
const MAX_BYTES: usize = 15 * 1024 * 1024;

/// Serves until the process ends.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, office: Office) -> Result<(), String> {
    let office = Arc::new(Mutex::new(office));
    loop {
        let (socket, _) = listener.accept().await.map_err(|e| e.to_string())?;
        let office = office.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(office.clone(), request));
            // A connection that was cut on purpose ends with an error, as it should.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

/// The connection is to be cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

async fn answer(office: Arc<Mutex<Office>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BYTES).collect().await.map_err(|_| Cut)?.to_bytes();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let mut office = office.lock().unwrap_or_else(PoisonError::into_inner);
    let signed = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let answer = match (&head.method, head.uri.path()) {
        (&Method::PUT, "/sim/faults") => match serde_json::from_slice::<Faults>(&body) {
            Ok(faults) => {
                office.faults = faults;
                Answer::Json(200, json!(office.faults))
            }
            Err(why) => error(400, "ValidationError", &why.to_string()),
        },
        (&Method::GET, "/sim/faults") => Answer::Json(200, json!(office.faults)),
        (&Method::GET, "/sim/journal") => Answer::Json(200, json!(office.taken())),
        (method, path) => match office.check(signed, now_ms) {
            Err(answer) => answer,
            Ok(()) => match (method, path) {
                (&Method::POST, "/messages/v4/send") => office.send(&body, now_ms),
                (&Method::GET, "/messages/v4/list") => office.list(&query(head.uri.query().unwrap_or_default()), now_ms),
                _ => error(404, "ResourceNotFound", "그런 주소가 없습니다."),
            },
        },
    };
    let Answer::Json(status, json) = answer else { return Err(Cut) };
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    response.body(Full::new(Bytes::from(json.to_string()))).map_err(|_| Cut)
}

/// The parameters of a query, with `%3A` and the like undone.
fn query(text: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        let mut bytes = vec![];
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            match (first, hex) {
                (b'%', Some(byte)) => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                _ => {
                    bytes.push(if *first == b'+' { b' ' } else { *first });
                    rest = after;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (plain(name), plain(value))).collect()
}
