//! Live streams as server-sent events (WHATWG HTML, section 9.2): no gap, no repeat, nothing foreign.
//!
//! A stream of one order is numbered by the order's own changes, and begins with all that happened before. A stream of
//! many is numbered by positions in the journal, and begins now, or after the last position that its reader saw.

use super::{
    App,
    caller::Caller,
    problem::Trouble,
    resources::{Query, readers, rider_position, side},
};
use crate::engine::now_ms;
use axum::{
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event as Sse, KeepAlive, Sse as SseResponse},
    },
};
use domain::{
    Row, geo,
    watch::{Topic, change, topics},
};
use futures_util::{Stream, StreamExt, stream};
use shared::{AccountId, Kind, OrderId, Point, Recorded, Refusal, Role, api::Change, order, problem::Code};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::Duration,
};
use tokio::sync::mpsc;

/// Silence between heartbeats. Three times this without a byte means that the connection is dead.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Events read at once when a reader comes back, and how many of them before it is told to read the lists again instead.
const CHUNK: usize = 2_000;
const MAX_MISSED: u64 = 100_000;

type Frames = std::pin::Pin<Box<dyn Stream<Item = Sse> + Send>>;

/// Streams that are open, by account.
#[derive(Default)]
pub struct Streams(Mutex<HashMap<AccountId, Arc<AtomicUsize>>>);

/// One open stream, until it is dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Streams {
    fn enter(&self, account: AccountId, limit: usize) -> Option<Open> {
        use std::sync::atomic::Ordering::Relaxed;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Accounts without a stream are forgotten when the table has grown, so that it stays as large as its use.
        if all.len() > 10_000 {
            all.retain(|_, open| open.load(Relaxed) > 0);
        }
        let open = all.entry(account).or_default();
        if open.load(Relaxed) >= limit {
            return None;
        }
        open.fetch_add(1, Relaxed);
        Some(Open(open.clone()))
    }
}

fn last_id(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id").and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty())
}

fn unreadable_id() -> Trouble {
    Trouble::Edge(Code::InvalidParameter, Some("Last-Event-ID: an id that this stream gave is wanted".into()))
}

/// `GET /orders/{id}/events`
///
/// # Errors
/// Not logged in, or not theirs.
pub async fn one(app: &Arc<App>, caller: Caller, headers: &HeaderMap, id: &str) -> Result<Response, Trouble> {
    caller.one_of(readers(Kind::Order))?;
    let order = OrderId::parse(id).ok_or(Refusal::NotFound {})?;
    let after = last_id(headers).map(str::parse::<u64>).transpose().map_err(|_| unreadable_id())?.unwrap_or(0);
    caller.catch_up(app, Kind::Order).await;
    app.engine.fresh(Kind::Order.context()).await;
    // The watch begins before the past is read, so that nothing falls between them.
    let changes = app.engine.watch(&[Topic::One(Kind::Order, order)]);
    let stored = app.engine.read(Kind::Order, id)?.ok_or(Refusal::NotFound {})?;
    stored.row.show(&caller.actor).ok_or(Refusal::NotFound {})?;
    let Row::Order(Some(taken)) = &*stored.row else { return Err(Refusal::NotFound {}.into()) };
    let past: Vec<Change> = taken.timeline().iter().filter(|step| step.version > after).map(|step| told(order, step)).collect();
    let over = taken.status().is_final();
    // An id that this stream never gave hides nothing: what comes is newer than what is there.
    let seen = taken.timeline().last().map_or(0, |step| step.version);
    let past = stream::iter(past.into_iter().map(|change| frame(change.version.to_string(), &change)));
    let reader = (app.clone(), caller.actor.clone(), Arc::<str>::from(id));
    let follow = stream::unfold((changes, seen, over, reader), |(mut changes, mut seen, over, reader)| async move {
        if over {
            return None;
        }
        loop {
            let recorded = changes.recv().await?;
            // Who could see it when the stream began may not any more: a rider who gave the job back.
            let (app, actor, id) = &reader;
            app.engine.read(Kind::Order, id).ok()??.row.show(actor)?;
            let Some(change) = change(&recorded).filter(|change| change.version > seen) else { continue };
            seen = change.version;
            let over = matches!(&recorded.event, shared::Event::Order(event) if event.status().is_some_and(order::Status::is_final));
            return Some((frame(seen.to_string(), &change), (changes, seen, over, reader)));
        }
    });
    respond(app, caller, Box::pin(past.chain(follow)), None)
}

