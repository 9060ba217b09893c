//! What operators look at and mend: for each context how far behind it is, what is parked, its views, and its part of an
//! order's story. Each service answers for itself; whoever wants the whole picture asks all of them.

use super::{App, caller::Caller, hal, problem::Trouble, resources::Query, routes::Op, verbs};
use crate::{
    breaker::Forced,
    engine::{Failure, core::Mend, now_ms, ops::Story, rebuild::Rebuild},
    journal::{Held, Parked, Slice},
    reconcile::{self, NoReport},
};
use axum::{
    http::{Method, StatusCode},
    response::Response,
};
use domain::Row;
use jiff::{Timestamp, civil::Date, tz::Offset};
use serde_json::{Value, json};
use shared::{
    Context, Kind, Millis, OrderId, Recorded, Refusal, Role,
    api::{DropParked, Force, ForceBreaker, RefusedRefundOf},
    problem::Code,
};

/// What the breaker before the payment provider is called.
const PROVIDER: &str = "provider";
const DAY_S: i64 = 86_400;
/// Rows on one page.
const PAGE: u64 = 100;

/// What is asked of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ops {
    /// How far behind it is.
    Lag,
    /// What is parked.
    Parked,
    /// One parked row.
    ParkedOne,
    /// Do it again.
    Replay,
    /// Forget it.
    Drop,
    /// Build a view anew.
    Rebuild(Kind),
    /// How that is coming along.
    Rebuilding(Kind),
    /// What happened to an order.
    Story,
    /// The breaker before the payment provider.
    Breaker,
    /// Do with it what an operator wants.
    Force,
    /// The ledger beside the provider's record of a day.
    Reconcile,
    /// The refunds that the provider refuses.
    Refunds,
}

impl Ops {
    /// What it is, for the OpenAPI document.
    pub fn say(self) -> String {
        match self {
            Ops::Lag => "The lag".into(),
            Ops::Parked => "What is parked".into(),
            Ops::ParkedOne => "A parked row".into(),
            Ops::Replay => "A parked row done again,".into(),
            Ops::Drop => "A parked row dropped,".into(),
            Ops::Rebuild(view) => format!("The view {} built anew,", view.name()),
            Ops::Rebuilding(view) => format!("The rebuild of the view {}", view.name()),
            Ops::Story => "The part of an order's story".into(),
            Ops::Breaker => "The breaker before the provider".into(),
            Ops::Force => "The breaker before the provider, as an operator wants it,".into(),
            Ops::Reconcile => "The ledger of a day beside the provider's record".into(),
            Ops::Refunds => "The refunds that the provider refuses".into(),
        }
    }
}

/// The routes of all contexts.
pub fn routes() -> Vec<(Method, String, Op)> {
    let mut routes = vec![];
    for context in Context::ALL {
        let mut add = |method, path: &str, what| routes.push((method, format!("/ops/{}/{path}", context.name()), Op::Ops(context, what)));
        add(Method::GET, "lag", Ops::Lag);
        add(Method::GET, "parked", Ops::Parked);
        add(Method::GET, "parked/{id}", Ops::ParkedOne);
        add(Method::PUT, "parked/{id}/replay", Ops::Replay);
        add(Method::PUT, "parked/{id}/drop", Ops::Drop);
        add(Method::GET, "story/{id}", Ops::Story);
        if context == Context::Payment {
            add(Method::GET, "breaker", Ops::Breaker);
            add(Method::PUT, "breaker", Ops::Force);
            add(Method::GET, "reconciliation", Ops::Reconcile);
            add(Method::GET, "refunds", Ops::Refunds);
        }
        for view in Kind::ALL.iter().copied().filter(|kind| kind.context() == context && Row::empty(*kind).is_none()) {
            add(Method::PUT, &format!("rebuild/{}", view.name()), Ops::Rebuild(view));
            add(Method::GET, &format!("rebuild/{}", view.name()), Ops::Rebuilding(view));
        }
    }
    routes
}

