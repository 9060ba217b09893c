//! What may happen to an order.

use super::pricing;
use crate::{
    Decider, Tag,
    fault::{Fault, planted},
    geo, story, tag,
};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Millis, Refusal, RiderId, Role, Sender, Stamp, Text, Won,
    api::{OrderShown, Step},
    order::{About, Basket, Command, Drop, Event, Reason, Status},
};

/// The order aggregate.
pub struct Order;

/// Nothing, or an order.
pub type State = Option<Box<Taken>>;

/// An order that was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    about: About,
    basket: Basket,
    drop: Drop,
    note: Option<Text<200>>,
    thanks: Option<Text<200>>,
    status: Status,
    /// Where it stood when a cancel or change was asked for; there it returns if the answer is no.
    under: Status,
    /// True once the store accepted, also when later facts came first.
    accepted: bool,
    /// True while a cancel waits for its answer.
    cancelling: bool,
    /// What was asked for instead, while that waits for its answer.
    change: Option<Basket>,
    /// When that was asked for: its answer carries this time, so that each is known by its question.
    #[serde(default)]
    asked_ms: Option<Millis>,
    /// What would be left by the store's offer, while that is open.
    #[serde(default)]
    offer: Option<Basket>,
    /// What the customer said to the last offer: whoever says so again has said so.
    #[serde(default)]
    answered: Option<bool>,
    rider: Option<RiderId>,
    eta_ms: Option<Millis>,
    timeline: Vec<Step>,
}

impl Taken {
    /// Where it stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Each step so far.
    pub fn timeline(&self) -> &[Step] {
        &self.timeline
    }

    fn is_over(&self) -> bool {
        self.status.is_final()
    }

    /// How far it has come, a lock aside.
    fn progress(&self) -> Status {
        match self.status {
            Status::CancelRequested | Status::ChangeRequested => self.under,
            status => status,
        }
    }

    /// True once the store may know of it: an order that ended unpaid is none of the store's.
    fn was_paid(&self) -> bool {
        let unpaid = |status| matches!(status, Status::PendingPayment | Status::PaymentFailed | Status::Cancelled);
        self.timeline.iter().any(|step| !unpaid(step.status))
    }

    /// What the customer has paid.
    fn paid(&self) -> Won {
        if self.progress() == Status::PendingPayment { Won::ZERO } else { self.basket.total }
    }
}

