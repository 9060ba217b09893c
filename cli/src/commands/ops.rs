//! `baemin ops`: for operators. Each service answers for itself; here their answers become one picture, and a service
//! that does not answer is said to be away instead of hiding the others.

mod breaker;
mod reconcile;
mod saga;
mod words;

use crate::{
    Exit, Failure, Reply,
    context::Context,
    orders::{self, Side},
    parse::{self, OrderArg},
    table::{
        Align::{Left, Right},
        Sheet,
    },
    times,
};
use clap::Subcommand;
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{Context as Part, Kind, api::DropParked};
use std::time::Duration;

/// Between two looks at a rebuild.
const LOOK: Duration = Duration::from_millis(200);
/// How long a rebuild that nobody knows of may be looked for: with several copies of a service the next one may know it.
const MAX_UNKNOWN: u32 = 50;

/// `baemin ops`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 서비스마다 준비되었는지 보기 | Whether each service is ready
    Health,
    /// 얼마나 밀렸는지 보기 | How far behind each service is
    Lag,
    /// 결제사 앞의 차단기를 보거나 정하기 | The breaker before the payment provider: see it, or set it
    Breaker(breaker::Args),
    /// 하루의 원장을 결제사의 기록과 비교하기 | Compare a day's ledger with the payment provider's record
    Reconcile(reconcile::Args),
    /// 처리하지 못하고 따로 둔 것 | What could not be done and is parked
    #[command(subcommand)]
    Parked(Parked),
    /// 화면(view)을 처음부터 다시 만들기 | Build a view anew from the beginning
    Rebuild {
        /// 화면: myPage, shopPage, storefront, deliveryInfo, ledgerEntry, preference | The view, one of these: myPage, shopPage, storefront, deliveryInfo, ledgerEntry, preference
        #[arg(value_parser = view)]
        view: Kind,
    },
    /// 한 주문에 있었던 모든 일 보기 | Everything that happened to an order
    Saga {
        /// 주문 번호 | The order's id
        #[arg(value_parser = parse::order)]
        order: OrderArg,
        /// 알림도 보기 | Show notices too
        #[arg(long)]
        notices: bool,
    },
}

/// `baemin ops parked`
#[derive(Debug, Subcommand)]
pub enum Parked {
    /// 목록 보기, 새것부터 | List it, newest first
    List,
    /// 하나를 자세히 보기 | Show one
    Show {
        /// 이름, 예: order:12 | Its name, such as order:12
        #[arg(value_parser = parked_id)]
        id: ParkedId,
    },
    /// 다시 처리하기 | Do it again
    Replay {
        /// 이름, 예: order:12 | Its name, such as order:12
        #[arg(value_parser = parked_id, required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<ParkedId>,
        /// 모두, 오래된 것부터 | All of it, oldest first
        #[arg(long)]
        all: bool,
    },
    /// 처리하지 않고 버리기 | Drop it for good
    Drop {
        /// 이름, 예: order:12 | Its name, such as order:12
        #[arg(value_parser = parked_id)]
        id: ParkedId,
        /// 이유, 기록에 남아요 | Why; it is logged
        #[arg(long, value_name = "TEXT", value_parser = parse::text::<200>)]
        reason: shared::Text<200>,
    },
}

/// The name of something parked: whose it is, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParkedId {
    context: Part,
    number: i64,
}

fn parked_id(text: &str) -> Result<ParkedId, String> {
    let read = || {
        let (context, number) = text.split_once(':')?;
        Some(ParkedId { context: Part::parse(context)?, number: number.parse().ok().filter(|number| *number > 0)? })
    };
    read().ok_or_else(|| "order:12처럼 써 주세요 | a name such as order:12 is wanted".into())
}

fn view(text: &str) -> Result<Kind, String> {
    const VIEWS: [Kind; 6] = [Kind::MyPage, Kind::ShopPage, Kind::Storefront, Kind::DeliveryInfo, Kind::LedgerEntry, Kind::Preference];
    let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
    let found = VIEWS.into_iter().find(|kind| [plain(kind.name()), plain(kind.route())].contains(&plain(text)));
    found.ok_or_else(|| {
        let all = VIEWS.map(Kind::name).join(", ");
        format!("이 중에서 써 주세요: {all} | one of these is wanted: {all}")
    })
}