/// Answers an operator.
///
/// # Errors
/// Somebody else asks; no such row; a replay that is refused again.
pub async fn answer(
    app: &App,
    caller: &Caller,
    context: Context,
    what: Ops,
    id: &str,
    query: &Query,
    body: &[u8],
) -> Result<Response, Trouble> {
    let operator = caller.one_of(&[Role::Operator])?;
    let said = match what {
        Ops::Lag => lag(app, context).await?,
        Ops::Parked => parked(app, context, query)?,
        Ops::ParkedOne => {
            let id = number(id)?;
            one(context, id, &app.engine.parked_one(context, id)?.ok_or(Refusal::NotFound {})?)
        }
        Ops::Replay => {
            let id = number(id)?;
            let mended = app.engine.mend(context, id, Mend::Replay { now_ms: now_ms() }).await.map_err(|failure| still(failure, id))?;
            tracing::info!(context = context.name(), id, %operator, "a parked row was replayed");
            json!({ "id": name(context, id), "done": "replayed", "parked_anew": mended.parked_anew })
        }
        Ops::Drop => {
            let (id, wanted): (i64, DropParked) = (number(id)?, verbs::json(body)?);
            app.engine.mend(context, id, Mend::Drop).await?;
            tracing::warn!(context = context.name(), id, %operator, reason = %wanted.reason, "a parked row was dropped");
            json!({ "id": name(context, id), "done": "dropped", "reason": wanted.reason })
        }
        Ops::Rebuild(view) => shown(&app.engine.rebuild(view)),
        Ops::Rebuilding(view) => shown(&app.engine.rebuilding(view).ok_or(Refusal::NotFound {})?),
        Ops::Story => story(app, context, id).await?,
        Ops::Breaker => breaker(app)?,
        Ops::Force => {
            let ForceBreaker { force, reason } = verbs::json(body)?;
            let pay = app.pay.as_ref().ok_or(Code::NotFound)?;
            tracing::warn!(breaker = PROVIDER, ?force, %operator, %reason, "an operator sets a breaker");
            let forced = (force != Force::Release).then(|| Forced { open: force == Force::Open, reason: reason.to_string() });
            pay.force(forced, operator.to_string())
                .map_err(|e| Trouble::Fault(format!("what is wanted of the breaker cannot be kept: {e}")))?;
            breaker(app)?
        }
        Ops::Reconcile => reconciled(app, query.get("date").map(String::as_str)).await?,
        Ops::Refunds => refunds(app)?,
    };
    Ok(hal::answer(caller, StatusCode::OK, said.to_string()))
}

fn number(id: &str) -> Result<i64, Trouble> {
    id.parse().ok().filter(|id| *id > 0).ok_or(Trouble::Rule(Refusal::NotFound {}))
}

/// The name of a parked row among those of all contexts.
fn name(context: Context, id: i64) -> String {
    format!("{}:{id}", context.name())
}

/// An operator is told what exactly is still in the way; a customer would not be.
fn still(failure: Failure, id: i64) -> Trouble {
    match failure {
        Failure::Fault(fault) => {
            tracing::warn!(id, %fault, "a parked row cannot be replayed yet");
            Trouble::Edge(Code::Unavailable, Some(fault.0))
        }
        failure => failure.into(),
    }
}

async fn lag(app: &App, context: Context) -> Result<Value, Trouble> {
    let subscriptions = app.engine.lag(context).await?;
    let timers: Vec<Value> = app
        .engine
        .waits(context)?
        .into_iter()
        .map(|wait| json!({ "name": wait.name, "count": wait.count, "overdue": wait.overdue, "first_due_ms": wait.first_due_ms }))
        .collect();
    Ok(json!({
        "context": context,
        "ready": app.engine.is_ready(context),
        "heads": app.engine.heads(context),
        "subscriptions": subscriptions,
        "timers": timers,
        "due": due(app, context)?,
        "parked": app.engine.parked_count(context)?,
    }))
}

