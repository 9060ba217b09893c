//! What the order context does when it hears of something.

use crate::{Deadline, Policy, Reaction, later, now};
use shared::{
    Context, Event, delivery,
    order::{self, Command, Reason},
    payment, store, ticket,
};

/// The order context's policies.
pub struct Policies;

impl Policy for Policies {
    const CONTEXT: Context = Context::Order;
    const LISTENS: &'static [Context] = &[Context::Payment, Context::Store, Context::Rider];

    fn react(event: &Event) -> Vec<Reaction> {
        use Command as C;
        match event {
            Event::Order(order::Event::Placed { about, .. }) => vec![later(Deadline::Payment, about.order, C::Expire {})],
            Event::Order(order::Event::Delivered { about, .. }) => vec![later(Deadline::Receipt, about.order, C::Close {})],

            Event::Payment(payment::Event::Approved { order, extra: false, .. }) => vec![now(order, C::ConfirmPaid {})],
            Event::Payment(payment::Event::Declined { order, extra: false, reason, .. }) => {
                vec![now(order, C::FailPayment { reason: reason.clone() })]
            }
            Event::Payment(payment::Event::Adjusted { order, .. }) => vec![now(order, C::ConfirmChanged {})],
            Event::Payment(payment::Event::AdjustFailed { order, reason, .. }) => {
                vec![now(order, C::RefuseChange { reason: reason.clone() })]
            }

            Event::Store(store::Event::TurnedAway { about, reason, .. }) => {
                vec![now(about.order, C::ConfirmRejected { reason: reason.clone() })]
            }
            Event::Ticket(event) => ticket(event).map(|command| now(event.order(), command)).into_iter().collect(),
            Event::Delivery(event) => delivery(event).map(|command| now(event.order(), command)).into_iter().collect(),
            _ => vec![],
        }
    }
}

fn ticket(event: &ticket::Event) -> Option<Command> {
    use {Command as C, ticket::Event as E};
    Some(match event {
        E::Accepted { cook_minutes, .. } => C::ConfirmAccepted { cook_minutes: *cook_minutes },
        E::Rejected { reason, .. } => C::ConfirmRejected { reason: reason.clone() },
        E::Started { .. } => C::ConfirmStarted {},
        E::Delayed { minutes, .. } => C::ConfirmDelayed { minutes: *minutes },
        E::Finished { .. } => C::ConfirmCooked {},
        E::Withdrawn { reason, .. } => C::ConfirmWithdrawn { reason: reason.clone() },
        E::WithdrawalRefused { .. } => C::RefuseCancel {},
        E::RevisionRefused { reason, .. } => C::RefuseChange { reason: reason.clone() },
        E::Abandoned { .. } => C::ConfirmWithdrawn { reason: Reason::NotCooked },
        E::Opened { .. } | E::Dropped { .. } | E::Overdue { .. } | E::Revised { .. } | E::Settled { .. } | E::Reverted { .. } => {
            return None;
        }
    })
}

fn delivery(event: &delivery::Event) -> Option<Command> {
    use {Command as C, delivery::Event as E};
    Some(match event {
        E::Picked { rider, .. } => C::ConfirmPicked { rider: *rider },
        E::Released { rider, .. } => C::ConfirmReleased { rider: *rider },
        E::Delivered { .. } => C::ConfirmDelivered {},
        E::Failed { rider: None, .. } => C::ConfirmWithdrawn { reason: Reason::NoRider },
        E::Failed { rider: Some(_), .. } => C::ConfirmWithdrawn { reason: Reason::NotDelivered },
        E::Offered { .. } | E::Ready { .. } | E::CalledOff { .. } | E::Widened { .. } => return None,
    })
}
