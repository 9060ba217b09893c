//! The rows that a worker knows of: which is ready, which is worked on, and which sleeps until its next try. Of a row that
//! sleeps only its name is kept, so that one which can never be settled keeps no other waiting.

use shared::event::Position;
use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map::Entry},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Rows known at once, each of some two hundred bytes: a minute of a rush hour. More stay on their list.
pub const KNOWN: usize = 65_536;

/// Why a row is taken.
#[derive(Clone, Copy)]
pub enum Why {
    /// It is on the list; with the event that has put it there, if that was heard just now.
    Due(Option<Position>),
    /// It was put on the list by this event just now, and has its first turn then.
    Later(Position, Instant),
    /// Somebody wants it to be worked on now.
    Wanted,
}

/// What became of a row that was to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    It,
    /// It is known already, or nobody's business here.
    Nothing,
    /// The worker is shut, and the row stays on its list.
    Shut,
    /// So many are known that this one stays on its list.
    Full,
}

enum Stage {
    Ready,
    Working,
    Asleep(Instant),
}

struct Row {
    stage: Stage,
    /// Whether it has had a turn.
    tried: bool,
    attempt: u32,
    pause: Duration,
    due: Option<Position>,
    /// Somebody else looks after it: it is tried here once, where it was wanted.
    once: bool,
    /// It was wanted, or became due once more, while it was worked on.
    again: bool,
}

/// A row whose turn it is.
pub struct Turn {
    pub key: Arc<str>,
    pub attempt: u32,
    pub due: Option<Position>,
    pub once: bool,
}

/// All of them.
pub struct Rows {
    at_once: usize,
    /// The first pause before a row is tried again, and the longest: each is twice the one before.
    pauses: (Duration, Duration),
    known: HashMap<Arc<str>, Row>,
    ready: VecDeque<Arc<str>>,
    asleep: BTreeSet<(Instant, Arc<str>)>,
    working: usize,
}

impl Rows {
    pub fn new(at_once: usize, pauses: (Duration, Duration)) -> Self {
        Self { at_once, pauses, known: HashMap::new(), ready: VecDeque::new(), asleep: BTreeSet::new(), working: 0 }
    }

    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Takes a row, to be tried once if it is not looked after here. One that sleeps is woken when it is wanted, or has
    /// become due once more; one that is worked on then has another turn.
    pub fn take(&mut self, key: Arc<str>, why: Why, once: bool) -> Took {
        let is_full = self.known.len() >= KNOWN;
        let (due, later) = match why {
            Why::Due(due) => (due, None),
            Why::Later(due, until) => (Some(due), Some(until)),
            Why::Wanted => (None, None),
        };
        match self.known.entry(key.clone()) {
            Entry::Vacant(_) if is_full => return Took::Full,
            Entry::Vacant(free) => {
                let stage = later.map_or(Stage::Ready, Stage::Asleep);
                free.insert(Row { stage, tried: false, attempt: 0, pause: self.pauses.0, due, once, again: false });
                match later {
                    Some(until) => drop(self.asleep.insert((until, key))),
                    None => self.ready.push_back(key),
                }
                return Took::It;
            }
            Entry::Occupied(mut known) => {
                let is_news = matches!(why, Why::Wanted | Why::Due(Some(_)) | Why::Later(..));
                let row = known.get_mut();
                // It may be looked after here now.
                row.once &= once;
                match row.stage {
                    Stage::Asleep(until) if is_news => {
                        row.due = due;
                        self.asleep.remove(&(until, key.clone()));
                        self.wake(&key);
                    }
                    Stage::Working if is_news => (row.again, row.due) = (true, due),
                    Stage::Asleep(_) | Stage::Working | Stage::Ready => {}
                }
            }
        }
        Took::Nothing
    }

    /// The next row to be worked on, if there is one and not too many are.
    pub fn next(&mut self) -> Option<Turn> {
        if self.working >= self.at_once {
            return None;
        }
        let key = self.ready.pop_front()?;
        let row = self.known.get_mut(&key)?;
        (row.stage, row.tried) = (Stage::Working, true);
        self.working += 1;
        Some(Turn { key, attempt: row.attempt, due: row.due.take(), once: row.once })
    }

    /// Whether [`Rows::next`] has one.
    pub fn has_next(&self) -> bool {
        self.working < self.at_once && !self.ready.is_empty()
    }

