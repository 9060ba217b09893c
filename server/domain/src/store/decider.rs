//! What may happen to a store.

use crate::{
    Decider, Tag, clock,
    fault::{Fault, planted},
    tag,
};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Millis, OrderId, Refusal, Stamp, Text, Won,
    api::StoreShown,
    money::Price,
    order::{Basket, Reason},
    store::{Capacity, Command, Dish, Door, Event, Profile},
};
use std::collections::BTreeSet;

/// The store aggregate.
pub struct Store;

/// Nothing, or a store.
pub type State = Option<Box<Known>>;

/// A store that was registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    profile: Profile,
    /// Orders with a place: admitted, and their tickets not ended.
    holding: BTreeSet<OrderId>,
    since_ms: Millis,
}

/// Tickets that a new store takes at once.
const FIRST_CAPACITY: u32 = 10;

impl Decider for Store {
    const KIND: Kind = Kind::Store;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = StoreShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E};
        let at_ms = stamp.at_ms;
        match (state.as_deref(), command) {
            (None, C::Register { store, owner, name, address, at }) => {
                let profile = Profile {
                    store: *store,
                    owner: *owner,
                    revision: 1,
                    name: name.clone(),
                    address: address.clone(),
                    at: *at,
                    door: Door::Closed,
                    hours: None,
                    menu: vec![],
                    minimum: Won::ZERO,
                    delivery_fee: Won::ZERO,
                    capacity: Capacity::new(FIRST_CAPACITY).ok_or(Refusal::TooMany { maximum: FIRST_CAPACITY })?,
                    thanks: None,
                };
                Ok(vec![E::Changed { profile: Box::new(profile), at_ms }])
            }
            (Some(s), C::Register { owner, name, .. }) => {
                if (s.profile.owner, &s.profile.name) == (*owner, name) {
                    Ok(vec![])
                } else {
                    Err(Refusal::Exists {})
                }
            }
            (None, C::Admit { about, .. }) => Ok(vec![E::TurnedAway { about: about.clone(), reason: Reason::StoreClosed, at_ms }]),
            (None, C::Release { .. }) => Ok(vec![]),
            (None, _) => Err(Refusal::NotFound {}),

            (Some(s), C::Admit { about, .. }) if s.holding.contains(&about.order) => Ok(vec![]),
            (Some(_), C::Admit { about, basket, note }) if is_late_place(basket) => {
                Ok(vec![E::Admitted { about: about.clone(), basket: basket.clone(), note: note.clone(), at_ms }])
            }
            (Some(s), C::Admit { about, basket, note }) => Ok(vec![match unfit(s, basket, at_ms) {
                Some(reason) => E::TurnedAway { about: about.clone(), reason, at_ms },
                None => E::Admitted { about: about.clone(), basket: basket.clone(), note: note.clone(), at_ms },
            }]),
            (Some(s), C::Release { order }) if s.holding.contains(order) => {
                Ok(vec![E::Released { store: s.profile.store, order: *order, at_ms }])
            }
            (Some(_), C::Release { .. }) => Ok(vec![]),
            (Some(s), command) => {
                let mut profile = s.profile.clone();
                change(&mut profile, command)?;
                if profile == s.profile {
                    return Ok(vec![]);
                }
                profile.revision += 1;
                Ok(vec![E::Changed { profile: Box::new(profile), at_ms }])
            }
        }
    }

    fn evolve(state: State, event: &Event) -> State {
        match (state, event) {
            (None, Event::Changed { profile, at_ms }) => {
                Some(Box::new(Known { profile: Profile::clone(profile), holding: BTreeSet::new(), since_ms: *at_ms }))
            }
            (Some(mut s), event) => {
                match event {
                    Event::Changed { profile, .. } => s.profile = Profile::clone(profile),
                    Event::Admitted { about, basket, .. } if !planted(Fault::SkipWaitingTickets) || is_late_place(basket) => {
                        s.holding.insert(about.order);
                    }
                    Event::Released { order, .. } => {
                        s.holding.remove(order);
                    }
                    Event::Admitted { .. } | Event::TurnedAway { .. } => {}
                }
                Some(s)
            }
            (None, _) => None,
        }
    }

    fn obeys(state: &State, _: &Command, actor: &Actor) -> bool {
        state.as_deref().is_none_or(|s| actor.is_owner(s.profile.owner))
    }

    fn show(state: &State, actor: &Actor) -> Option<StoreShown> {
        let s = state.as_deref()?;
        actor.is_owner(s.profile.owner).then(|| StoreShown { profile: s.profile.clone(), open_tickets: s.holding.len() as u32 })
    }

    fn tags(state: &State) -> Vec<Tag> {
        state.as_deref().map(|s| tag(format!("owner:{}", s.profile.owner), s.since_ms)).into_iter().collect()
    }

    fn verbs() -> Vec<Command> {
        use Command as C;
        let (Ok(name), Some(price), Some(capacity)) = (Text::<60>::new("-"), Price::new(1000), Capacity::new(1)) else { return vec![] };
        vec![
            C::SetDish { dish: Dish { name: name.clone(), price, choices: vec![], sold_out: false } },
            C::RemoveDish { name: name.clone() },
            C::SetSoldOut { name, sold_out: true },
            C::SetHours { hours: None },
            C::Open {},
            C::Close {},
            C::Pause {},
            C::SetTerms { minimum: price, delivery_fee: price },
            C::SetCapacity { capacity },
            C::SetThanks { text: None },
        ]
    }
}

