//! `baemin customer order`: from hunger to a placed order, with pickers for whatever was not said.

use super::customer::{Door, contact, store_id};
use crate::{
    Exit, Failure,
    client::Reply,
    context::Context,
    orders::{self, Side},
    parse::{self, OrderArg},
    prompt, views,
};
use clap::{Args, ValueEnum};
use shared::{
    Contact, Count, OrderId, Point, StoreId, Text, Won,
    api::{NewOrder, OrderShown, StorefrontShown},
    order::{Line, Means, Status, Wish},
    store::{Dish, Profile},
};

/// `baemin customer stores`
#[derive(Debug, Default, Args)]
pub struct Search {
    /// 이름의 일부 | A part of the name
    #[arg(value_parser = parse::text::<60>)]
    pub name: Option<Text<60>>,
    /// 영업 중인 가게만 | Only those that are open
    #[arg(long)]
    pub open: bool,
    /// 여기서 가까운 순서 (기본: 내 주소) | Nearest to here first (default: my address)
    #[arg(long, value_name = "LAT,LNG", value_parser = parse::point, allow_hyphen_values = true)]
    pub near: Option<Point>,
    /// 이 거리 안 | Within so many kilometres
    #[arg(long)]
    pub km: Option<f64>,
}

/// `baemin customer order`
#[derive(Debug, Args)]
pub struct Order {
    /// 가게 이름 또는 번호 | The store's name or id
    #[arg(long)]
    pub store: Option<String>,
    /// 예: '후라이드=2', '양념=1:순살,치즈' | Such as 'Fried=2', 'Spicy=1:boneless,cheese'
    #[arg(long = "item", value_name = "ITEM", value_parser = parse::wish)]
    pub items: Vec<Wish>,
    #[command(flatten)]
    pub how: How,
}

/// How it is cooked, brought and paid.
#[derive(Debug, Args)]
pub struct How {
    /// 가게에 전할 말 | A note for the cook
    #[arg(long, value_parser = parse::text::<200>)]
    pub note: Option<Text<200>>,
    /// 라이더에게 전할 말 | A note for the rider
    #[arg(long, value_parser = parse::text::<200>)]
    pub rider_note: Option<Text<200>>,
    /// 결제: card, declined-card, once-card, slow-card | Payment: card, declined-card, once-card, slow-card
    #[arg(long, value_enum, default_value = "card", hide_possible_values = true, hide_default_value = true)]
    pub pay: Pay,
    #[command(flatten)]
    pub door: Door,
}

/// The cards of the simulated provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pay {
    Card,
    DeclinedCard,
    OnceCard,
    SlowCard,
}

impl From<Pay> for Means {
    fn from(pay: Pay) -> Means {
        match pay {
            Pay::Card => Means::Card,
            Pay::DeclinedCard => Means::DeclinedCard,
            Pay::OnceCard => Means::OnceCard,
            Pay::SlowCard => Means::SlowCard,
        }
    }
}

/// `baemin customer stores`
pub async fn stores(ctx: &Context, search: &Search) -> Result<(), Failure> {
    let reply = find(ctx, search, near(ctx, search).await).await?;
    ctx.out.list(&reply, "store", || views::storefronts(&reply, ctx.lang))?;
    match reply.list::<StorefrontShown>()?.first() {
        Some(first) => ctx.next(&format!("customer menu '{}'", first.profile.name)),
        None => ctx.next("customer stores"),
    }
    Ok(())
}

/// Around where: as asked, or where food usually goes.
async fn near(ctx: &Context, search: &Search) -> Option<Point> {
    match search.near {
        Some(near) => Some(near),
        // Without a login, or without a profile, anywhere is as good.
        None if ctx.client.tokens().is_some() => ctx.contact().await.ok().flatten().map(|c| c.at),
        None => None,
    }
}

