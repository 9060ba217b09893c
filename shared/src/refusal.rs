//! A rule's no: expected, typed, and said with what to do next.

use crate::{Lang, RiderId, Text, Won, order, ticket};
use serde::Serialize;

/// Why a rule refuses. The code is for machines; the sentences are for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Refusal {
    /// There is no such thing, or it is not the caller's: the two look the same on purpose.
    NotFound {},
    /// It exists already, and is another.
    Exists {},
    /// The order is past the point where this could be done.
    TooLate { status: order::Status },
    /// The order is not yet at the point where this can be done.
    TooEarly { status: order::Status },
    /// A cancel or a change waits for its answer; another cannot begin.
    Locked { status: order::Status },
    /// The store takes no orders now.
    StoreClosed {},
    /// There is none left.
    SoldOut { item: Text<60> },
    /// The menu has no such dish.
    UnknownDish { item: Text<60> },
    /// The dish has no such option.
    UnknownChoice { choice: Text<60> },
    /// The dishes are worth less than the store brings.
    BelowMinimum { minimum: Won },
    /// The order is worth more than can be paid at once.
    TooExpensive { maximum: Won },
    /// The order has no such dish.
    NotOrdered { item: Text<60> },
    /// No dish would be left that costs anything.
    NothingLeft {},
    /// The customer has not answered an earlier offer.
    OfferOpen {},
    /// The store offers nothing, or not any more.
    NoOffer {},
    /// The ticket does not stand where this can be done.
    TicketStands { status: ticket::Status },
    /// The customer asked for a change that is not settled yet.
    ChangePending {},
    /// The food is not ready to be picked.
    NotCooked {},
    /// Another rider has it.
    TakenBy { rider: RiderId },
    /// The delivery is over.
    DeliveryOver {},
    /// The rider is not on shift.
    OffShift {},
    /// The rider carries as much as one may.
    TooManyJobs { maximum: u32 },
    /// A rider with deliveries cannot go home.
    StillCarrying { jobs: u32 },
    /// The order was not delivered yet.
    NotDelivered {},
    /// One order, one review.
    AlreadyReviewed {},
    /// There is nothing to reply to.
    NotReviewed {},
    /// There are as many of these as there may be.
    TooMany { maximum: u32 },
    /// It is paid already.
    AlreadyPaid {},
    /// The payment is over: nothing is due, and nothing will be.
    NothingDue {},
}