/// Why an order has no place here now, if so. The ticket has the last word on what the storefront promised.
fn unfit(s: &Known, basket: &Basket, at_ms: Millis) -> Option<Reason> {
    let gone = |item: &Text<60>| s.profile.menu.iter().all(|dish| dish.name != *item || dish.sold_out);
    // Every order that holds a place counts, whether its ticket waits for an answer or is on the stove.
    let full = s.holding.len() >= s.profile.capacity.get() as usize;
    if !clock::is_open(&s.profile, at_ms) {
        Some(Reason::StoreClosed)
    } else if let Some(line) = basket.lines.iter().find(|line| gone(&line.item)) {
        Some(Reason::SoldOut(line.item.clone()))
    } else {
        full.then_some(Reason::OverCapacity)
    }
}

/// The planted error takes a place only once the store has accepted, and asks for it then, without the dishes.
fn is_late_place(basket: &Basket) -> bool {
    planted(Fault::SkipWaitingTickets) && basket.lines.is_empty()
}

fn change(profile: &mut Profile, command: &Command) -> Result<(), Refusal> {
    use Command as C;
    match command {
        C::SetDish { dish } => {
            if dish.choices.len() > Dish::MAX_CHOICES {
                return Err(Refusal::TooMany { maximum: Dish::MAX_CHOICES as u32 });
            }
            match profile.menu.iter().position(|d| d.name == dish.name) {
                Some(i) => profile.menu[i] = dish.clone(),
                None if profile.menu.len() >= Profile::MAX_DISHES => return Err(Refusal::TooMany { maximum: Profile::MAX_DISHES as u32 }),
                None => profile.menu.push(dish.clone()),
            }
        }
        C::RemoveDish { name } => profile.menu.retain(|d| d.name != *name),
        C::SetSoldOut { name, sold_out } => {
            let dish = profile.menu.iter_mut().find(|d| d.name == *name);
            dish.ok_or_else(|| Refusal::UnknownDish { item: name.clone() })?.sold_out = *sold_out;
        }
        C::SetHours { hours } => profile.hours = *hours,
        C::Open {} => profile.door = Door::Open,
        C::Close {} => profile.door = Door::Closed,
        C::Pause {} => profile.door = Door::Paused,
        C::SetTerms { minimum, delivery_fee } => (profile.minimum, profile.delivery_fee) = ((*minimum).into(), (*delivery_fee).into()),
        C::SetCapacity { capacity } => profile.capacity = *capacity,
        C::SetThanks { text } => profile.thanks = text.clone(),
        // Matched by the caller.
        C::Register { .. } | C::Admit { .. } | C::Release { .. } => {}
    }
    Ok(())
}