async fn find(ctx: &Context, search: &Search, near: Option<Point>) -> Result<Reply, Failure> {
    let mut query = vec![("size", "50".to_owned())];
    if let Some(at) = near {
        query.extend([("lat", at.lat.to_string()), ("lng", at.lng.to_string())]);
    }
    query.extend(search.km.map(|km| ("km", km.to_string())));
    query.extend(search.name.as_ref().map(|name| ("name", name.to_string())));
    if search.open {
        query.push(("open", "true".into()));
    }
    ctx.get_with("/storefronts", &query).await
}

/// The store that is meant by a name or an id, or is chosen from those that are open.
pub async fn find_store(ctx: &Context, asked: Option<String>) -> Result<StoreId, Failure> {
    if let Some(id) = asked.as_deref().and_then(store_id) {
        return Ok(id);
    }
    let name = asked.as_deref().map(parse::text::<60>).transpose().map_err(|e| Failure::usage(parse::say(&e, ctx.lang)))?;
    if name.is_none() && !ctx.can_ask() {
        return Err(ctx.missing("--store", "customer stores --open"));
    }
    let search = Search { open: name.is_none(), name, ..Search::default() };
    let found: Vec<Profile> = find(ctx, &search, None).await?.list::<StorefrontShown>()?.into_iter().map(|s| s.profile).collect();
    let same: Vec<&Profile> = found.iter().filter(|p| asked.as_deref().is_some_and(|a| a.trim() == &*p.name)).collect();
    let names = || found.iter().map(|p| format!("{}  {}  {}", p.name, p.address, p.store)).collect::<Vec<_>>();
    match (same.as_slice(), found.as_slice()) {
        ([only], _) => Ok(only.store),
        (_, []) => {
            let what = ctx.t("그런 가게가 없어요", "there is no such store");
            Err(Failure::new(Exit::NotFound, what).hint(ctx.line("customer stores --open")))
        }
        ([], [only]) if asked.is_some() => Ok(only.store),
        _ if ctx.can_ask() => Ok(found[prompt::select(ctx.t("어느 가게인가요?", "Which store?"), &names())?].store),
        _ => {
            let what = ctx.t("그런 가게가 여럿이에요", "several stores have that name");
            let example = match asked.as_deref().map(str::trim) {
                Some(name) => format!("customer stores '{name}'"),
                None => "customer stores --open".into(),
            };
            Err(Failure::usage(what).why(names().into_iter().take(5).collect::<Vec<_>>().join("; ")).hint(ctx.line(&example)))
        }
    }
}

/// Dishes chosen from the menu.
pub async fn choose_items(ctx: &Context, store: StoreId, example: &str) -> Result<Vec<Wish>, Failure> {
    if !ctx.can_ask() {
        return Err(ctx.missing("--item", example));
    }
    let front: StorefrontShown = ctx.get(&format!("/storefronts/{store}")).await?.read()?;
    let menu: Vec<Dish> = front.profile.menu.into_iter().filter(|d| !d.sold_out).collect();
    let names: Vec<String> = menu.iter().map(|d| format!("{}  {}", d.name, views::won(d.price.into(), ctx.lang))).collect();
    if names.is_empty() {
        return Err(Failure::new(Exit::Refused, ctx.t("주문할 수 있는 메뉴가 없어요", "there is no dish to order")));
    }
    let prompt = ctx.t("메뉴 고르기 (스페이스로 선택)", "Choose dishes (space selects)");
    let chosen = prompt::select_many(prompt, &names)?;
    if chosen.is_empty() {
        return Err(ctx.missing("--item", example));
    }
    chosen.into_iter().map(|i| wish(ctx, &menu[i])).collect()
}

