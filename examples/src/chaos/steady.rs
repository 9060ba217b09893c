//! Somebody who orders at a steady rate, whatever is away, and looks at each order: what a scenario promises is measured
//! here, at the first try.

use super::insist::Insist;
use crate::{
    http::Host,
    life::order_body,
    oracle::{
        finding::Class,
        story::{Plan, Story},
    },
    people::Party,
};
use hyper::{Method, body::Bytes};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

/// Between two orders.
const EVERY: Duration = Duration::from_millis(200);

/// What was measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Orders that were placed.
    pub placed: u64,
    /// Orders that had to be asked for more than once.
    pub again: u64,
    /// Looks at an order's status.
    pub looked: u64,
    /// Looks that showed nothing.
    pub blind: u64,
}

/// Who orders.
pub struct Steady {
    seen: Arc<Mutex<Seen>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(Party, Vec<Story>), String>>,
}

impl Steady {
    /// Joins, and begins to order.
    ///
    /// # Errors
    /// Nobody can join.
    pub async fn begin(host: &Host, insist: Insist, number: usize, seed: u64) -> Result<Self, String> {
        let party = Party::gather(host, "chaos-steady", super::run::place(number)).await.map_err(|e| e.to_string())?;
        let (seen, (stop, stopped)) = (Arc::<Mutex<Seen>>::default(), watch::channel(false));
        let task = tokio::spawn(order(party, insist, seen.clone(), stopped, seed));
        Ok(Self { seen, stop, task })
    }

    /// What was measured so far.
    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends, and tells.
    ///
    /// # Errors
    /// The log could not be written.
    pub async fn end(self) -> Result<(Party, Vec<Story>), String> {
        let _ = self.stop.send(true);
        self.task.await.map_err(|e| format!("the steady client panicked: {e}"))?
    }
}

async fn order(
    mut party: Party,
    insist: Insist,
    seen: Arc<Mutex<Seen>>,
    stop: watch::Receiver<bool>,
    seed: u64,
) -> Result<(Party, Vec<Story>), String> {
    let (mut stories, mut tick) = (vec![], interval(EVERY));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let body = order_body(&party, Plan::Dropped.dishes().0, Plan::Dropped.means());
    let note = |what: &dyn Fn(&mut Seen)| what(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
    while !*stop.borrow() {
        tick.tick().await;
        // A login that cannot be renewed now is renewed before the next order.
        let _ = party.renew().await;
        let (key, customer) = (format!("{seed:x}-steady-{}", stories.len()), party.customer.account);
        let mut story = Story { plan: Plan::Dropped, key, customer, order: None, tries: 0, said: vec![] };
        let placed = insist.place(&mut party.customer, &mut story, &body).await;
        note(&|seen| {
            seen.placed += 1;
            seen.again += u64::from(story.tries > 1);
        });
        match placed {
            Ok(order) => {
                let look = party.customer.ask(Method::GET, format!("/orders/{order}"), None, Bytes::new()).await;
                let blind = !look.is_ok_and(|answer| answer.is_good());
                note(&|seen| {
                    seen.looked += 1;
                    seen.blind += u64::from(blind);
                });
                let said = insist.verb(&mut party.customer, &story, "orders", "cancel", b"{}").await?;
                story.said.push(said);
            }
            Err(why) => insist.log.saw(Class::Unexpected, format!("{why}: {story:?}")).await?,
        }
        stories.push(story);
    }
    Ok((party, stories))
}
