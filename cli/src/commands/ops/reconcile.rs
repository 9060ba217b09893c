//! `baemin ops reconcile`: the ledger of a day beside the payment provider's own record of it.

use crate::{
    Exit, Failure,
    context::Context,
    table::{
        Align::{Left, Right},
        Sheet,
    },
    views,
};
use jiff::civil::Date;
use serde_json::Value;
use shared::{Lang, Won};

/// `baemin ops reconcile`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// 한국의 날짜, 예: 2026-11-21. 없으면 어제 | The day in Korea, such as 2026-11-21; yesterday unless given
    #[arg(long, value_name = "DATE", value_parser = date)]
    date: Option<Date>,
}

fn date(text: &str) -> Result<Date, String> {
    // A longer text would be read as a moment, and its day be guessed.
    let read = || if text.len() == "2026-11-21".len() { text.parse().ok() } else { None };
    read().ok_or_else(|| "2026-11-21처럼 써 주세요 | a day such as 2026-11-21 is wanted".into())
}

/// Does it. Books that differ are a failure, so that a script notices.
pub async fn run(ctx: &Context, args: Args) -> Result<Exit, Failure> {
    let query = args.date.map(|date| ("date", date.to_string()));
    let report = ctx.get_with("/ops/payment/reconciliation", query.as_slice()).await?.body;
    ctx.out.value(&report, "date", || sheet(&report, ctx.lang))?;
    let differ = report["differ"].as_u64().unwrap_or(0);
    if report["agrees"] == true {
        ctx.out.done(match differ {
            0 => ctx.t("원장과 결제사의 기록이 같아요", "The ledger and the provider agree."),
            _ => ctx.t("처리 중인 금액 말고는 같아요", "They agree, but for money that is on its way."),
        });
        return Ok(Exit::Done);
    }
    let first = report["differences"].as_array().into_iter().flatten().find(|one| one["waits"] != true);
    let what = ctx.lang.pick(format!("주문 {differ}개의 금액이 달라요"), format!("{differ} orders differ"));
    Err(Failure::new(Exit::Failed, what).hint(ctx.line(&first.map_or_else(|| "ops refunds".to_owned(), look))))
}

/// Where one sees more of an order that differs.
fn look(one: &Value) -> String {
    if one["refused"] == true { "ops refunds".to_owned() } else { format!("ops saga {}", text(&one["order"])) }
}

/// What there is to an order that is told.
fn result(one: &Value, lang: Lang) -> &'static str {
    match (one["waits"] == true, one["refused"] == true) {
        (true, _) => lang.pick("처리 중", "on its way"),
        (false, true) => lang.pick("다름: 결제사가 환불을 거절했어요", "differs: the provider refuses the refund"),
        (false, false) => lang.pick("다름", "differs"),
    }
}

fn sheet(report: &Value, lang: Lang) -> Sheet {
    let mut sheet = Sheet::new(&[
        ("주문", "ORDER", Left),
        ("원장 결제", "LEDGER IN", Right),
        ("원장 환불", "LEDGER OUT", Right),
        ("결제사 결제", "PROVIDER IN", Right),
        ("결제사 환불", "PROVIDER OUT", Right),
        ("결과", "RESULT", Left),
    ]);
    let won = |value: &Value| views::won(Won(value.as_i64().unwrap_or(0)), lang);
    let cells = |name: String, row: &Value, result: String| {
        let (ledger, provider) = (&row["ledger"], &row["provider"]);
        [
            name,
            won(&ledger["charges"]["won"]),
            won(&ledger["refunds"]["won"]),
            won(&provider["charges"]["won"]),
            won(&provider["refunds"]["won"]),
            result,
        ]
    };
    let (orders, differ) = (report["orders"].as_u64().unwrap_or(0), report["differ"].as_u64().unwrap_or(0));
    let all = lang.pick(format!("{} 모두", text(&report["date"])), format!("all of {}", text(&report["date"])));
    sheet.row(cells(all, report, lang.pick(format!("주문 {orders}개 중 {differ}개 다름"), format!("{differ} of {orders} orders differ"))));
    for one in report["differences"].as_array().into_iter().flatten() {
        sheet.row(cells(text(&one["order"]), one, result(one, lang).to_owned()));
    }
    sheet
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_is_told_in_rows() {
        let side = |came: i64, went: i64| json!({ "charges": { "count": 1, "won": came }, "refunds": { "count": 0, "won": went } });
        let report = json!({
            "date": "2026-11-21", "ledger": side(30_000, 1_000), "provider": side(21_000, 1_000), "orders": 3, "differ": 2, "agrees": false,
            "differences": [
                { "order": "ord_a", "ledger": side(9_000, 0), "provider": side(0, 0), "waits": false },
                { "order": "ord_b", "ledger": side(0, 0), "provider": side(5_000, 0), "waits": true, "refused": false },
                { "order": "ord_c", "ledger": side(7_000, 0), "provider": side(7_000, 7_000), "waits": false, "refused": true },
            ],
        });
        let told = sheet(&report, Lang::En).draw(Lang::En, false);
        let line = |n: usize| told.lines().nth(n).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line(1), "all of 2026-11-21 30,000 won 1,000 won 21,000 won 1,000 won 2 of 3 orders differ");
        assert_eq!(line(2), "ord_a 9,000 won 0 won 0 won 0 won differs");
        assert_eq!(line(3), "ord_b 0 won 0 won 5,000 won 0 won on its way");
        assert_eq!(line(4), "ord_c 7,000 won 0 won 7,000 won 7,000 won differs: the provider refuses the refund");
        // Each leads to where more is to be seen.
        let looks = report["differences"].as_array().into_iter().flatten().map(look).collect::<Vec<_>>();
        assert_eq!(looks, ["ops saga ord_a", "ops saga ord_b", "ops refunds"]);
    }

    #[test]
    fn only_a_day_is_a_day() {
        assert!(date("2026-11-21").is_ok());
        for wrong in ["", "yesterday", "2026-11-31", "2026-1-2", "2026-11-21T10:00"] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