fn wish(ctx: &Context, dish: &Dish) -> Result<Wish, Failure> {
    let options = if dish.choices.is_empty() {
        Vec::new()
    } else {
        let names: Vec<String> = dish.choices.iter().map(|c| format!("{} +{}", c.name, views::won(c.price.into(), ctx.lang))).collect();
        let chosen = prompt::select_many(&ctx.t(format!("{}: 옵션", dish.name), format!("{}: options", dish.name)), &names)?;
        chosen.into_iter().map(|i| dish.choices[i].name.clone()).collect()
    };
    let prompt = ctx.t(format!("{}: 수량", dish.name), format!("{}: how many", dish.name));
    let quantity: Count<1, 99> = prompt::line(ctx.lang, &prompt, "1", parse::count::<1, 99>)?;
    Ok(Wish { item: dish.name.clone(), quantity, options })
}

/// `baemin customer order`
pub async fn order(ctx: &Context, order: Order) -> Result<Exit, Failure> {
    ctx.client.me()?;
    if order.items.is_empty() && !ctx.can_ask() {
        let missing = if order.store.is_none() { "--store, --item" } else { "--item" };
        return Err(
            ctx.missing(missing, ctx.t("customer order --store 가게 --item '후라이드=1'", "customer order --store STORE --item 'Fried=1'"))
        );
    }
    let store = find_store(ctx, order.store).await?;
    let items = match order.items.is_empty() {
        true => choose_items(ctx, store, "customer order --store STORE --item '..=1'").await?,
        false => order.items,
    };
    place(ctx, store, items, order.how).await
}

/// `baemin customer reorder`
pub async fn reorder(ctx: &Context, order: Option<OrderArg>, how: How) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, order, Side::Customer).await?;
    let shown: OrderShown = ctx.get(&format!("/orders/{order}")).await?.read()?;
    let again = |line: Line| Wish { item: line.item, quantity: line.quantity, options: line.options };
    let items = shown.basket.lines.into_iter().map(again).collect();
    place(ctx, shown.store, items, how).await
}

async fn place(ctx: &Context, store: StoreId, items: Vec<Wish>, how: How) -> Result<Exit, Failure> {
    let is_whole = how.door.phone.is_some() && how.door.address.is_some() && how.door.at.is_some();
    // Whoever says where the food goes needs no profile, and so can order while the customer service is away.
    let door = || ctx.t("배달지를 직접 알려 주세요: --phone --address --at", "Say where the food goes: --phone --address --at");
    let known =
        if is_whole { None } else { ctx.contact().await.map_err(|failure| failure.or_hint(&[Exit::Unreachable, Exit::Later], door()))? };
    let contact = contact(ctx, how.door, known, "customer order")?;
    ask(ctx, store, &items, &contact).await?;
    let body = NewOrder { store, items, contact, cook_note: how.note, rider_note: how.rider_note, means: how.pay.into() };
    let reply = ctx.post("/orders", &body).await.map_err(|failure| match failure.exit {
        // It may have arrived: another try by hand would be another order.
        Exit::Unreachable | Exit::Later if failure.code() != "too_many_requests" => failure.hint(ctx.t(
            format!("먼저 확인해 주세요: {}", ctx.line("customer list")),
            format!("See first whether it arrived: {}", ctx.line("customer list")),
        )),
        _ => failure.at(store),
    })?;
    tell(ctx, &reply)
}

/// Shows what it will be and asks for a yes, if somebody is there. The price is the server's to say; this is the menu's.
async fn ask(ctx: &Context, store: StoreId, items: &[Wish], contact: &Contact) -> Result<(), Failure> {
    if !ctx.can_ask() {
        return Ok(());
    }
    let front: StorefrontShown = ctx.get(&format!("/storefronts/{store}")).await?.read()?;
    let sum = estimate(&front.profile, items);
    let dishes: Vec<String> = items.iter().map(|w| format!("{} {}", w.item, w.quantity)).collect();
    let (name, dishes, address) = (&front.profile.name, dishes.join(", "), &contact.address);
    let ko = format!("{name}: {dishes}, 배달비 포함 {sum}원, {address} - 주문할까요?");
    let en = format!("{name}: {dishes}, {sum} won with delivery, to {address} - order?");
    ctx.confirm(&ko, &en)
}

