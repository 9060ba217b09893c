//! `baemin customer`: order, change, receive, review.

use super::place;
use crate::{
    Exit, Failure,
    client::Reply,
    context::Context,
    orders::{self, Side},
    output::Format,
    parse::{self, OrderArg},
    prompt, views,
};
use clap::{Args, Subcommand};
use serde_json::json;
use shared::{
    Contact, Lang, OrderId, Point, Role, StoreId, Text, Won,
    api::{CustomerShown, MyPage, NewContact, NewCustomer, NewItems, NewReview, OrderShown, PaymentShown, StorefrontShown},
    order::{Status, Wish},
    payment,
    review::Stars,
    sealed::Phone,
};
use std::time::{Duration, Instant};

/// The store and the payment answer a request to cancel or to change within this, or later.
const SETTLE: Duration = Duration::from_secs(3);

/// Where food goes.
#[derive(Debug, Clone, Args)]
pub struct Door {
    /// 전화번호 | The phone number
    #[arg(long, value_parser = parse::phone)]
    pub phone: Option<Phone>,
    /// 주소 | The address
    #[arg(long, value_parser = parse::text::<200>)]
    pub address: Option<Text<200>>,
    /// 위치 | Where the door is
    #[arg(long, value_name = "LAT,LNG", value_parser = parse::point, allow_hyphen_values = true)]
    pub at: Option<Point>,
}

/// Which order.
#[derive(Debug, Args)]
pub struct Which {
    /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
    #[arg(value_parser = parse::order)]
    pub order: Option<OrderArg>,
}

/// `baemin customer`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 고객으로 가입 (계정도 만들어요) | Join as a customer (with an account)
    Join {
        /// 이름 | The name
        #[arg(long, value_parser = parse::text::<60>)]
        name: Text<60>,
        #[command(flatten)]
        door: Door,
        #[command(flatten)]
        entry: super::account::Entry,
    },
    /// 내 정보와 등급 | My profile and grade
    Profile,
    /// 연락처와 주소 바꾸기 | Change phone and address
    SetContact {
        #[command(flatten)]
        door: Door,
    },
    /// 알림 언어와 진행 알림 | How notices come
    Preferences {
        /// 알림 언어: ko 또는 en | The language of notices: ko or en
        #[arg(long, value_parser = |text: &str| Lang::parse(text).ok_or("ko, en"))]
        notices: Option<Lang>,
        /// 진행 알림 받기: true 또는 false | Notices of mere progress: true or false
        #[arg(long, value_name = "BOOL")]
        progress: Option<bool>,
    },
    /// 가게 찾기 | Find stores
    Stores(place::Search),
    /// 메뉴 보기 | See a menu
    Menu {
        /// 가게 이름 또는 번호 | The store's name or id
        #[arg(value_name = "STORE")]
        store: Option<String>,
        /// 가게 이름 또는 번호 | The store's name or id
        #[arg(long = "store", value_name = "STORE", conflicts_with = "store", id = "store-option")]
        option: Option<String>,
    },
    /// 주문하기 | Order food
    Order(place::Order),
    /// 지난 주문 그대로 다시 주문 | Order the same again
    Reorder {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: place::How,
    },
    /// 내 주문 목록 | List my orders
    List(Page),
    /// 주문과 결제의 모든 단계 | An order with payment and every step
    Show(Which),
    /// 결제 상태 | The payment of an order
    PayStatus(Which),
    /// 미뤄진 결제를 지금 하기 | Pay now for an order that was kept
    Pay(Which),
    /// 주문 취소 (조리 시작 전까지) | Cancel, before cooking starts
    Cancel {
        #[command(flatten)]
        which: Which,
        /// 이유 | Why
        #[arg(long, value_parser = parse::text::<200>)]
        reason: Option<Text<200>>,
    },
    /// 메뉴 바꾸기 (조리 시작 전까지) | Change the dishes, before cooking starts
    Change {
        #[command(flatten)]
        which: Which,
        /// 예: '후라이드=2', '양념=1:순살,치즈' | Such as 'Fried=2', 'Spicy=1:boneless,cheese'
        #[arg(long = "item", value_name = "ITEM", value_parser = parse::wish)]
        items: Vec<Wish>,
    },
    /// 품절 메뉴를 빼자는 제안 받기 (차액 환불) | Accept an offer to leave out what is sold out, for a refund
    AcceptOffer(Which),
    /// 품절 메뉴를 빼자는 제안 거절 | Decline an offer to leave out what is sold out
    DeclineOffer(Which),
    /// 받았다고 확인 | Confirm the receipt
    Confirm(Which),
    /// 리뷰 쓰기 | Write a review
    Review {
        #[command(flatten)]
        which: Which,
        /// 별점 1-5 | Stars, 1 to 5
        #[arg(long, value_parser = parse::count::<1, 5>)]
        stars: Option<Stars>,
        /// 내용 | How it was
        #[arg(long, value_parser = parse::text::<1000>)]
        text: Option<Text<1000>>,
    },
    /// 받은 알림 | Notices
    Inbox,
}

