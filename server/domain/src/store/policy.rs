//! What the store context does when it hears of something.

use crate::{
    Deadline, Policy, Reaction,
    fault::{Fault, planted},
    later, now,
};
use shared::{
    Context, Event,
    order::{self, Basket},
    store::{self, Command as S},
    ticket::{self, Command as T},
};

/// The store context's policies.
pub struct Policies;

impl Policy for Policies {
    const CONTEXT: Context = Context::Store;
    const LISTENS: &'static [Context] = &[Context::Order, Context::Customer];

    fn react(event: &Event) -> Vec<Reaction> {
        match event {
            Event::Order(event) => order(event).into_iter().collect(),
            Event::Store(store::Event::Admitted { about, basket, note, .. }) => {
                vec![now(about.order, T::Open { about: about.clone(), basket: basket.clone(), note: note.clone() })]
            }
            Event::Ticket(event) => ticket(event),
            _ => vec![],
        }
    }
}

fn order(event: &order::Event) -> Option<Reaction> {
    use order::Event as E;
    match event {
        E::Paid { about, basket, note, .. } => {
            Some(now(about.store, S::Admit { about: about.clone(), basket: basket.clone(), note: note.clone() }))
        }
        E::CancelRequested { about, reason, .. } => Some(now(about.order, T::Withdraw { about: about.clone(), reason: reason.clone() })),
        E::ChangeRequested { about, basket, .. } | E::OfferAccepted { about, basket, .. } => {
            Some(now(about.order, T::Revise { about: about.clone(), basket: basket.clone() }))
        }
        E::Changed { about, .. } => Some(now(about.order, T::Settle { about: about.clone() })),
        E::ChangeRefused { about, .. } => Some(now(about.order, T::Revert { about: about.clone() })),
        _ => None,
    }
}

/// A ticket's deadlines, and its place when it ends.
fn ticket(event: &ticket::Event) -> Vec<Reaction> {
    use ticket::Event as E;
    match event {
        E::Opened { about, .. } => vec![later(Deadline::Answer, about.order, T::ExpireAnswer {})],
        E::Accepted { about, cook_minutes, .. } => {
            let late_place = planted(Fault::SkipWaitingTickets)
                .then(|| now(about.store, S::Admit { about: about.clone(), basket: Basket::default(), note: None }));
            let overdue = later(Deadline::Overdue(*cook_minutes), about.order, T::MarkOverdue {});
            [overdue, later(Deadline::Cook, about.order, T::Abandon {})].into_iter().chain(late_place).collect()
        }
        E::Delayed { about, remaining, .. } => vec![later(Deadline::Overdue(*remaining), about.order, T::MarkOverdue {})],
        E::Dropped { about, .. }
        | E::Rejected { about, .. }
        | E::Finished { about, .. }
        | E::Withdrawn { about, .. }
        | E::Abandoned { about, .. } => {
            vec![now(about.store, S::Release { order: about.order })]
        }
        E::Started { .. }
        | E::Overdue { .. }
        | E::WithdrawalRefused { .. }
        | E::Revised { .. }
        | E::RevisionRefused { .. }
        | E::Settled { .. }
        | E::Reverted { .. } => vec![],
    }
}