/// Rows that a worker has yet to deal with.
fn due(app: &App, context: Context) -> Result<u64, Trouble> {
    let (kind, tags): (_, &[&str]) = match context {
        Context::Payment => (Kind::Payment, &[domain::payment::DUE]),
        Context::Notification => (Kind::Notice, &domain::notification::LISTS),
        Context::Order | Context::Store | Context::Rider | Context::Customer => return Ok(0),
    };
    let count = Slice { offset: 0, limit: 0, newest_first: false };
    tags.iter().try_fold(0, |sum, tag| Ok(sum + app.engine.list(kind, tag, count)?.1))
}

/// The breakers of this process: each process has its own, so the answer says whose they are.
fn breaker(app: &App) -> Result<Value, Trouble> {
    let look = app.pay.as_ref().ok_or(Code::NotFound)?.till.look();
    let forced = look.forced.map(|(forced, by)| json!({ "open": forced.open, "reason": forced.reason, "by": by }));
    let count = Slice { offset: 0, limit: 0, newest_first: false };
    let waiting = app.engine.list(Kind::Payment, domain::payment::DUE, count)?.1;
    let window = json!({ "calls": look.window.calls, "failed": look.window.failed, "slow": look.window.slow });
    Ok(json!({
        "process": process(),
        "_embedded": { "breakers": [{
            "name": PROVIDER, "process": process(), "state": look.state.name(), "since_ms": look.since_ms, "shut_ms": look.shut_ms,
            "window": window, "calls": look.calls, "repeats": look.repeats, "refused": look.refused, "waiting": waiting, "forced": forced,
        }] },
    }))
}

/// This process among the replicas: its machine, as that calls itself, and its number there.
fn process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{host}:{}", std::process::id())
}

/// The refunds that the provider refuses, those first that it refuses longest, and how many there are.
fn refunds(app: &App) -> Result<Value, Trouble> {
    let oldest = Slice { offset: 0, limit: PAGE, newest_first: false };
    let (rows, total) = app.engine.list(Kind::Payment, domain::payment::REFUSED, oldest)?;
    let refused = rows.iter().filter_map(|(_, stored)| match &*stored.row {
        Row::Payment(state) => state.refused(),
        _ => None,
    });
    let refunds: Vec<RefusedRefundOf> = refused.collect();
    Ok(json!({ "_embedded": { "refunds": refunds }, "total": total }))
}

/// The report of a day in Korea, which a caller names as `2026-11-21`: yesterday, unless named.
async fn reconciled(app: &App, date: Option<&str>) -> Result<Value, Trouble> {
    let day = match date {
        Some(date) => day_of(date).ok_or(Trouble::Edge(Code::InvalidParameter, Some("date: a day such as 2026-11-21 is wanted".into())))?,
        None => domain::clock::day(now_ms()) - 1,
    };
    if day > domain::clock::day(now_ms()) {
        return Err(Trouble::Edge(Code::InvalidParameter, Some(format!("date: {} has not begun", date.unwrap_or_default()))));
    }
    let pay = app.pay.as_ref().ok_or(Code::NotFound)?;
    let said = reconcile::report(&app.engine, pay.till.provider(), day).await;
    let report = said.map_err(|why| match why {
        NoReport::Fault(fault) => Trouble::from(fault),
        NoReport::Provider(why) => Trouble::Edge(Code::Unavailable, Some(format!("the provider's record cannot be read: {why}"))),
        NoReport::TooMany => Trouble::Edge(Code::InvalidParameter, Some("date: this day has more movements than one report holds".into())),
    })?;
    // What the provider has and nobody waits for any more is looked at once more, as if the provider itself pointed at it.
    report.differences.iter().filter(|differs| !differs.waits).for_each(|differs| pay.nudge(&differs.order));
    let mut said = json!(report);
    said["date"] = Timestamp::from_second(day * DAY_S).map_err(|e| Trouble::Fault(e.to_string()))?.strftime("%Y-%m-%d").to_string().into();
    Ok(said)
}

