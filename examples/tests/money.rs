//! A small share of each scenario about money, as the chaos harness runs it: whole orders, while the payment company or the
//! way to it fails. The same at full size is `./x chaos --scenario NAME`. `MONEY_SEED` repeats a run's choices.

use examples::{
    chaos::{money, options::Options, say},
    seed::Seed,
};
use std::env;

/// Runs a scenario so many times over. When anything is wrong it is said, and the folder is kept.
async fn holds(scenario: &str, times: u32) {
    let seed = env::var("MONEY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(Seed::fresh);
    say(&format!("{scenario}: MONEY_SEED={seed}"));
    let arguments = ["chaos", "--scenario", scenario, "--times", &times.to_string()].map(str::to_owned);
    let options = <Options as clap::Parser>::try_parse_from(arguments).expect("the harness knows its scenarios");
    let temp = tempfile::tempdir().expect("a temporary folder");
    let wrong: Vec<String> = match money::run(&options, seed, temp.path()).await {
        Ok(outcome) => outcome.verdict.found.iter().map(ToString::to_string).chain(outcome.missed).collect(),
        Err(why) => vec![why],
    };
    if !wrong.is_empty() {
        let kept = temp.keep();
        wrong.iter().take(20).for_each(|one| say(one));
        panic!("{} things are wrong with MONEY_SEED={seed}; the folder is {}", wrong.len(), kept.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_is_charged_and_given_back_once() {
    holds("provider-cut", 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_after_the_cancel_goes_back_once() {
    holds("provider-late", 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_payments_of_an_order_are_one() {
    holds("payment-storm", 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_webhooks_say_nobody_believes_them() {
    holds("webhook-lies", 800).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_cancel_and_start_has_one_winner() {
    holds("cancel-races", 60).await;
}
