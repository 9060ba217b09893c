//! Traces: what happened because of what, and how long each step took, for any collector that speaks OpenTelemetry.
//!
//! *The journal is the trace.* Every event carries its position, its time and its cause, so a span's ids are hashes of what
//! it says already, and nothing has to be handed through the broker. Events of one order share a trace, whichever processes
//! they happened in; an event's parent is its cause. A span begins when the event was decided and ends when the replica that
//! looks after its partition knows it as committed. So each event has one span however many replicas there are; only while
//! partitions change hands may one be missing, or be told twice under the same id.
//!
//! - [`span`]: spans and ids. [`open`]: requests and questions to the outside, while they last. [`export`]: to the collector.
//!
//! All of it is off unless an endpoint is set. It never waits: what a full queue cannot take is counted and forgotten.

pub mod export;
pub mod open;
pub mod span;

use crate::{
    bus::Batch,
    engine::{Engine, now_ms},
    journal::Share,
};
use export::Exporter;
use futures_util::{FutureExt, StreamExt, stream};
pub use open::Open;
use reqwest::Url;
use shared::{Context, event::Position};
pub use span::Span;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tokio_util::sync::CancellationToken;

/// Spans that may wait for the collector: some seconds of a rush hour, in a few megabytes.
pub const QUEUE: usize = 8_192;

/// What became of spans since the process began.
#[derive(Debug, Default)]
pub struct Figures {
    /// Taken by the collector.
    pub sent: AtomicU64,
    /// Forgotten, because the queue was full or the collector away. Commits that were missed count as one each.
    pub dropped: AtomicU64,
}

/// Where spans are handed in.
pub struct Traces {
    queue: mpsc::Sender<Span>,
    figures: Arc<Figures>,
    following: CancellationToken,
    exporting: CancellationToken,
    /// Who follows the commits, and who exports.
    tasks: Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
}

impl Traces {
    /// Follows the commits of an engine from now on, and exports to this endpoint under this name.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn start(engine: &Engine, endpoint: &Url, service: String) -> Result<Arc<Self>, String> {
        let (queue, queued) = mpsc::channel(QUEUE);
        let (figures, following, exporting) = (Arc::<Figures>::default(), CancellationToken::new(), CancellationToken::new());
        let exporter = Exporter::new(endpoint, service, queued, figures.clone())?;
        let traces = Arc::new(Self { queue, figures: figures.clone(), following, exporting, tasks: Mutex::default() });
        let follow = tokio::spawn(Follow::new(engine, &traces).run());
        let export = tokio::spawn(exporter.run(traces.exporting.clone()));
        *traces.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some((follow, export));
        engine.metrics.also(move |page| {
            page.family("baemin_traces_spans_total", "counter", "Spans by what became of them.");
            for (outcome, count) in [("sent", &figures.sent), ("dropped", &figures.dropped)] {
                page.sample("baemin_traces_spans_total", &format!("outcome=\"{outcome}\""), count.load(Relaxed) as f64);
            }
        });
        Ok(traces)
    }

    /// What became of the spans.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Hands a span in. It never waits.
    pub fn add(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.figures.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Sends what there is, within the collector's deadline, and ends.
    pub async fn close(&self) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((follow, export)) = tasks else { return };
        self.following.cancel();
        let _ = follow.await;
        self.exporting.cancel();
        let _ = export.await;
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("figures", &self.figures).finish_non_exhaustive()
    }
}

/// Makes spans of commits.
struct Follow {
    commits: stream::SelectAll<BroadcastStream<Batch>>,
    shares: HashMap<Context, watch::Receiver<Share>>,
    traces: Arc<Traces>,
}

impl Follow {
    fn new(engine: &Engine, traces: &Arc<Traces>) -> Self {
        let places = engine.contexts().flat_map(|context| (0..engine.partitions()).map(move |partition| (context, partition)));
        let commits = places.map(|(context, partition)| BroadcastStream::new(engine.listen(context, partition)));
        let shares = engine.contexts().map(|context| (context, engine.share(context))).collect();
        Self { commits: stream::select_all(commits), shares, traces: traces.clone() }
    }

    async fn run(mut self) {
        let ending = self.traces.following.clone();
        loop {
            tokio::select! {
                heard = self.commits.next() => match heard {
                    Some(heard) => self.hear(heard),
                    // No context runs here; requests have spans all the same.
                    None => return,
                },
                () = ending.cancelled() => break,
            }
        }
        while let Some(Some(heard)) = self.commits.next().now_or_never() {
            self.hear(heard);
        }
    }

    fn hear(&self, heard: Result<Batch, BroadcastStreamRecvError>) {
        match heard {
            Ok(batch) => {
                let now = now_ms();
                for event in batch.iter().filter(|event| self.is_mine(&event.position)) {
                    match Span::of_event(event, now) {
                        Ok(span) => self.traces.add(span),
                        Err(bug) => tracing::error!(position = %event.position, %bug, "an event has no span"),
                    }
                }
            }
            Err(BroadcastStreamRecvError::Lagged(missed)) => drop(self.traces.figures.dropped.fetch_add(missed, Relaxed)),
        }
    }

    /// Every replica hears of every commit; one looks after the partition.
    fn is_mine(&self, position: &Position) -> bool {
        let share = self.shares.get(&position.context).map(|share| share.borrow());
        share.is_some_and(|share| share.alone || share.partitions.contains(&position.partition))
    }
}
