//! `baemin store`: the store, its menu and hours, and the tickets in its kitchen.

use crate::{
    Failure,
    board::{self, Board},
    client::Reply,
    context::Context,
    orders::{self, Side},
    parse::{self, OrderArg},
    views,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shared::{
    Minutes, Point, Role, StoreId, Text,
    api::{NewStore, TicketShown},
    money::Price,
    store::{Capacity, Choice, Dish, Door, Hours, Profile},
    ticket::Status,
};

/// A store's id.
pub fn id(text: &str) -> Result<StoreId, String> {
    StoreId::parse(text).ok_or_else(|| "sto_ and 16 letters".into())
}

/// Which store.
#[derive(Debug, Clone, Copy, Args)]
pub struct Which {
    /// 가게 번호 (기본: 프로필의 가게) | The store's id (default: of the profile)
    #[arg(long, value_name = "ID", value_parser = id)]
    pub store: Option<StoreId>,
}

/// Which ticket.
#[derive(Debug, Args)]
pub struct Ticket {
    /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
    #[arg(value_parser = parse::order)]
    pub order: Option<OrderArg>,
}

/// `baemin store`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 가게 등록 (계정도 만들어요) | Register a store (with an account)
    Register {
        /// 가게 이름 | The store's name
        #[arg(long, value_parser = parse::text::<60>)]
        name: Text<60>,
        /// 주소 | The address
        #[arg(long, value_parser = parse::text::<200>)]
        address: Text<200>,
        /// 위치 | Where it is
        #[arg(long, value_name = "LAT,LNG", value_parser = parse::point, allow_hyphen_values = true)]
        at: Point,
        #[command(flatten)]
        entry: super::account::Entry,
    },
    /// 내 가게 목록 | List my stores
    List,
    /// 가게 보기 | Show a store
    Show(Which),
    /// 메뉴판 | The menu
    #[command(subcommand)]
    Dish(DishCommand),
    /// 영업시간 | Opening hours
    Hours {
        /// 예: 11:00-23:30, 또는 always | Such as 11:00-23:30, or always
        #[arg(value_parser = hours)]
        hours: HoursArg,
        #[command(flatten)]
        which: Which,
    },
    /// 영업 시작 | Open
    Open(Which),
    /// 영업 종료 | Close
    Close(Which),
    /// 잠시 멈춤 | Pause for a moment
    Pause(Which),
    /// 최소 주문 금액과 배달비 | The smallest order and the delivery fee
    Terms {
        /// 최소 주문 금액 | The smallest order
        #[arg(long, value_name = "WON", value_parser = parse::count::<0, 1_000_000>)]
        minimum: Price,
        /// 배달비 | The delivery fee
        #[arg(long, value_name = "WON", value_parser = parse::count::<0, 1_000_000>)]
        fee: Price,
        #[command(flatten)]
        which: Which,
    },
    /// 주문수용량 | How many tickets may be open at once
    Capacity {
        /// 동시에 받을 주문 수 (0이면 받지 않음) | The number of tickets; 0 takes none
        #[arg(value_parser = parse::count::<0, 1000>)]
        number: Capacity,
        #[command(flatten)]
        which: Which,
    },
    /// 거래가 끝나면 전할 인사 | What is said to the customer at the end
    Thanks {
        /// 인사말 (없으면 지워요) | The words (none removes them)
        #[arg(value_parser = parse::text::<200>)]
        text: Option<Text<200>>,
        #[command(flatten)]
        which: Which,
    },
    /// 주문전표 | Open tickets
    Tickets {
        /// 끝난 전표도 | The finished ones too
        #[arg(long)]
        all: bool,
    },
    /// 바로 바뀌는 주문판 | A live board of tickets
    Board {
        /// 새 주문이 오면 소리 내기 | Ring for a new order
        #[arg(long)]
        bell: bool,
    },
    /// 주문 승인 | Accept an order
    Accept {
        #[command(flatten)]
        ticket: Ticket,
        /// 조리 예상 시간(분) | Minutes to cook
        #[arg(long, value_name = "MINUTES", default_value = "15", value_parser = parse::count::<1, 180>)]
        minutes: Minutes,
    },
    /// 주문 거절 (승인한 주문도 조리 시작 전까지) | Reject an order, also an accepted one until cooking starts
    Reject {
        #[command(flatten)]
        ticket: Ticket,
        /// 이유 | Why
        #[arg(long, value_parser = parse::text::<200>)]
        reason: Text<200>,
    },
    /// 품절 메뉴를 빼고 차액을 돌려주자고 고객에게 제안 | Offer the customer to leave out what is sold out, for a refund
    Offer {
        #[command(flatten)]
        ticket: Ticket,
        /// 뺄 메뉴 | The dishes to leave out
        #[arg(long, value_name = "ITEM", num_args = 1.., value_parser = parse::text::<60>)]
        without: Vec<Text<60>>,
    },
    /// 조리 시작 | Start to cook
    Start(Ticket),
    /// 조리 완료 | Cooked
    Finish(Ticket),
    /// 조리 시작과 완료 | Start and finish
    #[command(subcommand)]
    Cook(CookCommand),
    /// 늦어진다고 알리기 | Tell of a delay
    Delay {
        #[command(flatten)]
        ticket: Ticket,
        /// 더 걸리는 시간(분) | Minutes more
        #[arg(long, value_name = "MINUTES", value_parser = parse::count::<1, 180>)]
        minutes: Minutes,
    },
    /// 리뷰 | Reviews
    Reviews(Which),
    /// 리뷰에 답글 달기 | Reply to a review
    Reply {
        #[command(flatten)]
        ticket: Ticket,
        /// 답글 | The reply
        #[arg(long, value_parser = parse::text::<1000>)]
        text: Text<1000>,
    },
    /// 오늘의 주문과 평점 | Today's orders and the rating
    Today(Which),
    /// 받은 알림 | Notices
    Inbox,
}

