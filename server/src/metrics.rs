//! What is counted of this process, in the text format that Prometheus reads (version 0.0.4).
//!
//! It is served on an address of its own, `--metrics-listen`, and nowhere unless that is set: a scraper then needs no
//! secret, the gateway cannot lead there, and a process that is gateway and services in one has it too. Counting costs a
//! few relaxed additions; everything that must be looked up is looked up when somebody asks.

use crate::engine::{Engine, now_ms};
use axum::{Router, http::header, response::IntoResponse, routing::get};
use domain::{Deadline, Deadlines};
use shared::{Context, Millis};
use std::{
    fmt::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper bounds of latencies, in microseconds: from a cached decision to a command that waited for a whole outage.
const LATENCY_US: [u64; 14] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000, 60_000_000];
/// Upper bounds of how much shares a transaction.
const SHARED: [u64; 8] = [1, 2, 4, 8, 16, 64, 128, 256];
const MICROS: f64 = 1_000_000.0;

/// A deadline, and the status of an order that waits for it.
const WAITS: [(Deadline, &str); 7] = [
    (Deadline::Payment, "pending_payment"),
    (Deadline::Answer, "placed"),
    (Deadline::Cook, "accepted"),
    (Deadline::Rider, "cooked"),
    (Deadline::Door, "picked"),
    (Deadline::Receipt, "delivered"),
    (Deadline::Extra, "change_requested"),
];

/// Counts values by the bound that they do not exceed; the last place is for those beyond all bounds.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: &'static [u64; N]) -> Self {
        Self { bounds, counts: std::array::from_fn(|_| AtomicU64::new(0)), beyond: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts.get(place).unwrap_or(&self.beyond).fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().chain([&self.beyond]).map(|count| count.load(Relaxed)).sum()
    }

    fn write(&self, page: &mut Page, name: &str, labels: &str, unit: f64) {
        let mut total = 0;
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            total += count.load(Relaxed);
            page.sample(&format!("{name}_bucket"), &format!("{labels},le=\"{}\"", *bound as f64 / unit), total as f64);
        }
        total += self.beyond.load(Relaxed);
        page.sample(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), total as f64);
        page.sample(&format!("{name}_sum"), labels, self.sum.load(Relaxed) as f64 / unit);
        page.sample(&format!("{name}_count"), labels, total as f64);
    }
}

/// What is counted of one context.
#[derive(Debug)]
pub struct Meter {
    commands: Histogram<14>,
    events: Histogram<14>,
    commits: Histogram<14>,
    shared: Histogram<8>,
}

impl Default for Meter {
    fn default() -> Self {
        let latency = || Histogram::new(&LATENCY_US);
        Self { commands: latency(), events: latency(), commits: latency(), shared: Histogram::new(&SHARED) }
    }
}

impl Meter {
    /// A command was answered.
    pub fn commanded(&self, took: Duration) {
        self.commands.observe(took.as_micros() as u64);
    }

    /// An event of another context took effect, so long after it happened.
    pub fn heard(&self, after_ms: Millis) {
        self.events.observe(after_ms.max(0) as u64 * 1_000);
    }

    /// A transaction was written, which so many pieces of work have shared.
    pub fn committed(&self, took: Duration, shared: usize) {
        self.commits.observe(took.as_micros() as u64);
        self.shared.observe(shared as u64);
    }
}

/// What is counted of one route: its answers, by the first digit of the status.
#[derive(Debug)]
pub struct RouteMeter {
    method: String,
    path: String,
    answers: [AtomicU64; 5],
}

impl RouteMeter {
    /// It answered with this status.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        self.answers[class.min(4)].fetch_add(1, Relaxed);
    }
}

/// Adds to a page what only another part of the program knows, such as the states of breakers.
pub type More = Box<dyn Fn(&mut Page) + Send + Sync>;

/// What is counted of the whole process.
#[derive(Default)]
pub struct Metrics {
    routes: Mutex<Vec<Arc<RouteMeter>>>,
    more: Mutex<Vec<More>>,
}

impl Metrics {
    /// The counter of a route: always the same one.
    pub fn route(&self, method: &str, path: &str) -> Arc<RouteMeter> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.iter().find(|route| route.method == method && route.path == path) {
            return known.clone();
        }
        let route = Arc::new(RouteMeter { method: method.into(), path: path.into(), answers: Default::default() });
        routes.push(route.clone());
        route
    }

    /// Asks somebody else at every scrape.
    pub fn also(&self, more: impl Fn(&mut Page) + Send + Sync + 'static) {
        self.more.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(more));
    }

    fn write(&self, page: &mut Page) {
        page.family("baemin_http_requests_total", "counter", "Requests by route and class of status.");
        for route in &*self.routes.lock().unwrap_or_else(PoisonError::into_inner) {
            for (class, count) in route.answers.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    let labels = format!("method=\"{}\",route=\"{}\",status=\"{}xx\"", route.method, route.path, class + 1);
                    page.sample("baemin_http_requests_total", &labels, count as f64);
                }
            }
        }
        self.more.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|more| more(page));
    }
}

/// A page of samples in the making. Names and labels are ours, so nothing in them needs an escape.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a family: its samples follow, and no other family comes between.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample; labels as `name="value"`, with commas between.
    pub fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.0, "{name}{{{labels}}} {value}");
    }
}