/// Which part of a list.
#[derive(Debug, Args)]
pub struct Page {
    /// 쪽 번호 (0부터) | The page, from 0
    #[arg(long, default_value_t = 0)]
    pub page: u32,
    /// 한 쪽의 수 | How many on a page
    #[arg(long, default_value_t = 20)]
    pub size: u32,
}

impl Command {
    /// True for what may be the first command of its profile.
    pub fn makes_profile(&self) -> bool {
        matches!(self, Command::Join { .. })
    }
}

/// Does it.
pub async fn run(ctx: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Order(order) => return place::order(ctx, order).await,
        Command::Reorder { which, how } => {
            return place::reorder(ctx, which.order.unwrap_or(OrderArg::Last), how).await;
        }
        Command::Pay(which) => return pay(ctx, which).await,
        Command::Cancel { which, reason } => return cancel(ctx, which, reason).await,
        Command::Change { which, items } => return change(ctx, which, items).await,
        Command::AcceptOffer(which) => return super::offer::accept(ctx, which.order).await,
        Command::Join { name, door, entry } => join(ctx, name, door, &entry).await,
        Command::Profile => {
            let reply = ctx.get(&format!("/customers/{}", ctx.customer()?)).await?;
            ctx.out.one(&reply, "customer", || views::customer(&reply, ctx.lang))
        }
        Command::SetContact { door } => set_contact(ctx, door).await,
        Command::Preferences { notices, progress } => preferences(ctx, notices, progress).await,
        Command::Stores(search) => place::stores(ctx, &search).await,
        Command::Menu { store, option } => menu(ctx, store.or(option)).await,
        Command::List(page) => list(ctx, &page).await,
        Command::Show(which) => show(ctx, which).await,
        Command::DeclineOffer(which) => super::offer::decline(ctx, which.order).await,
        Command::PayStatus(which) => {
            let order = orders::resolve(ctx, which.order, Side::Customer).await?;
            let reply = ctx.get(&format!("/payments/{order}")).await?;
            ctx.out.one(&reply, "order", || views::payment(&reply, ctx.lang))
        }
        Command::Confirm(which) => confirm(ctx, which).await,
        Command::Review { which, stars, text } => review(ctx, which, stars, text).await,
        Command::Inbox => inbox(ctx).await,
    }
    .map(|()| Exit::Done)
}

/// The notices of whoever is logged in; stores have the same inbox.
pub async fn inbox(ctx: &Context) -> Result<(), Failure> {
    let reply = ctx.get_with("/notifications", &[("size", "50".into())]).await?;
    ctx.out.list(&reply, "order", || views::notices(&reply, ctx.lang))
}

