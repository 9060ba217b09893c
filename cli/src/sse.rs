//! Live streams that mend themselves: a lost connection is opened again behind the last event seen, and whatever the
//! network repeats is dropped, so that a reader sees each change once and in order.

use crate::{
    Failure,
    client::{Client, is_passing, pause},
};
use eventsource_stream::{Event, Eventsource};
use futures_util::{Stream, StreamExt, stream};
use shared::{Kind, OrderId, api::Change};
use std::{collections::HashMap, io, pin::Pin, time::Duration};

/// The server sends a heartbeat every 10 s; three missing ones mean that nobody is there.
const SILENCE: Duration = Duration::from_secs(30);
/// A stream that has never been open gives up after so many tries.
const FIRST_TRIES: u32 = 4;
/// Versions are remembered for so many things; then again from none, since the position in the stream is kept anyway.
const MAX_KNOWN: usize = 4096;

/// What a live stream tells.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The stream is open. `again` after a loss: nothing was missed, unless a gap follows.
    Open {
        /// Not for the first time.
        again: bool,
    },
    /// Something changed.
    Change {
        /// What.
        change: Box<Change>,
        /// As the server wrote it.
        text: String,
    },
    /// Too far behind: read the list again.
    Gap,
    /// The connection is lost; said once until it is open again.
    Lost,
}

type Events = Pin<Box<dyn Stream<Item = Result<Event, String>> + Send>>;

/// A live stream. Dropping a pending [`Watch::next`] loses nothing.
pub struct Watch {
    client: Client,
    path: String,
    last_id: Option<String>,
    known: HashMap<(Kind, OrderId), u64>,
    counted: bool,
    events: Option<Events>,
    tries: u32,
    was_open: bool,
    told: bool,
}

impl Watch {
    /// Follows the stream at this path.
    pub fn new(client: &Client, path: impl Into<String>) -> Self {
        Self {
            client: client.clone(),
            path: path.into(),
            last_id: None,
            known: HashMap::new(),
            counted: false,
            events: None,
            tries: 0,
            was_open: false,
            told: false,
        }
    }

    /// Follows one order from its first change; its versions count by one, so that a missing one is noticed.
    pub fn order(client: &Client, order: OrderId) -> Self {
        Self { counted: true, ..Self::new(client, format!("/orders/{order}/events")) }
    }

    /// Starts behind this event.
    #[must_use]
    pub fn after(mut self, id: Option<String>) -> Self {
        self.last_id = id;
        self
    }

    /// Where the stream would go on.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The next news; waits as long as it takes.
    ///
    /// # Errors
    /// When the server refuses the stream, or has never been reachable.
    pub async fn next(&mut self) -> Result<News, Failure> {
        loop {
            let Some(events) = &mut self.events else {
                if let Some(news) = self.open().await? {
                    return Ok(news);
                }
                continue;
            };
            match events.next().await {
                Some(Ok(event)) => {
                    if let Some(news) = self.take(&event)? {
                        return Ok(news);
                    }
                }
                Some(Err(_)) | None => {
                    self.events = None;
                    if !std::mem::replace(&mut self.told, true) {
                        return Ok(News::Lost);
                    }
                }
            }
        }
    }

    /// Opens the connection, after a pause if this is not the first try.
    async fn open(&mut self) -> Result<Option<News>, Failure> {
        if self.tries > 0 {
            tokio::time::sleep(pause(self.tries)).await;
        }
        self.tries += 1;
        match self.client.stream(&self.path, self.last_id.as_deref()).await {
            Ok(response) => {
                self.events = Some(Box::pin(alive(response.bytes_stream()).eventsource().map(|e| e.map_err(|e| e.to_string()))));
                let again = std::mem::replace(&mut self.was_open, true);
                self.told = false;
                Ok(Some(News::Open { again }))
            }
            Err(failure) if !is_passing(&failure) || (!self.was_open && self.tries >= FIRST_TRIES) => Err(failure),
            Err(_) if self.was_open && !std::mem::replace(&mut self.told, true) => Ok(Some(News::Lost)),
            Err(_) => Ok(None),
        }
    }

    /// Reads an event; `None` when it is known already or not for us.
    fn take(&mut self, event: &Event) -> Result<Option<News>, Failure> {
        let news = match event.event.as_str() {
            "gap" => {
                self.known.clear();
                News::Gap
            }
            "change" => {
                let change: Change = serde_json::from_str(&event.data).map_err(|e| {
                    let lang = self.client.lang();
                    Failure::new(crate::Exit::Failed, lang.pick("서버의 소식을 읽을 수 없어요", "the server's news cannot be read"))
                        .why(e.to_string())
                })?;
                let key = (change.of, change.order);
                let known = self.known.get(&key).copied().unwrap_or(0);
                if change.version <= known {
                    return Ok(None);
                }
                // One is missing: ask for it once, behind the last one seen. `counted` ends if that does not help.
                if self.counted && known > 0 && change.version > known + 1 {
                    (self.counted, self.events) = (false, None);
                    return Ok(None);
                }
                if self.known.len() >= MAX_KNOWN {
                    self.known.clear();
                }
                self.known.insert(key, change.version);
                News::Change { change: Box::new(change), text: event.data.clone() }
            }
            _ => return Ok(None),
        };
        // Only a stream that tells something is healthy: one that opens and closes at once is tried ever more slowly.
        self.tries = 1;
        if !event.id.is_empty() {
            self.last_id = Some(event.id.clone());
        }
        Ok(Some(news))
    }
}

/// Ends a stream of bytes that is silent for longer than heartbeats would be.
fn alive<S, B, E>(bytes: S) -> impl Stream<Item = io::Result<B>> + Send
where
    S: Stream<Item = Result<B, E>> + Send + Unpin + 'static,
    B: Send,
    E: std::error::Error + Send + Sync + 'static,
{
    stream::unfold(Some(bytes), |state| async {
        let mut bytes = state?;
        match tokio::time::timeout(SILENCE, bytes.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(bytes))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
            Ok(None) => None,
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    })
}
