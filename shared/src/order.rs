//! The order: what a customer asks for, and where it stands.

use crate::{
    AccountId, Cell, Count, CustomerId, Lang, Millis, Minutes, OrderId, Point, RiderId, Role, Sealed, Sender, StoreId, Text, Won,
    api::NewOrder,
};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A dish by name, with the options chosen, as the customer asks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The dish, as the menu names it.
    pub item: Text<60>,
    /// How many.
    pub quantity: Count<1, 99>,
    /// Options of this dish, as the menu names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Text<60>>,
}

/// A dish with its price, as the server found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Line {
    /// The dish.
    pub item: Text<60>,
    /// How many.
    pub quantity: Count<1, 99>,
    /// The options chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Text<60>>,
    /// The price of one, options included.
    pub each: Won,
}

/// All that is ordered, priced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Basket {
    /// The dishes.
    pub lines: Vec<Line>,
    /// The delivery fee.
    pub delivery_fee: Won,
    /// Dishes and fee together.
    pub total: Won,
}

/// How the customer pays. The built-in simulated provider answers as the means says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A card that is approved.
    #[default]
    Card,
    /// A card that is declined.
    DeclinedCard,
    /// A card that pays, but declines every further charge.
    OnceCard,
    /// A card that is approved after a while.
    SlowCard,
}

/// What the store must know of the order itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct About {
    /// The order.
    pub order: OrderId,
    /// Who ordered.
    pub customer: CustomerId,
    /// Who cooks.
    pub store: StoreId,
    /// Whose store it is.
    pub owner: AccountId,
    /// The store's name at the time.
    pub store_name: Text<60>,
    /// Where the store is, roughly: who is near hears of the delivery.
    pub cell: Cell,
}

/// What the rider must know of the way. The exact door stays sealed until the pick-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Drop {
    /// Phone and full address.
    pub contact: Sealed,
    /// Where it goes, roughly: rounded to a hundredth of a degree, about a kilometre.
    pub area: Point,
    /// Where the store is.
    pub store_at: Point,
    /// A note for the rider.
    pub note: Option<Text<200>>,
    /// What the delivery pays.
    pub fee: Won,
}

/// Where an order stands, in the order in which it gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not paid yet.
    PendingPayment,
    /// Paid; the store has not answered.
    Placed,
    /// The customer asked to cancel; the store has the last word.
    CancelRequested,
    /// The customer asked for other dishes; the store and the payment have the last word.
    ChangeRequested,
    /// The store will cook.
    Accepted,
    /// On the stove.
    Cooking,
    /// Ready to be picked.
    Cooked,
    /// With the rider.
    Picked,
    /// At the door.
    Delivered,
    /// The customer has confirmed, or a day has passed.
    Completed,
    /// The store said no.
    Rejected,
    /// Called off.
    Cancelled,
    /// The payment was declined.
    PaymentFailed,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 13] = {
        use Status::*;
        [
            PendingPayment,
            Placed,
            CancelRequested,
            ChangeRequested,
            Accepted,
            Cooking,
            Cooked,
            Picked,
            Delivered,
            Completed,
            Rejected,
            Cancelled,
            PaymentFailed,
        ]
    };

    /// What people read.
    pub fn label(self, lang: Lang) -> &'static str {
        let (ko, en) = match self {
            Status::PendingPayment => ("결제대기", "Payment pending"),
            Status::Placed => ("접수대기", "Waiting for the store"),
            Status::CancelRequested => ("취소요청", "Cancel requested"),
            Status::ChangeRequested => ("변경요청", "Change requested"),
            Status::Accepted => ("주문승인", "Accepted"),
            Status::Cooking => ("조리중", "Cooking"),
            Status::Cooked => ("조리완료", "Cooked"),
            Status::Picked => ("배달중", "On the way"),
            Status::Delivered => ("배달완료", "Delivered"),
            Status::Completed => ("거래완료", "Completed"),
            Status::Rejected => ("주문거절", "Rejected"),
            Status::Cancelled => ("주문취소", "Cancelled"),
            Status::PaymentFailed => ("결제실패", "Payment failed"),
        };
        lang.pick(ko, en)
    }

    /// The word in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Status::PendingPayment => "pending_payment",
            Status::Placed => "placed",
            Status::CancelRequested => "cancel_requested",
            Status::ChangeRequested => "change_requested",
            Status::Accepted => "accepted",
            Status::Cooking => "cooking",
            Status::Cooked => "cooked",
            Status::Picked => "picked",
            Status::Delivered => "delivered",
            Status::Completed => "completed",
            Status::Rejected => "rejected",
            Status::Cancelled => "cancelled",
            Status::PaymentFailed => "payment_failed",
        }
    }

    /// True when nothing can follow.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Completed | Status::Rejected | Status::Cancelled | Status::PaymentFailed)
    }
}

