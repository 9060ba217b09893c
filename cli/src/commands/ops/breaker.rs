//! `baemin ops breaker`: what stands between orders and the payment provider, and an operator's hand on it.

use super::words;
use crate::{
    Failure, Reply,
    context::Context,
    parse,
    table::{
        Align::{Left, Right},
        Sheet,
    },
    times,
};
use clap::ValueEnum;
use serde_json::{Value, json};
use shared::{
    Lang, Text,
    api::{Force, ForceBreaker},
};

/// Where it is.
const PATH: &str = "/ops/payment/breaker";

/// `baemin ops breaker`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// 정하기: open(모두 막기) 또는 closed(모두 보내기) | Set it: open lets no call pass, closed lets all pass
    #[arg(long, value_name = "open|closed", value_enum, hide_possible_values = true, requires = "reason")]
    force: Option<Wanted>,
    /// 다시 스스로 정하게 하기 | Let it decide by itself again
    #[arg(long, conflicts_with = "force")]
    release: bool,
    /// 이유, 기록에 남아요 | Why; it is logged
    #[arg(long, value_name = "TEXT", value_parser = parse::text::<200>)]
    reason: Option<Text<200>>,
}

/// Which way a breaker is forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    Open,
    Closed,
}

/// Does it.
pub async fn run(ctx: &Context, args: Args) -> Result<(), Failure> {
    let force = match (args.force, args.release) {
        (Some(Wanted::Open), _) => Some(Force::Open),
        (Some(Wanted::Closed), _) => Some(Force::Closed),
        (None, true) => Some(Force::Release),
        (None, false) => None,
    };
    let Some(force) = force else {
        let reply = ctx.get(PATH).await?;
        show(ctx, &reply)?;
        ctx.next("ops health");
        return Ok(());
    };
    let reason = match args.reason {
        Some(reason) => reason,
        None => parse::text("released").map_err(Failure::usage)?,
    };
    let reply = ctx.put(PATH, &ForceBreaker { force, reason }).await?;
    show(ctx, &reply)?;
    ctx.out.done(match force {
        Force::Open => {
            ctx.t("막았어요. 결제는 보관되고, 이유는 기록에 남았어요", "It is open: payments are kept. The reason is in the log.")
        }
        Force::Closed => ctx.t("모두 보내요. 이유는 기록에 남았어요", "It is closed: all calls pass. The reason is in the log."),
        Force::Release => ctx.t("이제 스스로 정해요", "It decides by itself again."),
    });
    // Another replica has its own, and nobody has touched that.
    ctx.next("ops breaker");
    Ok(())
}

fn show(ctx: &Context, reply: &Reply) -> Result<(), Failure> {
    let items = reply.items();
    ctx.out.value(&json!(items), "name", || sheet(&items, times::now_ms(), ctx.lang))
}

fn sheet(items: &[Value], now_ms: i64, lang: Lang) -> Sheet {
    let mut sheet = Sheet::new(&[
        ("차단기", "BREAKER", Left),
        ("프로세스", "PROCESS", Left),
        ("상태", "STATE", Left),
        ("그런 지", "FOR", Left),
        ("다음 시도", "NEXT TRY", Left),
        ("최근", "RECENT", Right),
        ("실패", "FAILED", Right),
        ("느림", "SLOW", Right),
        ("모두", "ALL", Right),
        ("기다림", "WAITING", Right),
        ("이유", "REASON", Left),
    ]);
    for item in items {
        let text = |field: &str| item[field].as_str().unwrap_or("-").to_owned();
        let number = |value: &Value| value.as_u64().map_or_else(|| "-".into(), |n| n.to_string());
        let since = item["since_ms"].as_i64().map_or_else(|| "-".into(), |since| words::span(now_ms - since, lang));
        let next = match item["shut_ms"].as_i64() {
            // Nothing is tried before somebody lets it decide again.
            Some(_) if item["state"] == "forced_open" => "--release".into(),
            Some(shut) => words::span(shut, lang),
            None => "-".into(),
        };
        let window = &item["window"];
        sheet.row([
            text("name"),
            text("process"),
            state(item["state"].as_str().unwrap_or_default(), lang).to_owned(),
            since,
            next,
            number(&window["calls"]),
            number(&window["failed"]),
            number(&window["slow"]),
            number(&item["calls"]),
            number(&item["waiting"]),
            item["forced"]["reason"].as_str().unwrap_or("-").to_owned(),
        ]);
    }
    sheet
}

fn state(name: &str, lang: Lang) -> &str {
    match name {
        "closed" => lang.pick("정상 (closed)", "closed"),
        "open" => lang.pick("막힘 (open)", "open"),
        "half_open" => lang.pick("시험 중 (half-open)", "half-open"),
        "forced_closed" => lang.pick("억지로 보냄 (forced closed)", "forced closed"),
        "forced_open" => lang.pick("억지로 막음 (forced open)", "forced open"),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_is_told_in_a_row() {
        let items = [json!({
            "name": "provider", "process": "h:7", "state": "forced_open", "since_ms": 1_000, "shut_ms": 5_000, "calls": 31, "repeats": 2,
            "refused": 4, "waiting": 3, "window": { "calls": 0, "failed": 0, "slow": 0 }, "forced": { "open": true, "reason": "정기 점검", "by": "acc_x" },
        })];
        let told = sheet(&items, 62_000, Lang::Ko).draw(Lang::Ko, false);
        let words: Vec<&str> = told.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        assert_eq!(words.join(" "), "provider h:7 억지로 막음 (forced open) 1분 --release 0 0 0 31 3 정기 점검");
        assert_eq!(state("half_open", Lang::En), "half-open");
    }
}
