//! One order's whole story: what every service knows of it, as one line of time. What follows at once from something
//! stands beneath it; people, workers and timers begin anew, and say how long after the last thing that was.

use super::{ask_all, ended, words};
use crate::{
    Exit, Failure,
    context::Context,
    output::Format,
    table::{
        Align::{Left, Right},
        Sheet,
    },
    times, views,
};
use serde_json::{Value, json};
use shared::{
    Context as Part, Lang, Millis, OrderId, Won,
    api::{OrderShown, PaymentShown, RefusedRefund},
    order::Status,
};
use std::collections::HashMap;

/// A line of the story.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    at_ms: Millis,
    /// Since what caused it; for people and workers, since what was before.
    after_ms: Option<Millis>,
    context: Part,
    name: String,
    /// How far down the chain of causes within one moment.
    depth: usize,
    who: String,
    position: String,
    item: Value,
}

/// `baemin ops saga`
pub async fn run(ctx: &Context, order: OrderId, notices: bool) -> Result<Exit, Failure> {
    let shown: OrderShown = ctx.get(&format!("/orders/{order}")).await?.read()?;
    let (replies, away) = ask_all(ctx, &format!("story/{order}")).await?;
    let parts: Vec<Value> = replies.into_iter().map(|(_, reply)| reply.body).collect();
    let of = |field: &str| -> Vec<Value> { parts.iter().filter_map(|part| part[field].as_array()).flatten().cloned().collect() };
    let (lines, parked) = (told(of("events")), of("parked"));
    let waits = waits(shown.status, &of("timers"));
    // A service that is away is said to be so, and nothing else is known of it.
    let owed = if away.contains(&Part::Payment) { None } else { owed(ctx, order).await? };
    let missing: Vec<&str> = parts.iter().filter(|part| part["complete"] == false).filter_map(|part| part["context"].as_str()).collect();
    let events: Vec<Value> = lines.iter().map(json_line).collect();
    match ctx.out.format() {
        Format::Table => {
            let (seen, hidden): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| notices || line.context != Part::Notification);
            ctx.out.sheet(&sheet(ctx, &seen))?;
            if !hidden.is_empty() {
                ctx.out.note(&ctx.t(
                    format!("알림 {}건은 --notices로 보여요", hidden.len()),
                    format!("{} events of notices are shown by --notices.", hidden.len()),
                ));
            }
            close(ctx, shown.status, &waits, owed.as_ref(), &parked);
        }
        Format::Json => {
            let mut waits: Vec<Value> = waits.iter().map(|(name, due_ms)| json!({ "for": name, "until_ms": due_ms })).collect();
            // These have no deadline: the provider is asked until it gives the money back, or says what became of it.
            if let Some(Owed { refunding, refused, unwanted }) = &owed {
                let refund = json!({ "for": "refund", "until_ms": null, "amount": refunding, "refused": refused });
                waits.extend((*refunding > Won::ZERO).then_some(refund));
                waits.extend(unwanted.iter().map(|amount| json!({ "for": "unwanted_charge", "until_ms": null, "amount": amount })));
            }
            let whole = json!({ "order": order, "status": shown.status, "events": events, "waits": waits, "parked": parked, "incomplete": missing });
            ctx.out.value(&whole, "order", Sheet::card)?;
        }
        Format::Jsonl | Format::Name => ctx.out.value(&json!(events), "position", Sheet::card)?,
    }
    if !missing.is_empty() {
        ctx.out.note(&ctx.t(
            format!("오래되어 다 찾지 못한 곳: {}", missing.join(", ")),
            format!("Too long ago to find everything of: {}", missing.join(", ")),
        ));
    }
    Ok(ended(ctx, &away))
}

fn json_line(line: &Line) -> Value {
    let mut item = line.item.clone();
    (item["who"], item["after_ms"], item["depth"]) = (line.who.as_str().into(), json!(line.after_ms), line.depth.into());
    item
}

