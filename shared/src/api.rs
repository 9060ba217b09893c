//! Bodies of requests and answers. Requests refuse unknown fields; answers are what a reader may see.

use crate::{
    AccountId, Contact, CustomerId, Lang, Millis, Minutes, OrderId, Point, RiderId, Role, Sealed, StoreId, Text, Won,
    customer::Grade,
    delivery, notice,
    order::{self, Basket, Means, Reason, Wish},
    payment,
    review::Stars,
    sealed::Phone,
    store::Profile,
    ticket,
};
use serde::{Deserialize, Serialize};

/// An account's name: what one logs in with.
pub type LoginName = Text<40>;

/// `POST /accounts`
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// To log in with.
    pub name: LoginName,
    /// 8 to 200 characters.
    pub password: String,
    /// What the account may be; `operator` cannot be chosen.
    pub roles: Vec<Role>,
}

/// `POST /tokens`: either with name and password, or with a refresh token.
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Login {
    /// The first time.
    Password { name: LoginName, password: String },
    /// From then on.
    Refresh { refresh: String },
}

/// The answer to a login.
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tokens {
    /// Whose.
    pub account: AccountId,
    /// As what.
    pub roles: Vec<Role>,
    /// To be sent as `Authorization: Bearer`.
    pub access: String,
    /// Good for one more login; then another one takes its place.
    pub refresh: String,
    /// When `access` ends.
    pub expires_ms: Millis,
}

/// An account, as its own person sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccountShown {
    /// Which.
    pub account: AccountId,
    /// To log in with.
    pub name: LoginName,
    /// What it may be.
    pub roles: Vec<Role>,
}

/// `PUT /ops/{context}/parked/{id}/drop`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropParked {
    /// Why it will never be done; it is logged.
    pub reason: Text<200>,
}

/// `PUT /ops/payment/breaker`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForceBreaker {
    /// Which way.
    pub force: Force,
    /// Why; it is logged, and shown to whoever looks.
    pub reason: Text<200>,
}

/// What an operator does with a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// No call passes.
    Open,
    /// Every call passes.
    Closed,
    /// It decides by itself again, and begins closed.
    Release,
}

/// `POST /customers`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCustomer {
    /// What to call them.
    pub name: Text<60>,
    /// Where food usually goes.
    pub contact: Contact,
    /// Of notices.
    #[serde(default)]
    pub lang: Lang,
}

/// `PUT /customers/{id}/setContact`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    /// Where food goes from now on.
    pub contact: Contact,
}

/// `POST /stores`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStore {
    /// On the sign.
    pub name: Text<60>,
    /// On the street.
    pub address: Text<200>,
    /// On the map.
    pub at: Point,
}

/// `POST /riders`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRider {
    /// What to call them.
    pub name: Text<60>,
}

/// `POST /orders`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Where.
    pub store: StoreId,
    /// What; 1 to [`NewOrder::MAX_ITEMS`].
    pub items: Vec<Wish>,
    /// To whom and where.
    pub contact: Contact,
    /// For the cook.
    #[serde(default)]
    pub cook_note: Option<Text<200>>,
    /// For the rider.
    #[serde(default)]
    pub rider_note: Option<Text<200>>,
    /// How it is paid.
    #[serde(default)]
    pub means: Means,
}

impl NewOrder {
    /// More different dishes than this is catering.
    pub const MAX_ITEMS: usize = 30;
}

/// `PUT /orders/{id}/change`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewItems {
    /// What instead; 1 to [`NewOrder::MAX_ITEMS`].
    pub items: Vec<Wish>,
}

/// A step in an order's story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    /// Counts the steps from 1; the id of the step in a live stream.
    pub version: u64,
    /// The event's name.
    pub event: String,
    /// Where the order stands after it.
    pub status: order::Status,
    /// When.
    pub at_ms: Millis,
    /// Why, if somebody or something said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What goes back, or would go back by an offer; for a change what was charged (positive) or given back (negative).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Won>,
    /// When the food is expected now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<Millis>,
}

/// An order, as its customer and its store see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OrderShown {
    /// Which.
    pub order: OrderId,
    /// Whose.
    pub customer: CustomerId,
    /// Where.
    pub store: StoreId,
    /// Where, by name.
    pub store_name: Text<60>,
    /// Where it stands.
    pub status: order::Status,
    /// What, and for how much.
    pub basket: Basket,
    /// What was asked for instead, while that is not settled.
    pub change: Option<Basket>,
    /// What would be left if the customer accepted the store's offer to leave out what is sold out.
    #[serde(default)]
    pub offer: Option<Basket>,
    /// For the cook.
    pub cook_note: Option<Text<200>>,
    /// Who carries it.
    pub rider: Option<RiderId>,
    /// When the food is expected.
    pub eta_ms: Option<Millis>,
    /// Each step so far.
    pub timeline: Vec<Step>,
}

