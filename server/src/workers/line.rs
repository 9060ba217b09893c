//! The order in which notices are told: whoever reads of one order reads it in the order in which it happened. Both workers
//! of notices share this, since progress may follow what must be told. What must be told never waits for progress: of that,
//! some may wait long for a way that is full.
//!
//! It is kept for what is told at the first try. What fails is told when it can be, and nobody waits for it.

use domain::notification::news;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// Notices that stand in line at once: as many as the workers know. One more does not wait for those before it.
const MOST: usize = super::rows::KNOWN;
/// How long one waits for those before it: some times as long as a way that is full is left alone. One that is never told
/// here, because another replica looks after it now, must not keep the others for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// All lines.
#[derive(Default)]
pub struct Line {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    /// The last event of each partition that was heard: each worker hears all of them.
    heard: HashMap<u16, u64>,
    stories: HashMap<Arc<str>, VecDeque<Standing>>,
    count: usize,
}

struct Standing {
    key: Arc<str>,
    is_mandatory: bool,
    /// Called when those before it are gone.
    called: Option<oneshot::Sender<()>>,
}

/// A notice that joins a line.
#[derive(Debug, Clone, Copy)]
pub struct Joining<'a> {
    /// The event that has queued it.
    pub seq: u64,
    pub key: &'a str,
    pub is_mandatory: bool,
}

/// A place in line, until it is dropped.
pub struct Place<'a> {
    line: &'a Line,
    key: &'a str,
}

impl Line {
    /// The notices of one batch of events join their lines; whoever hears of it later changes nothing.
    pub fn join<'a>(&self, partition: u16, notices: impl IntoIterator<Item = Joining<'a>>) {
        let mut inside = self.inside();
        let heard = inside.heard.get(&partition).copied().unwrap_or(0);
        let mut last = heard;
        for Joining { seq, key, is_mandatory } in notices.into_iter().filter(|joining| joining.seq > heard) {
            last = last.max(seq);
            if inside.count < MOST {
                inside.count += 1;
                let standing = Standing { key: key.into(), is_mandatory, called: None };
                inside.stories.entry(news::story(key).into()).or_default().push_back(standing);
            }
        }
        inside.heard.insert(partition, last);
    }

    /// A notice's place, if it has one; it leaves the line as this is dropped.
    pub fn place<'a>(&'a self, key: &'a str) -> Place<'a> {
        Place { line: self, key }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits for those before it.
    pub async fn turn(&self) {
        let waiting = {
            let mut inside = self.line.inside();
            let Some(story) = inside.stories.get_mut(news::story(self.key)) else { return };
            let Some(standing) = story.iter_mut().find(|standing| &*standing.key == self.key) else { return };
            let (called, waiting) = oneshot::channel();
            standing.called = Some(called);
            call(story);
            waiting
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            self.line.inside().forget_before(self.key);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.inside().leave(self.key);
    }
}

impl Inside {
    fn leave(&mut self, key: &str) {
        let story = news::story(key);
        let Some(line) = self.stories.get_mut(story) else { return };
        let before = line.len();
        line.retain(|standing| &*standing.key != key);
        self.count -= before - line.len();
        call(line);
        if line.is_empty() {
            self.stories.remove(story);
        }
    }

    /// Those before one stand in its way no more.
    fn forget_before(&mut self, key: &str) {
        let Some(line) = self.stories.get_mut(news::story(key)) else { return };
        let at = line.iter().position(|standing| &*standing.key == key).unwrap_or(0);
        self.count -= at;
        line.drain(..at);
    }
}

/// Calls those in a line whose turn it is.
fn call(line: &mut VecDeque<Standing>) {
    let (mut nobody, mut nobody_mandatory) = (true, true);
    for standing in line {
        if nobody || (standing.is_mandatory && nobody_mandatory) {
            // One that has gone meanwhile leaves the line as its place is dropped.
            let _ = standing.called.take().map(|called| called.send(()));
        }
        (nobody, nobody_mandatory) = (false, nobody_mandatory && !standing.is_mandatory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    fn join(line: &Line, notices: &[(u64, &str, bool)]) {
        line.join(0, notices.iter().map(|&(seq, key, is_mandatory)| Joining { seq, key, is_mandatory }));
    }

    const PLACED: &str = "A.customer.placed.inbox";
    const ACCEPTED: &str = "A.customer.accepted.inbox";
    const COOKED: &str = "A.customer.cooked.inbox";
    const DELIVERED: &str = "A.customer.delivered.inbox";

    #[tokio::test]
    async fn each_waits_for_those_before_it_of_the_same_story() {
        let line = Line::default();
        join(&line, &[(1, PLACED, true), (2, "A.owner.new_order.inbox", true), (3, ACCEPTED, false)]);
        // The other worker hears the same, and one more.
        join(&line, &[(1, PLACED, true), (3, ACCEPTED, false), (4, COOKED, false)]);
        let (placed, accepted, cooked) = (line.place(PLACED), line.place(ACCEPTED), line.place(COOKED));
        {
            let (mut second, mut third) = (pin!(accepted.turn()), pin!(cooked.turn()));
            assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
            for key in ["A.owner.new_order.inbox", "A.customer.other.inbox"] {
                assert!(poll!(pin!(line.place(key).turn())).is_ready(), "{key}");
            }
            assert!(poll!(pin!(placed.turn())).is_ready());
            drop(placed);
            assert!(poll!(&mut second).is_ready() && poll!(&mut third).is_pending());
        }
        drop(accepted);
        assert!(poll!(pin!(cooked.turn())).is_ready());
        drop(cooked);
        let inside = line.inside();
        assert_eq!((inside.count, inside.stories.len()), (0, 0), "nobody is left");
    }

    #[tokio::test]
    async fn what_must_be_told_waits_for_what_must_be_told_and_not_for_progress() {
        let line = Line::default();
        join(&line, &[(1, ACCEPTED, false), (2, PLACED, true), (3, DELIVERED, true)]);
        let (accepted, placed, delivered) = (line.place(ACCEPTED), line.place(PLACED), line.place(DELIVERED));
        assert!(poll!(pin!(placed.turn())).is_ready());
        let mut last = pin!(delivered.turn());
        assert!(poll!(&mut last).is_pending());
        drop(placed);
        assert!(poll!(&mut last).is_ready());
        drop(accepted);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_never_told_here_keeps_the_others_for_a_while_only() {
        let line = Line::default();
        join(&line, &[(1, PLACED, true), (2, ACCEPTED, false), (3, COOKED, false)]);
        let began = tokio::time::Instant::now();
        let accepted = line.place(ACCEPTED);
        accepted.turn().await;
        assert_eq!(began.elapsed(), PATIENCE);
        drop(accepted);
        line.place(COOKED).turn().await;
        assert_eq!((began.elapsed(), line.inside().count), (PATIENCE, 0), "it is waited for once");
    }

    #[tokio::test]
    async fn who_finds_the_line_full_does_not_wait() {
        let line = Line::default();
        let keys: Vec<String> = (0..=MOST).map(|n| format!("{}.customer.placed{n}.inbox", n / 2)).collect();
        line.join(0, keys.iter().enumerate().map(|(n, key)| Joining { seq: n as u64 + 1, key, is_mandatory: true }));
        assert_eq!(line.inside().count, MOST);
        assert!(poll!(pin!(line.place(&keys[MOST]).turn())).is_ready());
        assert!(poll!(pin!(line.place(&keys[1]).turn())).is_pending());
    }
}