/// Does it.
pub async fn run(ctx: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Health => health(ctx).await,
        Command::Lag => lag(ctx).await,
        Command::Breaker(args) => breaker::run(ctx, args).await.map(|()| Exit::Done),
        Command::Reconcile(args) => reconcile::run(ctx, args).await,
        Command::Parked(Parked::List) => list(ctx).await,
        Command::Parked(Parked::Show { id }) => show(ctx, id).await.map(|()| Exit::Done),
        Command::Parked(Parked::Replay { ids, all: false }) => replay(ctx, &ids).await,
        Command::Parked(Parked::Replay { .. }) => replay_all(ctx).await,
        Command::Parked(Parked::Drop { id, reason }) => forget(ctx, id, reason).await.map(|()| Exit::Done),
        Command::Rebuild { view } => rebuild(ctx, view).await,
        Command::Saga { order, notices } => {
            let order = orders::resolve(ctx, Some(order), Side::Any).await?;
            saga::run(ctx, order, notices).await
        }
    }
}

/// What every context answers; those that do not are said to be away.
async fn ask_all(ctx: &Context, path: &str) -> Result<(Vec<(Part, Reply)>, Vec<Part>), Failure> {
    let asked = Part::ALL.map(|part| {
        let path = format!("/ops/{}/{path}", part.name());
        async move { (part, ctx.client.get(&path).await) }
    });
    let (mut replies, mut away) = (vec![], vec![]);
    for (part, reply) in ctx.wait(join_all(asked)).await {
        match reply {
            Ok(reply) => replies.push((part, reply)),
            Err(failure) if matches!(failure.exit, Exit::Later | Exit::Unreachable) && away.len() + 1 < Part::ALL.len() => away.push(part),
            Err(failure) => return Err(failure),
        }
    }
    Ok((replies, away))
}

/// Says who is missing, and how the command ends.
fn ended(ctx: &Context, away: &[Part]) -> Exit {
    if away.is_empty() {
        return Exit::Done;
    }
    let names: Vec<&str> = away.iter().map(|part| words::context(*part, ctx.lang)).collect();
    ctx.out
        .note(&ctx.t(format!("답하지 않은 서비스: {}", names.join(", ")), format!("These services did not answer: {}", names.join(", "))));
    ctx.next("ops health");
    Exit::Later
}

