//! A single long fault, and the figures that it must show.

use super::{
    faults::Blow,
    insist::Insist,
    options::{Options, Scenario},
    plant::Plant,
    rebuilds, say,
    steady::{Seen, Steady},
};
use crate::{
    http::Host,
    oracle::{
        books::{Standing, lag, standing},
        place::Place,
        story::Story,
    },
    people::Party,
    seed::Seed,
};
use shared::Context;
use std::time::{Duration, Instant};

/// How long everybody orders before anything is broken.
const WARM_UP: Duration = Duration::from_secs(3);
/// How often the broker and the database are killed, and each service.
const KILLS: u32 = 20;
/// See above.
const SERVICE_KILLS: u32 = 30;
/// How long everything may take to be heard of after the broker is back.
const DRAINED: Duration = Duration::from_secs(60);
/// How long an order may have to wait after the database is back.
const RETURNED: Duration = Duration::from_secs(10);
/// A backlog must be heard of this many times faster than it grew.
const FASTER: f64 = 3.0;
/// So few events are no backlog: they are on their way.
const ON_THEIR_WAY: u64 = 20;
/// How long a dead replica's partitions may take to be somebody else's.
const MOVED: Duration = Duration::from_secs(15);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

impl Scenario {
    /// How long something may have to wait for what is away, in seconds.
    pub fn away_s(self, seconds: u64) -> u64 {
        match self {
            Scenario::BrokerKills
            | Scenario::DatabaseKills
            | Scenario::ServiceKills
            | Scenario::ReplicaDies
            | Scenario::RollingRestart
            | Scenario::ViewRebuild
            | Scenario::CancelRaces => 30,
            _ => seconds,
        }
    }

    fn context(self) -> Option<Context> {
        Some(match self {
            Scenario::StoreAway => Context::Store,
            Scenario::RiderAway => Context::Rider,
            Scenario::CustomerAway => Context::Customer,
            Scenario::NotificationAway => Context::Notification,
            _ => return None,
        })
    }
}

/// What a scenario has shown.
pub struct Shown {
    /// What it should have shown, and did not.
    pub missed: Vec<String>,
    /// Who ordered at a steady rate.
    pub party: Party,
    /// What.
    pub stories: Vec<Story>,
}

/// Plays a scenario while others order.
///
/// # Errors
/// Something does not come back.
pub async fn play(one: Scenario, plant: &mut Plant, options: &Options, insist: &Insist, seed: &mut Seed) -> Result<Shown, String> {
    let host = Host::new(&plant.url())?;
    let steady = Steady::begin(&host, insist.clone(), usize::from(options.clients), seed.0).await?;
    tokio::time::sleep(WARM_UP).await;
    let last = Duration::from_secs(options.seconds);
    let done = match one {
        Scenario::StoreAway | Scenario::RiderAway | Scenario::CustomerAway | Scenario::NotificationAway => {
            away(one, plant, &steady, last).await
        }
        Scenario::BrokerAway => broker(Blow::BrokerStop, 1, last, plant, &steady).await,
        Scenario::BrokerKills => broker(Blow::BrokerKill, KILLS, Duration::from_secs(1), plant, &steady).await,
        Scenario::BrokerWipe => broker(Blow::BrokerWipe, 1, Duration::from_secs(5), plant, &steady).await,
        Scenario::DatabaseKills => database(plant, &steady).await,
        Scenario::ServiceKills => services(plant, seed).await,
        Scenario::ReplicaDies => replica(plant).await,
        Scenario::RollingRestart => rolling(plant, insist).await,
        Scenario::ViewRebuild => {
            let before = steady.seen();
            rebuilds::play(plant, last, usize::from(options.clients) + 1)
                .await
                .map(|missed| missed.into_iter().chain(accepted(before, steady.seen())).collect())
        }
        Scenario::ProviderHung
        | Scenario::ProviderFailing
        | Scenario::ProviderSlow
        | Scenario::ProviderCut
        | Scenario::ProviderLate
        | Scenario::PaymentStorm
        | Scenario::WebhookLies
        | Scenario::NoticeFlood
        | Scenario::CancelRaces => Err("this is a run of its own".into()),
    };
    let (missed, (party, stories)) = (done?, steady.end().await?);
    Ok(Shown { missed, party, stories })
}

