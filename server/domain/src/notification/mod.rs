//! Notices: what somebody is told of each change, once.

mod decider;
mod policy;
pub mod text;
mod view;

pub use decider::{DUE, Notices, State};
pub use policy::Policies;
pub use view::{Preference, Preferences};