async fn health(ctx: &Context) -> Result<Exit, Failure> {
    let reply = ctx.wait(ctx.client.ready()).await?.body;
    let heads = [
        ("서비스", "SERVICE", Left),
        ("상태", "STATE", Left),
        ("버전", "VERSION", Left),
        ("복제", "COPIES", Right),
        ("차단기", "BREAKER", Left),
        ("기다리는 것", "WAITS FOR", Left),
    ];
    let version = reply["version"].as_str().unwrap_or("-").to_owned();
    let none = serde_json::Map::new();
    let services = reply["services"].as_object().unwrap_or(&none);
    let mut items = vec![json!({ "service": "gateway", "status": reply["status"], "version": version, "waits_for": reply["waits_for"] })];
    items.extend(services.iter().map(|(name, said)| {
        let mut item = said.clone();
        item["service"] = name.as_str().into();
        item
    }));
    ctx.out.value(&json!(items), "service", || {
        let mut sheet = Sheet::new(&heads);
        for item in &items {
            let copies = item["copies"].as_u64().map_or_else(|| "-".into(), |all| format!("{}/{all}", item["ready"]));
            let text = |field: &str| item[field].as_str().unwrap_or("-").to_owned();
            let state = if item["status"] == "UP" { ctx.t("정상", "up") } else { ctx.t("준비 안 됨", "not ready") };
            let waits: Vec<&str> = item["waits_for"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let waits = if waits.is_empty() { "-".to_owned() } else { waits.join(", ") };
            sheet.row([text("service"), state.into(), text("version"), copies, text("breaker"), waits]);
        }
        sheet
    })?;
    if reply["status"] == "UP" {
        return Ok(Exit::Done);
    }
    ctx.next("ops lag");
    Ok(Exit::Later)
}

async fn lag(ctx: &Context) -> Result<Exit, Failure> {
    let (replies, away) = ask_all(ctx, "lag").await?;
    let items: Vec<Value> = replies.into_iter().map(|(_, reply)| reply.body).collect();
    ctx.out.value(&json!(items), "context", || lag_sheet(ctx, &items))?;
    let parked: u64 = items.iter().filter_map(|item| item["parked"].as_u64()).sum();
    if parked > 0 {
        ctx.next("ops parked list");
    }
    Ok(ended(ctx, &away))
}

fn lag_sheet(ctx: &Context, items: &[Value]) -> Sheet {
    let mut sheet = Sheet::new(&[
        ("서비스", "SERVICE", Left),
        ("듣는 곳", "HEARS", Left),
        ("처리함", "HANDLED", Right),
        ("밀림", "BEHIND", Right),
        ("얼마나", "FOR", Left),
        ("늦은 타이머", "TIMERS LATE", Right),
        ("할 일", "DUE", Right),
        ("따로 둠", "PARKED", Right),
    ]);
    let now = times::now_ms();
    for item in items {
        let name = item["context"].as_str().and_then(Part::parse).map_or("-", |part| words::context(part, ctx.lang)).to_owned();
        let late: u64 = item["timers"].as_array().into_iter().flatten().filter_map(|timer| timer["overdue"].as_u64()).sum();
        let mut own = [late.to_string(), item["due"].to_string(), item["parked"].to_string()];
        let mut name = Some(name);
        let nothing = vec![json!({})];
        for lag in item["subscriptions"].as_array().filter(|all| !all.is_empty()).unwrap_or(&nothing) {
            let source = lag["source"].as_str().and_then(Part::parse).map_or_else(
                || "-".into(),
                |part| {
                    let partition = lag["partition"].as_u64().unwrap_or(0);
                    let name = words::context(part, ctx.lang);
                    if partition == 0 { name.to_owned() } else { format!("{name}.{partition}") }
                },
            );
            let number =
                |field: &str| lag[field].as_u64().map_or_else(|| if lag["source"].is_null() { "-" } else { "?" }.into(), |n| n.to_string());
            let since = lag["since_ms"].as_i64().map_or_else(|| "-".into(), |since| words::span(now - since, ctx.lang));
            let [late, due, parked] = std::mem::take(&mut own);
            sheet.row([name.take().unwrap_or_default(), source, number("cursor"), number("behind"), since, late, due, parked]);
        }
    }
    sheet
}

/// Everything that is parked, newest first within each context.
async fn all_parked(ctx: &Context) -> Result<(Vec<Value>, u64, Vec<Part>), Failure> {
    let (replies, away) = ask_all(ctx, "parked").await?;
    let total = replies.iter().filter_map(|(_, reply)| reply.body["total"].as_u64()).sum();
    let mut items: Vec<Value> = replies.iter().flat_map(|(_, reply)| reply.items()).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item["at_ms"].as_i64()));
    Ok((items, total, away))
}

async fn list(ctx: &Context) -> Result<Exit, Failure> {
    let (items, total, away) = all_parked(ctx).await?;
    if items.is_empty() && ctx.out.format() == crate::output::Format::Table {
        ctx.out.note(ctx.t("따로 둔 것이 없어요", "Nothing is parked."));
        return Ok(ended(ctx, &away));
    }
    ctx.out.value(&json!(items), "id", || {
        let heads =
            [("이름", "NAME", Left), ("언제", "WHEN", Left), ("무엇", "WHAT", Left), ("누구의", "OF", Left), ("이유", "REASON", Left)];
        let mut sheet = Sheet::new(&heads);
        let now = times::now_ms();
        for item in &items {
            let text = |field: &str| item[field].as_str().unwrap_or("-").to_owned();
            let at = item["at_ms"].as_i64().map_or_else(|| "-".into(), |at| times::ago(at, now, ctx.lang));
            sheet.row([text("id"), at, text("name"), text("stream"), text("reason")]);
        }
        sheet
    })?;
    if total > items.len() as u64 {
        ctx.out.note(&ctx.t(format!("모두 {total}건 중 새것부터 보여요"), format!("The newest of {total}.")));
    }
    if let Some(id) = items.first().and_then(|item| item["id"].as_str()) {
        ctx.next(&format!("ops parked show {id}"));
    }
    Ok(ended(ctx, &away))
}

