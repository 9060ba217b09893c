//! What may happen to a review.

use crate::{Decider, Tag, tag};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Millis, Refusal, Stamp, Text,
    api::ReviewShown,
    order::About,
    review::{Command, Event, Stars},
};

/// The review aggregate.
pub struct Review;

/// Nothing, or an order that was delivered.
pub type State = Option<Box<Invited>>;

/// A review that may be, or is, written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invited {
    about: About,
    at_ms: Millis,
    written: Option<(Stars, Text<1000>)>,
    reply: Option<Text<1000>>,
}

impl Decider for Review {
    const KIND: Kind = Kind::Review;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = ReviewShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E};
        let at_ms = stamp.at_ms;
        let Some(r) = state.as_deref() else {
            return match command {
                C::Invite { about } => Ok(vec![E::Invited { about: about.clone(), at_ms }]),
                C::Write { .. } => Err(Refusal::NotDelivered {}),
                C::Reply { .. } => Err(Refusal::NotFound {}),
            };
        };
        let about = r.about.clone();
        Ok(match (&r.written, command) {
            (_, C::Invite { .. }) => vec![],
            (None, C::Write { stars, text }) => vec![E::Written { about, stars: *stars, text: text.clone(), at_ms }],
            (Some(written), C::Write { stars, text }) if written == &(*stars, text.clone()) => vec![],
            (Some(_), C::Write { .. }) => return Err(Refusal::AlreadyReviewed {}),
            (None, C::Reply { .. }) => return Err(Refusal::NotReviewed {}),
            (Some(_), C::Reply { text }) if r.reply.as_ref() == Some(text) => vec![],
            (Some(_), C::Reply { text }) => vec![E::Replied { about, text: text.clone(), at_ms }],
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        match (state, event) {
            (None, Event::Invited { about, at_ms }) => {
                Some(Box::new(Invited { about: about.clone(), at_ms: *at_ms, written: None, reply: None }))
            }
            (Some(mut r), Event::Written { stars, text, at_ms, .. }) => {
                (r.written, r.at_ms) = (Some((*stars, text.clone())), *at_ms);
                Some(r)
            }
            (Some(mut r), Event::Replied { text, .. }) => {
                r.reply = Some(text.clone());
                Some(r)
            }
            (state, _) => state,
        }
    }

    fn obeys(state: &State, command: &Command, actor: &Actor) -> bool {
        state.as_deref().is_none_or(|r| match command {
            Command::Reply { .. } => actor.is_owner(r.about.owner),
            _ => actor.is_customer(r.about.customer),
        })
    }

    fn show(state: &State, actor: &Actor) -> Option<ReviewShown> {
        let r = state.as_deref()?;
        if r.written.is_none() && !actor.is_customer(r.about.customer) {
            return None;
        }
        let (stars, text) = r.written.clone().unzip();
        Some(ReviewShown { order: r.about.order, store: r.about.store, stars, text, reply: r.reply.clone(), at_ms: r.at_ms })
    }

    fn tags(state: &State) -> Vec<Tag> {
        let Some(r) = state.as_deref() else { return vec![] };
        let mut tags = vec![tag(format!("customer:{}", r.about.customer.account()), r.at_ms)];
        if r.written.is_some() {
            tags.push(tag(format!("store:{}", r.about.store), r.at_ms));
        }
        tags
    }

    fn verbs() -> Vec<Command> {
        let (Some(stars), Ok(text)) = (Stars::new(1), Text::new("-")) else { return vec![] };
        vec![Command::Write { stars, text: text.clone() }, Command::Reply { text }]
    }
}