/// What the provider owes of an order's money.
struct Owed {
    /// What is on its way back.
    refunding: Won,
    /// What of that it refuses to give back.
    refused: Option<RefusedRefund>,
    /// Of what it has yet to say whether it was charged, although nobody wants it any more.
    unwanted: Option<Won>,
}

/// `None` when that cannot be known now. An order that was never to be paid has no payment.
async fn owed(ctx: &Context, order: OrderId) -> Result<Option<Owed>, Failure> {
    match ctx.get(&format!("/payments/{order}")).await {
        Ok(reply) => reply.read().map(|PaymentShown { refunding, refused, unwanted, .. }| Some(Owed { refunding, refused, unwanted })),
        Err(failure) if failure.exit == Exit::NotFound => Ok(Some(Owed { refunding: Won::ZERO, refused: None, unwanted: None })),
        // One that does not answer now keeps nobody from the rest of the story.
        Err(failure) if matches!(failure.exit, Exit::Later | Exit::Unreachable) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// In the order of time; what happened at once because of something comes right after it.
fn told(mut events: Vec<Value>) -> Vec<Line> {
    let place = |event: &Value| event["position"].as_str().unwrap_or_default().to_owned();
    let at = |event: &Value| event["at_ms"].as_i64().unwrap_or_default();
    let seq = |event: &Value| place(event).rsplit('.').next().and_then(|seq| seq.parse::<u64>().ok()).unwrap_or_default();
    events.sort_by_key(|event| (at(event), seq(event)));
    let people = people(&events);
    let times: HashMap<String, Millis> = events.iter().map(|event| (place(event), at(event))).collect();
    let mut below: HashMap<String, Vec<Value>> = HashMap::new();
    let mut first = vec![];
    for event in events {
        let cause = event["cause"].as_str().map(str::to_owned);
        match cause.filter(|cause| times.get(cause) == Some(&at(&event))) {
            Some(cause) => below.entry(cause).or_default().push(event),
            None => first.push(event),
        }
    }
    let mut lines: Vec<Line> = vec![];
    let mut before = None;
    for event in first {
        let cause = event["cause"].as_str().and_then(|cause| times.get(cause)).copied();
        let after_ms = cause.or(before).map(|earlier| at(&event) - earlier);
        before = Some(at(&event));
        let mut stack = vec![(event, 0, after_ms)];
        while let Some((event, depth, after_ms)) = stack.pop() {
            for effect in below.remove(&place(&event)).unwrap_or_default().into_iter().rev() {
                stack.push((effect, depth + 1, None));
            }
            let Some(context) = event["context"].as_str().and_then(Part::parse) else { continue };
            let (at_ms, name, position) = (at(&event), event["name"].as_str().unwrap_or_default().to_owned(), place(&event));
            lines.push(Line {
                at_ms,
                after_ms,
                context,
                name,
                depth,
                who: who(&event, event["cause"].as_str().is_some_and(|cause| times.get(cause).is_some_and(|at| *at < at_ms)), &people),
                position,
                item: event,
            });
        }
    }
    lines
}

/// The letters of each account that has to do with the order, and what it is to it.
fn people(events: &[Value]) -> HashMap<String, &'static str> {
    let mut people = HashMap::new();
    for event in events {
        let Some(body) = event["event"].as_object().and_then(|sum| sum.values().next()) else { continue };
        let about = if body["about"].is_object() { &body["about"] } else { body };
        for (of, field, role) in [(about, "customer", "customer"), (about, "owner", "owner"), (body, "rider", "rider")] {
            if let Some((_, letters)) = of[field].as_str().and_then(|id| id.split_once('_')) {
                people.entry(letters.to_owned()).or_insert(role);
            }
        }
    }
    people
}

/// Who caused it: a person, by what they are to the order; an event; a timer; or a worker.
fn who(event: &Value, is_later: bool, people: &HashMap<String, &'static str>) -> String {
    let letters = event["by"].as_str().and_then(|by| by.split_once('_')).map(|(_, letters)| letters);
    match (letters, event["cause"].as_str()) {
        (Some(letters), _) => (*people.get(letters).unwrap_or(&"person")).to_owned(),
        // What a service does because of an event has that event's time; only a timer acts later.
        (None, Some(_)) if is_later => "timer".to_owned(),
        (None, Some(cause)) => cause.to_owned(),
        (None, None) => "worker".to_owned(),
    }
}

/// What the order waits for as it stands, and until when.
fn waits(status: Status, timers: &[Value]) -> Vec<(String, Millis)> {
    let mut waits: Vec<(String, Millis)> = timers
        .iter()
        .filter_map(|timer| Some((timer["name"].as_str()?.to_owned(), timer["due_ms"].as_i64()?)))
        .filter(|(name, _)| words::deadlines(status).contains(&name.as_str()))
        .collect();
    waits.sort_by_key(|(_, due_ms)| *due_ms);
    waits.dedup();
    waits
}

fn sheet(ctx: &Context, lines: &[&Line]) -> Sheet {
    let heads = [
        ("시각", "TIME", Left),
        ("뒤", "AFTER", Right),
        ("어디서", "WHERE", Left),
        ("무엇", "WHAT", Left),
        ("누가", "BY", Left),
        ("자리", "POSITION", Left),
    ];
    let mut sheet = Sheet::new(&heads);
    let mut last = None;
    for line in lines {
        // A moment is told once: what follows at once stands beneath it.
        let time = if line.depth > 0 && last == Some(line.at_ms) { String::new() } else { times::clock(line.at_ms) };
        last = Some(line.at_ms);
        let after = line.after_ms.map_or_else(String::new, |ms| format!("+{}", words::span(ms, ctx.lang)));
        let indent = if line.depth == 0 { String::new() } else { format!("{}└ ", "  ".repeat(line.depth - 1)) };
        let what = format!("{indent}{}", words::event(&line.name, ctx.lang));
        let by = if line.depth > 0 && line.who.contains('.') { "〃".into() } else { words::who(&line.who, ctx.lang).to_owned() };
        sheet.row([time, after, words::context(line.context, ctx.lang).to_owned(), what, by, line.position.clone()]);
    }
    sheet
}

fn close(ctx: &Context, status: Status, waits: &[(String, Millis)], owed: Option<&Owed>, parked: &[Value]) {
    let now = times::now_ms();
    ctx.out.note(&ctx.t(format!("지금: {}", status.label(ctx.lang)), format!("Now: {}", status.label(ctx.lang))));
    for (name, due_ms) in waits {
        let (what, until) = (words::deadline(name, ctx.lang), times::clock(*due_ms));
        let left = words::span(due_ms - now, ctx.lang);
        ctx.out.note(
            &ctx.t(format!("기다리는 것: {what}, {until}까지 ({left} 남음)"), format!("Waits for {what} until {until} ({left} left)")),
        );
    }
    let money = owed.map(|owed| owed.say(ctx.lang)).unwrap_or_default();
    money.iter().for_each(|line| ctx.out.note(line));
    for row in parked {
        let text = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
        ctx.out.note(&ctx.t(
            format!("따로 둠: {} {} ({})", text("id"), text("name"), text("reason")),
            format!("Parked: {} {} ({})", text("id"), text("name"), text("reason")),
        ));
        ctx.next(&format!("ops parked replay {}", text("id")));
    }
    if waits.is_empty() && owed.is_some() && money.is_empty() && parked.is_empty() && status.is_final() {
        ctx.out.note(ctx.t("기다리는 것이 없어요", "It waits for nothing."));
    }
}

impl Owed {
    /// What of it the order waits for, line by line.
    fn say(&self, lang: Lang) -> Vec<String> {
        let amount = |won: Won| views::won(won, lang);
        let refused = self.refused.as_ref().map(|refused| {
            let (amount, reason) = (amount(refused.amount), words::refusal(&refused.reason, refused.code.as_deref(), lang));
            let since = times::full(refused.since_ms);
            lang.pick(
                format!("기다리는 것: 환불 {amount}, 결제사가 돌려주지 않아요 ({reason}, {since}부터)"),
                format!("Waits for a refund of {amount}, which the provider refuses ({reason}, since {since})"),
            )
        });
        let refunding = self.refunding - self.refused.as_ref().map_or(Won::ZERO, |refused| refused.amount);
        let refunding = (refunding > Won::ZERO).then(|| {
            let amount = amount(refunding);
            lang.pick(
                format!("기다리는 것: 환불 {amount}, 결제사가 돌려줄 때까지 다시 요청해요"),
                format!("Waits for a refund of {amount}, which is asked for until the provider gives it back"),
            )
        });
        let unwanted = self.unwanted.map(|won| {
            let amount = amount(won);
            lang.pick(
                format!("기다리는 것: 이제 아무도 바라지 않는 결제 {amount}, 늦게라도 되면 바로 돌려드려요"),
                format!("Waits for what became of a charge of {amount} that nobody wants any more; should it come, it goes back at once"),
            )
        });
        [refused, refunding, unwanted].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::order::Reason;

    fn event(position: &str, at_ms: Millis, cause: Option<&str>, by: Option<&str>, name: &str) -> Value {
        let context = position.split('.').next();
        let body = json!({ "x": { "about": { "customer": "cus_k", "owner": "acc_o" } } });
        json!({ "position": position, "context": context, "at_ms": at_ms, "cause": cause, "by": by, "name": name, "event": body })
    }

    #[test]
    fn causes_come_before_effects_and_say_who_it_was() {
        let lines = told(vec![
            event("store.0.1", 10, Some("order.0.2"), None, "ticket.opened"),
            event("order.0.1", 5, None, Some("acc_k"), "order.placed"),
            event("order.0.2", 10, Some("payment.0.9"), None, "order.paid"),
            event("payment.0.9", 10, None, None, "payment.approved"),
            event("order.0.3", 600, Some("order.0.2"), None, "order.rejected"),
            event("store.0.2", 300, None, Some("acc_o"), "ticket.delayed"),
        ]);
        let told: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.depth, line.after_ms, line.who.as_str())).collect();
        assert_eq!(
            told,
            [
                ("order.placed", 0, None, "customer"),
                ("payment.approved", 0, Some(5), "worker"),
                ("order.paid", 1, None, "payment.0.9"),
                ("ticket.opened", 2, None, "order.0.2"),
                ("ticket.delayed", 0, Some(290), "owner"),
                ("order.rejected", 0, Some(590), "timer"),
            ]
        );
    }

    #[test]
    fn money_that_the_provider_owes_is_waited_for() {
        let refused =
            RefusedRefund { amount: Won(20_000), reason: Reason::Declined, code: None, since_ms: 1_763_722_925_000, parts: vec![] };
        let owed = Owed { refunding: Won(23_000), refused: Some(refused), unwanted: Some(Won(4_000)) };
        assert_eq!(
            owed.say(Lang::Ko),
            [
                "기다리는 것: 환불 20,000원, 결제사가 돌려주지 않아요 (결제사가 거절했어요, 2025-11-21 20:02:05부터)",
                "기다리는 것: 환불 3,000원, 결제사가 돌려줄 때까지 다시 요청해요",
                "기다리는 것: 이제 아무도 바라지 않는 결제 4,000원, 늦게라도 되면 바로 돌려드려요",
            ]
        );
        assert_eq!(
            owed.say(Lang::En),
            [
                "Waits for a refund of 20,000 won, which the provider refuses (the provider declined, since 2025-11-21 20:02:05)",
                "Waits for a refund of 3,000 won, which is asked for until the provider gives it back",
                "Waits for what became of a charge of 4,000 won that nobody wants any more; should it come, it goes back at once",
            ]
        );
        assert!(Owed { refunding: Won::ZERO, refused: None, unwanted: None }.say(Lang::Ko).is_empty());
    }

    #[test]
    fn only_deadlines_that_still_mean_something_are_waited_for() {
        let timers = [json!({ "name": "payment", "due_ms": 9 }), json!({ "name": "answer", "due_ms": 7 })];
        assert_eq!(waits(Status::Placed, &timers), [("answer".to_owned(), 7)]);
        assert!(waits(Status::Completed, &timers).is_empty());
    }
}
