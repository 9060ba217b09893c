//! A server is killed with SIGKILL again and again while people order, and nothing that it acknowledged is lost or happens
//! twice.
//!
//! This is the chaos harness with one process, many kills and short lives; and since it ends with databases that are
//! right, damage is planted into copies of them, which the oracle must see. `KILL_ROUNDS` sets the number of kills,
//! `KILL_SEED` repeats a run's choices.

use examples::{
    chaos::{options::Options, run::run, say},
    oracle::{log::Told, place::Plant, planted},
    seed::Seed,
};
use std::{env, fs, path::Path};

/// How often the server is killed.
const ROUNDS: u64 = 200;
/// A server lives between so many and so many milliseconds, once it is ready.
const LIVES_MS: &str = "5-120";
/// It is started again at once.
const AWAY_MS: &str = "0-1";

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let seed = setting("KILL_SEED").unwrap_or_else(Seed::fresh);
    let rounds = setting("KILL_ROUNDS").unwrap_or(ROUNDS);
    say(&format!("KILL_SEED={seed} KILL_ROUNDS={rounds}"));
    let temp = tempfile::tempdir().expect("a temporary folder");
    let wrong = play(temp.path(), seed, rounds).await.unwrap_or_else(|why| vec![why]);
    if !wrong.is_empty() {
        let kept = temp.keep();
        wrong.iter().take(20).for_each(|one| say(one));
        panic!("{} things are wrong with KILL_SEED={seed}; the folder is {}", wrong.len(), kept.display());
    }
}

/// The whole run. Says what is wrong.
async fn play(temp: &Path, seed: u64, rounds: u64) -> Result<Vec<String>, String> {
    let rounds = rounds.to_string();
    let arguments = ["chaos", "--embedded", "--fault=kill", "--rounds", &rounds, "--between-ms", LIVES_MS, "--fault-ms", AWAY_MS];
    let options = <Options as clap::Parser>::try_parse_from(arguments).map_err(|e| e.to_string())?;
    let outcome = run(&options, seed, temp).await?;
    say(&format!("{} orders, {} commands recovered; {}", outcome.verdict.orders, outcome.verdict.recovered, outcome.verdict));
    let mut wrong: Vec<String> = outcome.verdict.found.iter().map(ToString::to_string).chain(outcome.missed).collect();
    if wrong.is_empty() {
        let plant = fs::read_to_string(&outcome.plant).map_err(|e| e.to_string())?;
        let plant: Plant = serde_json::from_str(&plant).map_err(|e| e.to_string())?;
        wrong = planted::unseen(&plant, &temp.join("planted"), &Told::read(&outcome.log)?)?;
    }
    Ok(wrong)
}