/// The number of a day since 1970, which is the same everywhere.
fn day_of(date: &str) -> Option<i64> {
    // A longer text would be read as a moment, and its day be guessed.
    let day: Date = if date.len() == "2026-11-21".len() { date.parse().ok()? } else { return None };
    Some(Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?.as_second().div_euclid(DAY_S))
}

fn parked(app: &App, context: Context, query: &Query) -> Result<Value, Trouble> {
    let before = match query.get("before").map(|before| before.parse::<i64>()) {
        None => None,
        Some(Ok(before)) => Some(before),
        Some(Err(_)) => return Err(Trouble::Edge(Code::InvalidParameter, Some("before: the number of a parked row is wanted".into()))),
    };
    let rows: Vec<Value> = app.engine.parked(context, before, PAGE)?.iter().map(|(id, parked)| one(context, *id, parked)).collect();
    Ok(json!({ "_embedded": { "parked": rows }, "total": app.engine.parked_count(context)? }))
}

fn one(context: Context, id: i64, parked: &Parked) -> Value {
    let (what, body) = match &parked.held {
        Held::Command(command) => ("command", json!(command)),
        Held::Event(recorded) => ("event", json!(recorded)),
    };
    let word = match &parked.held {
        Held::Command(command) => word(&json!(command)),
        Held::Event(recorded) => word(&json!(recorded.event)),
    };
    json!({
        "id": name(context, id), "context": context, "number": id, "what": what, "name": word, "stream": parked.stream,
        "reason": parked.reason, "at_ms": parked.at_ms, "cause": parked.cause.map(|cause| cause.to_string()), what: body,
    })
}

/// `order.placed` of an event or a command.
fn word(sum: &Value) -> String {
    let Some((kind, inner)) = sum.as_object().and_then(|sum| sum.iter().next()) else { return String::new() };
    format!("{kind}.{}", inner["type"].as_str().unwrap_or_default())
}

fn shown(rebuild: &Rebuild) -> Value {
    let mut shown = json!(rebuild);
    shown["view"] = rebuild.view.name().into();
    shown
}

async fn story(app: &App, context: Context, id: &str) -> Result<Value, Trouble> {
    let order = OrderId::parse(id).ok_or(Refusal::NotFound {})?;
    let (engine, id) = (app.engine.clone(), id.to_owned());
    // Looking through a journal takes a while: requests of this thread do not wait for it.
    let found = tokio::task::spawn_blocking(move || engine.story(context, &id, super::create::made_ms(order.0))).await;
    let Story { events, complete, pending, parked } = found.map_err(|e| Trouble::Fault(e.to_string()))??;
    let events: Vec<Value> = events.iter().map(|recorded| told(recorded, order)).collect();
    let parked: Vec<Value> = parked.iter().map(|(id, parked)| one(context, *id, parked)).collect();
    let timers: Vec<Value> = pending
        .iter()
        .map(|timer| json!({ "kind": timer.kind.name(), "name": timer.name, "due_ms": timer.due_ms, "cause": timer.cause.map(|c| c.to_string()) }))
        .collect();
    Ok(json!({ "context": context, "order": order, "complete": complete, "events": events, "timers": timers, "parked": parked }))
}

fn told(recorded: &Recorded, order: OrderId) -> Value {
    let at_ms: Millis = recorded.at_ms;
    json!({
        "position": recorded.position.to_string(), "context": recorded.position.context, "stream": recorded.stream,
        "version": recorded.version, "at_ms": at_ms, "name": word(&json!(recorded.event)),
        "by": recorded.by, "cause": recorded.cause.map(|cause| cause.to_string()), "correlation": order, "event": recorded.event,
    })
}
