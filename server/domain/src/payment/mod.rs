//! Payments: every won that moves is a movement with a number, and an undo that comes first is remembered.

mod decider;
mod policy;
mod view;

pub use decider::{DUE, Due, LISTS, Part, Payment, REFUSED, State, UNWANTED, provider_key};
pub use policy::Policies;
pub use view::Ledger;