/// A step of the past, as it was told live.
fn told(order: OrderId, step: &shared::api::Step) -> Change {
    let stays = matches!(step.event.as_str(), "delayed" | "released");
    Change {
        of: Kind::Order,
        order,
        version: step.version,
        event: step.event.clone(),
        status: (!stays).then(|| step.status.code().to_owned()),
        at_ms: step.at_ms,
        reason: step.reason.clone(),
        eta_ms: step.eta_ms,
        amount: step.amount,
        rider: None,
    }
}

/// `GET /{resource}/events`
///
/// # Errors
/// Not logged in, not in a role for it, or an id that cannot be read.
pub async fn many(app: &Arc<App>, caller: Caller, headers: &HeaderMap, kind: Kind, query: &Query) -> Result<Response, Trouble> {
    let account = caller.account()?;
    caller.catch_up(app, kind).await;
    app.engine.fresh(kind.context()).await;
    let watched = match kind {
        Kind::Order => match side(&caller, query)?.1 {
            Role::Customer => vec![Topic::Customer(kind, account)],
            _ => vec![Topic::Owner(kind, account)],
        },
        Kind::Ticket => vec![Topic::Owner(kind, caller.one_of(&[Role::Owner])?)],
        Kind::Delivery => {
            caller.one_of(&[Role::Rider])?;
            near(rider_position(app, &caller)?)
        }
        _ => return Err(Code::NotFound.into()),
    };
    let changes = app.engine.watch(&watched);
    let heads = app.engine.heads(kind.context());
    let from = last_id(headers).map(|id| positions(id, heads.len()).ok_or_else(unreadable_id)).transpose()?;
    let missed: u64 = from.iter().flatten().zip(&heads).map(|(from, head)| head.saturating_sub(*from)).sum();
    // A position that is not reached yet is another journal's: waiting for it would hide what comes until then.
    let is_ahead = from.iter().flatten().zip(&heads).any(|(from, head)| from > head);
    let is_gap = missed > MAX_MISSED || is_ahead;
    let reader = Reader { app: app.clone(), kind, watched: watched.clone() };
    let start = from.filter(|_| !is_gap).unwrap_or_else(|| heads.clone());
    let first = Sse::default().event(if is_gap { "gap" } else { "ready" }).id(written(&start)).data("{}");
    let follow = reader.follow(start, heads, changes);
    respond(app, caller, Box::pin(stream::iter([first]).chain(follow)), (kind == Kind::Delivery).then_some(watched))
}

/// `12` for one partition, `12-7-9` for three.
fn written(positions: &[u64]) -> String {
    positions.iter().map(u64::to_string).collect::<Vec<_>>().join("-")
}

fn positions(id: &str, partitions: usize) -> Option<Vec<u64>> {
    let positions: Vec<u64> = id.split('-').take(partitions + 1).map(|seq| seq.parse().ok()).collect::<Option<_>>()?;
    (positions.len() == partitions).then_some(positions)
}

/// Whoever reads a stream of many.
struct Reader {
    app: Arc<App>,
    kind: Kind,
    watched: Vec<Topic>,
}