/// Why an order ended before its time. A closed list in both languages, or somebody's own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Somebody's own words.
    Said(Text<200>),
    /// The customer gave no reason.
    Unsaid,
    /// Cooking has started.
    AlreadyCooking,
    /// The store has as many open tickets as it takes.
    OverCapacity,
    /// The store closed or paused meanwhile.
    StoreClosed,
    /// A dish sold out meanwhile.
    SoldOut(Text<60>),
    /// The store did not answer in time.
    NoAnswer,
    /// The store did not cook in time.
    NotCooked,
    /// No rider was found in time.
    NoRider,
    /// The rider did not arrive in time.
    NotDelivered,
    /// The payment did not come in time.
    NotPaid,
    /// The card company declined.
    Declined,
}

impl Reason {
    /// What people read.
    pub fn say(&self, lang: Lang) -> String {
        match self {
            Reason::Said(words) => words.to_string(),
            Reason::Unsaid => lang.pick("고객 요청", "the customer wished so").into(),
            Reason::AlreadyCooking => lang.pick("이미 조리를 시작했어요", "cooking has started").into(),
            Reason::OverCapacity => lang.pick("주문이 많아 더 받을 수 없어요", "the store has as many orders as it can take").into(),
            Reason::StoreClosed => lang.pick("가게가 영업을 마쳤어요", "the store is closed").into(),
            Reason::SoldOut(item) => lang.pick(format!("품절: {item}"), format!("sold out: {item}")),
            Reason::NoAnswer => lang.pick("가게가 제때 응답하지 않았어요", "the store did not answer in time").into(),
            Reason::NotCooked => lang.pick("제때 조리되지 않았어요", "the food was not cooked in time").into(),
            Reason::NoRider => lang.pick("라이더를 찾지 못했어요", "no rider was found").into(),
            Reason::NotDelivered => lang.pick("제때 배달되지 않았어요", "the food did not arrive in time").into(),
            Reason::NotPaid => lang.pick("결제 시간이 지났어요", "the payment did not come in time").into(),
            Reason::Declined => lang.pick("결제가 거절되었어요", "the payment was declined").into(),
        }
    }
}

/// What may be asked of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Take the order; the edge has priced it from the server's own menu.
    Place { about: About, basket: Basket, drop: Drop, note: Option<Text<200>>, means: Means, thanks: Option<Text<200>> },
    /// Call it off, before cooking starts.
    Cancel {
        #[serde(default)]
        reason: Option<Text<200>>,
    },
    /// Take other dishes, before cooking starts; the edge has priced them.
    Change { basket: Basket },
    /// The store offers to leave out dishes that are sold out, and to give back what they cost.
    Offer {
        #[serde(deserialize_with = "some_names")]
        #[schemars(length(min = 1, max = 30))]
        without: Vec<Text<60>>,
    },
    /// The customer takes what is left.
    AcceptOffer {},
    /// The customer wants all or nothing.
    DeclineOffer {},
    /// The food has arrived.
    Confirm {},
    /// The money is there.
    ConfirmPaid {},
    /// The money will not come.
    FailPayment { reason: Reason },
    /// The payment's deadline.
    Expire {},
    /// The store will cook.
    ConfirmAccepted { cook_minutes: Minutes },
    /// The store announced a delay.
    ConfirmDelayed { minutes: Minutes },
    /// The store, or its deadline, said no.
    ConfirmRejected { reason: Reason },
    /// Cooking started.
    ConfirmStarted {},
    /// Cooking finished.
    ConfirmCooked {},
    /// The store took the ticket back; or a deadline after the pivot passed.
    ConfirmWithdrawn { reason: Reason },
    /// The store is cooking already.
    RefuseCancel {},
    /// Store and payment have taken the change.
    ConfirmChanged {},
    /// The store or the payment has not taken the change.
    RefuseChange { reason: Reason },
    /// A rider has the food.
    ConfirmPicked { rider: RiderId },
    /// A rider gave the job back.
    ConfirmReleased { rider: RiderId },
    /// The rider was at the door.
    ConfirmDelivered {},
    /// The deadline of the customer's confirmation.
    Close {},
}

