//! `baemin rider`: on shift, near, picked, delivered.

use crate::{
    Exit, Failure,
    board::{self, Board},
    context::Context,
    orders::{self, Side},
    parse::{self, OrderArg},
    views,
};
use clap::Subcommand;
use serde_json::json;
use shared::{
    OrderId, Point, Role, Text,
    api::{DeliveryShown, NewRider},
    delivery::Status,
};

/// `baemin rider`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 라이더로 등록 (계정도 만들어요) | Register as a rider (with an account)
    Register {
        /// 이름 | The name
        #[arg(long, value_parser = parse::text::<60>)]
        name: Text<60>,
        #[command(flatten)]
        entry: super::account::Entry,
    },
    /// 근무 시작 | Go on shift
    On {
        /// 지금 위치 | Where you are
        #[arg(long, value_name = "LAT,LNG", value_parser = parse::point, allow_hyphen_values = true)]
        at: Point,
    },
    /// 근무 끝 | Go off shift
    Off,
    /// 위치 알리기 | Tell where you are
    Move {
        /// 지금 위치 | Where you are
        #[arg(long, value_name = "LAT,LNG", value_parser = parse::point, allow_hyphen_values = true)]
        at: Point,
    },
    /// 가까운 배달 | Jobs near
    Nearby {
        /// 바뀔 때마다 다시 보기 | Show it again at every change
        #[arg(long)]
        watch: bool,
    },
    /// 픽업하기 | Pick up the food
    Pick {
        /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
        #[arg(value_parser = parse::order)]
        order: Option<OrderArg>,
    },
    /// 배달을 다른 라이더에게 넘기기 | Give a job back
    Release {
        /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
        #[arg(value_parser = parse::order)]
        order: Option<OrderArg>,
    },
    /// 배달 완료 | Delivered at the door
    Deliver {
        /// 주문: 번호, 앞이나 뒤 4글자 이상, 또는 last | The order: id, 4 or more of its first or last letters, or last
        #[arg(value_parser = parse::order)]
        order: Option<OrderArg>,
    },
    /// 내 배달 | My jobs
    Jobs,
    /// 내 정보 | My profile
    Show,
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
        Command::Register { name, entry } => register(ctx, name, &entry).await,
        Command::On { at } => {
            shift(ctx, "start", &json!({ "at": at }), ctx.t("근무를 시작했어요", "You are on shift.")).await?;
            ctx.next("rider nearby --watch");
            Ok(())
        }
        Command::Off => {
            shift(ctx, "end", &json!({}), ctx.t("근무를 마쳤어요", "You are off shift.")).await?;
            ctx.next("rider on --at LAT,LNG");
            Ok(())
        }
        Command::Move { at } => {
            shift(ctx, "move", &json!({ "at": at }), ctx.t("위치를 알렸어요", "Your place is known.")).await?;
            ctx.next("rider nearby");
            Ok(())
        }
        Command::Nearby { watch: true } => watch(ctx).await,
        Command::Nearby { watch: false } => {
            let reply = ctx.get("/deliveryInfos").await?;
            ctx.out.list(&reply, "order", || views::deliveries(&reply, ctx.lang))?;
            ctx.next(if reply.items().is_empty() { "rider nearby --watch" } else { "rider pick ORDER" });
            Ok(())
        }
        Command::Pick { order } => carry(ctx, order, "pick").await,
        Command::Release { order } => carry(ctx, order, "release").await,
        Command::Deliver { order } => carry(ctx, order, "deliver").await,
        Command::Jobs => {
            let reply = ctx.get("/deliveries").await?;
            ctx.out.list(&reply, "order", || views::deliveries(&reply, ctx.lang))?;
            ctx.next("rider deliver ORDER");
            Ok(())
        }
        Command::Show => {
            let reply = ctx.get(&format!("/riders/{}", ctx.rider()?)).await?;
            ctx.out.one(&reply, "rider", || views::rider(&reply, ctx.lang))
        }
    }
}

async fn register(ctx: &Context, name: Text<60>, entry: &super::account::Entry) -> Result<(), Failure> {
    super::account::enter(ctx, entry, &name, Role::Rider).await?;
    let reply = match ctx.post("/riders", &NewRider { name }).await {
        Err(failure) if failure.code() == "exists" => ctx.get(&format!("/riders/{}", ctx.rider()?)).await?,
        other => other?,
    };
    ctx.out.one(&reply, "rider", || views::rider(&reply, ctx.lang))?;
    ctx.out.done(ctx.t("라이더로 등록했어요", "You are a rider."));
    ctx.next("rider on --at LAT,LNG");
    Ok(())
}

