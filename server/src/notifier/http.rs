//! What the ways over HTTP have in common: addresses that may be used, deadlines, and answers that are read only so far.

use super::Fault;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, header, redirect};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long somebody else's server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// An answer's head, and as much of its body as we care to read.
pub struct Heard {
    /// The status.
    pub status: StatusCode,
    is_json: bool,
    body: Option<Vec<u8>>,
}

impl Heard {
    /// The body as JSON; `None` when it is none, says that it is none, was cut short, or was too long.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        if self.is_json { serde_json::from_slice(self.body.as_deref()?).ok() } else { None }
    }
}

/// How a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Nobody was there: nothing of it has left this process.
    Unsent,
    /// It may have arrived.
    Maybe,
}

/// A client for a way: no proxies, no redirects (a signed request is for one server), no connection kept for long.
///
/// # Errors
/// When the client cannot be built.
pub fn client(deadline: Duration) -> Result<Client, String> {
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).connect_timeout(CONNECT).timeout(deadline);
    // A client that retries by itself sends texts twice.
    client.retry(reqwest::retry::never()).build().map_err(|e| e.to_string())
}

/// Asks once.
///
/// # Errors
/// When there was no answer's head.
pub async fn ask(request: RequestBuilder, max_bytes: usize) -> Result<Heard, Lost> {
    let response = request.send().await.map_err(|why| if why.is_connect() { Lost::Unsent } else { Lost::Maybe })?;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    Ok(Heard { status, is_json, body: read(response, max_bytes).await })
}

async fn read(mut response: Response, max_bytes: usize) -> Option<Vec<u8>> {
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > max_bytes {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

/// True when a server says that it has too much to do.
pub fn is_full(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// What follows from a request without an answer, for a way on which a repeat does no harm.
pub fn broken(_: Lost) -> Fault {
    Fault::Broken
}

/// An address that notices may go to: encrypted, or on this machine.
///
/// # Errors
/// Says what is wanted.
pub fn address(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|e| format!("an address is wanted: {e}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address without a user and a password is wanted".into());
    }
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err("an https address is wanted; http only on this machine".into()),
    }
}
