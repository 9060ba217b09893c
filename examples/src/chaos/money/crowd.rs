//! People who do one thing again and again, all at once, until enough was done.

use super::{
    audit::{Bill, End},
    shop::look,
};
use crate::{
    chaos::settle::show,
    http::{Answer, Broken},
    oracle::finding::{Class, Finding},
    people::Person,
};
use shared::{OrderId, api::OrderShown, order::Status};
use std::{future::Future, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// How long a crowd may take: far longer than the largest run, so that one that has come to a stop ends.
const GIVE_UP: Duration = Duration::from_secs(3_600);

/// One of them.
pub trait Guest: Send + 'static {
    /// Does it once. False when there is nothing left to do.
    fn step(&mut self) -> impl Future<Output = bool> + Send;
}

/// Lets everybody go on until enough was done, or nobody has anything left to do.
///
/// # Errors
/// Nobody can tell whether it is enough, or somebody panicked.
pub async fn crowd<G: Guest>(guests: Vec<G>, mut is_enough: impl AsyncFnMut() -> Result<bool, String>) -> Result<Vec<G>, String> {
    let (stop, stopped) = watch::channel(false);
    let (count, mut busy, mut done) = (guests.len(), JoinSet::new(), vec![]);
    for mut guest in guests {
        let stopped = stopped.clone();
        busy.spawn(async move {
            while !*stopped.borrow() && guest.step().await {}
            guest
        });
    }
    drop(stopped);
    let began = Instant::now();
    // Whoever is done holds no receiver any more.
    while stop.receiver_count() > 0 && !is_enough().await? && look(began, GIVE_UP).await {}
    let _ = stop.send(true);
    while let Some(guest) = busy.join_next().await {
        done.push(guest.map_err(|e| e.to_string())?);
    }
    if done.len() == count { Ok(done) } else { Err("somebody is missing".into()) }
}

/// What somebody was answered, and what was wrong with it.
#[derive(Debug, Default)]
pub struct Diary {
    /// Requests that were sent.
    pub asked: usize,
    /// Those that got an answer.
    pub answered: usize,
    /// What should not be.
    pub wrong: Vec<Finding>,
}

impl Diary {
    /// Notes an answer, and returns it if it is a good one.
    pub fn good(&mut self, what: &str, answer: Result<Answer, Broken>) -> Option<Answer> {
        let answer = self.any(what, answer)?;
        if answer.is_good() {
            return Some(answer);
        }
        let text = String::from_utf8_lossy(&answer.body);
        self.wrong.push(Class::Unexpected.of(format!("{what} was answered with {} {text}", answer.status)));
        None
    }

    /// Notes an answer, whatever it says.
    pub fn any(&mut self, what: &str, answer: Result<Answer, Broken>) -> Option<Answer> {
        self.asked += 1;
        match answer {
            Ok(answer) => {
                self.answered += 1;
                Some(answer)
            }
            Err(why) => {
                self.wrong.push(Class::Unexpected.of(format!("{what} was not answered: {why}")));
                None
            }
        }
    }

    /// Notes a new order.
    pub fn order(&mut self, answer: Result<Answer, Broken>) -> Option<OrderId> {
        let answer = self.good("an order", answer)?;
        let order = answer.made().and_then(OrderId::parse);
        if order.is_none() {
            self.wrong.push(Class::Unexpected.of("an order was answered without its name"));
        }
        order
    }

    /// Adds another one's.
    pub fn merge(&mut self, other: Diary) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.wrong.extend(other.wrong);
    }

    /// What an order has come to, as its customer sees it: it is to stand at this status, and then this becomes of its
    /// money.
    pub async fn bill(&mut self, customer: &mut Person, order: OrderId, status: Status, end: End) -> Option<(Bill, OrderShown)> {
        match show(customer, order).await {
            Ok(shown) => {
                if shown.status != status {
                    self.wrong
                        .push(Class::Unexpected.of(format!("{order} is {:?}, and not {status:?}: {:?}", shown.status, shown.timeline)));
                }
                Some((Bill { order, won: shown.basket.total.0, end }, shown))
            }
            Err(why) => {
                self.wrong.push(Class::Lost.of(format!("{order}: {why}")));
                None
            }
        }
    }
}
