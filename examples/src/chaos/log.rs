//! Writes the clients' log: what arrives together is flushed to the disk once, and nobody goes on before it is there.

use crate::oracle::{
    finding::Class,
    log::{Line, PLACE},
    story::Story,
};
use shared::{Millis, OrderId};
use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, oneshot};

/// Lines that are flushed together at most.
const BATCH: usize = 256;

type Waiting = (Vec<u8>, oneshot::Sender<Result<(), String>>);

/// Where all clients write.
#[derive(Clone)]
pub struct Log {
    lines: mpsc::Sender<Waiting>,
    next: Arc<AtomicU64>,
}

/// A command in the log.
#[derive(Debug, Clone, Copy)]
pub struct Entry(u64);

impl Log {
    /// Begins a log in this file.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> Result<Self, String> {
        let file = File::create_new(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let (lines, waiting) = mpsc::channel(BATCH);
        thread::Builder::new().name("client log".into()).spawn(move || write(file, waiting)).map_err(|e| e.to_string())?;
        Ok(Self { lines, next: Arc::default() })
    }

    /// A new command, which gets its number here.
    pub fn begin(&self) -> Entry {
        Entry(self.next.fetch_add(1, Relaxed))
    }

    /// Before a request is sent, each time.
    ///
    /// # Errors
    /// The line is not durable, so the request must not be sent.
    pub async fn asked(&self, entry: Entry, story: &Story, verb: &str) -> Result<(), String> {
        let (plan, customer, order) = (story.plan, story.customer, story.order);
        let key = (verb == PLACE).then(|| story.key.clone());
        self.write(Line::Asked { n: entry.0, verb: verb.into(), key, order, plan, customer, at_ms: now_ms() }).await
    }

    /// Before an answer counts.
    ///
    /// # Errors
    /// The line is not durable.
    pub async fn answered(&self, entry: Entry, status: u16, code: &str, order: Option<OrderId>) -> Result<(), String> {
        self.write(Line::Answered { n: entry.0, status, code: code.into(), order, at_ms: now_ms() }).await
    }

    /// When there was no answer, or none that counts.
    ///
    /// # Errors
    /// The line is not durable.
    pub async fn unanswered(&self, entry: Entry, why: String) -> Result<(), String> {
        self.write(Line::Unanswered { n: entry.0, why, at_ms: now_ms() }).await
    }

    /// What somebody saw that is wrong.
    ///
    /// # Errors
    /// The line is not durable.
    pub async fn saw(&self, class: Class, what: String) -> Result<(), String> {
        self.write(Line::Saw { class, what }).await
    }

    async fn write(&self, line: Line) -> Result<(), String> {
        let mut bytes = serde_json::to_vec(&line).map_err(|e| e.to_string())?;
        bytes.push(b'\n');
        let (done, is_done) = oneshot::channel();
        let gone = || "the client log is closed".to_owned();
        self.lines.send((bytes, done)).await.map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())?
    }
}

fn write(mut file: File, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
        let bytes: Vec<u8> = batch.iter().flat_map(|(line, _)| line).copied().collect();
        let written = file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(|e| format!("the client log: {e}"));
        for (_, done) in batch.drain(..) {
            // Whoever asked may have left.
            let _ = done.send(written.clone());
        }
    }
}

fn now_ms() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}
