//! Customers: who they are, what became of their orders, and what they say of them.

mod decider;
mod policy;
mod review;
mod view;

pub use decider::{Customer, State};
pub use policy::Policies;
pub use review::{Review, State as ReviewState};
pub use view::MyPages;
