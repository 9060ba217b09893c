//! The rules. This crate depends on nothing that has a clock, a socket or a disk, so it cannot use one.
//!
//! # Layout
//!
//! A folder per context, the same file names in each: `decider` says what may happen, `policy` what a context does when
//! it hears of something, `view` what readers see. [`registry`] lists them all, and is the only list. [`geo`],
//! [`clock`] and [`story`] are arithmetic on places, times and events; [`fault`] plants errors for the simulation to find.

pub mod clock;
pub mod customer;
pub mod fault;
pub mod geo;
pub mod notification;
pub mod order;
pub mod payment;
pub mod registry;
pub mod rider;
pub mod store;
pub mod story;
pub mod watch;

pub use registry::{Row, Shown, decide, evolve, moves, project, projections, react, sources, verbs};

use serde::{Serialize, de::DeserializeOwned};
use shared::{Actor, Command, Context, Event, Kind, Millis, Minutes, Refusal, Stamp};

/// A label under which a row is listed, and its place in that list: later is newer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// The list.
    pub name: String,
    /// Sorts within the list.
    pub sort: i64,
}

/// Makes a [`Tag`].
pub fn tag(name: impl Into<String>, sort: i64) -> Tag {
    Tag { name: name.into(), sort }
}

/// What a context decides, and what it remembers of its decisions.
pub trait Decider {
    /// Names the rows, the routes and the events.
    const KIND: Kind;
    /// What is remembered; the default is "never heard of".
    type State: Default + Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned;
    /// What can be asked.
    type Command;
    /// What can happen.
    type Event;
    /// What a reader may see.
    type Shown: Serialize;

    /// May this happen, and if so, what happens? Nothing, when it is already so.
    ///
    /// # Errors
    /// The rule's no.
    fn decide(state: &Self::State, command: &Self::Command, stamp: &Stamp) -> Result<Vec<Self::Event>, Refusal>;

    /// What does it mean that this happened?
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;

    /// Is this the person from whom this aggregate takes this command? The role is checked before.
    fn obeys(state: &Self::State, command: &Self::Command, actor: &Actor) -> bool;

    /// What this reader may see of it; `None` when it is none of theirs.
    fn show(state: &Self::State, actor: &Actor) -> Option<Self::Shown>;

    /// Under which labels it is listed.
    fn tags(state: &Self::State) -> Vec<Tag>;

    /// Labels under which an older version may have listed it, instead of those of now. With its next change it leaves them,
    /// and joins all of those of now.
    fn former_tags(_: &Self::State) -> Vec<Tag> {
        vec![]
    }

    /// One sample of each command that people send by `PUT`, to ask whether it could be sent now.
    fn verbs() -> Vec<Self::Command>;
}

/// What a context does when anyone, anywhere, says something. It only ever commands itself.
pub trait Policy {
    /// Whose reactions these are.
    const CONTEXT: Context;
    /// Whose events it hears, its own aside: those it always hears, in the transaction in which they happen.
    const LISTENS: &'static [Context];

    /// The commands that follow from an event.
    fn react(event: &Event) -> Vec<Reaction>;
}

/// What readers see, made from events alone.
pub trait View {
    /// Names the rows and the route.
    const KIND: Kind;
    /// Whose events it is made from, its own context's aside.
    const LISTENS: &'static [Context];
    /// A row.
    type Row: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned;
    /// What a reader may see.
    type Shown: Serialize;

    /// The row that this event concerns.
    fn key(event: &Event) -> Option<String>;

    /// The row after the event; `None` when there is nothing to keep.
    fn project(row: Option<Self::Row>, event: &Event, version: u64) -> Option<Self::Row>;

    /// What this reader may see of it; `None` when it is none of theirs.
    fn show(row: &Self::Row, actor: &Actor) -> Option<Self::Shown>;

    /// Under which labels it is listed.
    fn tags(row: &Self::Row) -> Vec<Tag>;
}

/// How long a context may let work wait that nobody waits for, so that more of it shares a transaction. A notice that is
/// a blink later, or a grade, costs a fraction of one that is alone: lists of many readers lie far apart, and each page that
/// a transaction touches is written once.
pub fn linger_ms(context: Context) -> u64 {
    match context {
        Context::Notification | Context::Customer => 50,
        Context::Order | Context::Payment | Context::Store | Context::Rider => 0,
    }
}

