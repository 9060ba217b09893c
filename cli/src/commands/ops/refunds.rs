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
use shared::{Lang, api::RefusedRefundOf};

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
        // What somebody gives back by hand, in the provider's console, is known by the reason that is written there.
        let by_hand = ctx.t(
            "  Toss 콘솔에서 직접 환불하려면 취소 사유에 '환불 이름'을 그대로 써 주세요. 그래야 알아봐요",
            "  Whoever gives it back by hand in Toss's console writes '환불 REFERENCE' there as the reason, so that it is recognised.",
        );
        ctx.out.note(by_hand);
        ctx.next(&format!("ops saga {}", first.order));
    }
    Ok(())
}

fn sheet(refunds: &[RefusedRefundOf], lang: Lang) -> Sheet {
    let mut sheet = Sheet::new(&[
        ("주문", "ORDER", Left),
        ("금액", "AMOUNT", Right),
        ("이유", "REASON", Left),
        ("언제부터", "SINCE", Left),
        ("이름", "REFERENCE", Left),
    ]);
    for RefusedRefundOf { order, refused } in refunds {
        let (amount, reason) = (views::won(refused.amount, lang), words::refusal(&refused.reason, lang));
        sheet.row([order.to_string(), amount, reason, times::full(refused.since_ms), refused.references.join(" ")]);
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
        let item = json!({ "order": order, "amount": 20_000, "reason": "declined", "since_ms": 1_763_722_925_000_i64, "references": [format!("{order}-2")] });
        let refunds: Vec<RefusedRefundOf> = serde_json::from_value(json!([item])).unwrap();
        let told = |lang: Lang| {
            let drawn = sheet(&refunds, lang).draw(lang, false);
            drawn.lines().nth(1).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(Lang::En), format!("{order} 20,000 won the provider declined 2025-11-21 20:02:05 {order}-2"));
        assert_eq!(told(Lang::Ko), format!("{order} 20,000원 결제사가 거절했어요 2025-11-21 20:02:05 {order}-2"));
    }
}
