//! Which order is meant, and how its story is told.

use crate::{Exit, Failure, args, context::Context, parse::OrderArg, prompt, table::padded, times};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::{
    Lang, Millis, OrderId, Role, Won,
    api::{Change, Step},
    order::{Reason, Status},
};

/// Pages that are searched for the beginning of an id; an older order is named in full.
const MAX_PAGES: u64 = 5;
/// Orders on such a page.
const PAGE: u64 = 100;
/// The widest label, in columns of a terminal.
const LABEL: usize = 22;

/// Whose orders are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Of the customer.
    Customer,
    /// Of the store.
    Owner,
    /// Of the rider, and those that wait near.
    Rider,
    /// Those that wait near a rider, before the rider's own.
    Near,
    /// Of whatever the account is.
    Any,
}

impl Side {
    fn lists(self, roles: &[Role]) -> Vec<(&'static str, Option<(&'static str, &'static str)>)> {
        let mut lists = Vec::new();
        let is = |side: Side, role: Role| self == side || (self == Side::Any && roles.contains(&role));
        if is(Side::Customer, Role::Customer) {
            lists.push(("/orders", Some(("as", "customer"))));
        }
        if is(Side::Owner, Role::Owner) {
            lists.extend([("/foodCookings", Some(("open", "true"))), ("/orders", Some(("as", "owner")))]);
        }
        if is(Side::Rider, Role::Rider) {
            lists.extend([("/deliveries", None), ("/deliveryInfos", None)]);
        }
        if self == Side::Near {
            lists.extend([("/deliveryInfos", None), ("/deliveries", None)]);
        }
        lists
    }
}

/// An order on a list.
#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    order: OrderId,
    at_ms: Millis,
    told: String,
}

/// Finds the order that is meant, or asks when none is named.
pub async fn resolve(ctx: &Context, asked: Option<OrderArg>, side: Side) -> Result<OrderId, Failure> {
    match asked {
        Some(OrderArg::Id(order)) => Ok(order),
        Some(OrderArg::Last) => {
            let newest = candidates(ctx, side, false).await?.into_iter().max_by_key(|c| c.at_ms);
            newest.map(|c| c.order).ok_or_else(|| none_yet(ctx, side))
        }
        Some(OrderArg::Prefix(letters)) => choose(ctx, &letters, &candidates(ctx, side, true).await?),
        None if ctx.can_ask() => {
            let mut all = candidates(ctx, side, false).await?;
            all.sort_by_key(|c| std::cmp::Reverse(c.at_ms));
            if all.is_empty() {
                return Err(Failure::new(Exit::NotFound, ctx.t("고를 주문이 없어요", "there is no order to choose")));
            }
            let told: Vec<String> = all.iter().map(|c| c.told.clone()).collect();
            Ok(all[prompt::select(ctx.t("어느 주문인가요?", "Which order?"), &told)?].order)
        }
        None => Err(unnamed(ctx)),
    }
}

/// Nothing can be called the last order yet: where one comes from.
fn none_yet(ctx: &Context, side: Side) -> Failure {
    let role = match side {
        Side::Customer => Some(Role::Customer),
        Side::Owner => Some(Role::Owner),
        Side::Rider | Side::Near => Some(Role::Rider),
        Side::Any => ctx.roles().first().copied(),
    };
    let (what, next) = match role {
        Some(Role::Operator) => (
            ctx.t("운영자에게는 자기 주문이 없어요. 주문 번호를 써 주세요", "an operator has no orders; name one by its id"),
            "ops saga ORDER",
        ),
        Some(Role::Owner) => (ctx.t("아직 주문이 없어요", "there is no order yet"), "store board --bell"),
        Some(Role::Rider) => (ctx.t("아직 배달이 없어요", "there is no job yet"), "rider nearby --watch"),
        _ => (ctx.t("아직 주문이 없어요", "there is no order yet"), "customer order"),
    };
    Failure::new(Exit::NotFound, what).hint(ctx.line(next))
}

/// No order is named, and nobody can be asked: how one is.
fn unnamed(ctx: &Context) -> Failure {
    let typed = args::path(&std::env::args().collect::<Vec<_>>()).join(" ");
    let why = ctx.t(
        "주문 번호, 앞이나 뒤 4글자 이상, 또는 last로 알려 주세요",
        "an order is named by its id, by 4 or more of its first or last letters, or as last",
    );
    let what = ctx.t("빠진 값이 있어요: ORDER", "something is missing: ORDER");
    Failure::usage(what).why(why).hint(ctx.line(&format!("{typed} last")))
}

