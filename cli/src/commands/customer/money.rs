//! What a customer does that moves money: pay now, cancel, change.

use super::Which;
use crate::{
    Exit, Failure,
    client::Reply,
    commands::place,
    context::Context,
    orders::{self, Side},
    views,
};
use serde_json::json;
use shared::{
    Lang, OrderId, Text, Won,
    api::{NewItems, OrderShown, PaymentShown},
    order::{Status, Wish},
    payment,
};
use std::time::{Duration, Instant};

/// The store and the payment answer a request to cancel or to change within this, or later.
const SETTLE: Duration = Duration::from_secs(3);

/// Reads an order until nothing in it waits for an answer, for a while.
async fn settled(ctx: &Context, order: OrderId, first: Reply) -> Result<Reply, Failure> {
    let (start, mut reply) = (Instant::now(), first);
    while matches!(reply.read::<OrderShown>()?.status, Status::CancelRequested | Status::ChangeRequested) && start.elapsed() < SETTLE {
        tokio::time::sleep(Duration::from_millis(150)).await;
        reply = ctx.client.get(&format!("/orders/{order}")).await?;
    }
    Ok(reply)
}

/// True when nothing has happened in between: what was asked for twice has happened once.
pub fn is_same(before: &OrderShown, now: &OrderShown) -> bool {
    before.timeline.len() == now.timeline.len()
}

/// What the last step of an order said no to, if it did.
fn refused(ctx: &Context, shown: &OrderShown, events: &[&str]) -> Option<Failure> {
    let last = shown.timeline.last()?;
    let event: String = last.event.to_lowercase().replace('_', "");
    events.contains(&event.as_str()).then(|| {
        let told = orders::tell_step(last, ctx.lang);
        Failure::new(Exit::Refused, told.label).why(told.details.join("  ")).hint(ctx.line(&format!("status watch {}", shown.order)))
    })
}

/// `baemin customer pay`
pub async fn pay(ctx: &Context, which: Which) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let path = format!("/payments/{order}");
    // What was held before tells afterwards whether anything was paid.
    let before = match ctx.get(&path).await {
        Ok(reply) => held(&reply.read::<PaymentShown>()?),
        // Why it cannot be paid is for the next answer to say.
        Err(failure) if failure.exit == Exit::NotFound => Won::ZERO,
        Err(failure) => return Err(failure),
    };
    let reply = ctx.put(&format!("{path}/pay"), &json!({})).await?;
    let shown: PaymentShown = reply.read()?;
    ctx.out.one(&reply, "order", || views::payment(&reply, ctx.lang))?;
    if shown.status == payment::Status::Charging {
        place::kept(ctx, order, &reply);
        return Ok(Exit::Later);
    }
    // The status knows nothing of the difference of a change: an order that is paid may have more to pay.
    if is_due(&reply) {
        place::difference_kept(ctx, order, &reply);
        return Ok(Exit::Later);
    }
    let left = held(&shown);
    let paid = left - before;
    let reorder = format!("customer reorder {order} --pay card");
    let (what, next) = match shown.status {
        // Something is held: the order goes on, also while the difference of an earlier change is on its way back.
        _ if left > Won::ZERO && paid > Won::ZERO => {
            ctx.out.done(&ctx.t(format!("결제했어요: {paid}원"), format!("Paid: {paid} won")));
            ctx.next(&format!("status watch {order}"));
            return Ok(Exit::Done);
        }
        _ if left > Won::ZERO => (
            ctx.t("추가 결제를 하지 못해 주문은 그대로예요", "the difference was not paid, and the order stays as it was"),
            format!("status watch {order}"),
        ),
        payment::Status::Refunding | payment::Status::Refunded => (
            ctx.t("주문이 끝나 결제한 돈은 모두 돌려드려요", "the order ended, and all that was paid goes back"),
            format!("customer pay-status {order}"),
        ),
        payment::Status::Voided => (ctx.t("결제하기 전에 주문이 끝났어요", "the order ended before it was paid"), reorder),
        _ => (ctx.t("결제하지 못해 주문이 끝났어요", "the payment failed, and the order ended"), reorder),
    };
    Err(Failure::new(Exit::Refused, what).hint(ctx.line(&next)))
}

/// What came in and is not on its way back: nothing once an order has ended without being delivered.
fn held(shown: &PaymentShown) -> Won {
    shown.captured - shown.refunded - shown.refunding
}

/// True when a charge is due, of an order or of the difference of a change. An answer that is given again lacks `kept`, but what
/// may be paid has its link.
fn is_due(payment: &Reply) -> bool {
    payment.body["kept"] == true || payment.body.pointer("/_links/pay").is_some()
}

/// `baemin customer cancel`
pub async fn cancel(ctx: &Context, which: Which, reason: Option<Text<200>>) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let before: Option<OrderShown> = orders::before(ctx, &format!("/orders/{order}")).await?;
    ctx.confirm("주문을 취소할까요?", "Cancel the order?")?;
    let reply = ctx.put(&format!("/orders/{order}/cancel"), &json!({ "reason": reason })).await?;
    let reply = ctx.wait(settled(ctx, order, reply)).await?;
    let shown: OrderShown = reply.read()?;
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    if before.is_some_and(|before| is_same(&before, &shown)) {
        orders::already(ctx, shown.status.label(ctx.lang), &orders::onward(order, shown.status));
        return Ok(Exit::Done);
    }
    if shown.status == Status::Cancelled {
        ctx.out.done(ctx.t("주문을 취소했어요", "The order is cancelled."));
        ctx.next(&format!("customer pay-status {order}"));
        return Ok(Exit::Done);
    }
    if shown.status == Status::Rejected {
        ctx.out.done(ctx.t("가게가 먼저 주문을 거절했어요. 결제한 돈은 돌려드려요", "The store rejected it first; the money goes back."));
        ctx.next(&format!("customer pay-status {order}"));
        return Ok(Exit::Done);
    }
    if let Some(failure) = refused(ctx, &shown, &["cancelrefused"]) {
        return Err(failure);
    }
    ctx.out.done(ctx.t("취소를 요청했어요. 가게의 답을 기다려요", "The store is asked; its answer comes soon."));
    ctx.next(&format!("status watch {order} --until cancelled"));
    Ok(Exit::Done)
}

