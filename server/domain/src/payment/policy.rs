//! What the payment context does when it hears of something.

use crate::{Deadline, Policy, Reaction, later, now};
use shared::{
    Context, Event, order,
    payment::{self, Command as C},
    ticket,
};

/// The payment context's policies.
pub struct Policies;

impl Policy for Policies {
    const CONTEXT: Context = Context::Payment;
    const LISTENS: &'static [Context] = &[Context::Order, Context::Store];

    fn react(event: &Event) -> Vec<Reaction> {
        match event {
            Event::Order(order::Event::Placed { about, basket, means, .. }) => {
                let (order, customer) = (about.order, about.customer);
                vec![now(order, C::Request { order, customer, amount: basket.total, means: *means })]
            }
            Event::Order(order::Event::Cancelled { about, reason, .. } | order::Event::Rejected { about, reason, .. }) => {
                let (order, customer) = (about.order, about.customer);
                vec![now(order, C::Refund { order, customer, reason: reason.clone() })]
            }
            Event::Ticket(ticket::Event::Revised { about, basket, .. }) => vec![now(about.order, C::Adjust { total: basket.total })],
            Event::Payment(payment::Event::Requested { order, movement, extra: true, .. }) => {
                vec![later(Deadline::Extra, order, C::GiveUp { movement: *movement })]
            }
            _ => vec![],
        }
    }
}