/// The one candidate that begins so.
fn choose(ctx: &Context, letters: &str, all: &[Candidate]) -> Result<OrderId, Failure> {
    let found = matching(letters, all);
    match found.as_slice() {
        [] => {
            let what = ctx.t(format!("{letters}(으)로 시작하는 주문이 없어요"), format!("no order of yours begins with {letters}"));
            Err(Failure::new(Exit::NotFound, what)
                .hint(ctx.t("목록에서 확인하거나 번호를 끝까지 써 주세요", "See the list, or write the whole id.")))
        }
        [order] => Ok(*order),
        several => {
            let what = ctx.t(format!("{letters}(으)로 시작하는 주문이 여럿이에요"), format!("several orders begin with {letters}"));
            let names: Vec<String> = several.iter().take(5).map(ToString::to_string).collect();
            Err(Failure::usage(what).why(names.join(", ")).hint(ctx.t("더 길게 써 주세요", "Write more letters.")))
        }
    }
}

/// The orders that begin or end with these letters, each once.
fn matching(letters: &str, all: &[Candidate]) -> Vec<OrderId> {
    let mut found: Vec<OrderId> = all.iter().map(|c| c.order).filter(|o| named(*o, letters)).collect();
    found.sort();
    found.dedup();
    found
}

/// Reads the lists of a side; a list that is not for this account is as good as empty.
async fn candidates(ctx: &Context, side: Side, deep: bool) -> Result<Vec<Candidate>, Failure> {
    let roles = ctx.roles();
    let lists = side.lists(&roles);
    if lists.is_empty() {
        ctx.client.me()?;
    }
    let (mut all, mut refused, mut answered): (Vec<Candidate>, _, _) = (Vec::new(), None, false);
    for (path, filter) in lists {
        for page in 0..if deep { MAX_PAGES } else { 1 } {
            let mut query = vec![("page", page.to_string()), ("size", PAGE.to_string())];
            query.extend(filter.map(|(name, value)| (name, value.to_owned())));
            match ctx.get_with(path, &query).await {
                Ok(reply) => {
                    answered = true;
                    all.extend(reply.items().iter().filter_map(|item| candidate(item, ctx.lang)));
                    if page + 1 >= reply.pages() {
                        break;
                    }
                }
                Err(failure) if matches!(failure.exit, Exit::Denied | Exit::NotFound | Exit::Refused) => {
                    refused = Some(failure);
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        // Tickets that are open come before all orders of a store: enough for `last` and for a picker.
        if !deep && !all.is_empty() {
            break;
        }
    }
    match refused {
        Some(failure) if !answered => Err(failure),
        _ => Ok(all),
    }
}

fn candidate(item: &Value, lang: Lang) -> Option<Candidate> {
    let order = OrderId::parse(item.get("order")?.as_str()?)?;
    let time = ["/timeline/0/at_ms", "/opened_ms", "/placed_ms", "/ready_ms"].iter().find_map(|path| item.pointer(path)?.as_i64());
    let name = item.get("store_name").and_then(Value::as_str).unwrap_or_default();
    let status = item.get("status").and_then(Value::as_str).unwrap_or_default();
    let of_ticket = |name: &str| serde_json::from_value::<shared::ticket::Status>(name.into()).map(|s| s.label(lang)).ok();
    let of_order = serde_json::from_value::<Status>(status.into()).map(|s| s.label(lang)).ok();
    let status = of_order.or_else(|| of_ticket(status)).unwrap_or(status).to_owned();
    let at_ms = time.unwrap_or(0);
    Some(Candidate { order, at_ms, told: format!("{order}  {}  {status}  {name}", times::minute(at_ms)) })
}

/// How a thing stands before it is moved, which tells afterwards whether it was: a command that comes again changes nothing, and
/// is no failure. `None` when it cannot be seen; why, the move itself is told.
///
/// # Errors
/// The server does not answer.
pub async fn before<T: DeserializeOwned>(ctx: &Context, path: &str) -> Result<Option<T>, Failure> {
    match ctx.get(path).await {
        Ok(reply) => reply.read().map(Some),
        Err(failure) if matches!(failure.exit, Exit::NotFound | Exit::Denied) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Says that a command had its effect before: where the thing stands now, and what to type from there.
pub fn already(ctx: &Context, state: &str, next: &str) {
    let what = ctx.t(format!("이미 그렇게 되어 있어요 (상태: {state})"), format!("It is so already: {state}."));
    ctx.out.note(&what);
    ctx.next(next);
}

/// What its customer types about an order that stands there.
pub fn onward(order: OrderId, status: Status) -> String {
    match status {
        Status::PendingPayment => format!("customer pay {order}"),
        Status::Delivered => format!("customer confirm {order}"),
        Status::Completed => format!("customer review {order} --stars 5 --text '..'"),
        Status::Cancelled | Status::Rejected => format!("customer pay-status {order}"),
        Status::PaymentFailed => format!("customer reorder {order}"),
        _ => format!("status watch {order}"),
    }
}

/// A step as it is told, from a live stream or from a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// When.
    pub at_ms: Millis,
    /// What happened.
    pub label: String,
    /// Why, how much, until when.
    pub details: Vec<String>,
}

impl Told {
    /// One line.
    pub fn line(&self) -> String {
        let line = format!("{}  {}  {}", times::clock(self.at_ms), padded(&self.label, LABEL), self.details.join("  "));
        line.trim_end().to_owned()
    }
}

/// Where a change leaves the order; `None` when it stays where it was.
pub fn status_of(change: &Change) -> Option<Status> {
    serde_json::from_value(change.status.clone()?.into()).ok()
}

/// Tells a change.
pub fn tell_change(change: &Change, lang: Lang) -> Told {
    let ticket = || serde_json::from_value::<shared::ticket::Status>(change.status.clone()?.into()).ok().map(|s| s.label(lang));
    let delivery = || serde_json::from_value::<shared::delivery::Status>(change.status.clone()?.into()).ok().map(|s| s.label(lang));
    let label = match change.of {
        shared::Kind::Ticket => ticket(),
        shared::Kind::Delivery => delivery(),
        _ => status_of(change).map(|s| s.label(lang)),
    };
    let details = (change.reason.as_ref(), change.amount, change.eta_ms);
    tell(&change.event, label, change.at_ms, details, lang)
}

/// Tells a step of a timeline.
pub fn tell_step(step: &Step, lang: Lang) -> Told {
    tell(&step.event, Some(step.status.label(lang)), step.at_ms, (step.reason.as_ref(), step.amount, step.eta_ms), lang)
}

fn tell(
    event: &str,
    status: Option<&str>,
    at_ms: Millis,
    (reason, amount, eta_ms): (Option<&Reason>, Option<Won>, Option<Millis>),
    lang: Lang,
) -> Told {
    let event: String = event.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let own = match event.as_str() {
        "delayed" => Some(lang.pick("조리 지연", "Delayed")),
        "released" => Some(lang.pick("라이더를 다시 찾는 중", "Seeking another rider")),
        "cancelrefused" => Some(lang.pick("취소할 수 없어요", "Cancel refused")),
        "changed" => Some(lang.pick("주문이 바뀌었어요", "Order changed")),
        "changerefused" => Some(lang.pick("변경할 수 없어요", "Change refused")),
        "offermade" => Some(lang.pick("품절 메뉴 빼기 제안", "Offer to leave out")),
        "offeraccepted" => Some(lang.pick("제안을 받아들였어요", "Offer accepted")),
        "offerdeclined" => Some(lang.pick("제안을 거절했어요", "Offer declined")),
        "overdue" => Some(lang.pick("조리 시간 초과", "Overdue")),
        "ready" => Some(lang.pick("픽업 가능", "Ready to pick")),
        "widened" => Some(lang.pick("더 멀리 알림", "Offered wider")),
        _ => None,
    };
    let label = own.or(status).map_or_else(|| event.clone(), str::to_owned);
    let mut details = Vec::new();
    if let (Some(_), Some(status)) = (own, status) {
        details.push(status.to_owned());
    }
    details.extend(reason.map(|r| r.say(lang)));
    details.extend(amount.filter(|a| *a != Won::ZERO).map(|amount| money(&event, amount, lang)));
    details.extend(eta_ms.map(|eta| lang.pick(format!("도착 예상 {}", times::minute(eta)), format!("expected {}", times::minute(eta)))));
    Told { at_ms, label, details }
}

/// What an amount of an event means.
fn money(event: &str, amount: Won, lang: Lang) -> String {
    match event {
        "cancelled" | "rejected" | "offermade" => lang.pick(format!("환불 {amount}원"), format!("refund {amount} won")),
        "changed" if amount < Won::ZERO => {
            let back = Won::ZERO - amount;
            lang.pick(format!("환불 {back}원"), format!("refund {back} won"))
        }
        "changed" => lang.pick(format!("추가 결제 {amount}원"), format!("charged {amount} won more")),
        _ => lang.pick(format!("{amount}원"), format!("{amount} won")),
    }
}

/// How far an order has come towards its completion; `None` off that way.
fn rank(status: Status) -> Option<u8> {
    use Status::*;
    Some(match status {
        PendingPayment => 0,
        Placed => 1,
        Accepted => 2,
        Cooking => 3,
        Cooked => 4,
        Picked => 5,
        Delivered => 6,
        Completed => 7,
        CancelRequested | ChangeRequested | Rejected | Cancelled | PaymentFailed => return None,
    })
}

/// True when a status is the target, or comes after it on the way.
pub fn reaches(status: Status, target: Status) -> bool {
    status == target || matches!((rank(status), rank(target)), (Some(now), Some(goal)) if now >= goal)
}

/// True when the letters begin or end this id. Ids begin with their time, so the last letters tell neighbours apart.
fn named(order: OrderId, letters: &str) -> bool {
    let id = order.0.to_string();
    id.ends_with(letters) || id.starts_with(letters)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;

    #[test]
    fn a_later_status_reaches_an_earlier_target() {
        assert!(reaches(Status::Completed, Status::Delivered));
        assert!(reaches(Status::Cancelled, Status::Cancelled));
        assert!(!reaches(Status::Cancelled, Status::Accepted));
        assert!(!reaches(Status::Cooked, Status::Picked));
        assert!(!reaches(Status::ChangeRequested, Status::Placed));
    }

    fn change(event: &str, status: Option<&str>) -> Change {
        Change {
            of: shared::Kind::Order,
            order: OrderId::parse("ord_0123456789abcdef").unwrap(),
            version: 1,
            event: event.into(),
            status: status.map(str::to_owned),
            at_ms: 0,
            reason: None,
            eta_ms: None,
            amount: None,
            rider: None,
        }
    }

    #[test]
    fn a_change_is_one_line_in_both_languages() {
        let cancelled = Change {
            amount: Some(Won(41_000)),
            reason: Some(Reason::SoldOut(shared::Text::new("콜라").unwrap())),
            ..change("cancelled", Some("cancelled"))
        };
        assert_eq!(tell_change(&cancelled, Lang::Ko).line(), "09:00:00  주문취소                품절: 콜라  환불 41,000원");
        assert_eq!(tell_change(&cancelled, Lang::En).line(), "09:00:00  Cancelled               sold out: 콜라  refund 41,000 won");
        let delayed = Change { eta_ms: Some(600_000), ..change("delayed", None) };
        assert_eq!(tell_change(&delayed, Lang::Ko).line(), "09:00:00  조리 지연               도착 예상 09:10");
        let changed = Change { amount: Some(Won(-1000)), ..change("changed", Some("placed")) };
        assert_eq!(tell_change(&changed, Lang::En).line(), "09:00:00  Order changed           Waiting for the store  refund 1,000 won");
        let offer = Change { amount: Some(Won(2000)), ..change("offer_made", None) };
        assert_eq!(tell_change(&offer, Lang::Ko).line(), "09:00:00  품절 메뉴 빼기 제안     환불 2,000원");
    }

    #[test]
    fn the_beginning_of_an_id_must_mean_one_order() {
        let all: Vec<Candidate> = ["ord_0123456789abcdef", "ord_0123456789abcdeg", "ord_zzzz456789abcdef", "ord_zzzz456789abcdef"]
            .iter()
            .map(|id| Candidate { order: OrderId::parse(id).unwrap(), at_ms: 0, told: String::new() })
            .collect();
        assert_eq!(matching("zzzz", &all).len(), 1);
        assert_eq!(matching("0123", &all).len(), 2);
        assert_eq!(matching("0123456789abcdef", &all).len(), 1);
        assert!(matching("1111", &all).is_empty());
    }
}