/// `baemin store dish`
#[derive(Debug, Subcommand)]
pub enum DishCommand {
    /// 메뉴 추가 또는 변경 | Add a dish, or change it
    Set {
        /// 메뉴 이름 | The dish
        #[arg(value_parser = parse::text::<60>)]
        name: Text<60>,
        /// 가격 | The price
        #[arg(long, value_name = "WON", value_parser = parse::count::<0, 1_000_000>)]
        price: Price,
        /// 옵션, 예: 치즈=1000 | An option, such as cheese=1000
        #[arg(long = "option", value_name = "NAME=WON", value_parser = parse::choice)]
        choices: Vec<Choice>,
        #[command(flatten)]
        which: Which,
    },
    /// 메뉴 빼기 | Take a dish off the menu
    Remove {
        /// 메뉴 이름 | The dish
        #[arg(value_parser = parse::text::<60>)]
        name: Text<60>,
        #[command(flatten)]
        which: Which,
    },
    /// 품절 | None left
    SoldOut {
        /// 메뉴 이름 | The dish
        #[arg(value_parser = parse::text::<60>)]
        name: Text<60>,
        #[command(flatten)]
        which: Which,
    },
    /// 다시 판매 | Some again
    Back {
        /// 메뉴 이름 | The dish
        #[arg(value_parser = parse::text::<60>)]
        name: Text<60>,
        #[command(flatten)]
        which: Which,
    },
}

/// `baemin store cook`
#[derive(Debug, Subcommand)]
pub enum CookCommand {
    /// 조리 시작 | Start to cook
    Start(Ticket),
    /// 조리 완료 | Cooked
    #[command(alias = "done")]
    Finish(Ticket),
}

/// Hours, or always.
#[derive(Debug, Clone, Copy)]
pub struct HoursArg(Option<Hours>);

