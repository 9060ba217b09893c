//! After the last kill: every order must end by itself, and every context must have heard of everything.

use crate::{oracle::unsettled, story::Story};
use examples::{
    people::{DELIVERY_FEE, PRICE, Party, Person},
    sse::Live,
};
use hyper::{Method, body::Bytes};
use shared::{Millis, OrderId, Won, api::OrderShown};
use std::{collections::HashMap, path::Path, time::Duration};
use tokio::time::{Instant, interval, timeout, timeout_at};

/// How long the last order may take to end: the longest deadline that was set, and some more.
const END_DEADLINE: Duration = Duration::from_secs(50);
/// How long the contexts may take to hear of it.
const QUIET_DEADLINE: Duration = Duration::from_secs(20);
/// How often their files are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until each order has ended, as its customer sees it, and compares what is shown with what was acknowledged.
pub async fn ended(parties: &mut [Party], stories: &mut [Story]) -> Vec<String> {
    let mut customers: HashMap<_, &mut Person> = parties.iter_mut().map(|party| (party.customer.account, &mut party.customer)).collect();
    let deadline = Instant::now() + END_DEADLINE;
    let mut wrong = vec![];
    for story in stories {
        let Some(order) = story.order else { continue };
        let Some(customer) = customers.get_mut(&story.customer) else { continue };
        match timeout_at(deadline, end(customer, order)).await {
            Ok(Ok(shown)) => wrong.extend(compare(story, &shown).map(|why| format!("{why}: {story:?}"))),
            Ok(Err(why)) => wrong.push(format!("{order}: {why}: {story:?}")),
            Err(_) => wrong.push(format!("{order} did not end in time: {story:?}")),
        }
    }
    wrong
}

/// The order, once it has ended.
async fn end(customer: &mut Person, order: OrderId) -> Result<OrderShown, String> {
    let shown = show(customer, order).await?;
    if shown.status.is_final() {
        return Ok(shown);
    }
    // The stream of one order ends with the order.
    let mut stream = Live::new(customer.host(), &format!("/orders/{order}/events"), &customer.login);
    stream.open().await.map_err(|e| e.to_string())?;
    while stream.next().await.is_ok() {}
    show(customer, order).await
}

/// Reads tried: the first may still go to a connection that the last kill has closed.
const READS: u32 = 3;

async fn show(customer: &mut Person, order: OrderId) -> Result<OrderShown, String> {
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

/// What the order costs with so many dishes.
pub fn total(dishes: u32) -> Won {
    Won(i64::from(dishes) * PRICE + DELIVERY_FEE)
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

/// Waits until every listener has heard of everything, and no worker has anything left to do.
pub async fn quiet(folder: &Path) -> Result<(), String> {
    let mut last = String::new();
    let waited = timeout(QUIET_DEADLINE, async {
        let mut look = interval(LOOK);
        loop {
            look.tick().await;
            match unsettled(folder) {
                Ok(left) if left.is_empty() => return,
                Ok(left) => last = left.join("; "),
                // A file may be busy for a moment.
                Err(why) => last = why,
            }
        }
    });
    waited.await.map_err(|_| format!("it did not become quiet: {last}"))
}
