//! What may happen to a payment.

use crate::{
    Decider, Tag,
    fault::{Fault, planted},
    tag,
};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, CustomerId, Kind, Millis, OrderId, Refusal, Role, Stamp, Won,
    api::{PaymentShown, RefusedPart, RefusedRefund, RefusedRefundOf},
    order::{Means, Reason},
    payment::{Command, Event, Movement, RefusalCode, Status, refund_reason},
};

/// The payment aggregate.
pub struct Payment;

/// The list of payments for which the provider owes an answer.
pub const DUE: &str = "due";

/// The list of payments with a charge that nobody waits for any more. It is not asked for: what became of it is looked up.
pub const UNWANTED: &str = "due:unwanted";

/// Both.
pub const LISTS: [&str; 2] = [DUE, UNWANTED];

/// The list of payments of which the provider refuses a refund.
pub const REFUSED: &str = "refused";

/// The key under which the provider sees a movement. A repeat of the same movement has the same key, whatever the
/// attempt, and so the provider knows that it is one.
pub fn provider_key(order: OrderId, movement: Movement, attempt: u32) -> String {
    if planted(Fault::PayTwiceOnRetry) { format!("{order}-{movement}-{attempt}") } else { format!("{order}-{movement}") }
}

/// A charge at the provider whose answer is not known yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    movement: Movement,
    amount: Won,
    extra: bool,
    /// True when nobody waits for it any more: should it be approved after all, the money goes straight back.
    given_up: bool,
    /// True once it has come to nothing although nobody waited for it. An approval that turns up all the same goes straight
    /// back, but nobody looks for one any more.
    #[serde(default)]
    over: bool,
    /// The order's total once this is approved.
    total: Won,
}

/// What a refund takes of one charge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The charge.
    pub charge: Movement,
    /// How much of it goes back.
    pub amount: Won,
}

/// A charge that came in, and how much of it no refund has claimed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    movement: Movement,
    left: Won,
}

/// A movement that the provider owes an answer for.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Of which order.
    pub order: OrderId,
    /// Which of its movements.
    pub movement: Movement,
    /// How much.
    pub amount: Won,
    /// A charge (true for the difference of a change), or a refund.
    pub charge: Option<bool>,
    /// By which card.
    pub means: Means,
    /// Of which charges a refund gives back, and how much of each; for a charge, nothing.
    pub parts: Vec<Part>,
    /// True for a refund that the provider has refused before.
    pub refused: bool,
}

/// What is remembered of a payment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Whose order it pays, once that is known.
    of: Option<(OrderId, CustomerId)>,
    since_ms: Millis,
    means: Means,
    captured: Won,
    refunded: Won,
    charges: Vec<Charge>,
    refunds: Vec<(Movement, Won)>,
    /// Refunds that the provider refuses: why, as it was said last, and when it was said first.
    #[serde(default)]
    refused: Vec<(Movement, Reason, Millis)>,
    /// The provider's own words for that, of those for which it gave one. They stand apart, since rows without them are read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    codes: Vec<(Movement, RefusalCode)>,
    /// Charges of which something is left, oldest first.
    #[serde(default)]
    captures: Vec<Capture>,
    /// What each refund on its way takes, decided once: were it computed at each attempt, a charge approved in between
    /// would change it, and two attempts would give back more than one refund.
    #[serde(default)]
    parts: Vec<(Movement, Part)>,
    declined: bool,
    /// True once the order ended: nothing is kept.
    closed: bool,
    last: Movement,
}

impl State {
    fn refunding(&self) -> Won {
        self.refunds.iter().map(|(_, amount)| *amount).sum()
    }

    /// What the provider must be asked: charges first, as they came.
    pub fn due(&self) -> Vec<Due> {
        let refunds = self.refunds.iter().map(|(movement, amount)| (*movement, *amount, None, self.parts_of(*movement)));
        let refunds: Vec<_> =
            refunds.filter_map(|(movement, amount, charge, parts)| self.one_due(movement, amount, charge, parts)).collect();
        self.dues_of(|c| self.is_wanted(c)).chain(refunds).collect()
    }

    /// The charges that nobody waits for any more, and of which it is not known what became of them. To ask for one would
    /// take money from whoever was told that it is over.
    pub fn unwanted(&self) -> Vec<Due> {
        self.dues_of(|c| !c.over && !self.is_wanted(c)).collect()
    }

