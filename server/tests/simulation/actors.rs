//! People: each step one of them tries something, mostly what brings an order on, sometimes what is silly or not theirs.

use super::{
    cast::{Cast, DISHES, Shop, bits, person, text, way, wishes},
    node::{Disk, Request},
    rng::Rng,
    watch::{OrderSeen, Watch},
};
use domain::{Row, order::pricing};
use server::{engine::core::Order, journal::Answer};
use shared::{
    Actor, Command, Kind, Millis, Minutes, OrderId, RiderId, Role, Stamp, StoreId, Text, delivery,
    order::{self, About, Basket, Means, Status},
    review, rider,
    store::{self, Capacity, Profile},
    ticket,
};

/// What the people of a run are like, in percent.
pub struct Mood {
    cancels: u64,
    changes: u64,
    rejects: u64,
    offers: u64,
    silly: u64,
    shuts: u64,
    /// How soon riders are at the door, or how many jobs they let pile up.
    brings: u64,
    /// One change an order at most, which is all that the rules promise when nothing keeps the order of events.
    pub once: bool,
}

impl Mood {
    pub fn new(rng: &mut Rng, once: bool) -> Self {
        Self {
            cancels: rng.pick(&[2, 6, 30]),
            changes: rng.pick(&[2, 12, 40]),
            rejects: rng.pick(&[3, 10, 40]),
            offers: rng.pick(&[5, 20, 50]),
            silly: rng.pick(&[0, 5, 15]),
            shuts: rng.pick(&[0, 2, 6]),
            brings: rng.pick(&[85, 85, 10]),
            once,
        }
    }
}

/// What people can see of the city.
pub struct View<'a> {
    pub cast: &'a Cast,
    pub watch: &'a Watch,
    pub orders: &'a Disk,
    pub now_ms: Millis,
}

/// A command of a person.
pub fn request(by: Actor, stream: String, command: impl Into<Command>, now_ms: Millis) -> Request {
    let order = Order { stream: stream.into(), command: command.into(), stamp: Stamp { by, at_ms: now_ms }, cause: None };
    Request { order, answer: None, person: true, foreign: false }
}

