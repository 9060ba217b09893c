//! After the last fault: every order must end by itself, and every context must have heard of everything.

use super::log::Log;
use crate::{
    oracle::{
        books::{left, standing},
        finding::Class,
        place::Place,
        story::{Story, total},
    },
    people::{Party, Person},
    sse::Live,
};
use hyper::{Method, body::Bytes};
use shared::{Millis, OrderId, api::OrderShown};
use std::{collections::HashMap, time::Duration};
use tokio::time::{Instant, interval, timeout, timeout_at};

/// How long the contexts may take to hear of everything, once each order has ended.
const QUIET_DEADLINE: Duration = Duration::from_secs(60);
/// How often their databases are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until each order has ended, as its customer sees it, and compares what is shown with what was acknowledged. What
/// is wrong goes to the log.
///
/// # Errors
/// The log cannot be written.
pub async fn ended(parties: &mut [Party], stories: &[Story], within: Duration, log: &Log) -> Result<(), String> {
    let mut customers: HashMap<_, &mut Person> = parties.iter_mut().map(|party| (party.customer.account, &mut party.customer)).collect();
    let deadline = Instant::now() + within;
    for story in stories {
        let Some(order) = story.order else { continue };
        let Some(customer) = customers.get_mut(&story.customer) else { continue };
        let wrong = match timeout_at(deadline, end(customer, order)).await {
            Ok(Ok(shown)) => compare(story, &shown).map(|why| (Class::Unexpected, why)),
            Ok(Err(why)) => Some((Class::Unexpected, why)),
            Err(_) => Some((Class::Unfinished, "it did not end in time".to_owned())),
        };
        if let Some((class, why)) = wrong {
            log.saw(class, format!("{order}: {why}: {story:?}")).await?;
        }
    }
    Ok(())
}

/// The order, once it has ended.
async fn end(customer: &mut Person, order: OrderId) -> Result<OrderShown, String> {
    loop {
        let shown = show(customer, order).await?;
        if shown.status.is_final() {
            return Ok(shown);
        }
        // The stream of one order ends with the order; one that breaks earlier is opened again after another look.
        let mut stream = Live::new(customer.host(), &format!("/orders/{order}/events"), &customer.login);
        if stream.open().await.is_ok() {
            while stream.next().await.is_ok() {}
        }
    }
}

/// Reads tried: the first may still go to a connection that the last kill has closed.
const READS: u32 = 3;

/// The order as its customer sees it.
///
/// # Errors
/// No answer, or another one.
pub async fn show(customer: &mut Person, order: OrderId) -> Result<OrderShown, String> {
    // A login that cannot be renewed shows in the answer.
    let _ = customer.renew().await;
    let mut tries = 1;
    let answer = loop {
        match customer.ask(Method::GET, format!("/orders/{order}"), None, Bytes::new()).await {
            Ok(answer) => break answer,
            Err(why) if tries == READS => return Err(why.to_string()),
            Err(_) => tries += 1,
        }
    };
    serde_json::from_slice(&answer.body).map_err(|e| format!("{} {}: {e}", answer.status, String::from_utf8_lossy(&answer.body)))
}

fn compare(story: &Story, shown: &OrderShown) -> Option<String> {
    let (first, instead) = story.plan.dishes();
    let changed = shown.timeline.iter().any(|step| step.event == "changed");
    let wanted = total(instead.filter(|_| changed).unwrap_or(first));
    let times: Vec<Millis> = shown.timeline.iter().map(|step| step.at_ms).collect();
    let numbered = shown.timeline.iter().enumerate().all(|(i, step)| step.version == i as u64 + 1);
    if !story.plan.ends().contains(&shown.status) {
        Some(format!("it ended as {:?}", shown.status))
    } else if shown.basket.total != wanted || shown.basket.lines.len() != 1 {
        Some(format!("it shows {:?}", shown.basket))
    } else if !numbered || times.is_empty() {
        Some(format!("its story has gaps: {:?}", shown.timeline))
    } else {
        None
    }
}

/// Waits until every listener has heard of everything, and no worker has anything left to do. What is left in the end is
/// for the oracle to find.
pub async fn quiet(place: &Place) {
    quiet_within(place, QUIET_DEADLINE).await;
}

/// The same with another patience. False when something was left in the end.
pub async fn quiet_within(place: &Place, within: Duration) -> bool {
    let waited = timeout(within, async {
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            // A file may be busy for a moment.
            if tokio::task::block_in_place(|| standing(place)).is_ok_and(|all| left(&all).is_empty()) {
                return;
            }
        }
    });
    waited.await.is_ok()
}
