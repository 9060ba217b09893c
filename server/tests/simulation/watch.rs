//! What must never happen, looked for in each commit as it is made. It knows only events, in the order of their journals.

use super::node::Set;
use server::journal::Commit;
use shared::{
    AccountId, Context, Event, Kind, Millis, OrderId, Recorded, RiderId, StoreId, Won, delivery,
    order::{self, About, Basket, Reason, Status},
    payment::{self, Movement},
    review, rider, store, ticket,
};
use std::collections::{BTreeMap, BTreeSet};

/// A promise that was broken.
pub type Broken = String;

/// Fails with a text unless a promise was kept.
macro_rules! hold {
    ($kept:expr, $($text:tt)+) => { if !$kept { return Err(format!($($text)+)); } };
}
pub(crate) use hold;

/// All that was seen so far.
#[derive(Default)]
pub struct Watch {
    pub heads: BTreeMap<(Context, u16), u64>,
    versions: BTreeMap<(Kind, String), u64>,
    pub orders: BTreeMap<OrderId, OrderSeen>,
    stores: BTreeMap<StoreId, StoreSeen>,
    pub tickets: BTreeMap<OrderId, TicketSeen>,
    pub deliveries: BTreeMap<OrderId, DeliverySeen>,
    riders: BTreeMap<RiderId, BTreeSet<OrderId>>,
    payments: BTreeMap<OrderId, PaymentSeen>,
    reviewed: BTreeSet<OrderId>,
    fired: BTreeSet<Set>,
}

/// An order, as its own context told it.
pub struct OrderSeen {
    pub about: About,
    pub status: Status,
    /// The farthest it came, locks aside.
    farthest: Status,
    /// What it costs now.
    pub basket: Basket,
    /// What would be left by the store's offer, while that is open.
    pub offer: Option<Basket>,
    /// What the customer took of an offer, until it is settled.
    taken: Option<Basket>,
    /// Changes that were offered by the store.
    pub left_out: u32,
    pub declined_offer: bool,
    /// Why it was cancelled or rejected.
    pub reason: Option<Reason>,
    pub changes: u32,
    pub asked_change: bool,
    pub refund: Won,
    pub cancel_refused: bool,
    /// When it ended.
    pub ended_ms: Millis,
}

impl OrderSeen {
    /// An offer leaves something, gives back the rest, and is taken as it was made or not at all. It lapses when anything else
    /// is asked for, or the kitchen begins.
    fn offers(&mut self, id: OrderId, event: &order::Event) -> Result<(), Broken> {
        let waits = matches!(self.status, Status::Placed | Status::Accepted);
        match event {
            order::Event::OfferMade { basket, refund, .. } => {
                hold!(waits && self.offer.is_none(), "one offer at a time, before cooking: {id} was {:?}", self.status);
                let (all, left) = (self.basket.total, basket.total);
                hold!(left + *refund == all && !basket.lines.is_empty(), "an offer is a part: {left} and {refund} of {all} for {id}");
                self.offer = Some(basket.clone());
            }
            order::Event::OfferAccepted { basket, .. } => {
                hold!(self.offer.as_ref() == Some(basket), "what is taken was offered: {basket:?}, not {:?}, for {id}", self.offer);
                self.taken = self.offer.take();
            }
            order::Event::OfferDeclined { .. } => {
                hold!(self.offer.take().is_some(), "what is declined was offered: {id}");
                self.declined_offer = true;
            }
            order::Event::Changed { basket, difference, .. } => {
                if let Some(taken) = self.taken.take() {
                    hold!(taken == *basket, "what was taken is what is left: {taken:?}, not {basket:?}, for {id}");
                    hold!(self.basket.total + *difference == basket.total, "the rest goes back: {difference} of {id}");
                    self.left_out += 1;
                }
            }
            order::Event::ChangeRefused { .. } => self.taken = None,
            event => self.offer = self.offer.take().filter(|_| event.status().is_none_or(|to| to == Status::Accepted)),
        }
        Ok(())
    }
}

#[derive(Default)]
struct StoreSeen {
    capacity: usize,
    open: BTreeSet<OrderId>,
}

#[derive(Default)]
struct PaymentSeen {
    /// Movements that wait for an answer.
    due: BTreeSet<Movement>,
    closed: bool,
}