impl View<'_> {
    /// Somebody does something, or nobody anything.
    pub fn act(&self, rng: &mut Rng, mood: &Mood) -> Option<Request> {
        if rng.percent(mood.shuts) {
            return self.housekeeping(rng);
        }
        // Mostly something that is going on, sometimes something that is over.
        let over = rng.percent(15);
        let orders: Vec<OrderId> =
            self.watch.orders.iter().filter(|(_, seen)| over || !seen.status.is_final()).map(|(id, _)| *id).collect();
        if orders.is_empty() {
            return None;
        }
        let id = rng.pick(&orders);
        let seen = &self.watch.orders[&id];
        if rng.percent(mood.silly) {
            return Some(self.silly(rng, id, seen));
        }
        match rng.below(10) {
            0..4 => self.kitchen(rng, mood, id, seen),
            4..7 => self.ride(rng, mood, id),
            _ => self.customer(rng, mood, id, seen),
        }
    }

    /// A new order, priced as the edge prices it.
    pub fn place(&self, rng: &mut Rng) -> Option<Request> {
        let (customer, shop) = (rng.pick(&self.cast.customers), rng.pick(&self.cast.shops));
        let profile = self.storefront(shop.store)?;
        let basket = pricing::order(profile, &wishes(rng), self.now_ms).ok()?;
        let about = About {
            order: OrderId(bits(rng)),
            customer,
            store: shop.store,
            owner: shop.owner,
            store_name: profile.name.clone(),
            cell: domain::geo::cell(profile.at),
        };
        let means = match rng.below(20) {
            0 | 1 => Means::DeclinedCard,
            2 | 3 => Means::OnceCard,
            4 | 5 => Means::SlowCard,
            _ => Means::Card,
        };
        let (stream, by) = (about.order.to_string(), person(customer.account(), Role::Customer));
        let command = order::Command::Place { about, basket, drop: way(), note: None, means, thanks: profile.thanks.clone() };
        let mut place = request(by, stream, command, self.now_ms);
        let key = std::array::from_fn(|_| rng.next() as u8);
        place.answer = Some(Answer { key, fingerprint: [0; 16], stream: place.order.stream.clone(), body: None, at_ms: self.now_ms });
        Some(place)
    }

    fn storefront(&self, store: StoreId) -> Option<&Profile> {
        match &*self.orders.rows.get(&(Kind::Storefront, store.to_string().into()))?.row {
            Row::Storefront(profile) => Some(profile),
            _ => None,
        }
    }

    fn customer(&self, rng: &mut Rng, mood: &Mood, id: OrderId, seen: &OrderSeen) -> Option<Request> {
        let by = person(seen.about.customer.account(), Role::Customer);
        let send = |command: Command| Some(request(by.clone(), id.to_string(), command, self.now_ms));
        let reviews = |rng: &mut Rng| {
            let stars = review::Stars::new(rng.between(1, 5) as u32).expect("one to five");
            send(review::Command::Write { stars, text: text("맛있어요") }.into())
        };
        match seen.status {
            // By the time this arrives the offer may be gone.
            Status::Placed | Status::Accepted if seen.offer.is_some() && rng.percent(50) => {
                let takes = rng.percent(70) && !(mood.once && seen.asked_change);
                send(if takes { order::Command::AcceptOffer {} } else { order::Command::DeclineOffer {} }.into())
            }
            Status::PendingPayment if rng.percent(mood.cancels / 4) => send(order::Command::Cancel { reason: None }.into()),
            Status::Placed | Status::Accepted | Status::Cooking if rng.percent(mood.cancels) => {
                send(order::Command::Cancel { reason: Some(text("마음이 바뀌었어요")) }.into())
            }
            Status::Placed | Status::Accepted if rng.percent(mood.changes) && !(mood.once && seen.asked_change) => {
                let basket = self.other_basket(rng, seen)?;
                send(order::Command::Change { basket }.into())
            }
            // Two wishes at once, of which the rules take one.
            Status::ChangeRequested if rng.percent(mood.cancels) => send(order::Command::Cancel { reason: None }.into()),
            Status::CancelRequested if rng.percent(mood.changes) && !mood.once => {
                let basket = self.other_basket(rng, seen)?;
                send(order::Command::Change { basket }.into())
            }
            Status::Delivered if rng.percent(50) => send(order::Command::Confirm {}.into()),
            Status::Delivered | Status::Completed if rng.percent(50) => reviews(rng),
            _ => None,
        }
    }

    fn other_basket(&self, rng: &mut Rng, seen: &OrderSeen) -> Option<Basket> {
        pricing::price(self.storefront(seen.about.store)?, &wishes(rng)).ok()
    }

    fn kitchen(&self, rng: &mut Rng, mood: &Mood, id: OrderId, seen: &OrderSeen) -> Option<Request> {
        use ticket::{Command as C, Status as S};
        let by = person(seen.about.owner, Role::Owner);
        let status = self.watch.tickets.get(&id).and_then(|ticket| ticket.status);
        let minutes = Minutes::new(rng.between(5, 60) as u32).expect("within three hours");
        let command: Command = match status? {
            // An order of one dish has nothing to leave out; that somebody tries all the same is silly.
            S::Waiting | S::Accepted if seen.basket.lines.len() > 1 && rng.percent(mood.offers) => {
                let line = &seen.basket.lines[rng.index(seen.basket.lines.len())];
                order::Command::Offer { without: vec![line.item.clone()] }.into()
            }
            S::Waiting if rng.percent(mood.rejects) => C::Reject { reason: text("재료가 없어요") }.into(),
            S::Waiting => C::Accept { cook_minutes: minutes }.into(),
            // What was accepted turns out to be sold out.
            S::Accepted if rng.percent(mood.rejects / 2) => C::Reject { reason: text("품절이에요") }.into(),
            S::Accepted | S::Cooking if rng.percent(8) => C::Delay { minutes }.into(),
            S::Accepted => C::Start {}.into(),
            S::Cooking => C::Finish {}.into(),
            S::Finished if rng.percent(20) => review::Command::Reply { text: text("감사합니다") }.into(),
            S::Finished | S::Rejected | S::Withdrawn | S::Abandoned => return None,
        };
        Some(request(by, id.to_string(), command, self.now_ms))
    }

    fn ride(&self, rng: &mut Rng, mood: &Mood, id: OrderId) -> Option<Request> {
        use delivery::Command as C;
        let seen = self.watch.deliveries.get(&id)?;
        let (rider, command) = match seen.rider {
            Some(rider) if rng.percent(mood.brings) => (rider, C::Deliver {}),
            Some(rider) if rng.percent(10) => (rider, C::Release {}),
            Some(_) if mood.brings < 50 && rng.percent(80) => return None,
            // Somebody else tries, and the rules must know whose it is.
            _ if seen.over || !seen.offered => return None,
            _ => (rng.pick(&self.cast.riders), C::Pick {}),
        };
        Some(request(person(rider.account(), Role::Rider), id.to_string(), command, self.now_ms))
    }

    /// Owners mind their stores, and riders go and come.
    fn housekeeping(&self, rng: &mut Rng) -> Option<Request> {
        use store::Command as C;
        if rng.percent(30) {
            return Some(self.shift(rng));
        }
        let Shop { store, owner } = rng.pick(&self.cast.shops);
        let name: Text<60> = text(rng.pick(&DISHES).0);
        let command = match rng.below(12) {
            0 => C::Pause {},
            1 => C::Close {},
            2 => C::SetSoldOut { name, sold_out: true },
            3 | 4 => C::SetSoldOut { name, sold_out: false },
            5 => C::SetCapacity { capacity: Capacity::new(rng.between(1, 3) as u32).expect("kitchens are small here") },
            _ => C::Open {},
        };
        Some(request(person(owner, Role::Owner), store.to_string(), command, self.now_ms))
    }

    fn shift(&self, rng: &mut Rng) -> Request {
        let rider: RiderId = rng.pick(&self.cast.riders);
        let command = if rng.percent(40) { rider::Command::End {} } else { rider::Command::Start { at: way().area } };
        request(person(rider.account(), Role::Rider), rider.to_string(), command, self.now_ms)
    }

    /// Anything, whatever the order's state is; sometimes sent by somebody whose order it is not.
    fn silly(&self, rng: &mut Rng, id: OrderId, seen: &OrderSeen) -> Request {
        let minutes = Minutes::new(10).expect("within three hours");
        let commands: [Command; 13] = [
            order::Command::Cancel { reason: None }.into(),
            order::Command::Offer { without: vec![text(rng.pick(&DISHES).0)] }.into(),
            order::Command::AcceptOffer {}.into(),
            order::Command::DeclineOffer {}.into(),
            order::Command::Confirm {}.into(),
            ticket::Command::Accept { cook_minutes: minutes }.into(),
            ticket::Command::Reject { reason: text("바빠요") }.into(),
            ticket::Command::Start {}.into(),
            ticket::Command::Finish {}.into(),
            delivery::Command::Pick {}.into(),
            delivery::Command::Release {}.into(),
            delivery::Command::Deliver {}.into(),
            review::Command::Reply { text: text("네") }.into(),
        ];
        let command = commands[rng.index(commands.len())].clone();
        let foreign = rng.percent(30) && command.kind() != Kind::Delivery;
        let stranger = shared::AccountId(bits(rng));
        let rider: RiderId = rng.pick(&self.cast.riders);
        let by = match command.sender() {
            shared::Sender::Person(role) if foreign => person(stranger, role),
            shared::Sender::Person(role @ Role::Customer) => person(seen.about.customer.account(), role),
            shared::Sender::Person(role @ Role::Owner) => person(seen.about.owner, role),
            _ => person(rider.account(), Role::Rider),
        };
        Request { foreign, ..request(by, id.to_string(), command, self.now_ms) }
    }
}
