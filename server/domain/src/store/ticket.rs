//! What may happen to a kitchen ticket. It alone decides whether the customer's wish or the cook was first.

use crate::{
    Decider, Tag,
    fault::{Fault, planted},
    tag,
};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Millis, Minutes, Refusal, Stamp, Text,
    api::TicketShown,
    order::{About, Basket, Reason},
    ticket::{Command, Event, Status},
};

/// The ticket aggregate, `FoodCooking`.
pub struct Ticket;

/// What is remembered of a ticket, which may be a wish that came before the ticket itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// True when the customer took it back before it was here.
    withdrawn_early: bool,
    /// Dishes that the customer changed before it was here: paid for, or (below) not yet.
    settled_early: Option<Basket>,
    /// Dishes asked for instead, until they are paid.
    revision: Option<Basket>,
    /// The ticket itself.
    on_wall: Option<Box<OnWall>>,
}

const MINUTE_MS: Millis = 60_000;

/// A ticket on the wall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OnWall {
    about: About,
    basket: Basket,
    note: Option<Text<200>>,
    status: Status,
    cook_minutes: Option<Minutes>,
    opened_ms: Millis,
    /// When the food was last said to be ready.
    promised_ms: Millis,
    overdue: bool,
}

impl OnWall {
    /// Minutes from now until the food is ready, with a delay of so many more; never more than can be announced.
    fn remaining(&self, more: Minutes, at_ms: Millis) -> Minutes {
        let left = (self.promised_ms - at_ms).max(0).div_euclid(MINUTE_MS) + i64::from(more.get());
        u32::try_from(left).ok().and_then(Minutes::new).unwrap_or(Minutes::MAX)
    }

    fn is_open(&self) -> bool {
        matches!(self.status, Status::Waiting | Status::Accepted | Status::Cooking)
    }
}