/// A ticket, as the store told it.
#[derive(Default)]
pub struct TicketSeen {
    pub status: Option<ticket::Status>,
    pub started: bool,
    /// Rejected after it was accepted.
    pub taken_back: bool,
    early: bool,
    announced: u32,
    overdue: u32,
}

/// A delivery, as the rider context told it.
#[derive(Default)]
pub struct DeliverySeen {
    pub offered: bool,
    pub ready: bool,
    pub rider: Option<RiderId>,
    pub picks: u32,
    pub gone_back: u32,
    pub delivered: bool,
    pub over: bool,
    widened: u32,
}

impl Watch {
    /// Looks at a commit of a context.
    pub fn see(&mut self, commit: &Commit, fired: &[Set]) -> Result<(), Broken> {
        for recorded in &commit.events {
            self.count(recorded)?;
            match &recorded.event {
                Event::Order(event) => self.order(event)?,
                Event::Store(event) => self.store(event)?,
                Event::Ticket(event) => self.ticket(event)?,
                Event::Delivery(event) => self.delivery(event, recorded.by)?,
                Event::Rider(event) => self.rider(event)?,
                Event::Payment(event) => self.payment(event)?,
                Event::Review(event) => self.review(event)?,
                Event::Customer(_) | Event::Notice(_) | Event::Unreadable(_) => {}
            }
        }
        for set in fired {
            let ((kind, stream, name), cause) = set;
            hold!(self.fired.insert(set.clone()), "each deadline acts once: {name} of {kind:?} {stream}, set by {cause:?}, acted again");
        }
        hold!(commit.parked.is_empty(), "nothing is parked: {:?}", commit.parked);
        Ok(())
    }

    /// Journals have no gaps, and neither have streams.
    fn count(&mut self, recorded: &Recorded) -> Result<(), Broken> {
        let at = recorded.position;
        let head = self.heads.entry((at.context, at.partition)).or_default();
        *head += 1;
        hold!(at.seq == *head, "a partition has no gap: {at} came where {head} was expected");
        let version = self.versions.entry((recorded.event.kind(), recorded.stream.clone())).or_default();
        *version += 1;
        hold!(
            recorded.version == *version,
            "a stream has no gap: {at} is version {} of {}, not {version}",
            recorded.version,
            recorded.stream
        );
        Ok(())
    }

    fn order(&mut self, event: &order::Event) -> Result<(), Broken> {
        let about = event.about();
        let id = about.order;
        if let order::Event::Placed { basket, .. } = event {
            let seen = OrderSeen {
                about: about.clone(),
                status: Status::PendingPayment,
                farthest: Status::PendingPayment,
                basket: basket.clone(),
                offer: None,
                taken: None,
                left_out: 0,
                declined_offer: false,
                reason: None,
                changes: 0,
                asked_change: false,
                refund: Won::ZERO,
                cancel_refused: false,
                ended_ms: 0,
            };
            hold!(self.orders.insert(id, seen).is_none(), "an order is placed once: {id}");
            return Ok(());
        }
        let Some(seen) = self.orders.get_mut(&id) else { return Err(format!("an order begins with its placing: {id}")) };
        hold!(!seen.status.is_final(), "an order ends once: {id} was {:?}, then came {event:?}", seen.status);
        seen.offers(id, event)?;
        if let order::Event::CancelRequested { .. } | order::Event::ChangeRequested { .. } | order::Event::OfferAccepted { .. } = event {
            let free = matches!(seen.status, Status::Placed | Status::Accepted);
            hold!(free, "an order holds one lock at a time, and none once it is cooked: {id} was {:?}", seen.status);
        }
        if let order::Event::Accepted { .. } = event {
            // Under a lock the acceptance is not seen, but it is not forgotten either.
            seen.farthest = seen.farthest.max(Status::Accepted);
        }
        seen.status = event.status().unwrap_or(seen.status);
        if !matches!(seen.status, Status::CancelRequested | Status::ChangeRequested) {
            hold!(seen.status >= seen.farthest, "a status never goes back: {id} went from {:?} to {:?}", seen.farthest, seen.status);
            seen.farthest = seen.status;
        }
        if seen.status.is_final() {
            seen.ended_ms = event.at_ms();
        }
        match event {
            order::Event::CancelRefused { .. } => seen.cancel_refused = true,
            order::Event::ChangeRequested { .. } | order::Event::OfferAccepted { .. } => seen.asked_change = true,
            order::Event::Changed { basket, .. } => (seen.basket, seen.changes) = (basket.clone(), seen.changes + 1),
            order::Event::Cancelled { reason, refund, .. } | order::Event::Rejected { reason, refund, .. } => {
                (seen.reason, seen.refund) = (Some(reason.clone()), *refund);
            }
            order::Event::PaymentFailed { reason, .. } => seen.reason = Some(reason.clone()),
            _ => {}
        }
        Ok(())
    }