fn hours(text: &str) -> Result<HoursArg, String> {
    if matches!(text, "always" | "항상") { Ok(HoursArg(None)) } else { parse::hours(text).map(|h| HoursArg(Some(h))) }
}

impl Command {
    /// True for what may be the first command of its profile.
    pub fn makes_profile(&self) -> bool {
        matches!(self, Command::Register { .. })
    }
}

/// Does it.
pub async fn run(ctx: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Register { name, address, at, entry } => register(ctx, NewStore { name, address, at }, &entry).await,
        Command::Tickets { .. } | Command::Board { .. } | Command::List | Command::Show(_) => look(ctx, command).await,
        Command::Reviews(_) | Command::Today(_) | Command::Inbox => look(ctx, command).await,
        Command::Dish(command) => dish(ctx, command).await,
        Command::Hours { hours, which } => set(ctx, which, "set_hours", json!({ "hours": hours.0 })).await,
        Command::Open(which) => set(ctx, which, "open", json!({})).await,
        Command::Close(which) => set(ctx, which, "close", json!({})).await,
        Command::Pause(which) => set(ctx, which, "pause", json!({})).await,
        Command::Terms { minimum, fee, which } => set(ctx, which, "set_terms", json!({ "minimum": minimum, "delivery_fee": fee })).await,
        Command::Capacity { number, which } => set(ctx, which, "set_capacity", json!({ "capacity": number })).await,
        Command::Thanks { text, which } => set(ctx, which, "set_thanks", json!({ "text": text })).await,
        Command::Accept { ticket, minutes } => cook(ctx, ticket, "accept", json!({ "cook_minutes": minutes })).await,
        Command::Reject { ticket, reason } => cook(ctx, ticket, "reject", json!({ "reason": reason })).await,
        Command::Offer { ticket, without } => super::offer::make(ctx, ticket.order, without).await,
        Command::Start(ticket) | Command::Cook(CookCommand::Start(ticket)) => cook(ctx, ticket, "start", json!({})).await,
        Command::Finish(ticket) | Command::Cook(CookCommand::Finish(ticket)) => cook(ctx, ticket, "finish", json!({})).await,
        Command::Delay { ticket, minutes } => cook(ctx, ticket, "delay", json!({ "minutes": minutes })).await,
        Command::Reply { ticket, text } => {
            let order = orders::resolve(ctx, ticket.order, Side::Owner).await?;
            let reply = ctx.put(&format!("/reviews/{order}/reply"), &json!({ "text": text })).await?;
            brief(ctx, &reply, order, "")?;
            ctx.out.done(ctx.t("답글을 달았어요", "Replied."));
            ctx.next("store reviews");
            Ok(())
        }
    }
}

async fn register(ctx: &Context, store: NewStore, entry: &super::account::Entry) -> Result<(), Failure> {
    super::account::enter(ctx, entry, &store.name, Role::Owner).await?;
    // A second run of the same command finds the store of the first one.
    let own: Vec<Profile> = ctx.get("/stores").await?.list()?;
    let reply = match own.iter().find(|s| s.name == store.name && s.address == store.address) {
        Some(there) => ctx.get(&format!("/stores/{}", there.store)).await?,
        None => ctx.post("/stores", &store).await?,
    };
    let profile: Profile = reply.read()?;
    ctx.keep(|p| p.store = Some(profile.store))?;
    ctx.out.one(&reply, "store", || views::store(&reply, ctx.lang))?;
    ctx.out.done(ctx.t("가게를 등록했어요. 메뉴를 올리고 문을 열어 주세요", "The store is registered; add dishes and open it."));
    ctx.next(ctx.t("store dish set 후라이드 --price 18000", "store dish set Fried --price 18000"));
    Ok(())
}

