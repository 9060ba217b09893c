//! `baemin customer`: order, receive, review; [`money`] is what moves some.

mod money;

pub use money::{changed, is_same};

use super::{account::Entered, place};
use crate::{
    Exit, Failure,
    context::Context,
    orders::{self, Side},
    output::Format,
    parse::{self, OrderArg},
    prompt, views,
};
use clap::{Args, Subcommand};
use serde_json::json;
use shared::{
    Contact, Lang, Point, Role, StoreId, Text,
    api::{CustomerShown, MaybeSealed, MyPage, NewContact, NewCustomer, NewReview, OrderShown, StorefrontShown},
    order::Wish,
    review::Stars,
    sealed::Phone,
};

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
        #[arg(long, value_name = "BOOL", hide_possible_values = true)]
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
    /// 메뉴 바꾸기 (조리 시작 전까지): 적은 메뉴가 주문 전체를 대신해요 | Change the dishes, before cooking starts: these replace all
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
            return place::reorder(ctx, which.order, how).await;
        }
        Command::Pay(which) => return money::pay(ctx, which).await,
        Command::Cancel { which, reason } => return money::cancel(ctx, which, reason).await,
        Command::Change { which, items } => return money::change(ctx, which, items).await,
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
    let entered = super::account::enter(ctx, entry, &name, Role::Customer).await?;
    let reply = match ctx.post("/customers", &NewCustomer { name, contact: contact.clone(), lang: ctx.lang }).await {
        Err(failure) if failure.code() == "exists" => ctx.get(&format!("/customers/{}", ctx.customer()?)).await?,
        other => other?,
    };
    ctx.out.one(&reply, "customer", || views::customer(&reply, ctx.lang))?;
    // Whoever has joined before keeps the contact of then, and would wait at the new door.
    if matches!(reply.read::<CustomerShown>()?.contact, Some(MaybeSealed::Open(known)) if known != contact) {
        ctx.out.done(match entered {
            Entered::Returned => ctx.t(
                "이미 있는 계정이라 로그인했어요. 연락처는 전과 같아요",
                "You had joined before and are logged in; the contact is as it was.",
            ),
            _ => ctx.t("이미 가입되어 있어요. 연락처는 전과 같아요", "You had joined before; the contact is as it was."),
        });
        let (phone, address, at) = (contact.phone.as_str(), contact.address.replace('\'', r"'\''"), contact.at);
        ctx.next(&format!("customer set-contact --phone {phone} --address '{address}' --at {},{}", at.lat, at.lng));
        return Ok(());
    }
    ctx.out.done(match entered {
        Entered::Returned => ctx.t("이미 있는 계정이라 로그인했어요", "That account was there already; you are logged in."),
        _ => ctx.t("가입했어요", "You have joined."),
    });
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
        super::offer::answers(ctx, order);
    }
    Ok(())
}

async fn confirm(ctx: &Context, which: Which) -> Result<(), Failure> {
    let order = orders::resolve(ctx, which.order, Side::Customer).await?;
    let path = format!("/orders/{order}");
    let before: Option<OrderShown> = orders::before(ctx, &path).await?;
    let reply = ctx.put(&format!("{path}/confirm"), &json!({})).await?;
    ctx.out.one(&reply, "order", || views::order(&reply, ctx.lang))?;
    let shown: OrderShown = reply.read()?;
    if before.is_some_and(|before| is_same(&before, &shown)) {
        orders::already(ctx, shown.status.label(ctx.lang), &orders::onward(order, shown.status));
        return Ok(());
    }
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
    let reply = ctx.post("/reviews", &NewReview { order, stars, text }).await.map_err(|failure| failure.about(&order.to_string()))?;
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
