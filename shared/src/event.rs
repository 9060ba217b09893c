//! The sums over all contexts, and the envelope in which an event is kept and travels.

use crate::{AccountId, Millis, Sender, customer, delivery, notice, order, payment, review, rider, store, ticket};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// A context: decides alone over its own data, and keeps its own journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Orders, and the storefronts they are priced from.
    Order,
    /// Payments and their ledger.
    Payment,
    /// Stores and their tickets.
    Store,
    /// Riders and deliveries.
    Rider,
    /// Customers, their pages and their reviews.
    Customer,
    /// Notices.
    Notification,
}

impl Context {
    /// Every context.
    pub const ALL: [Context; 6] =
        [Context::Order, Context::Payment, Context::Store, Context::Rider, Context::Customer, Context::Notification];

    /// The word in paths, files and routing keys.
    pub fn name(self) -> &'static str {
        match self {
            Context::Order => "order",
            Context::Payment => "payment",
            Context::Store => "store",
            Context::Rider => "rider",
            Context::Customer => "customer",
            Context::Notification => "notification",
        }
    }

    /// Reads [`Context::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The aggregate that an event is of when it does not say so.
    fn first(self) -> Kind {
        match self {
            Context::Order => Kind::Order,
            Context::Payment => Kind::Payment,
            Context::Store => Kind::Store,
            Context::Rider => Kind::Rider,
            Context::Customer => Kind::Customer,
            Context::Notification => Kind::Notice,
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $route:literal $context:ident,)*) => {
        /// What a row is: an aggregate that decides, or a view that is made from events.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];
            /// The word in rows, and of one of it in links.
            pub fn name(self) -> &'static str { match self { $(Kind::$kind => $name,)* } }
            /// The collection's path, which is its name in `_embedded` as well.
            pub fn route(self) -> &'static str { match self { $(Kind::$kind => $route,)* } }
            /// Where it lives.
            pub fn context(self) -> Context { match self { $(Kind::$kind => Context::$context,)* } }
        }
    };
}

kinds! {
    /// Aggregate.
    Order "order" "orders" Order,
    /// Aggregate.
    Payment "payment" "payments" Payment,
    /// Aggregate.
    Store "store" "stores" Store,
    /// Aggregate: the kitchen ticket.
    Ticket "foodCooking" "foodCookings" Store,
    /// Aggregate.
    Rider "rider" "riders" Rider,
    /// Aggregate.
    Delivery "delivery" "deliveries" Rider,
    /// Aggregate.
    Customer "customer" "customers" Customer,
    /// Aggregate.
    Review "review" "reviews" Customer,
    /// Aggregate.
    Notice "notification" "notifications" Notification,
    /// View: the order context's own copy of every store.
    Storefront "storefront" "storefronts" Order,
    /// View: a row per movement of money.
    LedgerEntry "ledgerEntry" "ledgerEntries" Payment,
    /// View: a store's day and ratings.
    ShopPage "shopPage" "shopPages" Store,
    /// View: jobs near a rider.
    DeliveryInfo "deliveryInfo" "deliveryInfos" Rider,
    /// View: an order's whole story for its customer.
    MyPage "myPage" "myPages" Customer,
    /// View: how a customer wants notices.
    Preference "preference" "preferences" Notification,
}

impl Kind {
    /// Reads [`Kind::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.name() == name)
    }
}

macro_rules! sums {
    ($($variant:ident $module:ident,)*) => {
        /// Everything that can happen, in any context.
        #[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Event {
            $(
                /// Of the aggregate of this name.
                $variant($module::Event),
            )*
            /// Something that this version does not understand, kept as it came: a later one may.
            #[serde(skip_deserializing)]
            #[schemars(skip)]
            Unreadable(Unreadable),
        }

        impl Serialize for Event {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Event::$variant(event) => to.serialize_newtype_variant("Event", 0, stringify!($module), event),)*
                    Event::Unreadable(Unreadable { body, .. }) => body.serialize(to),
                }
            }
        }

        /// Everything that can be asked, in any context.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Command { $(
            /// Of the aggregate of this name.
            $variant($module::Command),
        )* }

        impl Event {
            /// Which aggregate it happened to.
            pub fn kind(&self) -> Kind { match self { $(Event::$variant(_) => Kind::$variant,)* Event::Unreadable(event) => event.kind } }
        }

        impl Kind {
            /// The kind whose events have this name.
            fn of_event(name: &str) -> Option<Self> { match name { $(stringify!($module) => Some(Kind::$variant),)* _ => None } }
        }

        impl Command {
            /// Which aggregate it is for.
            pub fn kind(&self) -> Kind { match self { $(Command::$variant(_) => Kind::$variant,)* } }
            /// Who may send it.
            pub fn sender(&self) -> Sender { match self { $(Command::$variant(c) => c.sender(),)* } }
        }

        $(
            impl From<$module::Event> for Event { fn from(e: $module::Event) -> Self { Event::$variant(e) } }
            impl From<$module::Command> for Command { fn from(c: $module::Command) -> Self { Command::$variant(c) } }
        )*
    };
}

sums! {
    Order order,
    Payment payment,
    Store store,
    Ticket ticket,
    Rider rider,
    Delivery delivery,
    Customer customer,
    Review review,
    Notice notice,
}

/// An event of a newer version, or a damaged one.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// Of which aggregate it is, as far as that can be told.
    pub kind: Kind,
    /// Its JSON.
    pub body: serde_json::Value,
    /// What is not understood.
    pub why: String,
}

/// Where an event stands in its journal. It is the event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Position {
    /// Whose journal.
    pub context: Context,
    /// Which part of it.
    pub partition: u16,
    /// Counted from 1 without gaps.
    pub seq: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.context.name(), self.partition, self.seq)
    }
}

/// An event as it is kept: what happened, where, when, and because of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Recorded {
    /// The event's id.
    pub position: Position,
    /// The aggregate that it happened to. With the event's kind it names the row.
    pub stream: String,
    /// Counts the events of the stream from 1.
    pub version: u64,
    /// When it was decided.
    pub at_ms: Millis,
    /// Who asked for it; absent for policies, timers and workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AccountId>,
    /// The event that caused it, if one did: the causation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Position>,
    /// What happened.
    pub event: Event,
}

impl Recorded {
    /// Reads an envelope whose event may be one that is not understood.
    ///
    /// # Errors
    /// The envelope itself cannot be read.
    pub fn read_any(json: serde_json::Value) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Envelope {
            position: Position,
            stream: String,
            version: u64,
            at_ms: Millis,
            by: Option<AccountId>,
            cause: Option<Position>,
            event: serde_json::Value,
        }
        let Envelope { position, stream, version, at_ms, by, cause, event: body } = serde_json::from_value(json)?;
        let event = Event::deserialize(&body).unwrap_or_else(|why| {
            let named = body.as_object().and_then(|kinds| kinds.keys().next()).and_then(|name| Kind::of_event(name));
            let kind = named.filter(|kind| kind.context() == position.context).unwrap_or(position.context.first());
            Event::Unreadable(Unreadable { kind, body, why: why.to_string() })
        });
        Ok(Self { position, stream, version, at_ms, by, cause, event })
    }
}