fn path(id: ParkedId) -> String {
    format!("/ops/{}/parked/{}", id.context.name(), id.number)
}

async fn show(ctx: &Context, id: ParkedId) -> Result<(), Failure> {
    let reply = ctx.get(&path(id)).await?;
    ctx.out.one(&reply, "id", || {
        let text = |field: &str| reply.body[field].as_str().unwrap_or("-").to_owned();
        let what = text("what");
        let whole = serde_json::to_string(&reply.body[what.as_str()]).unwrap_or_default();
        Ok(Sheet::card()
            .with(ctx.t("이름", "Name"), text("id"))
            .with(ctx.t("언제", "When"), reply.body["at_ms"].as_i64().map_or_else(|| "-".into(), times::full))
            .with(ctx.t("무엇", "What"), text("name"))
            .with(ctx.t("누구의", "Of"), text("stream"))
            .with(ctx.t("이유", "Reason"), text("reason"))
            .with(ctx.t("원인", "Cause"), text("cause"))
            .with(ctx.t("내용", "Whole"), whole))
    })?;
    ctx.next(&format!("ops parked replay {}:{}", id.context.name(), id.number));
    Ok(())
}

async fn replay(ctx: &Context, ids: &[ParkedId]) -> Result<Exit, Failure> {
    for id in ids {
        let reply = ctx.put(&format!("{}/replay", path(*id)), &json!({})).await?;
        tell_done(ctx, &reply)?;
    }
    ctx.out.done(ctx.t("다시 처리했어요", "Done again."));
    Ok(Exit::Done)
}

fn tell_done(ctx: &Context, reply: &Reply) -> Result<(), Failure> {
    ctx.out.one(reply, "id", || {
        let anew = reply.body["parked_anew"].as_u64().unwrap_or(0);
        let told = if anew == 0 {
            String::new()
        } else {
            ctx.t(format!("반응 {anew}건은 거절되어 다시 따로 두었어요"), format!("{anew} of its reactions were refused and parked"))
        };
        let mut sheet = Sheet::card();
        sheet.row([reply.body["id"].as_str().unwrap_or("-").to_owned(), reply.body["done"].as_str().unwrap_or("-").to_owned(), told]);
        Ok(sheet)
    })
}

/// Page after page until nothing is left that can be mended. What depends on something older comes after it.
async fn replay_all(ctx: &Context) -> Result<Exit, Failure> {
    let (mut done, mut failed) = (0_u64, vec![]);
    for part in Part::ALL {
        // The pages go from new to old, and mending goes from old to new: so the names are gathered first.
        let (mut ids, mut before) = (vec![], None);
        loop {
            let query: Vec<(&str, String)> = before.iter().map(|before: &i64| ("before", before.to_string())).collect();
            let page = ctx.get_with(&format!("/ops/{}/parked", part.name()), &query).await?.items();
            let Some(last) = page.last().and_then(|item| item["number"].as_i64()) else { break };
            ids.extend(page.iter().filter_map(|item| item["number"].as_i64()));
            before = Some(last);
        }
        for number in ids.into_iter().rev() {
            let id = ParkedId { context: part, number };
            match ctx.put(&format!("{}/replay", path(id)), &json!({})).await {
                Ok(reply) => {
                    done += 1;
                    tell_done(ctx, &reply)?;
                }
                // Somebody else was quicker.
                Err(failure) if failure.exit == Exit::NotFound => {}
                Err(failure) if matches!(failure.exit, Exit::Denied | Exit::Unreachable) => return Err(failure),
                Err(failure) => failed.push((id, failure)),
            }
        }
    }
    ctx.out.done(&ctx.t(format!("{done}건을 다시 처리했어요"), format!("{done} done again.")));
    let Some((id, failure)) = failed.first() else { return Ok(Exit::Done) };
    let (left, what) = (failed.len(), &failure.what);
    ctx.out.note(&ctx.t(format!("{left}건은 아직 안 돼요: {what}"), format!("{left} cannot be done yet: {what}")));
    ctx.next(&format!("ops parked show {}:{}", id.context.name(), id.number));
    Ok(failure.exit)
}

