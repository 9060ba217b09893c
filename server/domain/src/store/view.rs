//! The shop pages: a store's figures of the day, and its ratings of all time.

use crate::{Tag, View, clock, tag};
use shared::{AccountId, Actor, Context, Event, Kind, Millis, StoreId, Won, api::ShopPage, order, review, store};

/// The view of all stores' days.
pub struct ShopPages;

impl View for ShopPages {
    const KIND: Kind = Kind::ShopPage;
    const LISTENS: &'static [Context] = &[Context::Order, Context::Customer];
    type Row = ShopPage;
    type Shown = ShopPage;

    fn key(event: &Event) -> Option<String> {
        concerned(event).map(|(store, _, _)| store.to_string())
    }

    fn project(row: Option<ShopPage>, event: &Event, _: u64) -> Option<ShopPage> {
        let Some((store, owner, at_ms)) = concerned(event) else { return row };
        let mut page = row.unwrap_or_else(|| empty(store, owner, clock::day(at_ms)));
        let day = clock::day(at_ms);
        if day > page.day {
            page = ShopPage { reviews: page.reviews, stars: page.stars, ..empty(store, owner, day) };
        }
        let today = u32::from(day == page.day);
        match event {
            Event::Order(order::Event::Paid { .. }) => page.orders += today,
            Event::Order(order::Event::Completed { total, .. }) => {
                page.completed += today;
                page.revenue += *total * today;
            }
            Event::Order(order::Event::Rejected { .. }) => page.rejected += today,
            Event::Order(order::Event::Cancelled { .. }) => page.cancelled += today,
            Event::Review(review::Event::Written { stars, .. }) => {
                page.reviews += 1;
                page.stars += stars.get();
            }
            _ => {}
        }
        Some(page)
    }

    fn show(row: &ShopPage, actor: &Actor) -> Option<ShopPage> {
        if actor.is_owner(row.owner) {
            return Some(row.clone());
        }
        // The ratings are for everybody, the day is the owner's.
        Some(ShopPage { reviews: row.reviews, stars: row.stars, ..empty(row.store, row.owner, row.day) })
    }

    fn tags(row: &ShopPage) -> Vec<Tag> {
        vec![tag(format!("owner:{}", row.owner), 0)]
    }
}

fn empty(store: StoreId, owner: AccountId, day: i64) -> ShopPage {
    ShopPage { store, owner, day, orders: 0, completed: 0, rejected: 0, cancelled: 0, revenue: Won::ZERO, reviews: 0, stars: 0 }
}

fn concerned(event: &Event) -> Option<(StoreId, AccountId, Millis)> {
    use order::Event as O;
    match event {
        Event::Order(e @ (O::Paid { about, .. } | O::Completed { about, .. } | O::Rejected { about, .. })) => {
            Some((about.store, about.owner, e.at_ms()))
        }
        // An order that was never paid was never the store's.
        Event::Order(O::Cancelled { about, refund, at_ms, .. }) if *refund > Won::ZERO => Some((about.store, about.owner, *at_ms)),
        Event::Review(review::Event::Written { about, at_ms, .. }) => Some((about.store, about.owner, *at_ms)),
        Event::Store(store::Event::Changed { profile, at_ms }) if profile.revision == 1 => Some((profile.store, profile.owner, *at_ms)),
        _ => None,
    }
}