/// `baemin customer change`
pub async fn change(ctx: &Context, which: Which, items: Vec<Wish>) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let before: OrderShown = ctx.get(&format!("/orders/{order}")).await?.read()?;
    let items = if items.is_empty() { place::choose_items(ctx, before.store, "customer change ORDER --item '..=1'").await? } else { items };
    ctx.confirm(
        "이 메뉴로 바꿀까요? 주문 전체가 바뀌고, 더 비싸면 차액을 결제해요",
        "Change to these dishes? They replace the whole order, and what they cost more is charged.",
    )?;
    let reply = ctx.put(&format!("/orders/{order}/change"), &NewItems { items }).await.map_err(|failure| failure.at(before.store))?;
    changed(ctx, &before, reply).await
}

/// Waits for what comes of other dishes, and says it.
pub async fn changed(ctx: &Context, before: &OrderShown, reply: Reply) -> Result<Exit, Failure> {
    let order = before.order;
    let reply = ctx.wait(settled(ctx, order, reply)).await?;
    let shown: OrderShown = reply.read()?;
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    if is_same(before, &shown) && shown.status != Status::ChangeRequested {
        orders::already(ctx, shown.status.label(ctx.lang), &orders::onward(order, shown.status));
        return Ok(Exit::Done);
    }
    if let Some(failure) = refused(ctx, &shown, &["changerefused", "rejected"]) {
        return Err(failure);
    }
    if let Some(more) = awaited(ctx, &shown).await {
        ctx.out.done(&ctx.t(
            format!("변경을 요청했어요. 추가 결제 {more}원을 기다려요. 결제되면 주문이 바뀌어요"),
            format!("The change is asked for; the order changes once {more} won more are paid."),
        ));
        ctx.next(&format!("customer pay {order}"));
        return Ok(Exit::Done);
    }
    if shown.status == Status::ChangeRequested {
        ctx.out.done(ctx.t("변경을 요청했어요. 가게의 답을 기다려요", "The store is asked; its answer comes soon."));
    } else {
        let fresh = shown.timeline.get(before.timeline.len()..).unwrap_or_default();
        let difference = fresh.iter().rev().find(|step| step.event.eq_ignore_ascii_case("changed")).and_then(|step| step.amount);
        ctx.out.done(&has_changed(difference.unwrap_or(Won::ZERO), ctx.lang));
    }
    ctx.next(&format!("status watch {order}"));
    Ok(Exit::Done)
}

/// Says that an order is changed, and what that has cost or brings back.
fn has_changed(difference: Won, lang: Lang) -> String {
    let back = Won::ZERO - difference;
    match difference {
        more if more > Won::ZERO => {
            lang.pick(format!("주문을 바꾸고 차액 {more}원을 결제했어요"), format!("The order is changed; {more} won more were charged."))
        }
        less if less < Won::ZERO => {
            lang.pick(format!("주문을 바꿨어요. 차액 {back}원은 돌려드려요"), format!("The order is changed; {back} won go back."))
        }
        _ => lang.pick("주문을 바꿨어요", "The order is changed.").into(),
    }
}

/// What a dearer change still costs, when its payment is all that it waits for. The order shows only what was asked for; its payment
/// knows whether that is due, and one that cannot be asked says nothing.
async fn awaited(ctx: &Context, shown: &OrderShown) -> Option<Won> {
    if shown.status != Status::ChangeRequested {
        return None;
    }
    let more = shown.change.as_ref()?.total - shown.basket.total;
    if more <= Won::ZERO {
        return None;
    }
    let path = format!("/payments/{}", shown.order);
    let payment = ctx.wait(tokio::time::timeout(SETTLE, ctx.client.get(&path))).await.ok()?.ok()?;
    is_due(&payment).then_some(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_a_sentence() {
        assert_eq!(has_changed(Won(19_000), Lang::Ko), "주문을 바꾸고 차액 19,000원을 결제했어요");
        assert_eq!(has_changed(Won(-2_000), Lang::En), "The order is changed; 2,000 won go back.");
        assert_eq!(has_changed(Won::ZERO, Lang::Ko), "주문을 바꿨어요");
    }

    #[test]
    fn what_is_due_is_told_by_the_answer_or_by_its_link() {
        let link = |name: &str| json!({ "status": "paid", "_links": { name: { "href": "/payments/ord_0123456789abcdef" } } });
        let kept = json!({ "kept": true, "status": "paid" });
        for (body, due) in [(kept, true), (link("pay"), true), (link("self"), false), (json!({ "status": "paid" }), false)] {
            let reply = Reply { status: 200, text: body.to_string(), body, retry_after: None };
            assert_eq!(is_due(&reply), due, "{}", reply.text);
        }
    }
}