async fn forget(ctx: &Context, id: ParkedId, reason: shared::Text<200>) -> Result<(), Failure> {
    let name = format!("{}:{}", id.context.name(), id.number);
    ctx.confirm(&format!("{name}을(를) 영영 버릴까요?"), &format!("Drop {name} for good?"))?;
    let reply = ctx.put(&format!("{}/drop", path(id)), &DropParked { reason }).await?;
    tell_done(ctx, &reply)?;
    ctx.out.done(ctx.t("버렸어요. 이유는 기록에 남았어요", "Dropped; the reason is in the log."));
    Ok(())
}

async fn rebuild(ctx: &Context, view: Kind) -> Result<Exit, Failure> {
    let path = format!("/ops/{}/rebuild/{}", view.context().name(), view.name());
    let begun = ctx.put(&path, &json!({})).await?;
    let started = begun.body["started_ms"].clone();
    let ended = ctx.wait(async {
        let mut unknown = 0;
        loop {
            match ctx.client.get(&path).await {
                Ok(reply) if reply.body["started_ms"] == started && reply.body["state"] != "running" => return Ok(reply),
                // Another copy of the service knows nothing of it, or of an earlier one.
                Ok(reply) if reply.body["started_ms"] == started => unknown = 0,
                Err(failure) if failure.exit != Exit::NotFound => return Err(failure),
                Ok(_) | Err(_) if unknown < MAX_UNKNOWN => unknown += 1,
                Ok(_) | Err(_) => {
                    return Err(Failure::new(Exit::Later, ctx.t("다시 만들던 서비스가 사라졌어요", "the service that was at it is gone")));
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    let reply = ended.await?;
    let number = |field: &str| reply.body[field].as_u64().unwrap_or(0);
    ctx.out.one(&reply, "view", || {
        let took = reply.body["ended_ms"].as_i64().zip(started.as_i64()).map_or(0, |(end, start)| end - start);
        Ok(Sheet::card()
            .with(ctx.t("화면", "View"), view.name())
            .with(ctx.t("읽은 사건", "Events read"), number("events"))
            .with(ctx.t("만든 줄", "Rows made"), number("rows"))
            .with(ctx.t("고친 줄", "Rows put right"), number("differed"))
            .with(ctx.t("확인 못한 줄", "Not compared"), number("unsettled"))
            .with(ctx.t("걸린 시간", "Took"), words::span(took, ctx.lang)))
    })?;
    if reply.body["state"] == "failed" {
        let why = reply.body["reason"].as_str().unwrap_or_default().to_owned();
        return Err(Failure::new(Exit::Failed, ctx.t("다시 만들지 못했어요", "the view was not rebuilt")).why(why));
    }
    ctx.out.done(match number("differed") {
        0 => ctx.t("모두 같아요. 바꾼 것이 없어요", "All rows are the same; nothing was changed."),
        _ => ctx.t("다른 줄을 고쳤어요", "Rows that differed were put right."),
    });
    Ok(if number("unsettled") == 0 { Exit::Done } else { Exit::Short })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;

    #[test]
    fn views_and_parked_rows_are_named() {
        assert_eq!(
            ["myPage", "my_page", "mypages", "SHOP-PAGE"].map(|name| view(name).unwrap()),
            [Kind::MyPage, Kind::MyPage, Kind::MyPage, Kind::ShopPage]
        );
        assert!(view("order").is_err_and(|why| why.contains("storefront")));
        assert_eq!(parked_id("order:12"), Ok(ParkedId { context: Part::Order, number: 12 }));
        for text in ["order", "kitchen:1", "order:0", "order:x", "order:-1"] {
            assert!(parked_id(text).is_err_and(|why| why.contains(" | ")), "{text}");
        }
    }
}
