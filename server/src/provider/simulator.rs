//! The built-in provider: a payment company with its own durable journal, independent of everything else, so that what
//! it says has moved can be compared with what the payment context believes.
//!
//! Invariants: a key is answered the same for ever and moves money once; no more goes back to an order than came from it.

use super::{
    Answer, Ask, Provider, Record,
    movements::{self, BATCH, CHARGE, REFUND, Request, connect, moved, now_ms},
};
use futures_util::{FutureExt, future::BoxFuture};
use rusqlite::Connection;
use shared::{Millis, OrderId, Won, order::Means};
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Requests that wait for the writer: four batches. Whoever comes then waits in line, up to the caller's own deadline.
const QUEUE: usize = 4 * BATCH;
/// Slow cards on their way at once; one more is left unanswered, to be asked again.
const SLOW_AT_ONCE: usize = 10_000;
/// How long a slow card takes, unless the opener says otherwise: longer than anybody should wait with an order in hand.
const SLOW: Duration = Duration::from_secs(2);

/// Why a provider cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration names something else.
    #[error("there is no payment provider {0:?}; there are `simulator` and `toss:URL`")]
    NoSuch(String),
    /// The file was written by a newer program.
    #[error("provider.db has schema {0}, which is newer than this program: use the newer program")]
    Newer(i64),
    /// The file or its folder cannot be used.
    #[error("provider.db cannot be opened: {0}")]
    Store(#[from] rusqlite::Error),
    /// The settings of Toss Payments are not complete, or wrong.
    #[error("the payment provider toss: {0}")]
    Toss(String),
    /// No thread to be had.
    #[error("the provider cannot start: {0}")]
    Thread(#[from] std::io::Error),
}

/// A line of the provider's journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// Names the movement.
    pub key: String,
    /// For which order.
    pub order: OrderId,
    /// True when money goes back.
    pub refund: bool,
    /// How much.
    pub amount: Won,
    /// False when it was declined: nothing moved.
    pub approved: bool,
    /// When, by the provider's own clock.
    pub at_ms: Millis,
}

/// The built-in provider, which answers as the card says.
pub struct Simulator {
    writer: mpsc::Sender<Request>,
    reader: Mutex<Connection>,
    commits: Arc<AtomicU64>,
    slow: Duration,
    slow_at_once: Arc<Semaphore>,
}

impl Simulator {
    /// Opens the journal `provider.db` in this folder, or begins it.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(dir, SLOW)
    }

    /// The same with another time for slow cards.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open_with(dir: &Path, slow: Duration) -> Result<Self, OpenError> {
        let path = dir.join("provider.db");
        let (own, reader) = (connect(&path)?, connect(&path)?);
        let (writer, requests) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        thread::Builder::new().name("provider".into()).spawn(move || movements::write(own, requests, &counted))?;
        let slow_at_once = Arc::new(Semaphore::new(SLOW_AT_ONCE));
        Ok(Self { writer, reader: Mutex::new(reader), commits, slow, slow_at_once })
    }

    /// What came from an order, and what went back to it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn totals(&self, order: OrderId) -> Result<(Won, Won), rusqlite::Error> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((moved(&reader, CHARGE, order)?, moved(&reader, REFUND, order)?))
    }

    /// The whole journal, for whoever audits it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn all(&self) -> Result<Vec<Moved>, rusqlite::Error> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        movements::all(&reader)
    }

    /// Transactions committed since the start.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// A slow card is approved some time after it was asked first, whether or not anybody still waits for the answer; who
    /// asks again later finds it done. A restart begins no new wait: else slow cards would pile up in a server that is
    /// restarted again and again.
    async fn charge_slowly(&self, ask: Ask) -> Answer {
        if let Some(answer) = self.look_up(&ask.key).await {
            return answer;
        }
        let Ok(permit) = Arc::clone(&self.slow_at_once).try_acquire_owned() else { return Answer::Unknown };
        let (way, slow) = (self.writer.downgrade(), self.slow);
        let (answer, answered) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(asked_ms) = begun(&way, &ask.key).await {
                let passed = Duration::from_millis(u64::try_from(now_ms() - asked_ms).unwrap_or(0));
                tokio::time::sleep(slow.saturating_sub(passed)).await;
                if let Some(writer) = way.upgrade() {
                    // An answer that never comes is `Unknown` to whoever waits below.
                    let _ = writer.send(Request::Move { kind: CHARGE, ask, answer }).await;
                }
            }
            drop(permit);
        });
        answered.await.unwrap_or(Answer::Unknown)
    }

    async fn settle(&self, kind: &'static str, ask: Ask) -> Answer {
        let (answer, answered) = oneshot::channel();
        match self.writer.send(Request::Move { kind, ask, answer }).await {
            Ok(()) => answered.await.unwrap_or(Answer::Unknown),
            Err(_) => Answer::Unknown,
        }
    }
}

/// When a slow card was asked for first, if the journal says. The way is held weakly: a simulator that was closed
/// meanwhile approves nothing more.
async fn begun(way: &mpsc::WeakSender<Request>, key: &str) -> Option<Millis> {
    let (answer, begun) = oneshot::channel();
    way.upgrade()?.send(Request::Begin { key: key.into(), answer }).await.ok()?;
    begun.await.ok()
}

impl Provider for Simulator {
    fn charge(&self, ask: Ask) -> BoxFuture<'_, Answer> {
        match ask.means {
            Means::SlowCard => self.charge_slowly(ask).boxed(),
            Means::Card | Means::DeclinedCard | Means::OnceCard => self.settle(CHARGE, ask).boxed(),
        }
    }

    fn refund(&self, ask: Ask) -> BoxFuture<'_, Answer> {
        self.settle(REFUND, ask).boxed()
    }

    fn look_up<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Answer>> {
        async move {
            let (answer, answered) = oneshot::channel();
            let sent = self.writer.send(Request::LookUp { key: key.into(), answer }).await;
            // A journal that cannot be read knows no more than a caller does.
            if sent.is_err() { Some(Answer::Unknown) } else { answered.await.unwrap_or(Some(Answer::Unknown)) }
        }
        .boxed()
    }

    fn records(&self, time: Range<Millis>) -> BoxFuture<'_, Result<Vec<Record>, String>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let records = movements::records(&reader, &time).map_err(|e| format!("provider.db: {e}"));
        std::future::ready(records).boxed()
    }
}
