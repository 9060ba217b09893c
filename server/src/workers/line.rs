//! The order in which notices are told: whoever reads of one order reads it in the order in which it happened. Both workers
//! of notices share this, since progress may follow what must be told. What must be told never waits for progress: of that,
//! some may wait long for a way that is full.
//!
//! It is kept among those that are known to one replica at the same time. What failed stands in line while it is tried, and
//! nobody waits for it meanwhile.

use domain::notification::news;
use shared::{Millis, notice::Notice};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// Notices that stand in line at once: as many as the workers know. With one more, all go as they come.
const MOST: usize = super::rows::KNOWN;
/// How long one waits for those before it: longer than any way may take to answer. One that is never told here, because
/// another replica looks after it now, must not keep the others for ever.
const PATIENCE: Duration = Duration::from_secs(20);

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
    /// When it happened, and its place within that moment.
    rank: (Millis, u8),
    is_mandatory: bool,
    /// Called when those before it are gone.
    called: Option<oneshot::Sender<()>>,
}

/// A place in line, until it is dropped.
pub struct Place<'a> {
    line: &'a Line,
    key: &'a str,
}

impl Line {
    /// The notices of one batch of events join their lines; whoever hears of it later changes nothing.
    pub fn join<'a>(&self, partition: u16, notices: impl IntoIterator<Item = (u64, &'a str, &'a Notice)>) {
        let mut inside = self.inside();
        let heard = inside.heard.get(&partition).copied().unwrap_or(0);
        let mut last = heard;
        for (seq, key, notice) in notices.into_iter().filter(|(seq, ..)| *seq > heard) {
            last = last.max(seq);
            inside.stand(key, notice);
        }
        inside.heard.insert(partition, last);
    }

    /// A notice's place; it leaves the line as this is dropped.
    pub fn place<'a>(&'a self, key: &'a str) -> Place<'a> {
        Place { line: self, key }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits for those before it. What was kept back, or was found on its list, joins only now.
    pub async fn turn(&self, notice: &Notice) {
        let (called, waiting) = oneshot::channel();
        {
            let mut inside = self.line.inside();
            inside.stand(self.key, notice);
            let Some(story) = inside.stories.get_mut(news::story(self.key)) else { return };
            let Some(standing) = story.iter_mut().find(|standing| &*standing.key == self.key) else { return };
            standing.called = Some(called);
            call(story);
        }
        // Whoever has waited long enough goes, and those before it keep their places.
        let _ = timeout(PATIENCE, waiting).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.inside().leave(self.key);
    }
}

impl Inside {
    /// Stands in line, if it does not already.
    fn stand(&mut self, key: &str, notice: &Notice) {
        let story = news::story(key);
        if self.stories.get(story).is_some_and(|line| line.iter().any(|standing| &*standing.key == key)) {
            return;
        }
        if self.count >= MOST {
            // Those that are waited for in vain are forgotten so as well, and whoever waits goes.
            self.stories.clear();
            self.count = 0;
        }
        let line = self.stories.entry(story.into()).or_default();
        let rank = news::rank(notice);
        let at = line.iter().rposition(|standing| standing.rank <= rank).map_or(0, |before| before + 1);
        line.insert(at, Standing { key: key.into(), rank, is_mandatory: notice.topic.is_mandatory(), called: None });
        self.count += 1;
    }

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
    use shared::{
        AccountId, OrderId, Won,
        id::Bits,
        notice::{Channel, Topic},
    };
    use std::pin::pin;

    const PLACED: &str = "A.customer.placed.inbox";
    const ACCEPTED: &str = "A.customer.accepted.inbox";
    const COOKED: &str = "A.customer.cooked.inbox";
    const DELIVERED: &str = "A.customer.delivered.inbox";
    const REFUNDED: &str = "A.customer.refunded-2.inbox";

    fn notice(key: &str, at_ms: Millis) -> Notice {
        let topic = match key.split('.').nth(2).and_then(|name| name.split('-').next()) {
            Some("accepted") => Topic::Accepted { eta_ms: 0 },
            Some("cooked") => Topic::Cooked {},
            Some("placed") => Topic::Placed { total: Won(1) },
            Some("refunded") => Topic::Refunded { amount: Won(1) },
            _ => Topic::Delivered {},
        };
        let (order, to) = (OrderId(Bits([1; 10])), AccountId(Bits([7; 10])));
        Notice { order, store_name: None, to, channel: Channel::Inbox, topic, at_ms }
    }

    fn join(line: &Line, partition: u16, notices: &[(u64, &str, Millis)]) {
        let notices: Vec<_> = notices.iter().map(|(seq, key, at_ms)| (*seq, *key, notice(key, *at_ms))).collect();
        line.join(partition, notices.iter().map(|(seq, key, notice)| (*seq, *key, notice)));
    }

