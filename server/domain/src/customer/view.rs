//! The pages of a customer: each order's whole story in one row, readable while every other service is away.

use crate::{Tag, View, story, tag};
use serde::{Deserialize, Serialize};
use shared::{Actor, Context, Event, Kind, Won, api::MyPage, order, payment};

/// The view of all orders, each for its customer.
pub struct MyPages;

/// A page, and the money, which may be heard of before the order that it is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    story: Option<MyPage>,
    paid: Won,
    refunded: Won,
}

impl View for MyPages {
    const KIND: Kind = Kind::MyPage;
    const LISTENS: &'static [Context] = &[Context::Order, Context::Payment];
    type Row = Page;
    type Shown = MyPage;

    fn key(event: &Event) -> Option<String> {
        match event {
            Event::Order(event) => Some(event.about().order.to_string()),
            Event::Payment(payment::Event::Approved { order, .. } | payment::Event::Refunded { order, .. }) => Some(order.to_string()),
            _ => None,
        }
    }

    fn project(row: Option<Page>, event: &Event, version: u64) -> Option<Page> {
        let mut page = row.unwrap_or_default();
        match event {
            Event::Order(event) => {
                let Some(mut story) = page.story.take().or_else(|| begin(event)) else { return Some(page) };
                let step = story::step(event, event.status().unwrap_or(story.status), version);
                (story.status, story.eta_ms) = (step.status, step.eta_ms.or(story.eta_ms));
                story.change = story::change(story.change.take(), event, step.status);
                story.offer = story::offer(story.offer.take(), event, step.status);
                if let order::Event::Changed { basket, .. } = event {
                    story.basket = basket.clone();
                }
                story.timeline.push(step);
                page.story = Some(story);
            }
            Event::Payment(payment::Event::Approved { amount, .. }) => page.paid += *amount,
            Event::Payment(payment::Event::Refunded { amount, .. }) => page.refunded += *amount,
            _ => {}
        }
        Some(page)
    }

    fn show(row: &Page, actor: &Actor) -> Option<MyPage> {
        let story = row.story.as_ref().filter(|story| actor.is_customer(story.customer))?;
        Some(MyPage { paid: row.paid, refunded: row.refunded, ..story.clone() })
    }

    fn tags(row: &Page) -> Vec<Tag> {
        row.story.iter().map(|story| tag(format!("customer:{}", story.customer.account()), story.placed_ms)).collect()
    }
}

/// The first page; an order's story begins with its placing.
fn begin(event: &order::Event) -> Option<MyPage> {
    let order::Event::Placed { about, basket, at_ms, .. } = event else { return None };
    Some(MyPage {
        order: about.order,
        customer: about.customer,
        store: about.store,
        store_name: about.store_name.clone(),
        status: order::Status::PendingPayment,
        basket: basket.clone(),
        change: None,
        offer: None,
        eta_ms: None,
        paid: Won::ZERO,
        refunded: Won::ZERO,
        placed_ms: *at_ms,
        timeline: vec![],
    })
}