    /// The charges that have come to nothing although nobody waited for them: only somebody who knows of one looks again.
    pub fn over(&self) -> Vec<Due> {
        self.dues_of(|c| c.over).collect()
    }

    fn dues_of(&self, which: impl Fn(&Charge) -> bool) -> impl Iterator<Item = Due> {
        let charges = self.charges.iter().filter(move |c| which(c));
        charges.filter_map(|c| self.one_due(c.movement, c.amount, Some(c.extra), vec![]))
    }

    fn one_due(&self, movement: Movement, amount: Won, charge: Option<bool>, parts: Vec<Part>) -> Option<Due> {
        let (order, _) = self.of?;
        let refused = self.refusal_of(movement).is_some();
        Some(Due { order, movement, amount, charge, means: self.means, parts, refused })
    }

    fn is_wanted(&self, charge: &Charge) -> bool {
        !self.closed && !charge.given_up
    }

    /// What the provider refuses to give back, all of it as one: since the first refusal, and with its reason.
    pub fn refused(&self) -> Option<RefusedRefundOf> {
        let (order, _) = self.of?;
        let (first, reason, since_ms) = self.refused.first()?;
        let (reason, code) = (reason.clone(), self.code_of(*first).cloned());
        let refunds = self.refunds.iter().filter(|(movement, _)| self.refusal_of(*movement).is_some());
        let amount = refunds.clone().map(|(_, amount)| *amount).sum();
        let named = |movement| provider_key(order, movement, 0);
        let parts = refunds.flat_map(|(refund, _)| self.parts_of(*refund).into_iter().map(move |part| (*refund, part)));
        let parts = parts.map(|(refund, part)| {
            let (refund, charge) = (named(refund), named(part.charge));
            RefusedPart { cancel_reason: refund_reason(&refund), refund, charge, amount: part.amount }
        });
        let parts = parts.collect();
        Some(RefusedRefundOf { order, refused: RefusedRefund { amount, reason, code, since_ms: *since_ms, parts } })
    }

    /// Why the provider refuses a refund, if it does.
    fn refusal_of(&self, refund: Movement) -> Option<&Reason> {
        self.refused.iter().find(|(movement, ..)| *movement == refund).map(|(_, reason, _)| reason)
    }

    fn code_of(&self, refund: Movement) -> Option<&RefusalCode> {
        self.codes.iter().find(|(movement, _)| *movement == refund).map(|(_, code)| code)
    }

    /// Whether a refusal says what was not said before. A provider that says now this and now that is not told of each time.
    fn is_news(&self, refund: Movement, reason: &Reason, code: Option<&RefusalCode>) -> bool {
        self.refusal_of(refund) != Some(reason) || code.is_some() && self.code_of(refund).is_none()
    }

    fn parts_of(&self, refund: Movement) -> Vec<Part> {
        self.parts.iter().filter(|(of, _)| *of == refund).map(|(_, part)| *part).collect()
    }

    /// Sets aside what a refund takes: of the newest charge first, since its money is the least likely to be settled yet.
    fn claim(&mut self, refund: Movement, amount: Won) {
        let mut wanted = amount;
        for capture in self.captures.iter_mut().rev() {
            let amount = wanted.min(capture.left);
            if amount > Won::ZERO {
                (wanted, capture.left) = (wanted - amount, capture.left - amount);
                self.parts.push((refund, Part { charge: capture.movement, amount }));
            }
        }
        self.captures.retain(|capture| capture.left > Won::ZERO);
    }

    /// True while the provider owes an answer to a charge that somebody waits for.
    pub fn is_charging(&self) -> bool {
        self.charges.iter().any(|c| self.is_wanted(c))
    }

    /// What came in and is not on its way back.
    fn kept(&self) -> Won {
        self.captured - self.refunded - self.refunding()
    }

    fn status(&self) -> Status {
        match self {
            s if s.charges.iter().any(|c| s.is_wanted(c) && !c.extra) => Status::Charging,
            s if !s.refunds.is_empty() => Status::Refunding,
            s if s.captured > Won::ZERO && s.captured == s.refunded => Status::Refunded,
            s if s.captured > Won::ZERO => Status::Paid,
            s if s.declined => Status::Declined,
            _ => Status::Voided,
        }
    }
}

impl Decider for Payment {
    const KIND: Kind = Kind::Payment;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = PaymentShown;

