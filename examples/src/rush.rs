//! The rush hour: clients that live one order after another, as fast as they are served, and what is measured of it.
//!
//! It is a closed loop: a client begins its next order when the last one is completed. So the figures say what this many
//! people get, not what happens when more come than can be served.

use crate::{
    http::Host,
    life::{Screens, Times, live, order_body},
    people::{Party, Trouble},
    seed::Seed,
};
use shared::Point;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Barrier, Semaphore},
    task::JoinSet,
};

/// Joining hashes passwords, of which a server takes a few at a time.
const JOINING: usize = 8;
/// Lives at the start that are not measured: caches are cold, and connections new.
const WARM_UP: Duration = Duration::from_secs(1);
/// A client that fails this often is not served, and asking on would only measure refusals.
const MOST_FAILURES: u64 = 20;
/// Degrees between the places of two clients: beyond the 20 km within which a rider hears of jobs.
const APART: f64 = 0.3;
/// Places in a row, from west to east.
const IN_A_ROW: usize = 16;

/// What became of all clients.
#[derive(Default)]
pub struct Outcome {
    /// Lives that were completed within the time.
    pub lives: u64,
    /// Lives that were completed at all, warm-up and overtime included: all orders that were made.
    pub orders: u64,
    /// What was measured.
    pub times: Times,
    /// What went wrong, counted.
    pub errors: BTreeMap<String, u64>,
}

/// What the load is.
#[derive(Clone)]
pub struct Load {
    /// How many clients.
    pub clients: usize,
    /// How long they are measured.
    pub span: Duration,
    /// Where their luck comes from.
    pub seed: u64,
    /// True when all are at one place, so that every rider hears of every job.
    pub together: bool,
}

/// A client: three people and their screens.
pub struct Member {
    party: Party,
    screens: Screens,
}

/// Brings everybody together.
///
/// # Errors
/// Somebody could not join.
pub async fn gather(host: &Host, load: &Load) -> Result<Vec<Member>, Trouble> {
    let (mut tasks, joining) = (JoinSet::new(), Arc::new(Semaphore::new(JOINING)));
    for number in 0..load.clients {
        let (host, joining) = (host.clone(), joining.clone());
        let name = format!("rush-{:x}-{number}", load.seed);
        let at = if load.together { place(0) } else { place(number) };
        tasks.spawn(async move {
            let _turn = joining.acquire().await;
            let party = Party::gather(&host, &name, at).await?;
            let screens = Screens::open(&party).await?;
            Ok(Member { party, screens })
        });
    }
    tasks.join_all().await.into_iter().collect()
}

/// A place for each client, on a grid that begins in Seoul.
fn place(number: usize) -> Point {
    let (row, column) = ((number / IN_A_ROW) as f64, (number % IN_A_ROW) as f64);
    Point { lat: (37.4979 - row * APART).max(-80.0), lng: (127.0276 + column * APART).min(180.0) }
}

/// Lets everybody order until the time is over. `begun` is called when the warm-up ends, `ended` when the time does.
pub async fn run(members: Vec<Member>, load: &Load, begun: impl FnOnce(), ended: impl FnOnce()) -> Outcome {
    let barrier = Arc::new(Barrier::new(members.len() + 1));
    let mut tasks = JoinSet::new();
    for (number, member) in members.into_iter().enumerate() {
        let (load, barrier) = (load.clone(), barrier.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            client(member, number, &load).await
        });
    }
    barrier.wait().await;
    tokio::time::sleep(WARM_UP).await;
    begun();
    tokio::time::sleep(load.span).await;
    ended();
    let mut all = Outcome::default();
    while let Some(one) = tasks.join_next().await {
        // A client that panicked is a bug of this program.
        let one = one.unwrap_or_else(|panicked| Outcome { errors: [(panicked.to_string(), 1)].into(), ..Outcome::default() });
        all.lives += one.lives;
        all.orders += one.orders;
        all.times.merge(one.times);
        for (error, count) in one.errors {
            *all.errors.entry(error).or_default() += count;
        }
    }
    all
}

async fn client(mut member: Member, number: usize, load: &Load) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut seed, began) = (Seed(load.seed).fork(number as u64), Instant::now());
    let (mut life, mut failures) = (0u64, 0);
    while began.elapsed() < WARM_UP + load.span && failures < MOST_FAILURES {
        life += 1;
        let (key, body) = (format!("{:x}-{number}-{life}", load.seed), order_body(&member.party, 1 + seed.below(3) as u32, "card"));
        let mut times = Times::default();
        match one(&mut member, &body, &key, &mut times).await {
            Ok(()) => {
                outcome.orders += 1;
                // A life counts where it ends, for the rate as for the times.
                if began.elapsed() >= WARM_UP && began.elapsed() < WARM_UP + load.span {
                    outcome.lives += 1;
                    outcome.times.merge(times);
                }
            }
            Err(trouble) => {
                failures += 1;
                let name = match trouble {
                    Trouble::Broken(broken) => broken.0,
                    Trouble::Refused(status, body) => format!("{status} {body}"),
                };
                *outcome.errors.entry(name).or_default() += 1;
            }
        }
    }
    outcome
}

async fn one(member: &mut Member, body: &hyper::body::Bytes, key: &str, times: &mut Times) -> Result<(), Trouble> {
    if member.party.renew().await? {
        member.screens.log_in(&member.party);
    }
    live(&mut member.party, &mut member.screens, body, key, times).await
}
