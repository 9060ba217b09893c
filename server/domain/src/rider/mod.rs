//! Riders and deliveries: one winner for each job, and no more jobs than a rider can carry.

mod decider;
mod delivery;
mod policy;
mod view;

pub use decider::{MAX_JOBS, Rider, State};
pub use delivery::{Delivery, State as DeliveryState};
pub use policy::Policies;
pub use view::DeliveryInfos;
