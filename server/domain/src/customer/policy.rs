//! What the customer context does when it hears of something.

use crate::{Policy, Reaction, now};
use shared::{Context, Event, customer::Command as C, order, review::Command as R};

/// The customer context's policies.
pub struct Policies;

impl Policy for Policies {
    const CONTEXT: Context = Context::Customer;
    const LISTENS: &'static [Context] = &[Context::Order];

    fn react(event: &Event) -> Vec<Reaction> {
        match event {
            Event::Order(order::Event::Completed { about, .. }) => vec![now(about.customer, C::Count { order: about.order })],
            Event::Order(order::Event::Delivered { about, .. }) => vec![now(about.order, R::Invite { about: about.clone() })],
            _ => vec![],
        }
    }
}
