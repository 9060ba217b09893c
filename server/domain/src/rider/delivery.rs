//! What may happen to a delivery.

use crate::{Decider, Tag, tag};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Millis, Refusal, RiderId, Role, Stamp,
    api::{DeliveryShown, MaybeSealed},
    delivery::{Command, Event, Status},
    order::{About, Drop},
};

/// The delivery aggregate.
pub struct Delivery;

/// What is remembered of a delivery, which may be a fact that came before the offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The food is cooked.
    ready: bool,
    /// The order ended, or nobody came, before it was offered.
    over: bool,
    /// The job itself.
    job: Option<Box<Job>>,
}

/// A job that was offered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Job {
    about: About,
    drop: Drop,
    status: Status,
    rider: Option<RiderId>,
    ready_ms: Millis,
    offered_ms: Millis,
    /// When it was picked: a rider who gave it back and took it again has a new deadline.
    picked_ms: Millis,
}

impl Decider for Delivery {
    const KIND: Kind = Kind::Delivery;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = DeliveryShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E, Status as S};
        let at_ms = stamp.at_ms;
        let me = stamp.by.account().map(|account| RiderId(account.0));
        let Some(job) = state.job.as_deref() else {
            return match command.clone() {
                C::Offer { .. } if state.over => Ok(vec![]),
                C::Offer { about, drop, ready_ms } => Ok(vec![E::Offered { about, drop, ready_ms, at_ms }]),
                C::MarkReady { .. } if state.ready || state.over => Ok(vec![]),
                C::MarkReady { about } => Ok(vec![E::Ready { about, at_ms }]),
                C::CallOff { .. } if state.over => Ok(vec![]),
                // An undo that comes first is remembered.
                C::CallOff { about } => Ok(vec![E::CalledOff { about, at_ms }]),
                C::Widen {} | C::GiveUp {} | C::Abandon {} => Ok(vec![]),
                C::Pick {} | C::Release {} | C::Deliver {} => Err(Refusal::NotFound {}),
            };
        };
        let about = job.about.clone();
        Ok(match (job.status, command) {
            (S::Waiting, C::Pick {}) if !state.ready => return Err(Refusal::NotCooked {}),
            (S::Waiting, C::Pick {}) => match me {
                Some(rider) => vec![E::Picked { about, rider, at_ms }],
                None => vec![],
            },
            (S::Picked | S::Delivered, C::Pick {}) if job.rider == me => vec![],
            (S::Failed, C::Pick {}) => return Err(Refusal::DeliveryOver {}),
            (_, C::Pick {}) => return Err(job.rider.map_or(Refusal::DeliveryOver {}, |rider| Refusal::TakenBy { rider })),

            (S::Picked, C::Release {} | C::Deliver {}) if job.rider != me => return Err(Refusal::NotFound {}),
            (S::Picked, C::Release {}) => vec![E::Released { about, rider: job.rider.ok_or(Refusal::NotFound {})?, at_ms }],
            (S::Waiting, C::Release {}) => vec![],
            (S::Picked, C::Deliver {}) => vec![E::Delivered { about, rider: job.rider.ok_or(Refusal::NotFound {})?, at_ms }],
            (S::Delivered, C::Deliver {}) if job.rider == me => vec![],
            (S::Waiting, C::Deliver {}) => return Err(Refusal::NotFound {}),
            (_, C::Release {} | C::Deliver {}) => return Err(Refusal::DeliveryOver {}),

            (_, C::MarkReady { .. }) if !state.ready => vec![E::Ready { about, at_ms }],
            (S::Waiting, C::CallOff { .. }) => vec![E::CalledOff { about, at_ms }],
            (S::Waiting, C::Widen {}) if state.ready => vec![E::Widened { about, at_ms }],
            (S::Waiting, C::GiveUp {}) if state.ready => vec![E::Failed { about, rider: None, at_ms }],
            (S::Picked, C::Abandon {}) => vec![E::Failed { about, rider: job.rider, at_ms }],
            // The deadline was met, or the fact is known.
            _ => vec![],
        })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        use Event as E;
        match event {
            E::Offered { about, drop, ready_ms, at_ms } => {
                state.job = Some(Box::new(Job {
                    about: about.clone(),
                    drop: drop.clone(),
                    status: Status::Waiting,
                    rider: None,
                    ready_ms: *ready_ms,
                    offered_ms: *at_ms,
                    picked_ms: 0,
                }));
            }
            E::Ready { .. } => state.ready = true,
            E::CalledOff { .. } if state.job.is_none() => state.over = true,
            _ => {
                if let Some(job) = state.job.as_deref_mut() {
                    move_on(job, event);
                }
            }
        }
        state
    }

    fn obeys(state: &State, command: &Command, actor: &Actor) -> bool {
        let Some(job) = state.job.as_deref() else { return true };
        match command {
            Command::Pick {} => true,
            // Whoever never had it, or gave it back, has nothing to deliver.
            _ => job.rider.is_none_or(|rider| actor.is_rider(rider)),
        }
    }

    fn show(state: &State, actor: &Actor) -> Option<DeliveryShown> {
        let job = state.job.as_deref()?;
        let mine = job.rider.is_some_and(|rider| actor.is_rider(rider));
        if !actor.is(Role::Rider) {
            return None;
        }
        let mut shown = shown(job, state.ready);
        // The door and the phone are the rider's from the pick to the delivery, and nobody else's ever.
        if mine && job.status == Status::Picked {
            shown.contact = Some(MaybeSealed::Sealed(job.drop.contact.clone()));
        }
        Some(shown)
    }

    fn tags(state: &State) -> Vec<Tag> {
        let Some(job) = state.job.as_deref() else { return vec![] };
        job.rider.map(|rider| tag(format!("rider:{}", rider.account()), job.picked_ms)).into_iter().collect()
    }

    fn verbs() -> Vec<Command> {
        vec![Command::Pick {}, Command::Release {}, Command::Deliver {}]
    }
}

fn shown(job: &Job, ready: bool) -> DeliveryShown {
    DeliveryShown {
        order: job.about.order,
        store_name: job.about.store_name.clone(),
        store_at: job.drop.store_at,
        area: job.drop.area,
        status: job.status,
        ready,
        ready_ms: job.ready_ms,
        fee: job.drop.fee,
        note: job.drop.note.clone(),
        rider: job.rider,
        contact: None,
        distance_km: None,
    }
}

fn move_on(job: &mut Job, event: &Event) {
    use Event as E;
    match event {
        E::Picked { rider, at_ms, .. } => (job.status, job.rider, job.picked_ms) = (Status::Picked, Some(*rider), *at_ms),
        E::Released { .. } => (job.status, job.rider) = (Status::Waiting, None),
        E::Delivered { .. } => job.status = Status::Delivered,
        E::CalledOff { .. } => job.status = Status::CalledOff,
        E::Failed { .. } => job.status = Status::Failed,
        E::Offered { .. } | E::Ready { .. } | E::Widened { .. } => {}
    }
}
