//! `baemin status`: where an order stands, and its changes as they happen. A status never goes backwards here: what
//! the network repeats or shuffles is dropped beneath, by the version of each change.

use super::offer;
use crate::{
    Exit, Failure, News, Watch,
    context::Context,
    orders::{self, Side, reaches, status_of, tell_change},
    output::Format,
    parse::{self, OrderArg},
    table::{
        Align::{Left, Right},
        Sheet,
    },
    times, views,
};
use clap::{Args, Subcommand};
use serde_json::json;
use shared::{
    OrderId, Role,
    api::{Change, OrderShown},
    order::Status,
};
use std::time::Duration;
use tokio::time::Instant;

/// `baemin status`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 지금 상태 보기 | Show where it stands
    Show {
        /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
        #[arg(value_parser = parse::order)]
        order: Option<OrderArg>,
    },
    /// 바뀔 때마다 한 줄씩 보기 | A line at every change, as it happens
    Watch(WatchArgs),
    /// 지나온 단계 보기 | Each step so far
    History {
        /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
        #[arg(value_parser = parse::order)]
        order: Option<OrderArg>,
    },
}

/// `baemin status watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
    #[arg(value_parser = parse::order)]
    pub order: Option<OrderArg>,
    /// 이 상태까지 (기본: completed) | Until this status (default: completed)
    #[arg(long, value_name = "STATUS", value_parser = parse::status)]
    pub until: Option<Status>,
    /// 최대 시간, 예: 45m | For this long at most, such as 45m
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    pub timeout: Option<Duration>,
    /// 이 단계 다음부터 | Only what comes after this step
    #[arg(long, value_name = "VERSION")]
    pub after: Option<u64>,
}

/// Does it.
pub async fn run(ctx: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Show { order } => show(ctx, orders::resolve(ctx, order, Side::Any).await?).await.map(|()| Exit::Done),
        Command::Watch(args) => watch(ctx, args).await,
        Command::History { order } => history(ctx, orders::resolve(ctx, order, Side::Any).await?).await.map(|()| Exit::Done),
    }
}

async fn show(ctx: &Context, order: OrderId) -> Result<(), Failure> {
    let reply = match ctx.get(&format!("/orders/{order}")).await {
        // A rider does not see the order, but the delivery.
        Err(failure) if matches!(failure.exit, Exit::NotFound | Exit::Denied) && ctx.roles().contains(&Role::Rider) => {
            let reply = ctx.get(&format!("/deliveries/{order}")).await?;
            return ctx.out.one(&reply, "order", || views::delivery(&reply, ctx.lang));
        }
        other => other?,
    };
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    let shown: OrderShown = reply.read()?;
    if shown.offer.is_some() && ctx.customer()? == shown.customer {
        offer::answers(ctx, order);
    } else if !shown.status.is_final() {
        ctx.next(&format!("status watch {order}"));
    }
    Ok(())
}

async fn history(ctx: &Context, order: OrderId) -> Result<(), Failure> {
    let reply = ctx.get(&format!("/orders/{order}")).await?;
    let shown: OrderShown = reply.read()?;
    ctx.out.value(&json!(shown.timeline), "event", || {
        let heads = [("번호", "STEP", Right), ("시각", "TIME", Left), ("무엇", "WHAT", Left), ("자세히", "DETAILS", Left)];
        let mut sheet = Sheet::new(&heads);
        for step in &shown.timeline {
            let told = orders::tell_step(step, ctx.lang);
            sheet.row([step.version.to_string(), times::full(told.at_ms), told.label, told.details.join("  ")]);
        }
        sheet
    })?;
    if !shown.status.is_final() {
        ctx.next(&format!("status watch {order}"));
    }
    Ok(())
}

/// Why a watch ended.
enum End {
    Reached(Status),
    Final(Status),
    TimedOut,
}

async fn watch(ctx: &Context, args: WatchArgs) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, args.order, Side::Any).await?;
    let target = args.until.unwrap_or(Status::Completed);
    let mut watch = Watch::order(&ctx.client, order).after(args.after.map(|version| version.to_string()));
    let deadline = args.timeout.map(|t| Instant::now() + t);
    let (mut last, mut told_loss) = (args.after.unwrap_or(0), false);
    let end = loop {
        let command = ctx.line(&format!("status watch {order} --until {} --after {last}", target.code()));
        ctx.on_interrupt(Some(format!("{}: {command}\n", ctx.t("이어서 보기", "to go on"))));
        let news = tokio::select! {
            news = watch.next() => news?,
            () = sleep_until(deadline) => break End::TimedOut,
        };
        match news {
            News::Change { change, text } => {
                last = change.version;
                print(ctx, &change, &text)?;
                match status_of(&change) {
                    Some(status) if reaches(status, target) => break End::Reached(status),
                    Some(status) if status.is_final() => break End::Final(status),
                    _ => {}
                }
            }
            News::Lost if !std::mem::replace(&mut told_loss, true) => {
                ctx.out.note(ctx.t(
                    "연결이 끊겨 다시 연결하고 있어요. 놓치는 소식은 없어요",
                    "The connection is lost; connecting again. Nothing will be missed.",
                ));
            }
            News::Gap => ctx.out.note(ctx.t("놓친 소식이 있을 수 있어요", "Something may have been missed.")),
            News::Open { .. } | News::Lost => {}
        }
    };
    ctx.on_interrupt(None);
    close(ctx, order, target, &end)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn print(ctx: &Context, change: &Change, text: &str) -> Result<(), Failure> {
    match ctx.out.live_format() {
        Format::Table => ctx.out.line(&tell_change(change, ctx.lang).line()),
        Format::Name => ctx.out.line(change.status.as_deref().unwrap_or(&change.event)),
        Format::Json | Format::Jsonl => ctx.out.line(text),
    }
}

/// Says how it ended, and what to type next. Short of its target it has failed, which scripts read like any other failure.
fn close(ctx: &Context, order: OrderId, target: Status, end: &End) -> Result<Exit, Failure> {
    let short = |what: String, next: String| Err(Failure::new(Exit::Short, what).hint(ctx.line(&next)));
    let goal = target.label(ctx.lang);
    match end {
        End::Reached(status) => {
            ctx.out.done(status.label(ctx.lang));
            let is_customer = ctx.roles().contains(&Role::Customer);
            match status {
                Status::Completed if is_customer => ctx.next(&format!("customer review {order} --stars 5 --text '..'")),
                Status::Delivered if is_customer => ctx.next(&format!("customer confirm {order}")),
                status if status.is_final() => ctx.next(&format!("status history {order}")),
                _ => ctx.next(&format!("status watch {order}")),
            }
            Ok(Exit::Done)
        }
        End::Final(status) => {
            let now = status.label(ctx.lang);
            let what = ctx.t(format!("'{goal}'에 이르지 못하고 끝났어요: {now}"), format!("it ended short of \"{goal}\": {now}"));
            short(what, format!("status show {order}"))
        }
        End::TimedOut => short(
            ctx.t(format!("시간 안에 '{goal}'에 이르지 못했어요"), format!("\"{goal}\" was not reached in time")),
            format!("status watch {order}"),
        ),
    }
}