impl Decider for Order {
    const KIND: Kind = Kind::Order;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = OrderShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E, Status as S};
        let at_ms = stamp.at_ms;
        let Some(o) = state.as_deref() else {
            return match command.clone() {
                C::Place { about, basket, drop, note, means, thanks } => {
                    Ok(vec![E::Placed { about, basket, drop, note, means, thanks, at_ms }])
                }
                C::Cancel { .. } | C::Change { .. } | C::Confirm {} => Err(Refusal::NotFound {}),
                C::Offer { .. } | C::AcceptOffer {} | C::DeclineOffer {} => Err(Refusal::NotFound {}),
                // Facts about an order come after it: everything about it is caused by its events.
                _ => Ok(vec![]),
            };
        };
        let about = o.about.clone();
        Ok(match (o.status, command) {
            (_, C::Place { about, basket, .. }) if *about == o.about && *basket == o.basket => vec![],
            (_, C::Place { .. }) => return Err(Refusal::Exists {}),

            (S::PendingPayment, C::Cancel { reason }) => vec![E::Cancelled { about, reason: said(reason), refund: Won::ZERO, at_ms }],
            (S::Placed | S::Accepted, C::Cancel { reason }) if planted(Fault::OrderDecidesCancel) => {
                vec![E::Cancelled { about, reason: said(reason), refund: o.paid(), at_ms }]
            }
            (S::Placed | S::Accepted, C::Cancel { reason }) => vec![E::CancelRequested { about, reason: said(reason), at_ms }],
            (S::CancelRequested | S::Cancelled, C::Cancel { .. }) => vec![],
            (S::ChangeRequested, C::Cancel { .. }) => return Err(Refusal::Locked { status: o.status }),
            (_, C::Cancel { .. }) => return Err(Refusal::TooLate { status: o.status }),

            (s, C::Change { basket }) if *basket == o.basket && s != S::ChangeRequested => vec![],
            (S::Placed | S::Accepted, C::Change { basket }) => vec![E::ChangeRequested { about, basket: basket.clone(), at_ms }],
            (S::ChangeRequested, C::Change { basket }) if o.change.as_ref() == Some(basket) => vec![],
            (S::ChangeRequested | S::CancelRequested, C::Change { .. }) => return Err(Refusal::Locked { status: o.status }),
            (S::PendingPayment, C::Change { .. }) => return Err(Refusal::TooEarly { status: o.status }),
            (_, C::Change { .. }) => return Err(Refusal::TooLate { status: o.status }),

            (_, C::Offer { .. } | C::AcceptOffer {} | C::DeclineOffer {}) => return offers(o, command, at_ms),

            (S::Delivered, C::Confirm {} | C::Close {}) => {
                vec![E::Completed { about, total: o.basket.total, thanks: o.thanks.clone(), at_ms }]
            }
            (S::Completed, C::Confirm {}) => vec![],
            (s, C::Confirm {}) if s.is_final() => return Err(Refusal::TooLate { status: s }),
            (s, C::Confirm {}) => return Err(Refusal::TooEarly { status: s }),

            (S::PendingPayment, C::ConfirmPaid {}) => vec![E::Paid { about, basket: o.basket.clone(), note: o.note.clone(), at_ms }],
            (S::PendingPayment, C::FailPayment { reason }) => vec![E::PaymentFailed { about, reason: reason.clone(), at_ms }],
            (S::PendingPayment, C::Expire {}) => vec![E::Cancelled { about, reason: Reason::NotPaid, refund: Won::ZERO, at_ms }],

            (_, fact) if !o.is_over() => follow(o, fact, at_ms),
            // The order is over, or it is where the fact would bring it: nothing is left to do.
            _ => vec![],
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        use Event as E;
        if let E::Placed { about, basket, drop, note, thanks, at_ms, .. } = event {
            let placed = Step {
                version: 1,
                event: "placed".into(),
                status: Status::PendingPayment,
                at_ms: *at_ms,
                reason: None,
                amount: None,
                eta_ms: None,
            };
            return Some(Box::new(Taken {
                about: about.clone(),
                basket: basket.clone(),
                drop: drop.clone(),
                note: note.clone(),
                thanks: thanks.clone(),
                status: Status::PendingPayment,
                under: Status::PendingPayment,
                accepted: false,
                cancelling: false,
                change: None,
                offer: None,
                answered: None,
                asked_ms: None,
                rider: None,
                eta_ms: None,
                timeline: vec![placed],
            }));
        }
        let mut o = state?;
        match event {
            E::Accepted { status, eta_ms, .. } => {
                o.accepted = true;
                o.eta_ms = Some(*eta_ms);
                // Under a lock the acceptance is remembered beneath it.
                if *status == o.status && o.progress() < Status::Accepted {
                    o.under = Status::Accepted;
                }
            }
            E::Delayed { eta_ms, .. } => o.eta_ms = Some(*eta_ms),
            E::CancelRequested { .. } => (o.under, o.cancelling) = (o.status, true),
            E::CancelRefused { .. } => o.cancelling = false,
            E::ChangeRequested { at_ms, .. } => (o.under, o.asked_ms) = (o.status, Some(*at_ms)),
            E::Changed { basket, .. } => o.basket = basket.clone(),
            E::OfferMade { .. } => o.answered = None,
            E::OfferAccepted { at_ms, .. } => (o.under, o.answered, o.asked_ms) = (o.status, Some(true), Some(*at_ms)),
            E::OfferDeclined { .. } => o.answered = Some(false),
            E::Picked { rider, .. } => o.rider = Some(*rider),
            E::Released { .. } => o.rider = None,
            // A wish that was not settled ends with the order.
            E::Rejected { .. } | E::Cancelled { .. } | E::PaymentFailed { .. } | E::Completed { .. } => o.cancelling = false,
            E::Placed { .. } | E::Paid { .. } | E::Started { .. } | E::Cooked { .. } | E::Delivered { .. } => {}
            E::ChangeRefused { .. } => {}
        }
        o.status = event.status().unwrap_or(o.status);
        o.change = story::change(o.change.take(), event, o.status);
        o.offer = story::offer(o.offer.take(), event, o.status);
        let step = story::step(event, o.status, o.timeline.len() as u64 + 1);
        o.timeline.push(step);
        Some(o)
    }

    fn obeys(state: &State, command: &Command, actor: &Actor) -> bool {
        state.as_deref().is_none_or(|o| match command.sender() {
            Sender::Person(Role::Owner) => actor.is_owner(o.about.owner) && o.was_paid(),
            _ => actor.is_customer(o.about.customer),
        })
    }

    fn show(state: &State, actor: &Actor) -> Option<OrderShown> {
        let o = state.as_deref()?;
        let at_store = actor.is_owner(o.about.owner) && o.was_paid();
        let carried = o.rider.is_some_and(|rider| actor.is_rider(rider));
        if !at_store && !carried && !actor.is_customer(o.about.customer) && !actor.is(Role::Operator) {
            return None;
        }
        Some(OrderShown {
            order: o.about.order,
            customer: o.about.customer,
            store: o.about.store,
            store_name: o.about.store_name.clone(),
            status: o.status,
            basket: o.basket.clone(),
            change: o.change.clone(),
            offer: o.offer.clone(),
            cook_note: o.note.clone(),
            rider: o.rider,
            eta_ms: o.eta_ms,
            timeline: o.timeline.clone(),
        })
    }

    fn tags(state: &State) -> Vec<Tag> {
        let Some(o) = state.as_deref() else { return vec![] };
        let placed_ms = o.timeline.first().map_or(0, |step| step.at_ms);
        let mut tags = vec![tag(format!("customer:{}", o.about.customer.account()), placed_ms)];
        if o.was_paid() {
            tags.push(tag(format!("owner:{}", o.about.owner), placed_ms));
        }
        tags
    }

    fn verbs() -> Vec<Command> {
        vec![
            Command::Cancel { reason: None },
            Command::Change { basket: Basket::default() },
            Command::Confirm {},
            // Which dish it is, depends on the order. A sample without one asks whether any could be offered; nobody can send it.
            Command::Offer { without: vec![] },
            Command::AcceptOffer {},
            Command::DeclineOffer {},
        ]
    }
}

