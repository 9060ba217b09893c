//! What calls to somebody else's server have in common: how one fails, and how much of an answer is read.

use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::de::DeserializeOwned;

/// An answer's head, and as much of its body as we care to read.
pub struct Heard {
    /// The status.
    pub status: StatusCode,
    /// Whether it says that its body is JSON.
    pub is_json: bool,
    /// The body; `None` when it was cut short, or too long.
    pub body: Option<Vec<u8>>,
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
