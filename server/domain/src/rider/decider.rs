//! What may happen to a rider.

use crate::{Decider, Tag, tag};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Millis, OrderId, Point, Refusal, RiderId, Stamp, Text,
    api::RiderShown,
    rider::{Command, Event},
};
use std::collections::BTreeSet;

/// The rider aggregate.
pub struct Rider;

/// Nothing, or a rider.
pub type State = Option<Box<Known>>;

/// A rider that was registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    rider: RiderId,
    name: Text<60>,
    on_shift: bool,
    at: Option<Point>,
    jobs: BTreeSet<OrderId>,
    since_ms: Millis,
}

/// Deliveries at once: with more than three in the box the first one is cold at the last door.
pub const MAX_JOBS: u32 = 3;

impl Decider for Rider {
    const KIND: Kind = Kind::Rider;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = RiderShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E};
        let at_ms = stamp.at_ms;
        let Some(r) = state.as_deref() else {
            return match command {
                C::Register { rider, name } => Ok(vec![E::Registered { rider: *rider, name: name.clone(), at_ms }]),
                C::Drop { .. } => Ok(vec![]),
                C::Take { .. } => Err(Refusal::OffShift {}),
                C::Start { .. } | C::End {} | C::Move { .. } => Err(Refusal::NotFound {}),
            };
        };
        let rider = r.rider;
        Ok(match command {
            C::Register { name, .. } if *name == r.name => vec![],
            C::Register { .. } => return Err(Refusal::Exists {}),
            C::Start { at } if r.on_shift && r.at == Some(*at) => vec![],
            C::Start { at } if r.on_shift => vec![E::Moved { rider, at: *at, at_ms }],
            C::Start { at } => vec![E::Started { rider, at: *at, at_ms }],
            C::End {} if !r.jobs.is_empty() => return Err(Refusal::StillCarrying { jobs: r.jobs.len() as u32 }),
            C::End {} if r.on_shift => vec![E::Ended { rider, at_ms }],
            C::End {} => vec![],
            C::Move { .. } if !r.on_shift => return Err(Refusal::OffShift {}),
            C::Move { at } if r.at == Some(*at) => vec![],
            C::Move { at } => vec![E::Moved { rider, at: *at, at_ms }],

            C::Take { order } if r.jobs.contains(order) => vec![],
            C::Take { .. } if !r.on_shift => return Err(Refusal::OffShift {}),
            C::Take { .. } if r.jobs.len() >= MAX_JOBS as usize => return Err(Refusal::TooManyJobs { maximum: MAX_JOBS }),
            C::Take { order } => vec![E::Took { rider, order: *order, at_ms }],
            C::Drop { order } if r.jobs.contains(order) => vec![E::Dropped { rider, order: *order, at_ms }],
            C::Drop { .. } => vec![],
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        if let (None, Event::Registered { rider, name, at_ms }) = (&state, event) {
            let known = Known { rider: *rider, name: name.clone(), on_shift: false, at: None, jobs: BTreeSet::new(), since_ms: *at_ms };
            return Some(Box::new(known));
        }
        let mut r = state?;
        match event {
            Event::Registered { .. } => {}
            Event::Started { at, .. } => (r.on_shift, r.at) = (true, Some(*at)),
            Event::Ended { .. } => (r.on_shift, r.at) = (false, None),
            Event::Moved { at, .. } => r.at = Some(*at),
            Event::Took { order, .. } => {
                r.jobs.insert(*order);
            }
            Event::Dropped { order, .. } => {
                r.jobs.remove(order);
            }
        }
        Some(r)
    }

    fn obeys(state: &State, _: &Command, actor: &Actor) -> bool {
        state.as_deref().is_none_or(|r| actor.is_rider(r.rider))
    }

    fn show(state: &State, actor: &Actor) -> Option<RiderShown> {
        let r = state.as_deref()?;
        actor.is_rider(r.rider).then(|| RiderShown {
            rider: r.rider,
            name: r.name.clone(),
            on_shift: r.on_shift,
            at: r.at,
            jobs: r.jobs.iter().copied().collect(),
        })
    }

    fn tags(state: &State) -> Vec<Tag> {
        state.as_deref().map(|r| tag(format!("rider:{}", r.rider.account()), r.since_ms)).into_iter().collect()
    }

    fn verbs() -> Vec<Command> {
        // Somewhere nobody is, so that a rider who is on shift could always go there.
        let at = Point { lat: 0.0, lng: 0.0 };
        vec![Command::Start { at }, Command::End {}, Command::Move { at }]
    }
}