/// A ticket, as its owner sees it: without the customer's address and phone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TicketShown {
    /// Which.
    pub order: OrderId,
    /// Whose wall it is on.
    pub store: StoreId,
    /// Where it stands.
    pub status: ticket::Status,
    /// What to cook.
    pub basket: Basket,
    /// What is asked for instead; cooking waits until that is settled.
    pub change: Option<Basket>,
    /// From the customer.
    pub note: Option<Text<200>>,
    /// As announced.
    pub cook_minutes: Option<Minutes>,
    /// When it came.
    pub opened_ms: Millis,
    /// True when it takes longer than announced.
    pub overdue: bool,
}

/// A store, as anybody may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StorefrontShown {
    /// All of it.
    #[serde(flatten)]
    pub profile: Profile,
    /// True when it takes orders at the time of the answer.
    pub open_now: bool,
    /// Kilometres from where one asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_km: Option<f64>,
}

/// A store, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StoreShown {
    /// All of it.
    #[serde(flatten)]
    pub profile: Profile,
    /// Tickets that are open, those waiting for an answer included.
    pub open_tickets: u32,
}

/// A payment, as its customer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PaymentShown {
    /// Of which order.
    pub order: OrderId,
    /// Where it stands.
    pub status: payment::Status,
    /// What came in.
    pub captured: Won,
    /// What went back.
    pub refunded: Won,
    /// What is on its way back.
    pub refunding: Won,
    /// What of that the provider refuses to give back: for operators alone, who can do something about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedRefund>,
    /// What may still come although nobody waits for it any more, and goes back then: for operators alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwanted: Option<Won>,
}

/// Money that the provider refuses to give back. It is asked again until it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefusedRefund {
    /// How much.
    pub amount: Won,
    /// Why, as it was said last.
    pub reason: Reason,
    /// The provider's own word for that, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<payment::RefusalCode>,
    /// When it was refused first.
    pub since_ms: Millis,
    /// What of it is taken from which charge.
    #[serde(default)]
    pub parts: Vec<RefusedPart>,
}

/// A part of a refund that the provider refuses, as the provider knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefusedPart {
    /// The refund's name.
    pub refund: String,
    /// The name of the charge from which it is taken.
    pub charge: String,
    /// How much.
    pub amount: Won,
    /// The reason by which the provider's record of it is known, word for word: whoever gives it back by hand writes this.
    #[serde(default)]
    pub cancel_reason: String,
}

/// A refund that the provider refuses, in the list that operators read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RefusedRefundOf {
    /// Of which order.
    pub order: OrderId,
    /// What of it is refused.
    #[serde(flatten)]
    pub refused: RefusedRefund,
}

/// A movement of money in the ledger: from one account to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LedgerEntry {
    /// Of which order.
    pub order: OrderId,
    /// Which movement of its payment.
    pub movement: payment::Movement,
    /// Where the money goes: this account grows.
    pub debit: LedgerAccount,
    /// Where the money comes from: this account shrinks.
    pub credit: LedgerAccount,
    /// How much, always positive.
    pub amount: Won,
    /// When.
    pub at_ms: Millis,
}

/// An account of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LedgerAccount {
    /// What the payment provider holds for us.
    Provider,
    /// What customers have paid for their orders.
    Orders,
}

/// A rider, as that rider sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RiderShown {
    /// Which.
    pub rider: RiderId,
    /// What to call them.
    pub name: Text<60>,
    /// Looking for jobs?
    pub on_shift: bool,
    /// Where.
    pub at: Option<Point>,
    /// What is being carried.
    pub jobs: Vec<OrderId>,
}

/// A contact on its way to somebody who may read it: the rules show it sealed, and the edge opens it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum MaybeSealed {
    /// As people read it.
    Open(Contact),
    /// As the rules keep it.
    Sealed(Sealed),
}

/// A job on a rider's list, or in a rider's hands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeliveryShown {
    /// Which.
    pub order: OrderId,
    /// From where, by name.
    pub store_name: Text<60>,
    /// From where.
    pub store_at: Point,
    /// To where, roughly.
    pub area: Point,
    /// Where it stands.
    pub status: delivery::Status,
    /// True when the food can be picked.
    pub ready: bool,
    /// When the food is, or was, expected to be ready.
    pub ready_ms: Millis,
    /// What it pays.
    pub fee: Won,
    /// For the rider.
    pub note: Option<Text<200>>,
    /// Who has it.
    pub rider: Option<RiderId>,
    /// Phone and door: only for its rider, between pick and delivery.
    pub contact: Option<MaybeSealed>,
    /// Kilometres from the rider to the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_km: Option<f64>,
}

