//! Who is told what, of each event.

use crate::{Policy, Reaction, now};
use shared::{
    AccountId, Context, Event, Millis, OrderId, Text, customer,
    notice::{Channel, Command, Notice, Topic},
    order::{self, About},
    payment, review, ticket,
};

/// The notification context's policies.
pub struct Policies;

impl Policy for Policies {
    const CONTEXT: Context = Context::Notification;
    const LISTENS: &'static [Context] = &[Context::Order, Context::Payment, Context::Store, Context::Customer];

    fn react(event: &Event) -> Vec<Reaction> {
        match event {
            Event::Order(event) => order(event),
            Event::Payment(payment::Event::Refunded { order, customer, amount, movement, at_ms }) => {
                let key = format!("refunded-{movement}");
                vec![tell(*order, None, customer.account(), "customer", &key, Topic::Refunded { amount: *amount }, *at_ms)]
            }
            // An order that finds the kitchen full is none of its owner's.
            Event::Ticket(ticket::Event::Opened { about, basket, at_ms, .. }) => {
                vec![owner(about, "new_order", Topic::NewOrder { total: basket.total }, *at_ms)]
            }
            Event::Ticket(ticket::Event::Overdue { about, at_ms }) => {
                let key = format!("overdue-{at_ms}");
                vec![customer(about, &key, Topic::Overdue {}, *at_ms), owner(about, &key, Topic::Overdue {}, *at_ms)]
            }
            Event::Customer(customer::Event::Promoted { customer, order, grade, at_ms }) => {
                vec![tell(*order, None, customer.account(), "customer", "promoted", Topic::Promoted { grade: *grade }, *at_ms)]
            }
            Event::Review(review::Event::Written { about, stars, at_ms, .. }) => {
                vec![owner(about, "reviewed", Topic::Reviewed { stars: stars.get() }, *at_ms)]
            }
            _ => vec![],
        }
    }
}

fn order(event: &order::Event) -> Vec<Reaction> {
    use order::Event as E;
    let (about, at_ms) = (event.about(), event.at_ms());
    let one = |key: &str, topic: Topic| vec![customer(about, key, topic, at_ms)];
    // What may happen to an order more than once is told each time: its time is part of its key.
    let again = |key: &str, topic: Topic| vec![customer(about, &format!("{key}-{at_ms}"), topic, at_ms)];
    match event {
        E::Placed { basket, .. } => one("pending_payment", Topic::PendingPayment { total: basket.total }),
        E::Paid { basket, .. } => one("placed", Topic::Placed { total: basket.total }),
        E::PaymentFailed { reason, .. } => one("payment_failed", Topic::PaymentFailed { reason: reason.clone() }),
        E::Accepted { eta_ms, .. } => one("accepted", Topic::Accepted { eta_ms: *eta_ms }),
        E::Delayed { minutes, eta_ms, .. } => again("delayed", Topic::Delayed { minutes: minutes.get(), eta_ms: *eta_ms }),
        E::Rejected { reason, refund, .. } => one("rejected", Topic::Rejected { reason: reason.clone(), refund: *refund }),
        E::Started { .. } => one("cooking", Topic::Cooking {}),
        E::Cooked { .. } => one("cooked", Topic::Cooked {}),
        E::Picked { .. } => again("picked", Topic::Picked {}),
        E::Released { .. } => again("released", Topic::Released {}),
        E::Delivered { .. } => one("delivered", Topic::Delivered {}),
        E::Completed { thanks, .. } => {
            let thanks = thanks.as_ref().map(|text| customer(about, "thanks", Topic::Thanks { words: text.clone() }, at_ms));
            [customer(about, "completed", Topic::Completed {}, at_ms)].into_iter().chain(thanks).collect()
        }
        E::CancelRequested { .. } => one("cancel_requested", Topic::CancelRequested {}),
        E::CancelRefused { .. } => one("cancel_refused", Topic::CancelRefused {}),
        E::Cancelled { reason, refund, .. } => {
            let told = customer(about, "cancelled", Topic::Cancelled { reason: reason.clone(), refund: *refund }, at_ms);
            // The store never saw an order that was not paid.
            let store = (refund.0 > 0).then(|| owner(about, "withdrawn", Topic::Withdrawn { reason: reason.clone() }, at_ms));
            [told].into_iter().chain(store).collect()
        }
        E::ChangeRequested { basket, .. } => again("change_requested", Topic::ChangeRequested { total: basket.total }),
        // An answer has its question's time in its key, so that each question is known to be answered.
        E::Changed { basket, difference, asked_ms, .. } => {
            let (time, total) = (asked_ms.unwrap_or(at_ms), basket.total);
            vec![
                customer(about, &format!("changed-{time}"), Topic::Changed { total, difference: *difference }, at_ms),
                owner(about, &format!("order_changed-{time}"), Topic::OrderChanged { total }, at_ms),
            ]
        }
        E::ChangeRefused { reason, asked_ms, .. } => {
            one(&format!("change_refused-{}", asked_ms.unwrap_or(at_ms)), Topic::ChangeRefused { reason: reason.clone() })
        }
        E::OfferMade { basket, without, refund, .. } => {
            again("offer_made", Topic::OfferMade { without: without.clone(), refund: *refund, total: basket.total })
        }
        E::OfferAccepted { basket, .. } => vec![
            customer(about, &format!("change_requested-{at_ms}"), Topic::ChangeRequested { total: basket.total }, at_ms),
            owner(about, &format!("offer_accepted-{at_ms}"), Topic::OfferAccepted { total: basket.total }, at_ms),
        ],
        E::OfferDeclined { .. } => vec![owner(about, &format!("offer_declined-{at_ms}"), Topic::OfferDeclined {}, at_ms)],
    }
}

fn customer(about: &About, key: &str, topic: Topic, at_ms: Millis) -> Reaction {
    tell(about.order, Some(&about.store_name), about.customer.account(), "customer", key, topic, at_ms)
}

fn owner(about: &About, key: &str, topic: Topic, at_ms: Millis) -> Reaction {
    tell(about.order, Some(&about.store_name), about.owner, "owner", key, topic, at_ms)
}

/// One notice per order, reader, status and channel: together they are its name.
fn tell(order: OrderId, store: Option<&Text<60>>, to: AccountId, reader: &str, key: &str, topic: Topic, at_ms: Millis) -> Reaction {
    let notice = Notice { order, store_name: store.cloned(), to, channel: Channel::Inbox, topic, at_ms };
    now(format!("{order}.{reader}.{key}.inbox"), Command::Queue { notice })
}