    fn payment(&mut self, event: &payment::Event) -> Result<(), Broken> {
        use payment::Event as E;
        let id = event.order();
        let seen = self.payments.entry(id).or_default();
        match event {
            E::Requested { movement, amount, .. } => {
                hold!(!seen.closed, "nobody is charged for an order that ended: {id}, movement {movement}");
                hold!(*amount > Won::ZERO, "a charge is of something: {amount} of {id}");
                seen.due.insert(*movement);
            }
            E::RefundRequested { movement, reason, amount, .. } => {
                hold!(*amount > Won::ZERO, "a refund is of something: {amount} of {id}");
                seen.due.insert(*movement);
                seen.closed |= reason.is_some();
            }
            E::Approved { movement, .. } | E::Declined { movement, .. } | E::Refunded { movement, .. } => {
                hold!(seen.due.remove(movement), "a movement is answered once: movement {movement} of {id}");
            }
            E::RefundRefused { movement, .. } => {
                hold!(seen.due.contains(movement), "only what is due is refused, and it stays due: movement {movement} of {id}");
            }
            E::Voided { .. } => seen.closed = true,
            E::Adjusted { .. } | E::AdjustFailed { .. } => {}
        }
        Ok(())
    }

    fn store(&mut self, event: &store::Event) -> Result<(), Broken> {
        match event {
            store::Event::Changed { profile, .. } => {
                self.stores.entry(profile.store).or_default().capacity = profile.capacity.get() as usize;
            }
            store::Event::Admitted { about, .. } => {
                let store = self.stores.entry(about.store).or_default();
                store.open.insert(about.order);
                let (open, capacity) = (store.open.len(), store.capacity);
                hold!(open <= capacity, "a store takes no more than its capacity: {open} open tickets of {capacity} with {}", about.order);
            }
            store::Event::TurnedAway { .. } | store::Event::Released { .. } => {}
        }
        Ok(())
    }

    fn ticket(&mut self, event: &ticket::Event) -> Result<(), Broken> {
        use ticket::{Event as E, Status as S};
        let (id, store) = (event.order(), event.about().store);
        let seen = self.tickets.entry(id).or_default();
        let before = seen.status;
        let ends = |status| matches!(status, S::Finished | S::Rejected | S::Withdrawn | S::Abandoned);
        match event {
            E::Opened { .. } => {
                hold!(!seen.early, "a ticket that was withdrawn never goes on the wall: {id}");
                hold!(before.is_none(), "a ticket opens once: {id}");
                seen.status = Some(S::Waiting);
            }
            E::Withdrawn { .. } if before.is_none() => seen.early = true,
            E::Dropped { .. } => {
                self.stores.entry(store).or_default().open.remove(&id);
            }
            E::Delayed { .. } => seen.announced += 1,
            E::Overdue { .. } => {
                seen.overdue += 1;
                hold!(seen.overdue <= seen.announced, "an announced time runs out once: {id}");
            }
            E::WithdrawalRefused { .. } => hold!(seen.started, "a cancel is refused for the cook's sake only: {id}"),
            _ => {}
        }
        let after = match event {
            E::Accepted { .. } => Some((S::Waiting, S::Accepted)),
            E::Started { .. } => Some((S::Accepted, S::Cooking)),
            E::Finished { .. } => Some((S::Cooking, S::Finished)),
            // Until it cooks a store may say no to what it accepted; the deadline of its answer may not.
            E::Rejected { reason, .. } if before == Some(S::Accepted) && *reason != Reason::NoAnswer => {
                seen.taken_back = true;
                Some((S::Accepted, S::Rejected))
            }
            E::Rejected { .. } => Some((S::Waiting, S::Rejected)),
            E::Withdrawn { .. } if before.is_some() => Some((before.unwrap_or(S::Waiting), S::Withdrawn)),
            E::Abandoned { .. } => Some((before.unwrap_or(S::Waiting), S::Abandoned)),
            _ => None,
        };
        if let Some((from, to)) = after {
            hold!(before == Some(from) && !ends(from), "a ticket goes its way: {id} went from {before:?} to {to:?}");
            seen.status = Some(to);
            seen.started |= to == S::Cooking;
            seen.announced += u32::from(to == S::Accepted);
            if ends(to) {
                self.stores.entry(store).or_default().open.remove(&id);
            }
        }
        Ok(())
    }