    /// Nothing is left to do for a row that was worked on, unless it was wanted meanwhile.
    pub fn done(&mut self, key: &Arc<str>) {
        self.working -= 1;
        match self.known.get_mut(key) {
            Some(row) if row.again => {
                (row.again, row.attempt, row.pause, row.stage) = (false, 0, self.pauses.0, Stage::Ready);
                self.ready.push_back(key.clone());
            }
            _ => drop(self.known.remove(key)),
        }
    }

    /// A row that was worked on is left to its list.
    pub fn leave(&mut self, key: &Arc<str>) {
        self.working -= 1;
        self.known.remove(key);
    }

    /// A row that was worked on must be tried again, after a pause; here, unless it is looked after elsewhere.
    pub fn failed(&mut self, key: &Arc<str>, now: Instant) {
        match self.known.get_mut(key) {
            Some(row) if !row.once => {
                self.working -= 1;
                let until = now + row.pause;
                row.stage = Stage::Asleep(until);
                if std::mem::take(&mut row.again) {
                    self.wake(key);
                } else {
                    self.asleep.insert((until, key.clone()));
                }
            }
            _ => self.leave(key),
        }
    }

    /// When the first one wakes.
    pub fn first_wake(&self) -> Option<Instant> {
        self.asleep.first().map(|(until, _)| *until)
    }

    /// Wakes those whose pause is over. One that is not `mine` any more is left to its list.
    pub fn wake_until(&mut self, now: Instant, mine: impl Fn(&str) -> bool) {
        while self.first_wake().is_some_and(|until| until <= now) {
            let Some((_, key)) = self.asleep.pop_first() else { return };
            if mine(&key) {
                self.wake(&key);
            } else {
                self.known.remove(&key);
            }
        }
    }

    /// Wakes all that sleep.
    pub fn wake_all(&mut self) {
        for (_, key) in std::mem::take(&mut self.asleep) {
            self.wake(&key);
        }
    }

    /// Leaves all to their list that are not worked on; true if there were any.
    pub fn leave_idle(&mut self) -> bool {
        let before = self.known.len();
        self.known.retain(|_, row| matches!(row.stage, Stage::Working));
        self.ready.clear();
        self.asleep.clear();
        self.known.len() < before
    }