/// A service is away for a while: orders are taken, and what it has missed is soon made up for.
async fn away(one: Scenario, plant: &mut Plant, steady: &Steady, last: Duration) -> Result<Vec<String>, String> {
    let context = one.context().ok_or("no context")?;
    let (journal, before) = (plant.leaves().journal, steady.seen());
    let cluster = plant.cluster()?;
    for process in cluster.of_mut(context.name()) {
        process.stop().await?;
    }
    tokio::time::sleep(last).await;
    let meanwhile = accepted(before, steady.seen());
    let backlog = look(&journal, context)?;
    for process in cluster.of_mut(context.name()) {
        process.start().await?;
    }
    let began = Instant::now();
    // Counted from the moment that it is ready: what it makes up for is what it had missed, and what came since.
    let (left, then) = (look(&journal, context)?, moment(&journal)?);
    let drained = until(DRAINED, || has_heard(&journal, context, &then)).await?;
    let (took, after) = (began.elapsed(), look(&journal, context)?);
    let arrives = backlog.0 as f64 / last.as_secs_f64();
    let drains = (left.0 + after.1.saturating_sub(left.1)) as f64 / took.as_secs_f64();
    say(&format!(
        "{} was away for {last:?}: {} events missed, {arrives:.1} a second; {} of them left when it was ready, heard in {took:?}, {drains:.1} a second",
        context.name(),
        backlog.0,
        left.0
    ));
    let mut missed = meanwhile;
    if backlog.0 <= ON_THEIR_WAY {
        missed.push(format!("only {} events were missed: that is no load", backlog.0));
    }
    // What is made up for before anybody can look has been made up for fast.
    if !drained || (left.0 > ON_THEIR_WAY && drains < FASTER * arrives) {
        missed.push(format!("the backlog shrinks by {drains:.1} events a second, and grew by {arrives:.1}"));
    }
    Ok(missed)
}

/// The broker is broken: orders are taken, and everything is heard of soon after its return.
async fn broker(blow: Blow, times: u32, last: Duration, plant: &mut Plant, steady: &Steady) -> Result<Vec<String>, String> {
    let (journal, before) = (plant.leaves().journal, steady.seen());
    for _ in 0..times {
        blow.strike(plant, last).await?;
        tokio::time::sleep(LOOK).await;
    }
    let mut missed = accepted(before, steady.seen());
    let began = Instant::now();
    // People go on ordering: what counts is all that had happened when the broker came back.
    let then = moment(&journal)?;
    for context in Context::ALL {
        if !until(DRAINED.saturating_sub(began.elapsed()), || has_heard(&journal, context, &then)).await? {
            missed.push(format!("{} had not heard everything {DRAINED:?} after the broker's return", context.name()));
        }
    }
    say(&format!("{blow:?} {times} times: everything was heard {:?} after its return", began.elapsed()));
    Ok(missed)
}

/// The database is killed again and again: orders go on soon after each return.
async fn database(plant: &mut Plant, steady: &Steady) -> Result<Vec<String>, String> {
    let (mut missed, mut slowest) = (vec![], Duration::ZERO);
    for kill in 0..KILLS {
        Blow::DatabaseKill.strike(plant, Duration::from_millis(500)).await?;
        let (placed, began) = (steady.seen().placed, Instant::now());
        if !until(RETURNED, || Ok(steady.seen().placed > placed)).await? {
            missed.push(format!("no order was taken within {RETURNED:?} of the database's return number {}", kill + 1));
        }
        slowest = slowest.max(began.elapsed());
    }
    say(&format!("the database was killed {KILLS} times; the next order was taken after {slowest:?} at most"));
    Ok(missed)
}

/// Each service is killed again and again.
async fn services(plant: &mut Plant, seed: &mut Seed) -> Result<Vec<String>, String> {
    for which in 0..plant.processes().len() {
        for _ in 0..SERVICE_KILLS {
            Blow::Kill(which).strike(plant, Duration::from_millis(seed.below(200))).await?;
            tokio::time::sleep(Duration::from_millis(seed.below(500))).await;
        }
        say(&format!("{} was killed {SERVICE_KILLS} times", plant.processes()[which].name));
    }
    Ok(vec![])
}

