//! What may happen to a customer.

use crate::{Decider, Tag, tag};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, CustomerId, Kind, Lang, Millis, Refusal, Sealed, Stamp, Text,
    api::{CustomerShown, MaybeSealed},
    customer::{Command, Event, Grade},
};

/// The customer aggregate.
pub struct Customer;

/// Nothing, or a customer.
pub type State = Option<Box<Known>>;

/// A customer that was registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    customer: CustomerId,
    name: Text<60>,
    contact: Sealed,
    lang: Lang,
    progress: bool,
    completed: u32,
    since_ms: Millis,
}

impl Decider for Customer {
    const KIND: Kind = Kind::Customer;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = CustomerShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E};
        let at_ms = stamp.at_ms;
        let Some(c) = state.as_deref() else {
            return match command.clone() {
                C::Register { customer, name, contact, lang } => Ok(vec![E::Registered { customer, name, contact, lang, at_ms }]),
                // Somebody who orders without a profile has no grade.
                C::Count { .. } => Ok(vec![]),
                C::SetContact { .. } | C::SetPreferences { .. } => Err(Refusal::NotFound {}),
            };
        };
        let customer = c.customer;
        Ok(match command {
            C::Register { name, .. } if *name == c.name => vec![],
            C::Register { .. } => return Err(Refusal::Exists {}),
            C::SetContact { contact } if *contact == c.contact => vec![],
            C::SetContact { contact } => vec![E::ContactSet { customer, contact: contact.clone(), at_ms }],
            C::SetPreferences { lang, progress } if (*lang, *progress) == (c.lang, c.progress) => vec![],
            C::SetPreferences { lang, progress } => vec![E::PreferencesSet { customer, lang: *lang, progress: *progress, at_ms }],
            // Which orders were counted is not remembered here: the subscription brings each completion once.
            C::Count { order } => {
                let (completed, before) = (c.completed + 1, Grade::after(c.completed));
                let grade = Grade::after(completed);
                let counted = E::Counted { customer, order: *order, completed, grade, at_ms };
                if grade > before { vec![counted, E::Promoted { customer, order: *order, grade, at_ms }] } else { vec![counted] }
            }
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        if let (None, Event::Registered { customer, name, contact, lang, at_ms }) = (&state, event) {
            return Some(Box::new(Known {
                customer: *customer,
                name: name.clone(),
                contact: contact.clone(),
                lang: *lang,
                progress: true,
                completed: 0,
                since_ms: *at_ms,
            }));
        }
        let mut c = state?;
        match event {
            Event::Registered { .. } | Event::Promoted { .. } => {}
            Event::ContactSet { contact, .. } => c.contact = contact.clone(),
            Event::PreferencesSet { lang, progress, .. } => (c.lang, c.progress) = (*lang, *progress),
            Event::Counted { completed, .. } => c.completed = *completed,
        }
        Some(c)
    }

    fn obeys(state: &State, _: &Command, actor: &Actor) -> bool {
        state.as_deref().is_none_or(|c| actor.is_customer(c.customer))
    }

    fn show(state: &State, actor: &Actor) -> Option<CustomerShown> {
        let c = state.as_deref()?;
        actor.is_customer(c.customer).then(|| CustomerShown {
            customer: c.customer,
            name: c.name.clone(),
            contact: Some(MaybeSealed::Sealed(c.contact.clone())),
            lang: c.lang,
            progress: c.progress,
            completed: c.completed,
            grade: Grade::after(c.completed),
        })
    }

    fn tags(state: &State) -> Vec<Tag> {
        state.as_deref().map(|c| tag(format!("customer:{}", c.customer.account()), c.since_ms)).into_iter().collect()
    }

    fn verbs() -> Vec<Command> {
        let other = Sealed("-".into());
        // Both wishes, because one of them is always the present one.
        vec![
            Command::SetContact { contact: other },
            Command::SetPreferences { lang: Lang::Ko, progress: false },
            Command::SetPreferences { lang: Lang::En, progress: true },
        ]
    }
}