    fn delivery(&mut self, event: &delivery::Event, by: Option<AccountId>) -> Result<(), Broken> {
        use delivery::Event as E;
        let id = event.order();
        let seen = self.deliveries.entry(id).or_default();
        hold!(!seen.over || matches!(event, E::Ready { .. }), "a delivery ends once: {id}, then came {event:?}");
        if let E::Picked { rider, .. } | E::Released { rider, .. } | E::Delivered { rider, .. } = event {
            hold!(by == Some(rider.account()), "a rider speaks for nobody else: {by:?} did for {rider}, {id}");
        }
        match event {
            E::Offered { .. } => seen.offered = true,
            E::Ready { .. } => {
                hold!(!seen.ready, "food is ready once: {id}");
                seen.ready = true;
            }
            E::Picked { rider, .. } => {
                hold!(seen.ready, "food is picked when it is cooked: {id}");
                hold!(seen.rider.is_none(), "a delivery has one rider: {id} has {:?} and was picked by {rider}", seen.rider);
                (seen.rider, seen.picks) = (Some(*rider), seen.picks + 1);
            }
            E::Released { rider, .. } | E::Delivered { rider, .. } => {
                hold!(seen.rider == Some(*rider), "who has it, brings it: {id} is with {:?}, not {rider}", seen.rider);
                let delivered = matches!(event, E::Delivered { .. });
                (seen.rider, seen.delivered, seen.over) = (None, delivered, delivered);
                seen.gone_back += u32::from(!delivered);
            }
            E::CalledOff { .. } => {
                hold!(seen.rider.is_none(), "what a rider has is not called off: {id}");
                seen.over = true;
            }
            E::Widened { .. } => {
                seen.widened += 1;
                hold!(seen.widened <= 1 + seen.gone_back, "a job is shown farther once each time it waits: {id}");
            }
            E::Failed { rider, .. } => {
                hold!(seen.rider == *rider, "who lost it, had it: {id}");
                (seen.rider, seen.over) = (None, true);
            }
        }
        Ok(())
    }

    fn review(&mut self, event: &review::Event) -> Result<(), Broken> {
        let id = event.about().order;
        let delivered = self.deliveries.get(&id).is_some_and(|delivery| delivery.delivered);
        hold!(delivered, "what is reviewed was delivered: {id}");
        if matches!(event, review::Event::Written { .. }) {
            hold!(self.reviewed.insert(id), "an order is reviewed once: {id}");
        }
        Ok(())
    }

    fn rider(&mut self, event: &rider::Event) -> Result<(), Broken> {
        match event {
            rider::Event::Took { rider, order, .. } => {
                let jobs = self.riders.entry(*rider).or_default();
                jobs.insert(*order);
                hold!(jobs.len() <= domain::rider::MAX_JOBS as usize, "a rider carries no more than may be: {rider} has {jobs:?}");
            }
            rider::Event::Dropped { rider, order, .. } => {
                self.riders.entry(*rider).or_default().remove(order);
            }
            _ => {}
        }
        Ok(())
    }

    /// How many tickets a store has open.
    pub fn open(&self, store: StoreId) -> usize {
        self.stores.get(&store).map_or(0, |store| store.open.len())
    }

    /// Open tickets of all stores, and jobs of all riders.
    pub fn unfinished(&self) -> usize {
        self.stores.values().map(|store| store.open.len()).sum::<usize>() + self.riders.values().map(BTreeSet::len).sum::<usize>()
    }
}
