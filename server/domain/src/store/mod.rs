//! Stores and their kitchens: who has a place on the wall, and whether cooking or cancelling came first.

mod decider;
mod policy;
mod ticket;
mod view;

pub use decider::{State, Store};
pub use policy::Policies;
pub use ticket::{State as TicketState, Ticket};
pub use view::ShopPages;