impl Refusal {
    /// The word for machines, which never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotFound {} => "not_found",
            Refusal::Exists {} => "exists",
            Refusal::TooLate { .. } => "too_late",
            Refusal::TooEarly { .. } => "too_early",
            Refusal::Locked { .. } => "locked",
            Refusal::StoreClosed {} => "store_closed",
            Refusal::SoldOut { .. } => "sold_out",
            Refusal::UnknownDish { .. } => "unknown_dish",
            Refusal::UnknownChoice { .. } => "unknown_choice",
            Refusal::BelowMinimum { .. } => "below_minimum",
            Refusal::TooExpensive { .. } => "too_expensive",
            Refusal::NotOrdered { .. } => "not_ordered",
            Refusal::NothingLeft {} => "nothing_left",
            Refusal::OfferOpen {} => "offer_open",
            Refusal::NoOffer {} => "no_offer",
            Refusal::TicketStands { .. } => "ticket_stands",
            Refusal::ChangePending {} => "change_pending",
            Refusal::NotCooked {} => "not_cooked",
            Refusal::TakenBy { .. } => "taken",
            Refusal::DeliveryOver {} => "delivery_over",
            Refusal::OffShift {} => "off_shift",
            Refusal::TooManyJobs { .. } => "too_many_jobs",
            Refusal::StillCarrying { .. } => "still_carrying",
            Refusal::NotDelivered {} => "not_delivered",
            Refusal::AlreadyReviewed {} => "already_reviewed",
            Refusal::NotReviewed {} => "not_reviewed",
            Refusal::TooMany { .. } => "too_many",
            Refusal::AlreadyPaid {} => "already_paid",
            Refusal::NothingDue {} => "nothing_due",
        }
    }

    /// What happened, as a sentence.
    pub fn say(&self, lang: Lang) -> String {
        match self {
            Refusal::NotFound {} => lang.pick("찾을 수 없어요", "There is no such thing here.").into(),
            Refusal::Exists {} => lang.pick("이미 있어요", "It exists already.").into(),
            Refusal::TooLate { status } => lang.pick(
                format!("지금은 할 수 없어요 (상태: {})", status.label(lang)),
                format!("It is too late for that: {}.", status.label(lang)),
            ),
            Refusal::TooEarly { status } => lang.pick(
                format!("아직 할 수 없어요 (상태: {})", status.label(lang)),
                format!("It is too early for that: {}.", status.label(lang)),
            ),
            Refusal::Locked { status } => lang.pick(
                format!("먼저 한 요청의 답을 기다리는 중이에요 ({})", status.label(lang)),
                format!("An earlier request waits for its answer: {}.", status.label(lang)),
            ),
            Refusal::StoreClosed {} => lang.pick("지금은 주문을 받지 않는 가게예요", "The store takes no orders now.").into(),
            Refusal::SoldOut { item } => lang.pick(format!("품절된 메뉴예요: {item}"), format!("Sold out: {item}.")),
            Refusal::UnknownDish { item } => lang.pick(format!("메뉴에 없어요: {item}"), format!("Not on the menu: {item}.")),
            Refusal::UnknownChoice { choice } => {
                lang.pick(format!("메뉴에 없는 옵션이에요: {choice}"), format!("Not an option of this dish: {choice}."))
            }
            Refusal::BelowMinimum { minimum } => {
                lang.pick(format!("최소 주문 금액은 {minimum}원이에요"), format!("The smallest order is {minimum} won."))
            }
            Refusal::TooExpensive { maximum } => {
                lang.pick(format!("한 번에 {maximum}원까지 주문할 수 있어요"), format!("One order may cost {maximum} won at most."))
            }
            Refusal::NotOrdered { item } => lang.pick(format!("주문에 없는 메뉴예요: {item}"), format!("Not in this order: {item}.")),
            Refusal::NothingLeft {} => lang.pick("빼고 나면 남는 메뉴가 없어요", "Nothing would be left of the order.").into(),
            Refusal::OfferOpen {} => {
                lang.pick("먼저 한 제안에 고객이 아직 답하지 않았어요", "The customer has not answered an earlier offer.").into()
            }
            Refusal::NoOffer {} => lang.pick("지금은 답할 제안이 없어요", "There is no offer to answer now.").into(),
            Refusal::TicketStands { status } => lang.pick(
                format!("지금은 할 수 없어요 (주문전표: {})", status.label(lang)),
                format!("The ticket does not allow that: {}.", status.label(lang)),
            ),
            Refusal::ChangePending {} => {
                lang.pick("고객의 변경 요청을 처리하는 중이에요", "A change by the customer is being settled.").into()
            }
            Refusal::NotCooked {} => lang.pick("아직 조리가 끝나지 않았어요", "The food is not cooked yet.").into(),
            Refusal::TakenBy { rider } => {
                lang.pick(format!("다른 라이더({rider})가 먼저 가져갔어요"), format!("Another rider ({rider}) has it."))
            }
            Refusal::DeliveryOver {} => lang.pick("이미 끝난 배달이에요", "That delivery is over.").into(),
            Refusal::OffShift {} => lang.pick("근무 중이 아니에요", "You are not on shift.").into(),
            Refusal::TooManyJobs { maximum } => {
                lang.pick(format!("한 번에 {maximum}건까지 배달할 수 있어요"), format!("One rider carries {maximum} deliveries at most."))
            }
            Refusal::StillCarrying { jobs } => {
                lang.pick(format!("배달 {jobs}건을 먼저 끝내 주세요"), format!("{jobs} deliveries are still with you."))
            }
            Refusal::NotDelivered {} => lang.pick("아직 배달되지 않았어요", "It was not delivered yet.").into(),
            Refusal::AlreadyReviewed {} => lang.pick("이미 리뷰를 쓴 주문이에요", "This order has its review.").into(),
            Refusal::NotReviewed {} => lang.pick("아직 리뷰가 없어요", "There is no review yet.").into(),
            Refusal::TooMany { maximum } => lang.pick(format!("{maximum}개까지 가능해요"), format!("There may be {maximum} at most.")),
            Refusal::AlreadyPaid {} => lang.pick("이미 결제한 주문이에요", "This order is paid.").into(),
            Refusal::NothingDue {} => {
                lang.pick("이미 끝난 주문이라 결제할 것이 없어요", "The order has ended; there is nothing to pay.").into()
            }
        }
    }

    /// What to do next.
    pub fn hint(&self, lang: Lang) -> &'static str {
        let (ko, en) = match self {
            Refusal::NotFound {} => ("번호를 확인해 주세요", "Check the id; a list shows what is yours."),
            Refusal::Exists {} => ("이미 있는 것을 조회해 주세요", "Read what is there."),
            Refusal::TooLate { .. } | Refusal::TooEarly { .. } | Refusal::Locked { .. } | Refusal::NoOffer {} => {
                ("상태를 확인해 주세요: baemin status show ORDER", "See where it stands: baemin status show ORDER")
            }
            Refusal::StoreClosed {} => {
                ("다른 가게를 찾아보세요: baemin customer stores --open", "Look for another: baemin customer stores --open")
            }
            Refusal::SoldOut { .. } | Refusal::UnknownDish { .. } | Refusal::UnknownChoice { .. } => {
                ("메뉴를 확인해 주세요: baemin customer menu STORE", "See the menu: baemin customer menu STORE")
            }
            Refusal::BelowMinimum { .. } => ("메뉴를 더 담아 주세요", "Add a dish."),
            Refusal::TooExpensive { .. } => ("나누어 주문해 주세요", "Split the order."),
            Refusal::NothingLeft {} => (
                "주문을 거절해 주세요: baemin store reject ORDER --reason '..'",
                "Reject the order instead: baemin store reject ORDER --reason '..'",
            ),
            Refusal::OfferOpen {} => ("답을 기다려 주세요: baemin status watch ORDER", "Wait for the answer: baemin status watch ORDER"),
            Refusal::TicketStands { .. } | Refusal::NotOrdered { .. } => {
                ("주문전표를 확인해 주세요: baemin store tickets", "See the tickets: baemin store tickets")
            }
            Refusal::ChangePending {} => ("잠시 뒤에 다시 해 주세요", "Try again in a moment."),
            Refusal::NotCooked {} => ("조리가 끝나면 알려 드려요: baemin rider nearby", "Watch the list: baemin rider nearby"),
            Refusal::TakenBy { .. } | Refusal::DeliveryOver {} => {
                ("다른 배달을 찾아보세요: baemin rider nearby", "Look for another: baemin rider nearby")
            }
            Refusal::OffShift {} => ("근무를 시작해 주세요: baemin rider on --at LAT,LNG", "Go on shift: baemin rider on --at LAT,LNG"),
            Refusal::TooManyJobs { .. } | Refusal::StillCarrying { .. } => {
                ("진행 중인 배달: baemin rider jobs", "Deliver first: baemin rider jobs")
            }
            Refusal::NotDelivered {} => ("배달을 기다려 주세요: baemin status watch ORDER", "Wait for it: baemin status watch ORDER"),
            Refusal::AlreadyReviewed {} | Refusal::NotReviewed {} => ("리뷰를 확인해 주세요", "See the reviews."),
            Refusal::TooMany { .. } => ("먼저 줄여 주세요", "Remove one first."),
            Refusal::AlreadyPaid {} => {
                ("결제를 확인해 주세요: baemin customer pay-status ORDER", "See the payment: baemin customer pay-status ORDER")
            }
            Refusal::NothingDue {} => {
                ("다시 주문할 수 있어요: baemin customer reorder ORDER", "Order the same again: baemin customer reorder ORDER")
            }
        };
        lang.pick(ko, en)
    }

    /// The HTTP status: 404 for what is not there, 422 for what can never work so, 409 for what does not work now.
    pub fn http_status(&self) -> u16 {
        match self {
            Refusal::NotFound {} => 404,
            Refusal::UnknownDish { .. }
            | Refusal::UnknownChoice { .. }
            | Refusal::BelowMinimum { .. }
            | Refusal::TooExpensive { .. }
            | Refusal::NotOrdered { .. }
            | Refusal::NothingLeft {}
            | Refusal::TooMany { .. } => 422,
            _ => 409,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.say(Lang::En))
    }
}

impl std::error::Error for Refusal {}