/// Facts from elsewhere, about an order that is not over. They come in any order: a later one implies the earlier.
fn follow(o: &Taken, fact: &Command, at_ms: Millis) -> Vec<Event> {
    use {Command as C, Event as E, Status as S};
    let about = o.about.clone();
    let progress = o.progress();
    match fact {
        C::ConfirmAccepted { cook_minutes } if !o.accepted => {
            let status = if o.status == progress { progress.max(S::Accepted) } else { o.status };
            let eta_ms = at_ms + (i64::from(cook_minutes.get()) + geo::ride_minutes(o.drop.store_at, o.drop.area)) * 60_000;
            vec![E::Accepted { about, drop: o.drop.clone(), cook_minutes: *cook_minutes, status, eta_ms, at_ms }]
        }
        C::ConfirmDelayed { minutes } if progress < S::Picked => {
            let eta_ms = o.eta_ms.unwrap_or(at_ms) + i64::from(minutes.get()) * 60_000;
            vec![E::Delayed { about, minutes: *minutes, eta_ms, at_ms }]
        }
        // A store may reject what it accepted until it cooks. What is cooked is not rejected, and what was delivered is not called
        // off: such facts are repeats gone astray.
        C::ConfirmRejected { reason } if progress < S::Cooking => {
            vec![E::Rejected { about, reason: reason.clone(), refund: o.paid(), at_ms }]
        }
        C::ConfirmWithdrawn { reason } if progress < S::Delivered => {
            vec![E::Cancelled { about, reason: reason.clone(), refund: o.paid(), at_ms }]
        }
        C::ConfirmStarted {} if progress < S::Cooking => vec![E::Started { about, at_ms }],
        C::RefuseCancel {} if o.cancelling && progress < S::Cooking => {
            vec![E::Started { about: about.clone(), at_ms }, E::CancelRefused { about, status: S::Cooking, at_ms }]
        }
        C::RefuseCancel {} if o.cancelling => vec![E::CancelRefused { about, status: progress, at_ms }],
        C::ConfirmCooked {} if progress < S::Cooked => vec![E::Cooked { about, at_ms }],
        C::ConfirmChanged {} => match &o.change {
            Some(basket) => {
                let difference = basket.total - o.basket.total;
                vec![E::Changed { about, basket: basket.clone(), difference, status: progress, asked_ms: o.asked_ms, at_ms }]
            }
            None => vec![],
        },
        C::RefuseChange { reason } if o.change.is_some() => {
            vec![E::ChangeRefused { about, reason: reason.clone(), status: progress, asked_ms: o.asked_ms, at_ms }]
        }
        C::ConfirmPicked { rider } if progress < S::Delivered && o.rider != Some(*rider) => vec![E::Picked { about, rider: *rider, at_ms }],
        C::ConfirmReleased { rider } if progress < S::Delivered && o.rider == Some(*rider) => vec![E::Released { about, at_ms }],
        C::ConfirmDelivered {} if progress < S::Delivered => vec![E::Delivered { about, rider: o.rider, at_ms }],
        // The order is past this fact already, or people's commands were matched before.
        _ => vec![],
    }
}

