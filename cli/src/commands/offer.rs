//! A dish is sold out: `baemin store offer` asks the customer to do without it for a refund, and `baemin customer accept-offer`
//! and `decline-offer` answer.

use super::{customer, store};
use crate::{
    Exit, Failure,
    context::Context,
    orders::{self, Side},
    parse::OrderArg,
    prompt, views,
};
use serde_json::json;
use shared::{OrderId, Text, api::OrderShown};

/// Offers to leave out what is sold out; the customer has the last word.
pub async fn make(ctx: &Context, asked: Option<OrderArg>, without: Vec<Text<60>>) -> Result<(), Failure> {
    let order = orders::resolve(ctx, asked, Side::Owner).await?;
    let without = if without.is_empty() { choose_sold_out(ctx, order).await? } else { without };
    let reply = ctx.put(&format!("/orders/{order}/offer"), &json!({ "without": without })).await?;
    let shown: OrderShown = reply.read()?;
    let left = shown.offer.as_ref().unwrap_or(&shown.basket);
    store::brief(
        ctx,
        &reply,
        order,
        &format!("{}  {} → {}", shown.status.label(ctx.lang), views::dishes(&shown.basket), views::dishes(left)),
    )?;
    let refund = shown.basket.total - left.total;
    ctx.out.done(&ctx.t(
        format!("고객에게 제안했어요: 환불 {refund}원. 조리를 시작하면 없던 일이 돼요"),
        format!("The customer is asked, for {refund} won back; the start of cooking ends the offer."),
    ));
    // The next customer shall not order them again.
    for (_, dish) in without.iter().enumerate().filter(|(i, dish)| !without[..*i].contains(dish)) {
        ctx.next(&format!("store dish sold-out '{dish}'"));
    }
    Ok(())
}

/// What the customer may type about an open offer.
pub fn answers(ctx: &Context, order: OrderId) {
    ctx.next(&format!("customer accept-offer {order}"));
    ctx.next(&format!("customer decline-offer {order}"));
}

async fn choose_sold_out(ctx: &Context, order: OrderId) -> Result<Vec<Text<60>>, Failure> {
    if !ctx.can_ask() {
        return Err(ctx.missing("--without", "store offer ORDER --without '..'"));
    }
    let shown: OrderShown = ctx.get(&format!("/orders/{order}")).await?.read()?;
    let mut dishes: Vec<Text<60>> = shown.basket.lines.into_iter().map(|line| line.item).collect();
    dishes.sort();
    dishes.dedup();
    let names: Vec<String> = dishes.iter().map(ToString::to_string).collect();
    let chosen = prompt::select_many(ctx.t("품절된 메뉴 (스페이스로 선택)", "What is sold out (space selects)"), &names)?;
    if chosen.is_empty() {
        return Err(ctx.missing("--without", "store offer ORDER --without '..'"));
    }
    Ok(chosen.into_iter().map(|i| dishes[i].clone()).collect())
}

/// Takes what is left, and waits for the refund to be on its way.
pub async fn accept(ctx: &Context, asked: Option<OrderArg>) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, asked, Side::Customer).await?;
    let before: OrderShown = ctx.get(&format!("/orders/{order}")).await?.read()?;
    let reply = ctx.put(&format!("/orders/{order}/accept_offer"), &json!({})).await?;
    customer::changed(ctx, &before, reply).await
}

/// Wants all or nothing: the order stays as it was, and the store is told.
pub async fn decline(ctx: &Context, asked: Option<OrderArg>) -> Result<(), Failure> {
    let order = orders::resolve(ctx, asked, Side::Customer).await?;
    let path = format!("/orders/{order}");
    let before: Option<OrderShown> = orders::before(ctx, &path).await?;
    let reply = ctx.put(&format!("{path}/decline_offer"), &json!({})).await?;
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    let shown: OrderShown = reply.read()?;
    if before.is_some_and(|before| customer::is_same(&before, &shown)) {
        orders::already(ctx, shown.status.label(ctx.lang), &orders::onward(order, shown.status));
        return Ok(());
    }
    ctx.out.done(ctx.t("제안을 거절했어요. 주문은 그대로예요", "Declined; the order stays as it was."));
    ctx.next(&format!("status watch {order}"));
    Ok(())
}