/// What it should cost by the menu.
fn estimate(profile: &Profile, items: &[Wish]) -> Won {
    let each = |wish: &Wish| -> Won {
        let Some(dish) = profile.menu.iter().find(|d| d.name == wish.item) else { return Won::ZERO };
        let options: Won = dish.choices.iter().filter(|c| wish.options.contains(&c.name)).map(|c| Won::from(c.price)).sum();
        (Won::from(dish.price) + options) * wish.quantity.get()
    };
    items.iter().map(each).sum::<Won>() + profile.delivery_fee
}

/// Says what became of it.
fn tell(ctx: &Context, reply: &Reply) -> Result<Exit, Failure> {
    let shown: OrderShown = reply.read()?;
    let order = shown.order;
    ctx.out.one(reply, "order", || views::order(reply, ctx.lang))?;
    match shown.status {
        Status::PaymentFailed => {
            let reason = shown.timeline.iter().rev().find_map(|s| s.reason.as_ref()).map(|r| r.say(ctx.lang));
            let mut failure =
                Failure::new(Exit::Refused, ctx.t("결제하지 못해 주문이 끝났어요", "the payment failed, and the order ended"))
                    .hint(ctx.line(&format!("customer reorder {order} --pay card")));
            failure.why = reason;
            Err(failure)
        }
        Status::PendingPayment => {
            // Nothing is to be tried again: the order is there, and whoever orders once more has two.
            kept(ctx, order, reply);
            Ok(Exit::Done)
        }
        _ => {
            ctx.out.done(&ctx.t(format!("주문했어요: {}원", shown.basket.total), format!("Ordered: {} won", shown.basket.total)));
            ctx.next(&format!("status watch {order}"));
            Ok(Exit::Done)
        }
    }
}

/// Says that an order's payment is kept for later, and what to type.
pub fn kept(ctx: &Context, order: OrderId, reply: &Reply) {
    let what = ctx.t(
        "결제가 늦어지고 있어요. 주문은 보관했고, 저절로 결제되면 가게에 전해요",
        "Payments are slow; your order is kept, will be paid by itself, and then goes to the store.",
    );
    pay_later(ctx, order, reply, what);
}

/// Says that the difference of a dearer change is kept for later, and what to type.
pub fn difference_kept(ctx: &Context, order: OrderId, reply: &Reply) {
    let what = ctx.t(
        "추가 결제가 늦어지고 있어요. 저절로 결제되면 주문이 바뀌고, 결제하지 못하면 그대로예요",
        "Payments are slow; the difference will be paid by itself, and then the order changes. If it cannot be paid, nothing changes.",
    );
    pay_later(ctx, order, reply, what);
}

fn pay_later(ctx: &Context, order: OrderId, reply: &Reply, what: &str) {
    ctx.out.note(what);
    if let Some(wait) = reply.retry_after {
        let seconds = wait.as_secs();
        ctx.out.note(&ctx.t(format!("  약 {seconds}초 뒤에 직접 결제할 수 있어요"), format!("  Or pay it yourself in about {seconds} s.")));
    }
    ctx.next(&format!("customer pay {order}"));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_estimate_follows_the_menu() {
        let profile: Profile = serde_json::from_value(json!({
            "store": "sto_0123456789abcdef", "owner": "acc_0123456789abcdef", "revision": 1, "name": "교촌", "address": "강남",
            "at": {"lat": 37.5, "lng": 127.0}, "door": "open", "hours": null, "minimum": 0, "delivery_fee": 3000, "capacity": 5,
            "thanks": null,
            "menu": [{"name": "양념", "price": 19000, "choices": [{"name": "치즈", "price": 1000}]}],
        }))
        .unwrap();
        let items = [parse::wish("양념=2:치즈").unwrap()];
        assert_eq!(estimate(&profile, &items), Won(43_000));
    }
}
