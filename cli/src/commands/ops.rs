//! `baemin ops`: for operators. Each service answers for itself; here their answers become one picture, and a service
//! that does not answer is said to be away instead of hiding the others.

mod breaker;
mod parked;
mod reconcile;
mod refunds;
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
use shared::{Context as Part, Kind};
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
    /// 결제사가 거절한 환불 보기 | The refunds that the payment provider refuses
    Refunds,
    /// 처리하지 못하고 따로 둔 것 | What could not be done and is parked
    #[command(subcommand)]
    Parked(parked::Command),
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
        Command::Refunds => refunds::run(ctx).await.map(|()| Exit::Done),
        Command::Parked(command) => parked::run(ctx, command).await,
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
    fn views_are_named() {
        assert_eq!(
            ["myPage", "my_page", "mypages", "SHOP-PAGE"].map(|name| view(name).unwrap()),
            [Kind::MyPage, Kind::MyPage, Kind::MyPage, Kind::ShopPage]
        );
        assert!(view("order").is_err_and(|why| why.contains("storefront")));
    }
}