/// A contact from flags, from what is known, or from questions.
pub fn contact(ctx: &Context, door: Door, known: Option<Contact>, command: &str) -> Result<Contact, Failure> {
    let missing = match parse::contact(known, door.phone.clone(), door.address.clone(), door.at) {
        Ok(contact) => return Ok(contact),
        Err(missing) => missing,
    };
    if !ctx.can_ask() {
        return Err(ctx.missing(&missing.join(", "), &format!("{command} {} ..", missing.join(" .. "))));
    }
    let phone = door.phone.map_or_else(|| prompt::line(ctx.lang, ctx.t("전화번호", "Phone"), "", parse::phone), Ok)?;
    let address = door.address.map_or_else(|| prompt::line(ctx.lang, ctx.t("주소", "Address"), "", parse::text::<200>), Ok)?;
    let at = door
        .at
        .map_or_else(|| prompt::line(ctx.lang, ctx.t("위치 (위도,경도)", "Place (LAT,LNG)"), "37.4979,127.0276", parse::point), Ok)?;
    Ok(Contact { phone, address, at })
}

async fn join(ctx: &Context, name: Text<60>, door: Door, entry: &super::account::Entry) -> Result<(), Failure> {
    let contact = contact(ctx, door, None, "customer join --name NAME")?;
    super::account::enter(ctx, entry, &name, Role::Customer).await?;
    let reply = match ctx.post("/customers", &NewCustomer { name, contact, lang: ctx.lang }).await {
        Err(failure) if failure.code() == "exists" => ctx.get(&format!("/customers/{}", ctx.customer()?)).await?,
        other => other?,
    };
    ctx.out.one(&reply, "customer", || views::customer(&reply, ctx.lang))?;
    ctx.out.done(ctx.t("가입했어요", "You have joined."));
    ctx.next("customer stores --open");
    Ok(())
}

async fn set_contact(ctx: &Context, door: Door) -> Result<(), Failure> {
    let contact = contact(ctx, door, ctx.contact().await?, "customer set-contact")?;
    let reply = ctx.put(&format!("/customers/{}/set_contact", ctx.customer()?), &NewContact { contact }).await?;
    ctx.out.one(&reply, "customer", || views::customer(&reply, ctx.lang))?;
    ctx.out.done(ctx.t("연락처를 바꿨어요", "Your contact is changed."));
    ctx.next("customer profile");
    Ok(())
}

async fn preferences(ctx: &Context, lang: Option<Lang>, progress: Option<bool>) -> Result<(), Failure> {
    let path = format!("/customers/{}", ctx.customer()?);
    let now: CustomerShown = ctx.get(&path).await?.read()?;
    let body = json!({ "lang": lang.unwrap_or(now.lang), "progress": progress.unwrap_or(now.progress) });
    let reply = ctx.put(&format!("{path}/set_preferences"), &body).await?;
    ctx.out.one(&reply, "customer", || views::customer(&reply, ctx.lang))?;
    ctx.out.done(ctx.t("알림 설정을 저장했어요", "Saved."));
    ctx.next("customer inbox");
    Ok(())
}

async fn menu(ctx: &Context, store: Option<String>) -> Result<(), Failure> {
    let store = place::find_store(ctx, store).await?;
    let reply = ctx.get(&format!("/storefronts/{store}")).await?;
    ctx.out.one(&reply, "store", || Ok(views::menu(&reply.read::<StorefrontShown>()?.profile.menu, ctx.lang)))?;
    ctx.next(&format!("customer order --store {store} --item '..=1'"));
    Ok(())
}

async fn list(ctx: &Context, page: &Page) -> Result<(), Failure> {
    let query = [("as", "customer".into()), ("page", page.page.to_string()), ("size", page.size.to_string())];
    let reply = ctx.get_with("/orders", &query).await?;
    ctx.out.list(&reply, "order", || views::orders(&reply, ctx.lang))?;
    if u64::from(page.page) + 1 < reply.pages() {
        ctx.next(&format!("customer list --page {}", page.page + 1));
    } else {
        ctx.next(if reply.items().is_empty() { "customer order" } else { "status show last" });
    }
    Ok(())
}

async fn show(ctx: &Context, which: Which) -> Result<(), Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let reply = ctx.get(&format!("/myPages/{order}")).await?;
    ctx.out.one(&reply, "order", || views::my_page(&reply, ctx.lang))?;
    if reply.read::<MyPage>()?.offer.is_some() {
        ctx.next(&format!("customer accept-offer {order}"));
    }
    Ok(())
}

