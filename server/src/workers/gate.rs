//! The gate before the ways: so many at once, whoever is urgent first, and nobody while the ways say that they are full.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// The first pause after a way has said that it is full, and the longest: a way counts by the second.
const PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The gate.
pub struct Gate {
    inside: Mutex<Inside>,
}

struct Inside {
    free: usize,
    urgent: VecDeque<oneshot::Sender<Turn>>,
    others: VecDeque<oneshot::Sender<Turn>>,
    pause: Duration,
    closed_until: Option<Instant>,
}

/// The right to use the ways, until it is dropped.
pub struct Turn(Arc<Gate>);

impl Gate {
    /// A gate for so many at once.
    pub fn new(free: usize) -> Arc<Self> {
        let inside = Inside { free, urgent: VecDeque::new(), others: VecDeque::new(), pause: PAUSE, closed_until: None };
        Arc::new(Self { inside: Mutex::new(inside) })
    }

    /// Waits for a turn.
    pub async fn turn(self: &Arc<Self>, is_urgent: bool) -> Turn {
        loop {
            let turn = self.enter(is_urgent).await;
            let closed_until = self.inside().closed_until.filter(|until| *until > Instant::now());
            let Some(until) = closed_until else { return turn };
            // Somebody more urgent may come meanwhile.
            drop(turn);
            tokio::time::sleep_until(until).await;
        }
    }

    async fn enter(self: &Arc<Self>, is_urgent: bool) -> Turn {
        loop {
            let waiting = {
                let mut inside = self.inside();
                if inside.free > 0 {
                    inside.free -= 1;
                    return Turn(self.clone());
                }
                let (called, waiting) = oneshot::channel();
                if is_urgent {
                    inside.urgent.push_back(called)
                } else {
                    inside.others.push_back(called)
                }
                waiting
            };
            if let Ok(turn) = waiting.await {
                return turn;
            }
        }
    }

    /// A way is full: everybody waits a little, and longer each time.
    pub fn close(&self) {
        let mut inside = self.inside();
        let now = Instant::now();
        // Those who were on their way at the same time say the same thing.
        if inside.closed_until.is_none_or(|until| until <= now) {
            inside.closed_until = Some(now + inside.pause);
            inside.pause = (inside.pause * 2).min(MAX_PAUSE);
        }
    }

    /// A way has taken something.
    pub fn open(&self) {
        self.inside().pause = PAUSE;
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut inside = self.0.inside();
            let next = inside.urgent.pop_front().or_else(|| inside.others.pop_front());
            if next.is_none() {
                inside.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // A turn that nobody takes, because its waiter has gone, comes back and goes to the next one.
            let _ = next.send(Turn(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
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
        drop(urgent.await);
        drop(slow.await);
        assert_eq!(gate.inside().free, 1);
    }
}