    #[tokio::test]
    async fn each_waits_for_those_before_it_of_the_same_story() {
        let line = Line::default();
        join(&line, 0, &[(1, PLACED, 1), (2, "A.owner.new_order.inbox", 1), (3, ACCEPTED, 1)]);
        // The other worker hears the same, and one more.
        join(&line, 0, &[(1, PLACED, 1), (3, ACCEPTED, 1), (4, COOKED, 1)]);
        let (placed, accepted, cooked) = (line.place(PLACED), line.place(ACCEPTED), line.place(COOKED));
        let told = notice(ACCEPTED, 1);
        {
            let (mut second, mut third) = (pin!(accepted.turn(&told)), pin!(cooked.turn(&told)));
            assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
            for key in ["A.owner.new_order.inbox", "B.customer.placed.inbox"] {
                assert!(poll!(pin!(line.place(key).turn(&told))).is_ready(), "{key}");
            }
            assert!(poll!(pin!(placed.turn(&told))).is_ready());
            drop(placed);
            assert!(poll!(&mut second).is_ready() && poll!(&mut third).is_pending());
        }
        drop(accepted);
        assert!(poll!(pin!(cooked.turn(&told))).is_ready());
        drop(cooked);
        let inside = line.inside();
        assert_eq!((inside.count, inside.stories.len()), (0, 0), "nobody is left");
    }

    #[tokio::test]
    async fn what_must_be_told_waits_for_what_must_be_told_and_not_for_progress() {
        let line = Line::default();
        join(&line, 0, &[(1, ACCEPTED, 1), (2, PLACED, 1), (3, DELIVERED, 1)]);
        let (accepted, placed, delivered) = (line.place(ACCEPTED), line.place(PLACED), line.place(DELIVERED));
        let told = notice(PLACED, 1);
        assert!(poll!(pin!(placed.turn(&told))).is_ready());
        let mut last = pin!(delivered.turn(&told));
        assert!(poll!(&mut last).is_pending());
        drop(placed);
        assert!(poll!(&mut last).is_ready());
        drop(accepted);
    }

    #[tokio::test]
    async fn they_stand_as_it_happened_and_not_as_it_was_heard() {
        let line = Line::default();
        // Of another partition, and of another source: all of it happened because of one thing, and so at one time.
        join(&line, 1, &[(1, REFUNDED, 5), (2, DELIVERED, 5)]);
        join(&line, 0, &[(1, PLACED, 5)]);
        let order: Vec<_> = line.inside().stories["A.customer"].iter().map(|standing| standing.key.clone()).collect();
        assert_eq!(order, [PLACED, DELIVERED, REFUNDED].map(Arc::from));
        // What was kept back, or found on its list, joins when it is told.
        let late = line.place("A.customer.asked.inbox");
        assert!(poll!(pin!(late.turn(&notice("A.customer.asked.inbox", 3)))).is_ready());
        assert!(poll!(pin!(line.place(PLACED).turn(&notice(PLACED, 5)))).is_pending(), "and is waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_never_told_here_keeps_the_others_for_a_while_only() {
        let line = Line::default();
        join(&line, 0, &[(1, PLACED, 1), (2, DELIVERED, 1), (3, COOKED, 1)]);
        let began = tokio::time::Instant::now();
        let (delivered, cooked) = (line.place(DELIVERED), line.place(COOKED));
        let told = notice(DELIVERED, 1);
        // Whoever gives up waiting takes nobody else's order away.
        tokio::join!(delivered.turn(&told), async {
            tokio::time::sleep(PATIENCE / 2).await;
            cooked.turn(&told).await;
            assert_eq!(began.elapsed(), PATIENCE * 3 / 2);
        });
    }

    #[tokio::test]
    async fn with_one_too_many_all_go_as_they_come() {
        let line = Line::default();
        let keys: Vec<String> = (0..=MOST).map(|n| format!("{}.customer.placed{n}.inbox", n / 2)).collect();
        let told = notice(PLACED, 1);
        line.join(0, keys[..MOST].iter().enumerate().map(|(n, key)| (n as u64 + 1, &**key, &told)));
        assert_eq!(line.inside().count, MOST);
        let second = line.place(&keys[1]);
        let mut waiting = pin!(second.turn(&told));
        assert!(poll!(&mut waiting).is_pending());
        assert!(poll!(pin!(line.place(&keys[MOST]).turn(&told))).is_ready());
        assert!(poll!(&mut waiting).is_ready());
        assert_eq!(line.inside().count, 0);
    }
}