async fn shift(ctx: &Context, verb: &str, body: &serde_json::Value, said: &str) -> Result<(), Failure> {
    let reply = ctx.put(&format!("/riders/{}/{verb}", ctx.rider()?), body).await?;
    ctx.out.one(&reply, "rider", || views::rider(&reply, ctx.lang))?;
    ctx.out.done(said);
    Ok(())
}

async fn carry(ctx: &Context, order: Option<OrderArg>, verb: &str) -> Result<(), Failure> {
    let order = match (order, verb) {
        (Some(OrderArg::Last), "pick") => newest_near(ctx).await?,
        (Some(OrderArg::Last), _) => newest_carried(ctx).await?,
        (order, "pick") => orders::resolve(ctx, order, Side::Near).await?,
        (order, _) => orders::resolve(ctx, order, Side::Rider).await?,
    };
    let path = format!("/deliveries/{order}");
    let before: Option<DeliveryShown> = orders::before(ctx, &path).await?;
    let reply = ctx.put(&format!("{path}/{verb}"), &json!({})).await?;
    ctx.out.one(&reply, "order", || views::delivery(&reply, ctx.lang))?;
    let shown: DeliveryShown = reply.read()?;
    // A job that another rider had just before is another matter.
    if before.is_some_and(|job| (job.status, job.rider) == (shown.status, shown.rider)) {
        orders::already(ctx, shown.status.label(ctx.lang), &onward(&shown));
        return Ok(());
    }
    let (ko, en, next) = match verb {
        "pick" => ("픽업했어요", "Picked.", format!("rider deliver {order}")),
        "release" => ("다른 라이더에게 넘겼어요", "Given back.", "rider nearby".into()),
        _ => ("배달했어요. 고객의 확인을 기다려요", "Delivered; waiting for the customer's confirmation.", "rider nearby".into()),
    };
    ctx.out.done(ctx.t(ko, en));
    ctx.next(&next);
    Ok(())
}

/// The last job for whoever picks: the newest that waits near and can be picked. When there is none it is what the rider carries,
/// for a pick that comes twice, or else the newest that is still cooked, which the answer will say.
async fn newest_near(ctx: &Context) -> Result<OrderId, Failure> {
    let carried = own(ctx).await?.into_iter().find(|job| job.status == Status::Picked).map(|job| job.order);
    let near: Vec<DeliveryShown> = match ctx.get("/deliveryInfos").await {
        Ok(reply) => reply.list()?,
        // Off shift nothing is near, and what is carried is carried all the same.
        Err(failure) if failure.exit == Exit::Refused && carried.is_some() => vec![],
        Err(failure) => return Err(failure),
    };
    let newest = |ready: bool| near.iter().filter(|job| job.ready == ready).max_by_key(|job| job.ready_ms).map(|job| job.order);
    newest(true).or(carried).or_else(|| newest(false)).ok_or_else(|| {
        let what = ctx.t("지금 픽업할 배달이 없어요", "there is no job to pick now");
        Failure::new(Exit::NotFound, what).hint(ctx.line("rider nearby --watch"))
    })
}

/// The last job for whoever has one: what is carried now, or else what was carried last.
async fn newest_carried(ctx: &Context) -> Result<OrderId, Failure> {
    let own = own(ctx).await?;
    let found = own.iter().find(|job| job.status == Status::Picked).or(own.first()).map(|job| job.order);
    found.ok_or_else(|| {
        let what = ctx.t("아직 픽업한 배달이 없어요", "you have picked no job yet");
        Failure::new(Exit::NotFound, what).hint(ctx.line("rider nearby"))
    })
}

/// The rider's jobs, the last one that was picked first.
async fn own(ctx: &Context) -> Result<Vec<DeliveryShown>, Failure> {
    ctx.get_with("/deliveries", &[("size", "100".into())]).await?.list()
}

/// What a rider does next with a job that stands there.
fn onward(job: &DeliveryShown) -> String {
    match job.status {
        Status::Picked => format!("rider deliver {}", job.order),
        Status::Delivered => "rider jobs".into(),
        _ => "rider nearby".into(),
    }
}

async fn watch(ctx: &Context) -> Result<(), Failure> {
    // Off shift there is nothing to watch; the list says so at once and in the server's words.
    let rider: shared::api::RiderShown = ctx.get(&format!("/riders/{}", ctx.rider()?)).await?.read()?;
    if !rider.on_shift {
        let refusal = shared::Refusal::OffShift {};
        return Err(Failure::new(Exit::Refused, refusal.say(ctx.lang)).hint(refusal.hint(ctx.lang)));
    }
    ctx.on_interrupt(Some(format!("{}: {}\n", ctx.t("다음", "next"), ctx.line("rider pick ORDER"))));
    let title = ctx.t("가까운 배달", "Jobs near").to_owned();
    let board = Board { events: "/deliveries/events", list: "/deliveryInfos", filter: &[], table: views::deliveries, title, bell: false };
    board::show(ctx, &board).await
}