    fn decide(s: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        use {Command as C, Event as E};
        let at_ms = stamp.at_ms;
        let next = s.last + 1;
        Ok(match (command, s.of) {
            // An order that ended before its payment began is never charged.
            (C::Request { .. }, _) if s.closed || s.last > 0 => vec![],
            (C::Request { order, customer, amount, means }, _) => {
                vec![E::Requested {
                    order: *order,
                    customer: *customer,
                    movement: next,
                    amount: *amount,
                    means: *means,
                    extra: false,
                    at_ms,
                }]
            }

            (C::Approve { movement }, Some((order, customer))) => match s.charges.iter().find(|c| c.movement == *movement) {
                None => vec![],
                Some(&Charge { amount, extra, given_up, total, .. }) => {
                    let approved = E::Approved { order, customer, movement: *movement, amount, extra, at_ms };
                    if s.closed || given_up {
                        vec![approved, E::RefundRequested { order, customer, movement: next, amount, reason: None, means: s.means, at_ms }]
                    } else if extra {
                        vec![approved, E::Adjusted { order, customer, total, at_ms }]
                    } else {
                        vec![approved]
                    }
                }
            },
            (C::Decline { movement, reason }, Some((order, customer))) => match s.charges.iter().find(|c| c.movement == *movement) {
                None | Some(Charge { over: true, .. }) => vec![],
                Some(&Charge { extra, given_up, .. }) => {
                    let declined = E::Declined { order, customer, movement: *movement, reason: reason.clone(), extra, at_ms };
                    let failed = E::AdjustFailed { order, customer, reason: reason.clone(), at_ms };
                    if extra && !given_up && !s.closed { vec![declined, failed] } else { vec![declined] }
                }
            },

            (C::Refund { .. }, _) if s.closed => vec![],
            (C::Refund { order, customer, .. }, _) if s.kept() == Won::ZERO => {
                vec![E::Voided { order: *order, customer: *customer, at_ms }]
            }
            (C::Refund { order, customer, reason }, _) => {
                let reason = Some(reason.clone());
                vec![E::RefundRequested {
                    order: *order,
                    customer: *customer,
                    movement: next,
                    amount: s.kept(),
                    reason,
                    means: s.means,
                    at_ms,
                }]
            }

            // While an extra charge is out, the order does not ask for another: it is locked. What was never paid has no
            // difference to be charged.
            (C::Adjust { .. }, _) if s.closed || s.captured == Won::ZERO || s.charges.iter().any(|c| !c.given_up) => vec![],
            (C::Adjust { total }, Some((order, customer))) => {
                let (kept, adjusted) = (s.kept(), E::Adjusted { order, customer, total: *total, at_ms });
                if *total > kept {
                    vec![E::Requested { order, customer, movement: next, amount: *total - kept, means: s.means, extra: true, at_ms }]
                } else if *total < kept {
                    let amount = kept - *total;
                    vec![adjusted, E::RefundRequested { order, customer, movement: next, amount, reason: None, means: s.means, at_ms }]
                } else {
                    vec![adjusted]
                }
            }
            (C::GiveUp { movement }, Some((order, customer))) if s.charges.iter().any(|c| c.movement == *movement && !c.given_up) => {
                vec![E::AdjustFailed { order, customer, reason: Reason::NotPaid, at_ms }]
            }
            (C::ConfirmRefund { movement }, Some((order, customer))) => match s.refunds.iter().find(|(m, _)| m == movement) {
                Some(&(movement, amount)) => vec![E::Refunded { order, customer, movement, amount, at_ms }],
                None => vec![],
            },
            // A refund that is asked for again and again is refused again and again: only what is new is told.
            (C::RefuseRefund { movement, reason, code }, Some((order, customer))) => match s.refunds.iter().find(|(m, _)| m == movement) {
                Some(&(movement, amount)) if s.is_news(movement, reason, code.as_ref()) => {
                    vec![E::RefundRefused { order, customer, movement, amount, reason: reason.clone(), code: code.clone(), at_ms }]
                }
                _ => vec![],
            },
            // Nothing happens to the payment itself: the worker, which has it on its list, is told to make haste.
            (C::Pay {}, _) if s.is_charging() => vec![],
            (C::Pay {}, _) if !s.closed && s.captured > Won::ZERO => return Err(Refusal::AlreadyPaid {}),
            (C::Pay {}, _) => return Err(Refusal::NothingDue {}),
            // An answer to a question that was never asked, or was answered already.
            _ => vec![],
        })
    }

