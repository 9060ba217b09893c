//! What the rider context does when it hears of something.

use crate::{Deadline, Policy, Reaction, later, now};
use shared::{
    Context, Event,
    delivery::{self, Command as D},
    order,
    rider::Command as R,
    ticket,
};

/// The rider context's policies.
pub struct Policies;

impl Policy for Policies {
    const CONTEXT: Context = Context::Rider;
    const LISTENS: &'static [Context] = &[Context::Order, Context::Store];

    fn react(event: &Event) -> Vec<Reaction> {
        use order::Event as O;
        match event {
            Event::Order(O::Accepted { about, drop, cook_minutes, at_ms, .. }) => {
                let ready_ms = at_ms + i64::from(cook_minutes.get()) * 60_000;
                vec![now(about.order, D::Offer { about: about.clone(), drop: drop.clone(), ready_ms })]
            }
            Event::Order(O::Cancelled { about, .. } | O::Rejected { about, .. }) => {
                vec![now(about.order, D::CallOff { about: about.clone() })]
            }
            Event::Ticket(ticket::Event::Finished { about, .. }) => vec![now(about.order, D::MarkReady { about: about.clone() })],
            Event::Delivery(event) => delivery(event),
            _ => vec![],
        }
    }
}

/// A delivery's deadlines, and its place in its rider's box. The box may refuse, and then the pick is refused with it.
fn delivery(event: &delivery::Event) -> Vec<Reaction> {
    use delivery::Event as E;
    let order = event.order();
    let no_rider = || [later(Deadline::Widen, order, D::Widen {}), later(Deadline::Rider, order, D::GiveUp {})];
    match event {
        // The two come in any order, and the later one starts the clocks; they do nothing while the other is missing.
        E::Offered { .. } | E::Ready { .. } => no_rider().to_vec(),
        E::Picked { rider, .. } => vec![now(rider, R::Take { order }), later(Deadline::Door, order, D::Abandon {})],
        E::Released { rider, .. } => [now(rider, R::Drop { order })].into_iter().chain(no_rider()).collect(),
        E::Delivered { rider, .. } | E::Failed { rider: Some(rider), .. } => vec![now(rider, R::Drop { order })],
        E::CalledOff { .. } | E::Widened { .. } | E::Failed { rider: None, .. } => vec![],
    }
}
