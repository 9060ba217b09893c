//! A live stream as a client reads it: server-sent events on a connection of their own, resumed after the last id.

use crate::http::{Ask, Broken, Host, Link, drive};
use http_body_util::BodyExt;
use hyper::{
    Method,
    body::{Bytes, Incoming},
    header::{HeaderName, HeaderValue},
};
use serde::Deserialize;
use shared::{Kind, Millis, OrderId};
use std::{
    borrow::Cow,
    collections::VecDeque,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::timeout;

/// The longest silence: the server sends a heartbeat every ten seconds, and three missing ones are a dead connection.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a stream may take to begin: it may wait for its place behind everybody else's login.
const OPEN_DEADLINE: Duration = Duration::from_secs(20);
/// More than this without the end of a frame is no stream of ours.
const MAX_FRAME: usize = 256 * 1024;
const LAST_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A change, as much of it as anybody here looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Of what.
    pub of: Kind,
    /// Of which order.
    pub order: OrderId,
    /// Counts the changes of this aggregate.
    pub version: u64,
    /// The event's name.
    pub event: String,
    /// When it was decided, or what caused it was.
    pub at_ms: Millis,
    /// From `at_ms` to its arrival here, by the one clock of this machine.
    pub took: Duration,
}

/// The same on the wire.
#[derive(Deserialize)]
struct Change<'a> {
    of: Kind,
    order: OrderId,
    version: u64,
    #[serde(borrow)]
    event: Cow<'a, str>,
    at_ms: Millis,
}

/// A stream that can be left and taken up again.
pub struct Live {
    host: Host,
    path: String,
    login: HeaderValue,
    /// The last id that was read: after it, nothing was.
    last_id: Option<String>,
    open: Option<(Link, Incoming)>,
    text: Vec<u8>,
    waiting: VecDeque<Seen>,
}

impl Live {
    /// A stream that is not connected yet.
    pub fn new(host: &Host, path: &str, login: &HeaderValue) -> Self {
        let (path, login) = (path.to_owned(), login.clone());
        Self { host: host.clone(), path, login, last_id: None, open: None, text: vec![], waiting: VecDeque::new() }
    }

    /// Connects, after the last id if there was one, and waits for the first frame, so that nothing that happens from now
    /// on is missed.
    ///
    /// # Errors
    /// No connection, or another answer than a stream.
    pub async fn open(&mut self) -> Result<(), Broken> {
        self.text.clear();
        self.open = None;
        let mut link = Link::open(&self.host).await?;
        let ask = Ask { method: Method::GET, path: self.path.clone(), login: Some(&self.login), key: None, body: Bytes::new() };
        let last = self.last_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()).map(|id| (LAST_ID, id));
        let sent = timeout(OPEN_DEADLINE, link.send(&self.host, ask, last)).await;
        let response = sent.map_err(|_| Broken("a stream did not begin in time".into()))??;
        if response.status() != 200 {
            return Err(Broken(format!("a stream was refused with {}", response.status())));
        }
        self.open = Some((link, response.into_body()));
        let began = self.last_id.is_some();
        while !began && self.last_id.is_none() {
            self.read().await?;
        }
        Ok(())
    }

    /// Logs in anew, from the next time that it is opened.
    pub fn log_in(&mut self, login: &HeaderValue) {
        self.login = login.clone();
    }

    /// The next change. After an error, [`Live::open`] goes on behind the last one.
    ///
    /// # Errors
    /// The stream ended, or was silent for too long.
    pub async fn next(&mut self) -> Result<Seen, Broken> {
        loop {
            if let Some(seen) = self.waiting.pop_front() {
                return Ok(seen);
            }
            self.read().await?;
        }
    }

    /// Reads what comes, and takes whole frames out of it.
    async fn read(&mut self) -> Result<(), Broken> {
        let (link, body) = self.open.as_mut().ok_or_else(|| Broken("the stream is not open".into()))?;
        let came = timeout(SILENCE, drive(&mut link.connection, body.frame())).await;
        let frame = match came {
            Ok(Ok(Some(Ok(frame)))) => frame,
            other => {
                self.open = None;
                return Err(Broken(if other.is_err() { "a stream fell silent".into() } else { "a stream ended".into() }));
            }
        };
        if let Some(data) = frame.data_ref() {
            self.text.extend_from_slice(data);
        }
        let mut used = 0;
        while let Some(length) = self.text[used..].windows(2).position(|two| two == b"\n\n") {
            let frame = &self.text[used..used + length];
            self.waiting.extend(frame_of(frame, &mut self.last_id)?);
            used += length + 2;
        }
        self.text.drain(..used);
        if self.text.len() > MAX_FRAME { Err(Broken("a frame without an end".into())) } else { Ok(()) }
    }
}

/// Reads one frame; heartbeats and the first frame hold no change.
fn frame_of(frame: &[u8], last_id: &mut Option<String>) -> Result<Option<Seen>, Broken> {
    let (mut event, mut data): (&[u8], Option<&[u8]>) = (b"", None);
    for line in frame.split(|byte| *byte == b'\n') {
        match line {
            [b'e', b'v', b'e', b'n', b't', b':', rest @ ..] => event = rest.trim_ascii(),
            [b'd', b'a', b't', b'a', b':', rest @ ..] => data = Some(rest.trim_ascii()),
            [b'i', b'd', b':', rest @ ..] => *last_id = Some(String::from_utf8_lossy(rest.trim_ascii()).into_owned()),
            _ => {}
        }
    }
    match (event, data) {
        (b"change", Some(data)) => {
            let Change { of, order, version, event, at_ms } = serde_json::from_slice(data).map_err(|e| Broken(format!("a change: {e}")))?;
            Ok(Some(Seen { of, order, version, event: event.into_owned(), at_ms, took: since(at_ms) }))
        }
        (b"gap", _) => Err(Broken("the stream says that something is missing".into())),
        _ => Ok(None),
    }
}

fn since(at_ms: Millis) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(Duration::from_millis(u64::try_from(at_ms).unwrap_or(0)))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn frames_carry_changes_and_ids() {
        let mut last = None;
        assert!(frame_of(b"event: ready\nid: 4\ndata: {}", &mut last).unwrap().is_none());
        assert_eq!(last.as_deref(), Some("4"));
        assert!(frame_of(b":", &mut last).unwrap().is_none());
        let data = br#"event: change
id: 5
data: {"of":"ticket","order":"ord_0000000000000000","version":2,"event":"accepted","status":"accepted","at_ms":7}"#;
        let seen = frame_of(data, &mut last).unwrap().unwrap();
        assert_eq!((seen.of, seen.version, seen.event.as_str(), last.as_deref()), (Kind::Ticket, 2, "accepted", Some("5")));
        assert!(frame_of(b"event: change\ndata: {", &mut last).is_err());
        assert!(frame_of(b"event: gap\nid: 9\ndata: {}", &mut last).is_err());
    }
}
