//! The words: everything that the command line, the server and its services may say to each other.
//!
//! # Layout
//!
//! - [`id`], [`text`], [`money`], [`place`], [`sealed`]: values, each refusing what it cannot mean.
//! - [`order`], [`payment`], [`store`], [`ticket`], [`rider`], [`delivery`], [`customer`], [`review`], [`notice`]: a
//!   file per aggregate with its commands and its events.
//! - [`event`]: the sum of all events, and the envelope in which they travel.
//! - [`api`]: bodies of requests and answers. [`refusal`], [`problem`]: how a no is said.
//! - [`lang`]: Korean and English.
//!
//! Invariant: no async, no I/O, no clock. A function here is no longer than a label.

pub mod api;
pub mod customer;
pub mod delivery;
pub mod event;
pub mod id;
pub mod lang;
pub mod money;
pub mod notice;
pub mod order;
pub mod payment;
pub mod people;
pub mod place;
pub mod problem;
pub mod refusal;
pub mod review;
pub mod rider;
pub mod sealed;
pub mod store;
pub mod text;
pub mod ticket;

pub use event::{Command, Context, Event, Kind, Recorded};
pub use id::{AccountId, CustomerId, OrderId, RiderId, StoreId};
pub use lang::Lang;
pub use money::Won;
pub use people::{Actor, Role, Sender, Stamp};
pub use place::{Cell, Point};
pub use refusal::Refusal;
pub use sealed::{Contact, Sealed};
pub use text::{Count, Text};

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Minutes that people announce, for cooking or for a delay; 180 is longer than any meal.
pub type Minutes = Count<1, 180>;
