//! The gate before a way: so many at once, whoever is urgent first, and nobody while the way says that it is full.
//!
//! Everybody waits in a queue, through a pause as well, so that the urgent go first whenever there is a place. After a
//! pause one goes alone to ask, and with each that is taken one more may go at once: a way that takes a few a second is
//! not asked by hundreds in order to take them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// The first pause after a way has said that it is full, and the longest: a way counts by the second.
const PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The gate.
pub struct Gate {
    inside: Mutex<Inside>,
}

struct Inside {
    /// The most on their way at once, and how many it may be now.
    most: usize,
    window: usize,
    on_their_way: usize,
    urgent: VecDeque<oneshot::Sender<Turn>>,
    others: VecDeque<oneshot::Sender<Turn>>,
    /// The next pause.
    pause: Duration,
    is_closed: bool,
}

/// The right to use the way, until it is dropped.
pub struct Turn(Arc<Gate>);

impl Gate {
    /// A gate for so many at once.
    pub fn new(most: usize) -> Arc<Self> {
        let (urgent, others) = (VecDeque::new(), VecDeque::new());
        let inside = Inside { most, window: most, on_their_way: 0, urgent, others, pause: PAUSE, is_closed: false };
        Arc::new(Self { inside: Mutex::new(inside) })
    }

    /// Waits for a turn.
    pub async fn turn(self: &Arc<Self>, is_urgent: bool) -> Turn {
        loop {
            let (called, waiting) = oneshot::channel();
            {
                let mut inside = self.inside();
                let queue = if is_urgent { &mut inside.urgent } else { &mut inside.others };
                queue.push_back(called);
            }
            self.admit();
            if let Ok(turn) = waiting.await {
                return turn;
            }
        }
    }

    /// The way is full: everybody waits a little, and longer each time.
    pub fn close(self: &Arc<Self>) {
        let pause = {
            let mut inside = self.inside();
            // Those who were on their way at the same time say the same thing.
            if std::mem::replace(&mut inside.is_closed, true) {
                return;
            }
            inside.window = 1;
            let longer = (inside.pause * 2).min(MAX_PAUSE);
            std::mem::replace(&mut inside.pause, longer)
        };
        let gate = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            gate.inside().is_closed = false;
            gate.admit();
        });
    }

    /// The way has taken something.
    pub fn open(self: &Arc<Self>) {
        {
            let mut inside = self.inside();
            inside.pause = PAUSE;
            // What was taken before the way was full says nothing of the time after the pause.
            if !inside.is_closed {
                inside.window = (inside.window + 1).min(inside.most);
            }
        }
        self.admit();
    }

    /// Calls those whose turn it is.
    fn admit(self: &Arc<Self>) {
        while let Some(called) = self.inside().next() {
            // A turn that nobody takes, because its waiter has gone meanwhile, comes back as it is dropped.
            let _ = called.send(Turn(self.clone()));
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Takes a place for whoever is next, if there is one.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        if self.is_closed || self.on_their_way >= self.window {
            return None;
        }
        while let Some(called) = self.urgent.pop_front().or_else(|| self.others.pop_front()) {
            if !called.is_closed() {
                self.on_their_way += 1;
                return Some(called);
            }
        }
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.inside().on_their_way -= 1;
        self.0.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{future::join_all, poll};
    use std::pin::pin;

    #[tokio::test]
    async fn the_urgent_go_first_and_nobodys_turn_is_lost() {
        let gate = Gate::new(1);
        let held = gate.turn(false).await;
        let (mut slow, mut urgent) = (pin!(gate.turn(false)), pin!(gate.turn(true)));
        assert!(poll!(&mut slow).is_pending() && poll!(&mut urgent).is_pending());
        {
            let mut gone = Box::pin(gate.turn(true));
            assert!(poll!(&mut gone).is_pending());
        }
        drop(held);
        assert!(poll!(&mut slow).is_pending(), "progress waits for what is urgent");
        {
            // Its turn has come, and it never hears of it.
            let mut called = Box::pin(gate.turn(true));
            assert!(poll!(&mut called).is_pending());
            drop(urgent.await);
        }
        drop(slow.await);
        assert_eq!(gate.inside().on_their_way, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_urgent_go_first_after_a_pause_as_well() {
        let gate = Gate::new(8);
        gate.close();
        let order = Mutex::new(vec![]);
        let wait = async |is_urgent| {
            let _turn = gate.turn(is_urgent).await;
            order.lock().expect("nobody panicked").push(is_urgent);
        };
        tokio::join!(wait(false), wait(false), wait(true), wait(true));
        assert_eq!(order.into_inner().expect("nobody panicked"), [true, true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_one_asks_and_each_that_is_taken_lets_one_more_go() {
        let gate = Gate::new(4);
        let before = [gate.turn(true).await, gate.turn(true).await];
        gate.close();
        gate.close();
        // It was taken before the way was full.
        gate.open();
        drop(before);
        let began = tokio::time::Instant::now();
        let first = gate.turn(true).await;
        assert_eq!(began.elapsed(), PAUSE);
        let mut second = pin!(gate.turn(true));
        assert!(poll!(&mut second).is_pending(), "one asks for all");
        gate.open();
        drop(first);
        let _two = (second.await, gate.turn(true).await);
        assert!(poll!(pin!(gate.turn(true))).is_pending());
        (0..9).for_each(|_| gate.open());
        let _four = join_all([gate.turn(true), gate.turn(true)]).await;
        assert!(poll!(pin!(gate.turn(true))).is_pending(), "never more than there are places");
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_that_stays_full_is_asked_less_and_less() {
        let (gate, began) = (Gate::new(4), tokio::time::Instant::now());
        let mut asked = 0;
        while began.elapsed() < Duration::from_secs(60) {
            drop(gate.turn(true).await);
            asked += 1;
            gate.close();
        }
        assert!((30..=40).contains(&asked), "{asked}");
    }
}