impl Command {
    /// Who may send each.
    pub fn sender(&self) -> Sender {
        match self {
            Command::Place { .. } | Command::Cancel { .. } | Command::Change { .. } | Command::Confirm {} => Sender::Person(Role::Customer),
            Command::AcceptOffer {} | Command::DeclineOffer {} => Sender::Person(Role::Customer),
            Command::Offer { .. } => Sender::Person(Role::Owner),
            _ => Sender::System,
        }
    }
}

/// Names of dishes, as many as an order can have and at least one: an offer to leave out nothing is none.
fn some_names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Text<60>>, D::Error> {
    let names = Vec::deserialize(from)?;
    let most = NewOrder::MAX_ITEMS;
    if (1..=most).contains(&names.len()) { Ok(names) } else { Err(de::Error::custom(format!("1 to {most} dishes are wanted"))) }
}

/// What can happen to an order. Every event changes what people see, so every event is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Taken, not paid.
    Placed { about: About, basket: Basket, drop: Drop, note: Option<Text<200>>, means: Means, thanks: Option<Text<200>>, at_ms: Millis },
    /// Paid: the store may see it.
    Paid { about: About, basket: Basket, note: Option<Text<200>>, at_ms: Millis },
    /// Ended: not paid.
    PaymentFailed { about: About, reason: Reason, at_ms: Millis },
    /// The store will cook. The delivery is told the way. `status` is where the order stands now: a cancel or a change
    /// that waits for its answer, or a later fact that came first, stays in sight.
    Accepted { about: About, drop: Drop, cook_minutes: Minutes, status: Status, eta_ms: Millis, at_ms: Millis },
    /// Later than announced.
    Delayed { about: About, minutes: Minutes, eta_ms: Millis, at_ms: Millis },
    /// Ended: the store said no.
    Rejected { about: About, reason: Reason, refund: Won, at_ms: Millis },
    /// Cooking.
    Started { about: About, at_ms: Millis },
    /// Cooked.
    Cooked { about: About, at_ms: Millis },
    /// With the rider.
    Picked { about: About, rider: RiderId, at_ms: Millis },
    /// The rider gave the job back; another one is sought.
    Released { about: About, at_ms: Millis },
    /// At the door.
    Delivered { about: About, rider: Option<RiderId>, at_ms: Millis },
    /// Ended well.
    Completed { about: About, total: Won, thanks: Option<Text<200>>, at_ms: Millis },
    /// The customer asked to cancel.
    CancelRequested { about: About, reason: Reason, at_ms: Millis },
    /// Too late to cancel.
    CancelRefused { about: About, status: Status, at_ms: Millis },
    /// Ended: called off.
    Cancelled { about: About, reason: Reason, refund: Won, at_ms: Millis },
    /// The customer asked for other dishes.
    ChangeRequested { about: About, basket: Basket, at_ms: Millis },
    /// Other dishes, and the difference is paid or given back; with the time at which they were asked for.
    Changed {
        about: About,
        basket: Basket,
        difference: Won,
        status: Status,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_ms: Option<Millis>,
        at_ms: Millis,
    },
    /// The dishes stay as they were; with the time at which others were asked for.
    ChangeRefused {
        about: About,
        reason: Reason,
        status: Status,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_ms: Option<Millis>,
        at_ms: Millis,
    },
    /// The store would leave out these dishes: the basket is what is left, the refund what would go back. The order stays
    /// where it is.
    OfferMade { about: About, basket: Basket, without: Vec<Text<60>>, refund: Won, at_ms: Millis },
    /// The customer takes what is left: a change like any other from here on.
    OfferAccepted { about: About, basket: Basket, at_ms: Millis },
    /// The customer does not; the order is as it was.
    OfferDeclined { about: About, at_ms: Millis },
}

