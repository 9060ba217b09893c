//! `baemin ops parked`: what could not be done, and what becomes of it.

use super::{ask_all, ended};
use crate::{
    Exit, Failure, Reply,
    context::Context,
    parse,
    table::{Align::Left, Sheet},
    times,
};
use clap::Subcommand;
use serde_json::{Value, json};
use shared::{Context as Part, api::DropParked};

/// `baemin ops parked`
#[derive(Debug, Subcommand)]
pub enum Command {
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

/// Does it.
pub async fn run(ctx: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List => list(ctx).await,
        Command::Show { id } => show(ctx, id).await.map(|()| Exit::Done),
        Command::Replay { ids, all: false } => replay(ctx, &ids).await,
        Command::Replay { .. } => replay_all(ctx).await,
        Command::Drop { id, reason } => forget(ctx, id, reason).await.map(|()| Exit::Done),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parked_rows_are_named() {
        assert_eq!(parked_id("order:12"), Ok(ParkedId { context: Part::Order, number: 12 }));
        for text in ["order", "kitchen:1", "order:0", "order:x", "order:-1"] {
            assert!(parked_id(text).is_err_and(|why| why.contains(" | ")), "{text}");
        }
    }
}