/// Reads an order until nothing in it waits for an answer, for a while.
async fn settled(ctx: &Context, order: OrderId, first: Reply) -> Result<Reply, Failure> {
    let (start, mut reply) = (Instant::now(), first);
    while matches!(reply.read::<OrderShown>()?.status, Status::CancelRequested | Status::ChangeRequested) && start.elapsed() < SETTLE {
        tokio::time::sleep(Duration::from_millis(150)).await;
        reply = ctx.client.get(&format!("/orders/{order}")).await?;
    }
    Ok(reply)
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

async fn pay(ctx: &Context, which: Which) -> Result<Exit, Failure> {
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

async fn cancel(ctx: &Context, which: Which, reason: Option<Text<200>>) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    ctx.confirm("주문을 취소할까요?", "Cancel the order?")?;
    let reply = ctx.put(&format!("/orders/{order}/cancel"), &json!({ "reason": reason })).await?;
    let reply = ctx.wait(settled(ctx, order, reply)).await?;
    let shown: OrderShown = reply.read()?;
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    if shown.status == Status::Cancelled {
        ctx.out.done(ctx.t("주문을 취소했어요", "The order is cancelled."));
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

async fn change(ctx: &Context, which: Which, items: Vec<Wish>) -> Result<Exit, Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let items = if items.is_empty() {
        let shown: OrderShown = ctx.get(&format!("/orders/{order}")).await?.read()?;
        place::choose_items(ctx, shown.store, "customer change ORDER --item '..=1'").await?
    } else {
        items
    };
    let reply = ctx.put(&format!("/orders/{order}/change"), &NewItems { items }).await?;
    changed(ctx, order, reply).await
}

/// Waits for what comes of other dishes, and says it.
pub async fn changed(ctx: &Context, order: OrderId, reply: Reply) -> Result<Exit, Failure> {
    let reply = ctx.wait(settled(ctx, order, reply)).await?;
    let shown: OrderShown = reply.read()?;
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    if let Some(failure) = refused(ctx, &shown, &["changerefused"]) {
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
        let told = shown.timeline.last().map(|s| orders::tell_step(s, ctx.lang).details.join("  ")).unwrap_or_default();
        ctx.out.done(&ctx.t(format!("주문을 바꿨어요  {told}"), format!("The order is changed.  {told}")));
    }
    ctx.next(&format!("status watch {order}"));
    Ok(Exit::Done)
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

async fn confirm(ctx: &Context, which: Which) -> Result<(), Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let reply = ctx.put(&format!("/orders/{order}/confirm"), &json!({})).await?;
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    ctx.out.done(ctx.t("맛있게 드세요!", "Enjoy your meal!"));
    ctx.next(&format!("customer review {order} --stars 5 --text '..'"));
    Ok(())
}

async fn review(ctx: &Context, which: Which, stars: Option<Stars>, text: Option<Text<1000>>) -> Result<(), Failure> {
    let (stars, text) = match (stars, text) {
        (Some(stars), Some(text)) => (stars, text),
        (stars, text) if ctx.can_ask() => (
            stars.map_or_else(|| prompt::line(ctx.lang, ctx.t("별점 (1-5)", "Stars (1-5)"), "5", parse::count::<1, 5>), Ok)?,
            text.map_or_else(|| prompt::line(ctx.lang, ctx.t("리뷰", "Review"), "", parse::text::<1000>), Ok)?,
        ),
        _ => return Err(ctx.missing("--stars, --text", "customer review ORDER --stars 5 --text '..'")),
    };
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let reply = ctx.post("/reviews", &NewReview { order, stars, text }).await?;
    match ctx.out.format() {
        Format::Table => ctx.out.line(&format!("{order}  {stars}/5"))?,
        _ => ctx.out.one(&reply, "order", || Ok(crate::table::Sheet::card()))?,
    }
    ctx.out.done(ctx.t("리뷰를 남겼어요. 고마워요!", "Thank you for the review."));
    ctx.next(&format!("customer reorder {order}"));
    Ok(())
}

/// A store's id, for those who know it.
pub fn store_id(text: &str) -> Option<StoreId> {
    StoreId::parse(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

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