/// One replica of each service dies and stays away: the others take its partitions over.
async fn replica(plant: &mut Plant) -> Result<Vec<String>, String> {
    let journal = plant.leaves().journal;
    let mut missed = vec![];
    for context in Context::ALL {
        let cluster = plant.cluster()?;
        if cluster.of(context.name()).count() < 2 {
            return Err("a replica can only be missed where there are others: --replicas 3".into());
        }
        let died = Instant::now();
        if let Some(process) = cluster.of_mut(context.name()).next() {
            process.kill().await?;
        }
        // Of every partition something happens in a second; all of it must be heard, whoever looked after it before.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let wanted = moment(&journal)?;
        let moved = until(MOVED, || has_heard(&journal, context, &wanted)).await?;
        say(&format!("a replica of {} died: the others had its partitions after {:?} at most", context.name(), died.elapsed()));
        if !moved {
            missed.push(format!("the partitions of a replica of {} that died were nobody's after {MOVED:?}", context.name()));
        }
    }
    Ok(missed)
}

/// How far every context is at this moment.
fn moment(journal: &Place) -> Result<Vec<Standing>, String> {
    tokio::task::block_in_place(|| standing(journal))
}

/// Whether a context has heard all that its sources had to tell at some moment.
fn has_heard(journal: &Place, context: Context, then: &[Standing]) -> Result<bool, String> {
    let now = moment(journal)?;
    let mine = now.iter().find(|standing| standing.context == context).ok_or("no such context")?;
    let head = |source: &str, partition: u16| {
        let source = then.iter().find(|standing| standing.context.name() == source);
        source.and_then(|standing| standing.heads.get(&partition)).copied().unwrap_or(0)
    };
    Ok(mine.heard.iter().all(|((source, partition), seq)| *seq >= head(source, *partition)))
}

/// Each service behind the gateway is stopped and started in turn, and nobody notices.
async fn rolling(plant: &mut Plant, insist: &Insist) -> Result<Vec<String>, String> {
    let before = insist.tally.read();
    for process in plant.cluster()?.processes.iter_mut().filter(|process| !process.name.starts_with("gateway")) {
        process.stop().await?;
        process.start().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let after = insist.tally.read();
    let (asked, failed) = (after.0 - before.0, after.1 - before.1);
    let rate = ((asked - failed.min(asked)) as f64 * 10_000.0 / asked.max(1) as f64).floor() / 100.0;
    say(&format!("a rolling restart: {rate:.2} % of {asked} requests succeeded at the first try"));
    Ok(if failed > 0 || asked == 0 { vec![format!("{failed} of {asked} requests failed during a rolling restart")] } else { vec![] })
}

/// Every order at the first try, and every look.
fn accepted(before: Seen, after: Seen) -> Vec<String> {
    let (placed, again) = (after.placed - before.placed, after.again - before.again);
    let (looked, blind) = (after.looked - before.looked, after.blind - before.blind);
    say(&format!("meanwhile {placed} orders were asked for, {again} of them again; {looked} looks at a status, {blind} of them in vain"));
    let mut missed = vec![];
    if placed == 0 || again > 0 {
        missed.push(format!("{again} of {placed} orders were not accepted at once"));
    }
    if blind > 0 {
        missed.push(format!("{blind} of {looked} looks at a status showed nothing"));
    }
    missed
}

/// How much a context has to hear, and how much it has heard and has to hear altogether.
fn look(journal: &Place, context: Context) -> Result<(u64, u64), String> {
    let all = moment(journal)?;
    let mine = all.iter().find(|standing| standing.context == context).ok_or("no such context")?;
    let behind = lag(&all, mine);
    Ok((behind, heard(mine) + behind))
}

fn heard(standing: &Standing) -> u64 {
    standing.heard.values().sum()
}

/// Waits until something is so. False when it was not so in time.
async fn until(within: Duration, so: impl Fn() -> Result<bool, String>) -> Result<bool, String> {
    let began = Instant::now();
    while !so()? {
        if began.elapsed() > within {
            return Ok(false);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(true)
}
