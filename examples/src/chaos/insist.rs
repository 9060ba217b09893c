//! Asking until there is an answer: what breaks is asked again, under the same key, and every try is in the log.

use super::log::Log;
use crate::{
    http::Answer,
    oracle::{
        log::PLACE,
        story::{Said, Story},
    },
    people::Person,
};
use hyper::{Method, body::Bytes};
use serde_json::Value;
use shared::OrderId;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The first pause before the same is asked again, and the longest: a server that comes back is found quickly, and one
/// that is away is not asked thousands of times.
const PAUSE: Duration = Duration::from_millis(5);
/// See above.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// Requests so far, of all clients together.
#[derive(Debug, Default)]
pub struct Tally {
    asked: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    /// Requests that were sent, and those of them that got no answer that counts.
    pub fn read(&self) -> (u64, u64) {
        (self.asked.load(Relaxed), self.failed.load(Relaxed))
    }
}

/// How a client asks.
#[derive(Clone)]
pub struct Insist {
    /// Where each try is written.
    pub log: Log,
    /// Where each try is counted.
    pub tally: Arc<Tally>,
}

impl Insist {
    /// Places the story's order, and notes what it is called.
    ///
    /// # Errors
    /// The log cannot be written, or the answer is no order.
    pub async fn place(&self, person: &mut Person, story: &mut Story, body: &Bytes) -> Result<OrderId, String> {
        let (entry, mut pause) = (self.log.begin(), PAUSE);
        loop {
            self.log.asked(entry, story, PLACE).await?;
            story.tries += 1;
            match self.once(person, Method::POST, "/orders".into(), Some(&story.key), body).await {
                Ok(answer) => {
                    story.order = answer.made().and_then(OrderId::parse).filter(|_| answer.is_good());
                    self.log.answered(entry, answer.status, &code(&answer), story.order).await?;
                    let text = || format!("an order was answered with {} {}", answer.status, String::from_utf8_lossy(&answer.body));
                    return story.order.ok_or_else(text);
                }
                Err(why) => self.log.unanswered(entry, why).await?,
            }
            wait(&mut pause).await;
        }
    }

    /// Moves the story's order, and notes the answer.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn verb(&self, person: &mut Person, story: &Story, route: &str, verb: &str, body: &[u8]) -> Result<Said, String> {
        let order = story.order.ok_or("no order")?;
        let (entry, mut pause, mut tries) = (self.log.begin(), PAUSE, 0);
        let body = Bytes::copy_from_slice(body);
        // One name for all tries of this verb: what was done stays done once.
        let key = format!("{}-{verb}-{}", story.key, story.said.len());
        loop {
            self.log.asked(entry, story, verb).await?;
            tries += 1;
            match self.once(person, Method::PUT, format!("/{route}/{order}/{verb}"), Some(&key), &body).await {
                Ok(answer) => {
                    let code = if answer.is_good() { String::new() } else { code(&answer) };
                    self.log.answered(entry, answer.status, &code, None).await?;
                    return Ok(Said { verb: verb.into(), status: answer.status, code, tries });
                }
                Err(why) => self.log.unanswered(entry, why).await?,
            }
            wait(&mut pause).await;
        }
    }

    /// One try. "Come again" is no answer.
    async fn once(&self, person: &mut Person, method: Method, path: String, key: Option<&str>, body: &Bytes) -> Result<Answer, String> {
        self.tally.asked.fetch_add(1, Relaxed);
        let tried = match person.ask(method, path, key, body.clone()).await {
            // A rule that says "in a moment" has answered.
            Ok(answer) if is_soon(&answer) => return Err(format!("{} {}", answer.status, code(&answer))),
            Ok(answer) if answer.status == 429 || answer.status >= 500 => Err(format!("{} {}", answer.status, code(&answer))),
            Ok(answer) => return Ok(answer),
            Err(broken) => Err(broken.0),
        };
        self.tally.failed.fetch_add(1, Relaxed);
        tried
    }
}

async fn wait(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(MAX_PAUSE);
}

fn code(answer: &Answer) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    problem["code"].as_str().unwrap_or_default().to_owned()
}

/// An owner who saw that the order was changed may be quicker than the news is at the ticket: the change is over in a
/// moment, and so is the refusal.
const COME_AGAIN: [&str; 2] = ["in_flight", "change_pending"];

fn is_soon(answer: &Answer) -> bool {
    answer.status == 409 && COME_AGAIN.contains(&code(answer).as_str())
}