    fn wake(&mut self, key: &Arc<str>) {
        let Some(row) = self.known.get_mut(key) else { return };
        row.stage = Stage::Ready;
        if row.tried {
            (row.pause, row.attempt) = ((row.pause * 2).min(self.pauses.1), row.attempt + 1);
        }
        self.ready.push_back(key.clone());
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rows() -> Rows {
        Rows::new(2, (SECOND, 3 * SECOND))
    }

    fn turns(rows: &mut Rows) -> Vec<(String, u32)> {
        std::iter::from_fn(|| rows.next()).map(|turn| (turn.key.to_string(), turn.attempt)).collect()
    }

    fn turn(key: &str, attempt: u32) -> (String, u32) {
        (key.into(), attempt)
    }

    #[test]
    fn so_many_are_worked_on_at_once_and_each_once() {
        let mut rows = rows();
        let took = ["a", "b", "a", "c"].map(|key| rows.take(key.into(), Why::Due(None), false));
        assert_eq!(took, [Took::It, Took::It, Took::Nothing, Took::It]);
        assert_eq!(turns(&mut rows), [turn("a", 0), turn("b", 0)]);
        rows.done(&"b".into());
        assert_eq!((turns(&mut rows), rows.len()), (vec![turn("c", 0)], 2));
    }

    #[test]
    fn who_failed_sleeps_longer_each_time_and_holds_no_place_meanwhile() {
        let (mut rows, mut now) = (rows(), Instant::now());
        rows.take("a".into(), Why::Due(None), false);
        for (attempt, pause) in [(0, 1), (1, 2), (2, 3), (3, 3)] {
            assert_eq!(turns(&mut rows), [turn("a", attempt)]);
            rows.failed(&"a".into(), now);
            rows.take("a".into(), Why::Due(None), false);
            assert_eq!((rows.has_next(), rows.first_wake()), (false, Some(now + pause * SECOND)));
            now += pause * SECOND;
            rows.wake_until(now - SECOND / 2, |_| true);
            assert!(!rows.has_next());
            rows.wake_until(now, |_| true);
        }
        for key in ["b", "c"] {
            rows.take(key.into(), Why::Due(None), false);
        }
        assert_eq!(turns(&mut rows).len(), 2);
    }

    #[test]
    fn who_is_kept_back_has_his_first_turn_then_as_if_it_were_now() {
        let (mut rows, now) = (rows(), Instant::now());
        let event = |seq| Position { context: shared::Context::Notification, partition: 0, seq };
        assert_eq!(rows.take("a".into(), Why::Later(event(7), now + SECOND), false), Took::It);
        // That it is on the list as well is nothing new.
        assert_eq!(rows.take("a".into(), Why::Due(None), false), Took::Nothing);
        assert_eq!((rows.has_next(), rows.first_wake()), (false, Some(now + SECOND)));
        rows.wake_until(now + SECOND, |_| true);
        let turn = rows.next().unwrap();
        assert_eq!((turn.attempt, turn.due), (0, Some(event(7))));
        rows.failed(&turn.key, now);
        rows.wake_until(now + SECOND, |_| true);
        let turn = rows.next().unwrap();
        assert_eq!((turn.attempt, turn.due), (1, None));
        // Another replica's by then, it is left to its list; wanted, it does not wait.
        rows.take("b".into(), Why::Later(event(8), now + SECOND), false);
        rows.wake_until(now + SECOND, |_| false);
        rows.take("c".into(), Why::Later(event(9), now + SECOND), false);
        rows.take("c".into(), Why::Wanted, false);
        assert_eq!(turns(&mut rows), [super::tests::turn("c", 0)]);
    }

    #[test]
    fn who_is_wanted_wakes_or_has_another_turn() {
        let mut rows = rows();
        rows.take("a".into(), Why::Due(None), false);
        turns(&mut rows);
        rows.failed(&"a".into(), Instant::now());
        assert_eq!(rows.take("a".into(), Why::Wanted, false), Took::Nothing);
        assert_eq!((turns(&mut rows), rows.first_wake()), (vec![turn("a", 1)], None));
        // Wanted while it is worked on, whatever comes of that.
        rows.take("a".into(), Why::Wanted, false);
        rows.failed(&"a".into(), Instant::now());
        assert_eq!((turns(&mut rows), rows.first_wake()), (vec![turn("a", 2)], None));
        rows.take("a".into(), Why::Wanted, false);
        rows.done(&"a".into());
        assert_eq!(turns(&mut rows), [turn("a", 0)]);
        rows.done(&"a".into());
        assert_eq!(rows.len(), 0);
    }

    #[test]
    fn what_others_look_after_is_tried_once_and_left_when_it_wakes() {
        let (mut rows, now) = (rows(), Instant::now());
        rows.take("theirs".into(), Why::Wanted, true);
        rows.take("mine".into(), Why::Due(None), false);
        turns(&mut rows);
        rows.failed(&"theirs".into(), now);
        rows.failed(&"mine".into(), now);
        assert_eq!(rows.len(), 1);
        rows.wake_until(now + SECOND, |_| false);
        assert_eq!((rows.len(), rows.has_next()), (0, false));
    }

    #[test]
    fn what_is_not_worked_on_can_be_left() {
        let (mut rows, now) = (rows(), Instant::now());
        for key in ["asleep", "working", "ready"] {
            rows.take(key.into(), Why::Due(None), false);
        }
        turns(&mut rows);
        rows.failed(&"asleep".into(), now);
        assert!(rows.leave_idle());
        assert!(!rows.leave_idle());
        assert_eq!((rows.len(), rows.has_next(), rows.first_wake()), (1, false, None));
        rows.leave(&"working".into());
        assert_eq!(rows.take("working".into(), Why::Due(None), false), Took::It);
    }

    #[test]
    fn one_too_many_stays_on_its_list() {
        let mut rows = rows();
        (0..KNOWN).for_each(|n| assert_eq!(rows.take(n.to_string().into(), Why::Due(None), false), Took::It));
        assert_eq!(rows.take("more".into(), Why::Wanted, false), Took::Full);
        assert_eq!(rows.take("0".into(), Why::Wanted, false), Took::Nothing);
        let turn = rows.next().unwrap();
        rows.done(&turn.key);
        assert_eq!(rows.take("more".into(), Why::Due(None), false), Took::It);
    }
}