async fn look(ctx: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => {
            let reply = ctx.get("/stores").await?;
            ctx.out.list(&reply, "store", || views::stores(&reply, ctx.lang))?;
            ctx.next("store show");
        }
        Command::Show(which) => {
            let reply = ctx.get(&format!("/stores/{}", ctx.store(which.store).await?)).await?;
            ctx.out.one(&reply, "store", || views::store(&reply, ctx.lang))?;
        }
        Command::Tickets { all } => {
            let query = if all { vec![("size", "100".into())] } else { vec![("open", "true".into()), ("size", "100".into())] };
            let reply = ctx.get_with("/foodCookings", &query).await?;
            ctx.out.list(&reply, "order", || views::tickets(&reply, ctx.lang))?;
            ctx.next(&next_ticket(&reply.list()?));
        }
        Command::Board { bell } => {
            ctx.on_interrupt(Some(format!("{}: {}\n", ctx.t("다음", "next"), ctx.line("store tickets"))));
            let title = ctx.t("주문판", "Board").to_owned();
            let filter = [("open", "true".to_owned())];
            let board =
                Board { events: "/foodCookings/events", list: "/foodCookings", filter: &filter, table: views::tickets, title, bell };
            board::show(ctx, &board).await?;
        }
        Command::Reviews(which) => {
            let store = ctx.store(which.store).await?;
            let reply = ctx.get_with("/reviews", &[("store", store.to_string()), ("size", "50".into())]).await?;
            ctx.out.list(&reply, "order", || views::reviews(&reply, ctx.lang))?;
            ctx.next("store reply ORDER --text '..'");
        }
        Command::Today(which) => {
            let reply = ctx.get(&format!("/shopPages/{}", ctx.store(which.store).await?)).await?;
            ctx.out.one(&reply, "store", || views::today(&reply, ctx.lang))?;
        }
        _ => super::customer::inbox(ctx).await?,
    }
    Ok(())
}

/// What is done with a ticket that stands there, the most urgent first.
const VERBS: [(Status, &str); 3] = [(Status::Waiting, "accept"), (Status::Accepted, "start"), (Status::Cooking, "finish")];

/// What the kitchen should do next: answer the oldest order, then cook, then finish.
fn next_ticket(tickets: &[TicketShown]) -> String {
    let first = |status: Status| tickets.iter().filter(|t| t.status == status).min_by_key(|t| t.opened_ms).map(|t| t.order);
    let found = VERBS.iter().find_map(|(status, verb)| Some(format!("store {verb} {}", first(*status)?)));
    found.unwrap_or_else(|| "store board --bell".into())
}

/// What the kitchen does next with a ticket that stands there.
fn onward(ticket: &TicketShown) -> String {
    let found = VERBS.iter().find(|(status, _)| *status == ticket.status);
    found.map_or_else(|| "store tickets".into(), |(_, verb)| format!("store {verb} {}", ticket.order))
}

async fn dish(ctx: &Context, command: DishCommand) -> Result<(), Failure> {
    match command {
        DishCommand::Set { name, price, choices, which } => {
            let dish = Dish { name, price, choices, sold_out: false };
            set(ctx, which, "set_dish", json!({ "dish": dish })).await
        }
        DishCommand::Remove { name, which } => set(ctx, which, "remove_dish", json!({ "name": name })).await,
        DishCommand::SoldOut { name, which } => set(ctx, which, "set_sold_out", json!({ "name": name, "sold_out": true })).await,
        DishCommand::Back { name, which } => set(ctx, which, "set_sold_out", json!({ "name": name, "sold_out": false })).await,
    }
}

