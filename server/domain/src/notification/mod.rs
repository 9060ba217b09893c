//! Notices: what somebody is told of each change, once.

mod decider;
pub mod news;
mod policy;
pub mod templates;
pub mod text;
mod view;

pub use decider::{DUE, Known, LISTS, Notices, PROGRESS, REPORT, State};
pub use policy::Policies;
pub use view::{Preference, Preferences};