/// The store's offer to leave out what is sold out, and the customer's answer. The order stays where it is meanwhile, so an
/// offer holds up neither a cancel nor the kitchen; what is accepted goes the way of a change.
fn offers(o: &Taken, command: &Command, at_ms: Millis) -> Result<Vec<Event>, Refusal> {
    use {Command as C, Event as E, Status as S};
    let about = o.about.clone();
    Ok(match (o.status, &o.offer, command) {
        (_, Some(open), C::Offer { without }) if pricing::without(&o.basket, without).as_ref() == Ok(open) => vec![],
        (_, Some(_), C::Offer { .. }) => return Err(Refusal::OfferOpen {}),
        (S::Placed | S::Accepted, None, C::Offer { without }) => {
            let basket = pricing::without(&o.basket, without)?;
            let refund = o.basket.total - basket.total;
            vec![E::OfferMade { about, basket, without: once(without), refund, at_ms }]
        }
        (S::ChangeRequested | S::CancelRequested, None, C::Offer { .. }) => return Err(Refusal::Locked { status: o.status }),
        (S::PendingPayment, None, C::Offer { .. }) => return Err(Refusal::TooEarly { status: o.status }),
        (_, None, C::Offer { .. }) => return Err(Refusal::TooLate { status: o.status }),

        (_, Some(basket), C::AcceptOffer {}) => vec![E::OfferAccepted { about, basket: basket.clone(), at_ms }],
        (_, Some(_), C::DeclineOffer {}) => vec![E::OfferDeclined { about, at_ms }],
        (_, None, C::AcceptOffer {}) if o.answered == Some(true) => vec![],
        (_, None, C::DeclineOffer {}) if o.answered == Some(false) => vec![],
        (_, None, C::AcceptOffer {} | C::DeclineOffer {}) => return Err(Refusal::NoOffer {}),
        // Only these three come here.
        _ => vec![],
    })
}

/// Names, each once.
fn once(names: &[Text<60>]) -> Vec<Text<60>> {
    names.iter().enumerate().filter(|(i, name)| !names[..*i].contains(name)).map(|(_, name)| name.clone()).collect()
}

fn said(reason: &Option<Text<200>>) -> Reason {
    match reason {
        Some(words) => Reason::Said(words.clone()),
        None => Reason::Unsaid,
    }
}