impl Decider for Ticket {
    const KIND: Kind = Kind::Ticket;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = TicketShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E, Status as S};
        let at_ms = stamp.at_ms;
        let Some(t) = state.on_wall.as_deref() else {
            return match command.clone() {
                C::Open { about, .. } if state.withdrawn_early => Ok(vec![E::Dropped { about, at_ms }]),
                C::Open { about, basket, note } => {
                    let basket = state.settled_early.clone().unwrap_or(basket);
                    Ok(vec![E::Opened { about, basket, note, at_ms }])
                }
                C::Withdraw { .. } if state.withdrawn_early => Ok(vec![]),
                // An undo that comes first is remembered, and the ticket will be dropped when it comes.
                C::Withdraw { about, reason } => Ok(vec![E::Withdrawn { about, reason, at_ms }]),
                C::Revise { .. } if state.withdrawn_early => Ok(vec![]),
                C::Revise { basket, .. } if state.revision.as_ref() == Some(&basket) => Ok(vec![]),
                C::Revise { about, basket } => Ok(vec![E::Revised { about, basket, at_ms }]),
                C::Settle { about } => Ok(settle(state, &about, at_ms)),
                C::Revert { about } => Ok(revert(state, &about, at_ms)),
                C::ExpireAnswer {} | C::MarkOverdue {} | C::Abandon {} => Ok(vec![]),
                C::Accept { .. } | C::Reject { .. } | C::Start {} | C::Finish {} | C::Delay { .. } => Err(Refusal::NotFound {}),
            };
        };
        let about = t.about.clone();
        Ok(match (t.status, command) {
            (S::Waiting, C::Accept { cook_minutes }) => vec![E::Accepted { about, cook_minutes: *cook_minutes, at_ms }],
            (S::Accepted | S::Cooking | S::Finished, C::Accept { .. }) => vec![],
            // Nothing is on the stove yet: whatever the customer asks for meanwhile, the money goes back once.
            (S::Waiting | S::Accepted, C::Reject { reason }) => vec![E::Rejected { about, reason: Reason::Said(reason.clone()), at_ms }],
            (S::Rejected, C::Reject { .. }) => vec![],
            (S::Accepted, C::Start {}) if state.revision.is_some() => return Err(Refusal::ChangePending {}),
            (S::Accepted, C::Start {}) => vec![E::Started { about, at_ms }],
            (S::Cooking | S::Finished, C::Start {}) => vec![],
            (S::Cooking, C::Finish {}) => vec![E::Finished { about, at_ms }],
            (S::Finished, C::Finish {}) => vec![],
            (S::Accepted | S::Cooking, C::Delay { minutes }) => {
                vec![E::Delayed { about, minutes: *minutes, remaining: t.remaining(*minutes, at_ms), at_ms }]
            }
            (status, C::Accept { .. } | C::Reject { .. } | C::Start {} | C::Finish {} | C::Delay { .. }) => {
                return Err(Refusal::TicketStands { status });
            }

            (S::Waiting | S::Accepted, C::Withdraw { reason, .. }) => vec![E::Withdrawn { about, reason: reason.clone(), at_ms }],
            (S::Cooking | S::Finished, C::Withdraw { .. }) => vec![E::WithdrawalRefused { about, at_ms }],
            (S::Waiting | S::Accepted, C::Revise { basket, .. }) if state.revision.as_ref() == Some(basket) => vec![],
            (S::Waiting | S::Accepted, C::Revise { basket, .. }) => vec![E::Revised { about, basket: basket.clone(), at_ms }],
            (S::Cooking | S::Finished, C::Revise { .. }) => {
                vec![E::RevisionRefused { about, reason: Reason::AlreadyCooking, at_ms }]
            }
            (_, C::Settle { .. }) => settle(state, &about, at_ms),
            (_, C::Revert { .. }) => revert(state, &about, at_ms),

            (S::Waiting, C::ExpireAnswer {}) => vec![E::Rejected { about, reason: Reason::NoAnswer, at_ms }],
            (S::Accepted | S::Cooking, C::MarkOverdue {}) if !t.overdue => vec![E::Overdue { about, at_ms }],
            (S::Waiting | S::Accepted | S::Cooking, C::Abandon {}) => vec![E::Abandoned { about, at_ms }],
            // The ticket ended, and its end is told; or the deadline was met.
            _ => vec![],
        })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        use Event as E;
        match event {
            E::Opened { about, basket, note, at_ms } => {
                state.settled_early = None;
                state.on_wall = Some(Box::new(OnWall {
                    about: about.clone(),
                    basket: basket.clone(),
                    note: note.clone(),
                    status: Status::Waiting,
                    cook_minutes: None,
                    opened_ms: *at_ms,
                    promised_ms: *at_ms,
                    overdue: false,
                }));
            }
            E::Revised { basket, .. } => state.revision = Some(basket.clone()),
            E::Settled { basket, .. } => {
                state.revision = None;
                match state.on_wall.as_deref_mut() {
                    Some(t) => t.basket = basket.clone(),
                    None => state.settled_early = Some(basket.clone()),
                }
            }
            E::Reverted { .. } => state.revision = None,
            E::Withdrawn { .. } if state.on_wall.is_none() => state.withdrawn_early = !planted(Fault::ForgetEarlyUndo),
            E::Dropped { .. } | E::WithdrawalRefused { .. } | E::RevisionRefused { .. } => {}
            _ => {
                if let Some(t) = state.on_wall.as_deref_mut() {
                    turn(t, event);
                    // A change that was not settled ends with its ticket.
                    state.revision = state.revision.filter(|_| t.is_open());
                }
            }
        }
        state
    }

    fn obeys(state: &State, _: &Command, actor: &Actor) -> bool {
        state.on_wall.as_deref().is_none_or(|t| actor.is_owner(t.about.owner))
    }

    fn show(state: &State, actor: &Actor) -> Option<TicketShown> {
        let t = state.on_wall.as_deref()?;
        actor.is_owner(t.about.owner).then(|| TicketShown {
            order: t.about.order,
            store: t.about.store,
            status: t.status,
            basket: t.basket.clone(),
            change: state.revision.clone(),
            note: t.note.clone(),
            cook_minutes: t.cook_minutes,
            opened_ms: t.opened_ms,
            overdue: t.overdue,
        })
    }

    fn tags(state: &State) -> Vec<Tag> {
        let Some(t) = state.on_wall.as_deref() else { return vec![] };
        let mut tags = vec![tag(format!("owner:{}", t.about.owner), t.opened_ms)];
        if t.is_open() {
            tags.push(tag(format!("open:{}", t.about.owner), t.opened_ms));
        }
        tags
    }

    fn verbs() -> Vec<Command> {
        let (Some(minutes), Ok(reason)) = (Minutes::new(1), Text::new("-")) else { return vec![] };
        vec![
            Command::Accept { cook_minutes: minutes },
            Command::Reject { reason },
            Command::Start {},
            Command::Finish {},
            Command::Delay { minutes },
        ]
    }
}

fn settle(state: &State, about: &About, at_ms: Millis) -> Vec<Event> {
    let settled = |basket: &Basket| Event::Settled { about: about.clone(), basket: basket.clone(), at_ms };
    state.revision.as_ref().map(settled).into_iter().collect()
}

fn revert(state: &State, about: &About, at_ms: Millis) -> Vec<Event> {
    if state.revision.is_some() { vec![Event::Reverted { about: about.clone(), at_ms }] } else { vec![] }
}

fn turn(t: &mut OnWall, event: &Event) {
    use Event as E;
    match event {
        E::Accepted { cook_minutes, at_ms, .. } => {
            (t.status, t.cook_minutes) = (Status::Accepted, Some(*cook_minutes));
            t.promised_ms = at_ms + i64::from(cook_minutes.get()) * MINUTE_MS;
        }
        E::Rejected { .. } => t.status = Status::Rejected,
        E::Started { .. } => t.status = Status::Cooking,
        E::Delayed { remaining, at_ms, .. } => (t.overdue, t.promised_ms) = (false, at_ms + i64::from(remaining.get()) * MINUTE_MS),
        E::Overdue { .. } => t.overdue = true,
        E::Finished { .. } => t.status = Status::Finished,
        E::Withdrawn { .. } => t.status = Status::Withdrawn,
        E::Abandoned { .. } => t.status = Status::Abandoned,
        // These are not about the ticket on the wall.
        _ => {}
    }
}
