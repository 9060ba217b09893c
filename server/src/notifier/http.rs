//! What the ways over HTTP have in common: addresses that may be used, and deadlines.

use super::Fault;
pub use crate::outside::{Lost, ask};
use reqwest::{Client, StatusCode, Url, redirect};
use std::time::Duration;

/// How long somebody else's server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// A client for a way: no proxies, no redirects (a signed request is for one server), no connection kept for long.
///
/// # Errors
/// When the client cannot be built.
pub fn client(deadline: Duration) -> Result<Client, String> {
    let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).connect_timeout(CONNECT).timeout(deadline);
    // A client that retries by itself sends texts twice.
    client.retry(reqwest::retry::never()).build().map_err(|e| e.to_string())
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
