//! Cancel against cook start, again and again, while the server is killed: the harness's own clients race, and its oracle
//! reads everything. What is added here: when the two set off, who won, and that money went back to exactly those who won.

use super::audit::moved;
use crate::{
    chaos::{plant::Plant, say},
    oracle::finding::{Class, Finding},
    seed::Seed,
    toss::book,
};
use shared::OrderId;
use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Kills of the server: one in so many races, and so many at least.
const RACES_TO_A_KILL: usize = 500;
/// See above.
const KILLS: usize = 3;
/// How far the two may set off apart.
const MOST_US: i64 = 200_000;
/// How much more or less than what makes the race even, by chance.
const SPREAD_US: i64 = 10_000;
/// How much the one who has lost is favoured in the next race.
const STEP_US: i64 = 500;
/// Of a hundred races each side must win so many.
const FAIR: usize = 10;
/// So long nothing may happen at all.
const STILL: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// All races.
#[derive(Debug, Default)]
pub struct Races {
    /// How much later than the cancel the start sets off, for a race that is even. A cancel has the longer way: it goes
    /// through the order to the ticket.
    even_us: AtomicI64,
    won: Mutex<Won>,
}

/// Who won.
#[derive(Debug, Default)]
struct Won {
    cancelled: HashSet<OrderId>,
    cooked: HashSet<OrderId>,
}

impl Races {
    /// How long the customer waits, and how long the owner.
    pub fn wait(&self, seed: &mut Seed) -> (Duration, Duration) {
        let chance = i64::try_from(seed.below(2 * SPREAD_US.unsigned_abs())).unwrap_or(0) - SPREAD_US;
        let later = self.even_us.load(Relaxed).clamp(-MOST_US, MOST_US) + chance;
        let wait = Duration::from_micros(later.unsigned_abs());
        if later < 0 { (wait, Duration::ZERO) } else { (Duration::ZERO, wait) }
    }

    /// Somebody has won.
    pub fn over(&self, order: OrderId, is_cancelled: bool) {
        let favour = if is_cancelled { -STEP_US } else { STEP_US };
        self.even_us.fetch_add(favour, Relaxed);
        let mut won = self.won();
        if is_cancelled {
            won.cancelled.insert(order)
        } else {
            won.cooked.insert(order)
        };
    }

    fn won(&self) -> MutexGuard<'_, Won> {
        self.won.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        let won = self.won();
        won.cancelled.len() + won.cooked.len()
    }

    /// Kills the server now and then, until there were enough races.
    ///
    /// # Errors
    /// It does not come back, or nobody races.
    pub async fn play(&self, plant: &mut Plant, times: usize) -> Result<(), String> {
        let kills = (times / RACES_TO_A_KILL).max(KILLS);
        for kill in 1..=kills {
            self.reach(times * kill / (kills + 1)).await?;
            let server = plant.processes().first_mut().ok_or("no server")?;
            server.kill().await?;
            server.start().await?;
        }
        self.reach(times).await?;
        say(&format!("{} races; the server was killed {kills} times", self.count()));
        Ok(())
    }

    async fn reach(&self, wanted: usize) -> Result<(), String> {
        let (mut last, mut since) = (self.count(), Instant::now());
        while self.count() < wanted {
            sleep(LOOK).await;
            if self.count() > last {
                (last, since) = (self.count(), Instant::now());
            }
            if since.elapsed() > STILL {
                return Err(format!("there was no race for {STILL:?}"));
            }
        }
        Ok(())
    }

    /// Whether the races were fair, and money went back exactly where the customer has won.
    ///
    /// # Errors
    /// The company's journal cannot be read.
    pub fn judge(&self, journal: &Path) -> Result<(Vec<Finding>, Vec<String>), String> {
        let moved = moved(&book::read(journal).map_err(|e| e.to_string())?);
        let won = self.won();
        let (cancelled, cooked) = (won.cancelled.len(), won.cooked.len());
        say(&format!(
            "cancel won {cancelled} times, cook start {cooked} times; in the end the start set off {} ms after the cancel",
            self.even_us.load(Relaxed) / 1_000
        ));
        let mut found = vec![];
        let went = |order: &OrderId| moved.get(&order.to_string()).map_or(0, |moved| moved.went.len());
        let came = |order: &OrderId| moved.get(&order.to_string()).map_or(0, |moved| moved.came.len());
        for order in won.cancelled.iter().chain(&won.cooked) {
            let wanted = usize::from(won.cancelled.contains(order));
            match (came(order), went(order)) {
                (1, went) if went == wanted => {}
                (came, went) => {
                    let class = if went < wanted { Class::Lost } else { Class::Unexpected };
                    found.push(class.of(format!("{order} was captured {came} times and given back {went} times, instead of {wanted}")));
                }
            }
        }
        let both = won.cancelled.intersection(&won.cooked);
        found.extend(both.map(|order| Class::Unexpected.of(format!("{order} was won by both"))));
        let is_fair = |wins: usize| wins * 100 >= (cancelled + cooked) * FAIR;
        let unfair = format!("the races were not fair: cancel won {cancelled} times, cook start {cooked} times");
        Ok((found, if is_fair(cancelled) && is_fair(cooked) { vec![] } else { vec![unfair] }))
    }
}