impl Reader {
    /// What was missed up to the heads, then what comes.
    fn follow(self, from: Vec<u64>, heads: Vec<u64>, changes: mpsc::Receiver<Arc<Recorded>>) -> impl Stream<Item = Sse> + Send {
        let reader = Arc::new(self);
        let missed = reader.clone().missed(from.clone(), heads.clone());
        // Positions that are read from the journal come live as well, if they were committed while the watch began.
        let seen: Vec<u64> = from.iter().zip(&heads).map(|(from, head)| *from.max(head)).collect();
        let live = stream::unfold((reader, changes, seen), |(reader, mut changes, mut seen)| async move {
            loop {
                let recorded = changes.recv().await?;
                let (partition, seq) = (usize::from(recorded.position.partition), recorded.position.seq);
                if seen.get(partition).is_none_or(|last| seq <= *last) {
                    continue;
                }
                seen[partition] = seq;
                if let Some(frame) = reader.frame(&recorded, &seen) {
                    return Some((frame, (reader, changes, seen)));
                }
            }
        });
        missed.chain(live)
    }

    fn missed(self: Arc<Self>, from: Vec<u64>, heads: Vec<u64>) -> impl Stream<Item = Sse> + Send {
        stream::unfold((self, from, heads), |(reader, mut at, heads)| async move {
            let partition = (0..heads.len()).find(|p| at[*p] < heads[*p])?;
            let frames = match reader.app.engine.feed(reader.kind.context(), partition as u16, at[partition], CHUNK) {
                Ok(events) => {
                    let mut frames = vec![];
                    for recorded in events.iter().filter(|recorded| recorded.position.seq <= heads[partition]) {
                        at[partition] = recorded.position.seq;
                        frames.extend(reader.frame(recorded, &at));
                    }
                    // A feed that has nothing more is read to its end.
                    at[partition] = if events.is_empty() { heads[partition] } else { at[partition] };
                    frames
                }
                Err(fault) => {
                    tracing::error!(%fault, "a live stream cannot read what it missed");
                    return None;
                }
            };
            Some((stream::iter(frames), (reader, at, heads)))
        })
        .flatten()
    }

    fn frame(&self, recorded: &Recorded, at: &[u64]) -> Option<Sse> {
        let mine = recorded.event.kind() == self.kind && topics(&recorded.event).iter().any(|topic| self.watched.contains(topic));
        let change = change(recorded).filter(|_| mine && !self.is_unpaid(recorded))?;
        Some(frame(written(at), &change))
    }

    /// An order that ends unpaid was never the store's, whose owner does not hear of its end either.
    fn is_unpaid(&self, recorded: &Recorded) -> bool {
        matches!(self.watched[..], [Topic::Owner(..)])
            && matches!(&recorded.event, shared::Event::Order(order::Event::Cancelled { refund, .. }) if *refund == shared::Won::ZERO)
    }
}

/// Jobs that could be on a rider's list: those of the cells around.
fn near(at: Point) -> Vec<Topic> {
    geo::cells_within(at, geo::WIDE_KM).into_iter().map(|cell| Topic::Cell(Kind::Delivery, cell)).collect()
}

fn frame(id: String, change: &Change) -> Sse {
    Sse::default().event("change").id(id).data(serde_json::to_string(change).unwrap_or_default())
}

/// The answer. It ends when the caller's login does, when the server stops, and when a rider has moved to where other
/// jobs are near: the reader comes back with the last id, and misses nothing.
fn respond(app: &Arc<App>, caller: Caller, frames: Frames, area: Option<Vec<Topic>>) -> Result<Response, Trouble> {
    let open = app.streams.enter(caller.account()?, app.config.max_streams).ok_or(Trouble::Later(Code::TooManyRequests, 5))?;
    let watching = app.clone();
    let logged_out = async move {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let known = watching.identity.verify(caller.token.as_deref().unwrap_or_default(), now_ms()).is_ok();
            let elsewhere = area.as_ref().is_some_and(|area| rider_position(&watching, &caller).map(near).ok().as_ref() != Some(area));
            if !known || elsewhere {
                return;
            }
        }
    };
    let stopped = app.stopping.clone().cancelled_owned();
    let ended = async move {
        tokio::select! { () = logged_out => {}, () = stopped => {} }
    };
    let frames = frames.take_until(Box::pin(ended)).map(move |frame| {
        let _until_dropped = &open;
        Ok::<_, Infallible>(frame)
    });
    let mut response = SseResponse::new(frames).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}