/// A customer, as that customer sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CustomerShown {
    /// Which.
    pub customer: CustomerId,
    /// What to call them.
    pub name: Text<60>,
    /// Where food usually goes.
    pub contact: Option<MaybeSealed>,
    /// Of notices.
    pub lang: Lang,
    /// Are notices of mere progress wanted?
    pub progress: bool,
    /// Orders completed.
    pub completed: u32,
    /// What that makes them.
    pub grade: Grade,
}

/// A review, as anybody may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReviewShown {
    /// Of which order.
    pub order: OrderId,
    /// Of which store.
    pub store: StoreId,
    /// How many; absent while it may still be written.
    pub stars: Option<Stars>,
    /// How it was.
    pub text: Option<Text<1000>>,
    /// What the owner says.
    pub reply: Option<Text<1000>>,
    /// When it was written.
    pub at_ms: Millis,
}

/// `POST /reviews`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    /// Of which order.
    pub order: OrderId,
    /// How many.
    pub stars: Stars,
    /// How it was.
    pub text: Text<1000>,
}

/// An order's whole story, on its customer's page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MyPage {
    /// Which.
    pub order: OrderId,
    /// Whose.
    pub customer: CustomerId,
    /// Where.
    pub store: StoreId,
    /// Where, by name.
    pub store_name: Text<60>,
    /// Where it stands.
    pub status: order::Status,
    /// What, and for how much.
    pub basket: Basket,
    /// What was asked for instead, while that is not settled.
    #[serde(default)]
    pub change: Option<Basket>,
    /// What would be left if the store's offer to leave out what is sold out were accepted.
    #[serde(default)]
    pub offer: Option<Basket>,
    /// When the food is, or was, expected.
    pub eta_ms: Option<Millis>,
    /// What came in.
    pub paid: Won,
    /// What went back.
    pub refunded: Won,
    /// When it was placed.
    pub placed_ms: Millis,
    /// Each step so far.
    pub timeline: Vec<Step>,
}

/// A store's day and its ratings, for its owner; the ratings for everybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ShopPage {
    /// Which.
    pub store: StoreId,
    /// Whose.
    pub owner: AccountId,
    /// The day of these figures, in days of the Korean calendar since 1970-01-01.
    pub day: i64,
    /// Paid orders of the day.
    pub orders: u32,
    /// Completed orders of the day.
    pub completed: u32,
    /// Orders of the day that the store or a deadline ended, before or after the answer.
    pub rejected: u32,
    /// Orders of the day that were called off.
    pub cancelled: u32,
    /// Won of the day's completed orders.
    pub revenue: Won,
    /// Reviews of all time.
    pub reviews: u32,
    /// Their stars, added.
    pub stars: u32,
}

impl ShopPage {
    /// The average to one decimal, as people read it; absent before the first review.
    pub fn rating(&self) -> Option<f64> {
        (self.reviews > 0).then(|| (f64::from(self.stars) * 10.0 / f64::from(self.reviews)).round() / 10.0)
    }
}

/// A notice in its reader's inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NoticeShown {
    /// About which order.
    pub order: OrderId,
    /// What, for machines.
    #[serde(flatten)]
    pub topic: notice::Topic,
    /// What, in the reader's language.
    pub text: String,
    /// Where it stands.
    pub status: notice::Status,
    /// When.
    pub at_ms: Millis,
}

/// What a watcher is told of a change, on any live stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change {
    /// The aggregate that changed: `order`, `ticket` or `delivery`.
    pub of: crate::Kind,
    /// The order it is about.
    pub order: OrderId,
    /// Counts the changes of this aggregate from 1, so that a reader can see that none is missing.
    pub version: u64,
    /// The event's name.
    pub event: String,
    /// Where it stands after the event, in the words of the aggregate; absent when it stays where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it was decided.
    pub at_ms: Millis,
    /// Why, if somebody or something said no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When the food is expected now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_ms: Option<Millis>,
    /// What goes back, or the difference of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Won>,
    /// Who carries it, once somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rider: Option<RiderId>,
}

/// A number to call, hidden but for its ends.
pub fn masked(phone: &Phone) -> String {
    let text = phone.as_str();
    let (head, tail) = (text.get(..3).unwrap_or(""), text.get(text.len().saturating_sub(2)..).unwrap_or(""));
    format!("{head}-****-**{tail}")
}