impl Event {
    /// Whose order it is.
    pub fn about(&self) -> &About {
        use Event::*;
        match self {
            Placed { about, .. }
            | Paid { about, .. }
            | PaymentFailed { about, .. }
            | Accepted { about, .. }
            | Delayed { about, .. }
            | Rejected { about, .. }
            | Started { about, .. }
            | Cooked { about, .. }
            | Picked { about, .. }
            | Released { about, .. }
            | Delivered { about, .. }
            | Completed { about, .. }
            | CancelRequested { about, .. }
            | CancelRefused { about, .. }
            | Cancelled { about, .. }
            | ChangeRequested { about, .. }
            | Changed { about, .. }
            | ChangeRefused { about, .. }
            | OfferMade { about, .. }
            | OfferAccepted { about, .. }
            | OfferDeclined { about, .. } => about,
        }
    }

    /// When it happened.
    pub fn at_ms(&self) -> Millis {
        use Event::*;
        match self {
            Placed { at_ms, .. }
            | Paid { at_ms, .. }
            | PaymentFailed { at_ms, .. }
            | Accepted { at_ms, .. }
            | Delayed { at_ms, .. }
            | Rejected { at_ms, .. }
            | Started { at_ms, .. }
            | Cooked { at_ms, .. }
            | Picked { at_ms, .. }
            | Released { at_ms, .. }
            | Delivered { at_ms, .. }
            | Completed { at_ms, .. }
            | CancelRequested { at_ms, .. }
            | CancelRefused { at_ms, .. }
            | Cancelled { at_ms, .. }
            | ChangeRequested { at_ms, .. }
            | Changed { at_ms, .. }
            | ChangeRefused { at_ms, .. }
            | OfferMade { at_ms, .. }
            | OfferAccepted { at_ms, .. }
            | OfferDeclined { at_ms, .. } => *at_ms,
        }
    }

    /// Where the order stands after it; `None` when it stays where it was.
    pub fn status(&self) -> Option<Status> {
        match self {
            Event::Placed { .. } => Some(Status::PendingPayment),
            Event::Paid { .. } => Some(Status::Placed),
            Event::PaymentFailed { .. } => Some(Status::PaymentFailed),
            Event::Delayed { .. } => None,
            Event::Rejected { .. } => Some(Status::Rejected),
            Event::Started { .. } => Some(Status::Cooking),
            Event::Cooked { .. } => Some(Status::Cooked),
            // What people see never goes back: while another rider is sought the order stays on its way.
            Event::Released { .. } => None,
            Event::Picked { .. } => Some(Status::Picked),
            Event::Delivered { .. } => Some(Status::Delivered),
            Event::Completed { .. } => Some(Status::Completed),
            Event::CancelRequested { .. } => Some(Status::CancelRequested),
            Event::Accepted { status, .. }
            | Event::CancelRefused { status, .. }
            | Event::Changed { status, .. }
            | Event::ChangeRefused { status, .. } => Some(*status),
            Event::Cancelled { .. } => Some(Status::Cancelled),
            Event::ChangeRequested { .. } | Event::OfferAccepted { .. } => Some(Status::ChangeRequested),
            // An offer holds nothing up, so it is no status: the kitchen and a cancel go on as if there were none.
            Event::OfferMade { .. } | Event::OfferDeclined { .. } => None,
        }
    }
}