    fn evolve(mut s: State, event: &Event) -> State {
        use Event as E;
        match event {
            E::Requested { order, customer, movement, amount, means, extra, at_ms } => {
                (s.of, s.means, s.last) = (Some((*order, *customer)), *means, *movement);
                s.since_ms = if *extra { s.since_ms } else { *at_ms };
                let total = s.kept() + *amount;
                s.charges.push(Charge { movement: *movement, amount: *amount, extra: *extra, given_up: false, over: false, total });
            }
            E::Approved { movement, amount, .. } => {
                s.captured += *amount;
                s.captures.push(Capture { movement: *movement, left: *amount });
                s.charges.retain(|c| c.movement != *movement);
            }
            E::Declined { movement, extra, .. } => {
                // Of an order that ended before, nothing was declined: it is void.
                s.declined |= !extra && !s.closed;
                let closed = s.closed;
                s.charges.retain_mut(|c| {
                    let is_it = c.movement == *movement;
                    c.over |= is_it;
                    !is_it || closed || c.given_up
                });
            }
            E::Voided { order, customer, .. } => {
                s.of = Some((*order, *customer));
                s.closed = true;
            }
            E::RefundRequested { movement, amount, reason, .. } => {
                s.last = *movement;
                s.refunds.push((*movement, *amount));
                s.claim(*movement, *amount);
                // A refund with a reason is that of an order that ended; the others are differences and late approvals.
                s.closed |= reason.is_some();
            }
            E::RefundRefused { movement, reason, code, at_ms, .. } => {
                s.codes.retain(|(m, _)| m != movement);
                s.codes.extend(code.clone().map(|code| (*movement, code)));
                match s.refused.iter_mut().find(|(m, ..)| m == movement) {
                    Some((_, known, _)) => *known = reason.clone(),
                    None => s.refused.push((*movement, reason.clone(), *at_ms)),
                }
            }
            E::Refunded { movement, amount, .. } => {
                s.refunded += *amount;
                s.refunds.retain(|(m, _)| m != movement);
                s.refused.retain(|(m, ..)| m != movement);
                s.codes.retain(|(m, _)| m != movement);
                s.parts.retain(|(m, _)| m != movement);
            }
            E::AdjustFailed { .. } => s.charges.iter_mut().for_each(|c| c.given_up |= c.extra),
            E::Adjusted { .. } => {}
        }
        s
    }

    fn obeys(s: &State, _: &Command, actor: &Actor) -> bool {
        s.of.is_some_and(|(_, customer)| actor.is_customer(customer))
    }

    fn show(s: &State, actor: &Actor) -> Option<PaymentShown> {
        let (order, customer) = s.of?;
        (actor.is_customer(customer) || actor.is(Role::Operator)).then(|| PaymentShown {
            order,
            status: s.status(),
            captured: s.captured,
            refunded: s.refunded,
            refunding: s.refunding(),
            // For its customer such a refund is on its way: it comes late, or an operator sees to it.
            refused: s.refused().filter(|_| actor.is(Role::Operator)).map(|listed| listed.refused),
            unwanted: Some(s.unwanted().iter().map(|due| due.amount).sum()).filter(|sum| actor.is(Role::Operator) && *sum > Won::ZERO),
        })
    }

    fn tags(s: &State) -> Vec<Tag> {
        let mut tags = vec![];
        if let Some((_, customer)) = s.of {
            tags.push(tag(format!("customer:{}", customer.account()), s.since_ms));
        }
        // The worker's list: whatever is here is asked of the provider again, until it is answered.
        if s.is_charging() || !s.refunds.is_empty() {
            tags.push(tag(DUE, s.since_ms));
        }
        // The same, but only looked up.
        if !s.unwanted().is_empty() {
            tags.push(tag(UNWANTED, s.since_ms));
        }
        // The operators' list: the worker goes on asking, but somebody must see to it.
        if let Some((_, _, since_ms)) = s.refused.first() {
            tags.push(tag(REFUSED, *since_ms));
        }
        tags
    }

    // What nobody waits for used to be asked for like everything else.
    fn former_tags(s: &State) -> Vec<Tag> {
        if s.unwanted().is_empty() { vec![] } else { vec![tag(DUE, s.since_ms)] }
    }

    fn verbs() -> Vec<Command> {
        vec![Command::Pay {}]
    }
}
