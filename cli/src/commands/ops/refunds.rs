//! `baemin ops refunds`: money that the payment provider refuses to give back, until it does.

use super::words;
use crate::{
    Failure,
    context::Context,
    output::Format,
    table::{
        Align::{Left, Right},
        Sheet,
    },
    times, views,
};
use shared::{
    Lang,
    api::{RefusedPart, RefusedRefundOf},
    payment::refund_reason,
};

/// Does it. That something is refused is no failure of the command: it is what was asked for.
pub async fn run(ctx: &Context) -> Result<(), Failure> {
    let reply = ctx.get("/ops/payment/refunds").await?;
    let refunds: Vec<RefusedRefundOf> = reply.list()?;
    if refunds.is_empty() && ctx.out.format() == Format::Table {
        ctx.out.note(ctx.t("거절된 환불이 없어요", "No refund is refused."));
        return Ok(());
    }
    ctx.out.list(&reply, "order", || Ok(sheet(&refunds, ctx.lang)))?;
    let (shown, total) = (refunds.len(), reply.body["total"].as_u64().unwrap_or(0));
    if total > shown as u64 {
        ctx.out.note(
            &ctx.t(
                format!("모두 {total}건 중에서 오래된 {shown}건이에요"),
                format!("These are the {shown} that wait longest, of {total}."),
            ),
        );
    }
    if let Some(first) = refunds.first() {
        // What somebody gives back by hand, in the provider's console, is known by what is written there.
        if let Some(part) = refunds.iter().flat_map(|one| &one.refused.parts).next() {
            ctx.out.note(&by_hand(part, ctx.lang));
        }
        ctx.next(&format!("ops saga {}", first.order));
    }
    Ok(())
}

/// How it is given back without us, with what must be written for the first row.
fn by_hand(first: &RefusedPart, lang: Lang) -> String {
    let reason = written(first);
    lang.pick(
        format!(
            "  결제사 콘솔에서 직접 환불하려면, 줄마다 그 결제에서 그 금액을 그 취소 사유로 취소해 주세요. \
             사유까지 같아야 알아봐요. 첫 줄의 사유: '{reason}'. 그만큼 남아 있지 않으면 남은 금액을 모두 취소해 주세요. 사유는 상관없어요"
        ),
        format!(
            "  By hand, in the payment provider's console: for each row cancel just that amount of that payment, with that reason word for word; \
             of the first row it is '{reason}'. If less is left, cancel all that is left, whatever the reason."
        ),
    )
}

/// What is written in the console. A server of before names the refund alone.
fn written(part: &RefusedPart) -> String {
    if part.cancel_reason.is_empty() { refund_reason(&part.refund) } else { part.cancel_reason.clone() }
}

fn sheet(refunds: &[RefusedRefundOf], lang: Lang) -> Sheet {
    let heads = [
        ("주문", "ORDER", Left),
        ("금액", "AMOUNT", Right),
        ("이유", "REASON", Left),
        ("언제부터", "SINCE", Left),
        ("취소 사유", "CANCEL REASON", Left),
        ("결제", "PAYMENT", Left),
    ];
    // The reason is copied into the console, where a part of it is worth nothing.
    let mut sheet = Sheet::new(&heads).whole(4);
    for RefusedRefundOf { order, refused } in refunds {
        let (reason, since) = (words::refusal(&refused.reason, refused.code.as_deref(), lang), times::full(refused.since_ms));
        for part in &refused.parts {
            let (amount, reason, since) = (views::won(part.amount, lang), reason.clone(), since.clone());
            sheet.row([order.to_string(), amount, reason, since, written(part), part.charge.clone()]);
        }
        if refused.parts.is_empty() {
            sheet.row([order.to_string(), views::won(refused.amount, lang), reason, since, "-".into(), "-".into()]);
        }
    }
    sheet
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_refund_is_told_in_a_row() {
        let order = "ord_040g2081040g2081";
        let part = |n: u32, amount: i64| json!({ "refund": format!("{order}-3"), "charge": format!("{order}-{n}"), "amount": amount });
        let mut parts = [part(2, 5_000), part(1, 15_000)];
        parts[1]["cancel_reason"] = json!(format!("환불 {order}-3"));
        let mut item = json!({ "order": order, "amount": 20_000, "reason": "declined", "since_ms": 1_763_722_925_000_i64, "parts": parts });
        let without: RefusedRefundOf = serde_json::from_value(item.clone()).unwrap();
        assert_eq!(without.refused.code, None);
        item["code"] = json!("NOT_CANCELABLE_AMOUNT");
        let refunds: Vec<RefusedRefundOf> = serde_json::from_value(json!([item])).unwrap();
        let told = |lang: Lang| {
            let drawn = sheet(&refunds, lang).draw(lang, false);
            drawn.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let row = |won: &str, why: &str, charge: u32| format!("{order} {won} {why} 2025-11-21 20:02:05 환불 {order}-3 {order}-{charge}");
        let why = "the provider declined: NOT_CANCELABLE_AMOUNT";
        assert_eq!(told(Lang::En), [row("5,000 won", why, 2), row("15,000 won", why, 1)]);
        let why = "결제사가 거절했어요: NOT_CANCELABLE_AMOUNT";
        assert_eq!(told(Lang::Ko), [row("5,000원", why, 2), row("15,000원", why, 1)]);
        // Of the first row the reason is told as it must be written.
        for lang in [Lang::Ko, Lang::En] {
            assert!(by_hand(&refunds[0].refused.parts[0], lang).contains(&format!("'환불 {order}-3'")), "{lang:?}");
        }
    }
}
