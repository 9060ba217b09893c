//! A whole run, from an empty folder to the oracle's verdict.

use super::{
    client::Client,
    insist::{Insist, Tally},
    log::Log,
    money::races::Races,
    options::{Options, Scenario},
    plant::Plant,
    rounds::{self, Pace},
    say, scenario, settle,
};
use crate::{
    http::Host,
    oracle::{finding::Verdict, story::Story},
    people::Party,
    process::program,
    seed::Seed,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::Point;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{process::Command, sync::watch, task::JoinHandle, time::timeout};

/// How long an order may take its client when nothing is away for long: the longest that any deadline lets it wait, and
/// all the faults meanwhile.
const LIFE: Duration = Duration::from_secs(60);
/// How long the last order may take to end, besides the fault itself: the longest deadline that was set, and some more.
const END: Duration = Duration::from_secs(50);
/// Parties that join at once: a password keeps a processor busy for a while, and on a machine that has none to spare whoever
/// waits too long for it is told to come later.
const JOIN_AT_ONCE: usize = 2;
/// Degrees between two parties: no rider hears of another's jobs.
const APART: f64 = 0.3;
/// The pause between two orders of a client in a scenario, so that there is something left to drain with.
const REST: Duration = Duration::from_millis(200);
/// The same of one whose phone gets texts: of more than a thousand in an hour, none is found again.
const TEXT_REST: Duration = Duration::from_secs(1);

/// What a run has shown.
pub struct Outcome {
    /// What the oracle says.
    pub verdict: Verdict,
    /// What a scenario should have shown, and did not.
    pub missed: Vec<String>,
    /// Where the clients' log and the description of the plant are.
    pub log: PathBuf,
    /// See above.
    pub plant: PathBuf,
}

impl Outcome {
    /// True when nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.verdict.found.is_empty() && self.missed.is_empty()
    }
}

/// The deadlines of orders: longer than anything is away, so that nothing expires that somebody works on (a broker that
/// is stopped in order takes a dozen seconds to come back on a slow machine), short enough that what is left lying ends
/// soon. What waits for a service that is away waits for it.
fn deadlines(away_s: u64) -> String {
    let ms = 40_000 + away_s * 1_000;
    format!("payment={ms},answer={ms},cook={ms},rider={ms},door={ms},receipt=2000,extra={ms},late=10000")
}

/// Runs.
///
/// # Errors
/// The run could not be made; nothing is known about what was tested.
pub async fn run(options: &Options, seed: u64, folder: &Path) -> Result<Outcome, String> {
    let away_s = options.scenario.map_or(0, |scenario| scenario.away_s(options.seconds));
    let mut plant = Plant::start(options, folder, &deadlines(away_s)).await?;
    let (log_path, plant_path) = (folder.join("clients.log"), folder.join("plant.json"));
    let leaves = plant.leaves();
    let text = serde_json::to_string_pretty(&leaves).map_err(|e| e.to_string())?;
    fs::write(&plant_path, text).map_err(|e| e.to_string())?;
    let insist = Insist { log: Log::create(&log_path)?, tally: Arc::<Tally>::default() };
    let races = (options.scenario == Some(Scenario::CancelRaces)).then(Arc::<Races>::default);
    let rest = match options.scenario {
        None if options.has_texts() => TEXT_REST,
        Some(_) if races.is_none() => REST,
        _ => Duration::ZERO,
    };
    let pace = Pace { life: LIFE + Duration::from_secs(away_s), rest };
    let host = Host::new(&plant.url())?;
    let mut seed = Seed(seed);
    let clients = gather(&host, options, &seed, &insist, pace).await?;
    let (stop, stopped) = watch::channel(false);
    let clients = clients.into_iter().map(|client| client.racing(races.clone()));
    let running: Vec<_> = clients.map(|client| tokio::spawn(client.run(stopped.clone()))).collect();

    let (mut missed, mut parties, mut stories) = (vec![], vec![], vec![]);
    match (&races, options.scenario) {
        (Some(races), _) => races.play(&mut plant, options.times as usize).await?,
        (None, None) => rounds::play(&mut plant, options, &mut seed.fork(u64::MAX)).await?,
        (None, Some(one)) => {
            let shown = scenario::play(one, &mut plant, options, &insist, &mut seed).await?;
            missed = shown.missed;
            parties.push(shown.party);
            stories.extend(shown.stories);
        }
    }
    let began = Instant::now();
    let _ = stop.send(true);
    finished(running, pace.life, &mut parties, &mut stories).await?;
    say(&format!("{} orders; the clients finished {:?} after the last fault", stories.len(), began.elapsed()));
    settle::ended(&mut parties, &stories, END + Duration::from_secs(away_s), &insist.log).await?;
    settle::quiet(&leaves.journal).await;
    plant.stop().await?;
    say(&format!("all is quiet {:?} after the last fault", began.elapsed()));
    drop(insist);
    if stories.len() < options.rounds as usize / 2 {
        missed.push(format!("only {} orders: that is no load", stories.len()));
    }
    let mut verdict = ask_oracle(&log_path, &plant_path).await?;
    if let (Some(races), Some(journal)) = (races, leaves.providers.first()) {
        let (found, unfair) = races.judge(journal)?;
        verdict.found.extend(found);
        missed.extend(unfair);
    }
    Ok(Outcome { verdict, missed, log: log_path, plant: plant_path })
}

async fn gather(host: &Host, options: &Options, seed: &Seed, insist: &Insist, pace: Pace) -> Result<Vec<Client>, String> {
    let joining = (0..usize::from(options.clients)).map(|number| {
        let (host, seed, insist) = (host.clone(), seed.fork(number as u64), insist.clone());
        async move {
            let party = Party::gather(&host, &format!("chaos-{number}"), place(number)).await.map_err(|e| e.to_string())?;
            Client::new(party, insist, pace, seed, number).await
        }
    });
    stream::iter(joining).buffered(JOIN_AT_ONCE).try_collect().await
}

/// A place for each party, on a grid.
pub(super) fn place(number: usize) -> Point {
    let (row, column) = ((number / 16) as f64, (number % 16) as f64);
    Point { lat: 37.5 - row * APART, lng: 120.0 + column * APART }
}

type Run = JoinHandle<Result<(Party, Vec<Story>), String>>;

async fn finished(running: Vec<Run>, within: Duration, parties: &mut Vec<Party>, stories: &mut Vec<Story>) -> Result<(), String> {
    for run in running {
        // Each order has its own deadline, so that a client ends soon after it.
        let done = timeout(within + Duration::from_secs(10), run).await.map_err(|_| "a client did not finish in time".to_owned())?;
        let (party, told) = done.map_err(|e| format!("a client panicked: {e}"))??;
        parties.push(party);
        stories.extend(told);
    }
    Ok(())
}

/// The oracle is a program of its own: it knows nothing but the files.
async fn ask_oracle(log: &Path, plant: &Path) -> Result<Verdict, String> {
    let program = program("oracle", "BAEMIN_ORACLE")?;
    let output = Command::new(&program).arg("--log").arg(log).arg("--plant").arg(plant).arg("--json").output().await;
    let output = output.map_err(|e| format!("{}: {e}", program.display()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("the oracle said no verdict: {e}: {}", String::from_utf8_lossy(&output.stderr)))
}