/// The page of this process, as of now.
pub async fn page(engine: &Engine) -> String {
    let mut page = Page::default();
    let contexts: Vec<Context> = engine.contexts().collect();
    page.family("baemin_journal_head", "gauge", "Last position of a partition of a journal.");
    for context in &contexts {
        for (partition, head) in engine.heads(*context).into_iter().enumerate() {
            page.sample("baemin_journal_head", &format!("context=\"{}\",partition=\"{partition}\"", context.name()), head as f64);
        }
    }
    subscriptions(engine, &contexts, &mut page).await;
    page.family("baemin_parked", "gauge", "Commands and events that are parked until an operator has looked at them.");
    for context in &contexts {
        if let Ok(parked) = engine.parked_count(*context) {
            page.sample("baemin_parked", &format!("context=\"{}\"", context.name()), parked as f64);
        }
    }
    waits(engine, &contexts, &mut page);
    page.family("baemin_ready", "gauge", "1 while transactions of a context succeed.");
    for context in &contexts {
        page.sample("baemin_ready", &format!("context=\"{}\"", context.name()), f64::from(u8::from(engine.is_ready(*context))));
    }
    page.family("baemin_live_watchers", "gauge", "Open live streams, each counted once for each topic.");
    page.sample("baemin_live_watchers", "", engine.watchers() as f64);
    histograms(engine, &contexts, &mut page);
    engine.metrics.write(&mut page);
    page.0
}

async fn subscriptions(engine: &Engine, contexts: &[Context], page: &mut Page) {
    let now = now_ms();
    let mut all = vec![];
    for context in contexts {
        for lag in engine.lag(*context).await.unwrap_or_default() {
            let labels = format!("context=\"{}\",source=\"{}\",partition=\"{}\"", context.name(), lag.source.name(), lag.partition);
            all.push((labels, lag));
        }
    }
    page.family("baemin_subscription_cursor", "gauge", "Last position of a source that was handled.");
    all.iter().for_each(|(labels, lag)| page.sample("baemin_subscription_cursor", labels, lag.cursor as f64));
    page.family("baemin_subscription_lag_events", "gauge", "Events of a source that wait to be handled.");
    for (labels, lag) in &all {
        if let Some(behind) = lag.behind {
            page.sample("baemin_subscription_lag_events", labels, behind as f64);
        }
    }
    page.family("baemin_subscription_lag_seconds", "gauge", "Age of the oldest event that waits to be handled.");
    for (labels, lag) in &all {
        if lag.behind.is_some() {
            page.sample("baemin_subscription_lag_seconds", labels, lag.since_ms.map_or(0.0, |since| seconds(now - since)));
        }
    }
}

fn waits(engine: &Engine, contexts: &[Context], page: &mut Page) {
    let now = now_ms();
    let all: Vec<_> = contexts.iter().map(|context| (context.name(), engine.waits(*context).unwrap_or_default())).collect();
    page.family("baemin_timers", "gauge", "Timers that are set, by deadline.");
    for (context, waits) in &all {
        waits
            .iter()
            .for_each(|wait| page.sample("baemin_timers", &format!("context=\"{context}\",deadline=\"{}\"", wait.name), wait.count as f64));
    }
    page.family("baemin_timers_overdue", "gauge", "Timers that are due and have not fired.");
    for (context, waits) in &all {
        for wait in waits {
            page.sample("baemin_timers_overdue", &format!("context=\"{context}\",deadline=\"{}\"", wait.name), wait.overdue as f64);
        }
    }
    page.family("baemin_oldest_waiting_order_seconds", "gauge", "How long the oldest order of a status has waited for what comes next.");
    for (context, waits) in &all {
        for wait in waits {
            if let Some((status, since_ms)) = since(&wait.name, wait.first_due_ms, engine.deadlines()) {
                let labels = format!("context=\"{context}\",status=\"{status}\"");
                page.sample("baemin_oldest_waiting_order_seconds", &labels, seconds(now - since_ms));
            }
        }
    }
}

/// The status behind a deadline, and when the wait for it began.
fn since(name: &str, due_ms: Millis, deadlines: &Deadlines) -> Option<(&'static str, Millis)> {
    let (deadline, status) = WAITS.into_iter().find(|(deadline, _)| deadline.name() == name)?;
    Some((status, due_ms - deadlines.of(deadline)))
}

fn seconds(ms: Millis) -> f64 {
    ms.max(0) as f64 / 1_000.0
}

fn histograms(engine: &Engine, contexts: &[Context], page: &mut Page) {
    let meters: Vec<_> = contexts.iter().map(|context| (format!("context=\"{}\"", context.name()), engine.meter(*context))).collect();
    page.family("baemin_command_seconds", "histogram", "From a command's arrival until it is durable, or refused.");
    meters.iter().for_each(|(labels, meter)| meter.commands.write(page, "baemin_command_seconds", labels, MICROS));
    page.family("baemin_event_seconds", "histogram", "From an event until its effects in a listener are durable.");
    meters.iter().for_each(|(labels, meter)| meter.events.write(page, "baemin_event_seconds", labels, MICROS));
    page.family("baemin_commit_seconds", "histogram", "Transactions of a journal.");
    meters.iter().for_each(|(labels, meter)| meter.commits.write(page, "baemin_commit_seconds", labels, MICROS));
    page.family("baemin_commit_shared_by", "histogram", "Pieces of work that have shared a transaction.");
    meters.iter().for_each(|(labels, meter)| meter.shared.write(page, "baemin_commit_shared_by", labels, 1.0));
}

/// The one route.
pub fn router(engine: Arc<Engine>) -> Router {
    const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
    let answer = move || {
        let engine = engine.clone();
        async move { ([(header::CONTENT_TYPE, MEDIA_TYPE)], page(&engine).await).into_response() }
    };
    Router::new().route("/metrics", get(answer))
}

#[cfg(test)]
#[path = "metrics/tests.rs"]
mod tests;
