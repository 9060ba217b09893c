//! The order: takes what is paid, asks the store before it gives up or changes anything, and follows everybody's facts.

mod decider;
mod policy;
pub mod pricing;
mod view;

pub use decider::{Order, State};
pub use policy::Policies;
pub use view::Storefronts;