/// Moves the store, and says where it stands.
async fn set(ctx: &Context, which: Which, verb: &str, body: Value) -> Result<(), Failure> {
    let store = ctx.store(which.store).await?;
    let reply = ctx.put(&format!("/stores/{store}/{verb}"), &body).await.map_err(|failure| match failure.code() {
        // The hint is for a customer, who has another look at the menu.
        "unknown_dish" => failure.hint(ctx.line(&format!("store show --store {store}"))),
        _ => failure,
    })?;
    let profile: Profile = reply.read()?;
    brief(ctx, &reply, store, &format!("{}  {}", profile.name, views::door(profile.door, ctx.lang)))?;
    let (ko, en, next) = match verb {
        "open" => ("영업을 시작했어요", "The store is open.", "store board --bell"),
        "close" => ("영업을 마쳤어요", "The store is closed.", "store today"),
        "pause" => ("잠시 멈췄어요", "The store is paused.", "store open"),
        "set_dish" if profile.door == Door::Open => ("메뉴를 올렸어요", "The dish is on the menu.", "store show"),
        "set_dish" => ("메뉴를 올렸어요", "The dish is on the menu.", "store open"),
        "remove_dish" => ("메뉴를 뺐어요", "The dish is off the menu.", "store show"),
        _ => ("저장했어요", "Saved.", "store show"),
    };
    ctx.out.done(ctx.t(ko, en));
    if profile.door == Door::Open && profile.capacity.get() == 0 {
        let what = ctx.t(
            "  주문수용량이 0이라 주문을 받지 않아요. 고객에게는 영업종료로 보여요",
            "  The capacity is 0, so no order is taken; customers see the store as closed.",
        );
        ctx.out.note(what);
        ctx.next("store capacity 10");
        return Ok(());
    }
    ctx.next(next);
    Ok(())
}

/// Data after a verb: for people one line.
pub fn brief(ctx: &Context, reply: &Reply, id: impl ToString, rest: &str) -> Result<(), Failure> {
    use crate::output::Format;
    match ctx.out.format() {
        Format::Table => ctx.out.line(format!("{}  {rest}", id.to_string()).trim_end()),
        Format::Name => ctx.out.line(&id.to_string()),
        _ => ctx.out.one(reply, "", || Ok(crate::table::Sheet::card())),
    }
}

/// Moves a ticket, and says where it stands.
async fn cook(ctx: &Context, ticket: Ticket, verb: &str, body: Value) -> Result<(), Failure> {
    let order = orders::resolve(ctx, ticket.order, Side::Owner).await?;
    let path = format!("/foodCookings/{order}");
    let before: Option<TicketShown> = orders::before(ctx, &path).await?;
    // The last one is another one after a rejection: whoever types it once more is shown which.
    if let Some(ticket) = before.as_ref().filter(|ticket| verb == "reject" && ticket.status != Status::Rejected) {
        let which = format!("{order}  {}", views::dishes(&ticket.basket));
        ctx.confirm(&format!("{which}  거절할까요?"), &format!("{which}  Reject it?"))?;
    }
    let reply = ctx.put(&format!("{path}/{verb}"), &body).await?;
    let shown: TicketShown = reply.read()?;
    brief(ctx, &reply, order, &format!("{}  {}", shown.status.label(ctx.lang), views::dishes(&shown.basket)))?;
    // Each verb moves a ticket on but a delay, which is another one each time.
    if verb != "delay" && before.is_some_and(|ticket| ticket.status == shown.status) {
        orders::already(ctx, shown.status.label(ctx.lang), &onward(&shown));
        return Ok(());
    }
    let (ko, en, next) = match verb {
        "accept" => ("승인했어요", "Accepted.", format!("store start {order}")),
        "reject" => ("거절했어요. 고객에게 환불돼요", "Rejected; the customer gets the money back.", "store tickets".into()),
        "start" => ("조리를 시작했어요", "Cooking.", format!("store finish {order}")),
        "finish" => ("조리를 마쳤어요. 라이더를 불러요", "Cooked; riders are called.", "store tickets".into()),
        _ => ("늦어진다고 알렸어요", "The customer is told of the delay.", format!("store finish {order}")),
    };
    ctx.out.done(ctx.t(ko, en));
    ctx.next(&next);
    Ok(())
}