/// A command that a context sends itself because of what it heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Reaction {
    /// The aggregate.
    pub stream: String,
    /// What is asked of it.
    pub command: Command,
    /// Not now but then, by a durable timer. A later reaction with the same stream and deadline takes its place.
    pub after: Option<Deadline>,
}

/// A command at once.
pub fn now(stream: impl ToString, command: impl Into<Command>) -> Reaction {
    Reaction { stream: stream.to_string(), command: command.into(), after: None }
}

/// A command at a deadline.
pub fn later(after: Deadline, stream: impl ToString, command: impl Into<Command>) -> Reaction {
    Reaction { stream: stream.to_string(), command: command.into(), after: Some(after) }
}

/// What is waited for at most; how long that is, is configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// For the payment of an order.
    Payment,
    /// For the store's answer.
    Answer,
    /// For the food, after the minutes that the store announced.
    Overdue(Minutes),
    /// For the food, at the very last.
    Cook,
    /// For a rider near by.
    Widen,
    /// For any rider.
    Rider,
    /// For the rider at the door.
    Door,
    /// For the customer's confirmation.
    Receipt,
    /// For the extra charge of a change.
    Extra,
}

impl Deadline {
    /// The word in timer rows, configuration and the flow chart.
    pub fn name(self) -> &'static str {
        match self {
            Deadline::Payment => "payment",
            Deadline::Answer => "answer",
            Deadline::Overdue(_) => "overdue",
            Deadline::Cook => "cook",
            Deadline::Widen => "widen",
            Deadline::Rider => "rider",
            Deadline::Door => "door",
            Deadline::Receipt => "receipt",
            Deadline::Extra => "extra",
        }
    }
}

/// How long each deadline is.
#[derive(Debug, Clone, PartialEq)]
pub struct Deadlines {
    /// [`Deadline::Payment`].
    pub payment_ms: Millis,
    /// [`Deadline::Answer`].
    pub answer_ms: Millis,
    /// What is added to the announced minutes.
    pub overdue_ms: Millis,
    /// How long an announced minute is; less than a minute only in tests and demos.
    pub minute_ms: Millis,
    /// [`Deadline::Cook`].
    pub cook_ms: Millis,
    /// [`Deadline::Widen`].
    pub widen_ms: Millis,
    /// [`Deadline::Rider`].
    pub rider_ms: Millis,
    /// [`Deadline::Door`].
    pub door_ms: Millis,
    /// [`Deadline::Receipt`].
    pub receipt_ms: Millis,
    /// [`Deadline::Extra`].
    pub extra_ms: Millis,
    /// How long a charge that was asked for may still be approved by the provider: so long it is looked up once nobody waits
    /// for it any more. A payment window is open for ten minutes at Toss Payments.
    pub late_ms: Millis,
}

impl Default for Deadlines {
    fn default() -> Self {
        const MINUTE: Millis = 60_000;
        Self {
            payment_ms: 15 * MINUTE,
            answer_ms: 10 * MINUTE,
            overdue_ms: 5 * MINUTE,
            minute_ms: MINUTE,
            cook_ms: 4 * 60 * MINUTE,
            widen_ms: 5 * MINUTE,
            rider_ms: 40 * MINUTE,
            door_ms: 3 * 60 * MINUTE,
            receipt_ms: 24 * 60 * MINUTE,
            extra_ms: 3 * MINUTE,
            late_ms: 15 * MINUTE,
        }
    }
}

impl Deadlines {
    /// How long this one is.
    pub fn of(&self, deadline: Deadline) -> Millis {
        match deadline {
            Deadline::Payment => self.payment_ms,
            Deadline::Answer => self.answer_ms,
            Deadline::Overdue(minutes) => i64::from(minutes.get()) * self.minute_ms + self.overdue_ms,
            Deadline::Cook => self.cook_ms,
            Deadline::Widen => self.widen_ms,
            Deadline::Rider => self.rider_ms,
            Deadline::Door => self.door_ms,
            Deadline::Receipt => self.receipt_ms,
            Deadline::Extra => self.extra_ms,
        }
    }
}
