//! The seeded simulation: a whole city in memory, on the real rules and the real core of the engine, in which everything
//! goes wrong that can go wrong, and a watch that looks for broken promises (design, section 9).
//!
//! `SIM_SEEDS=100000` runs so many seeds, `SIM_FIRST=5000` begins there, and `SIM_SEED=123` runs one and tells its story:
//! `SIM_SEED=123 cargo test -p server --test simulation -- --nocapture`. A seed always tells the same story.
//! `cargo test -p server --features planted-faults --test simulation` makes errors on purpose, and finds each of them.
//!
//! # Layout
//!
//! [`city`] is the whole, [`work`] one transaction in it; [`node`], [`network`], [`provider`] and [`cast`] are its parts,
//! [`actors`] what people do. [`watch`] looks at each commit, [`agree`] whenever nothing is on its way, [`oracle`] and
//! [`rebuild`] at the end; [`coverage`] counts.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test talks to whoever runs it")]

mod actors;
mod agree;
mod cast;
mod city;
mod coverage;
mod network;
mod node;
mod oracle;
mod provider;
mod rebuild;
mod rng;
mod story;
mod watch;
mod work;

use city::City;
use coverage::Coverage;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};
use story::Story;

/// Seeds of a normal run: ten seconds on two free cores, a minute on busy ones.
const SEEDS: u64 = 20_000;
/// Runs know nothing of each other, so every core can have its share.
const THREADS: u64 = 2;
/// Too few runs say nothing about their coverage.
const ENOUGH: u64 = 1_000;

/// One run. Says what was broken, or what it covered.
fn run(seed: u64, story: Story) -> (Result<Coverage, String>, Story) {
    let mut city = City::new(seed, story);
    let outcome = city.live().and_then(|()| oracle::check(&city));
    (outcome.map(|()| Coverage::of(&city)), city.story)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn fail(seed: u64, broken: &str) -> ! {
    panic!("seed {seed}: {broken}\nreplay: SIM_SEED={seed} cargo test -p server --test simulation -- --nocapture");
}

#[test]
fn the_city_keeps_its_promises() {
    if let Some(seed) = number("SIM_SEED") {
        match run(seed, Story::Aloud).0 {
            Ok(coverage) => println!("seed {seed}: all promises were kept\n{coverage}"),
            Err(broken) => fail(seed, &broken),
        }
        return;
    }
    let (first, seeds) = (number("SIM_FIRST").unwrap_or(0), number("SIM_SEEDS").unwrap_or(SEEDS));
    let began = Instant::now();
    let stop = AtomicBool::new(false);
    let share = &|thread: u64| {
        let mut sum = Coverage::default();
        for seed in (first + thread..first + seeds).step_by(THREADS as usize) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match run(seed, Story::Silent).0 {
                Ok(coverage) => sum.add(coverage),
                Err(broken) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err((seed, broken));
                }
            }
        }
        Ok(sum)
    };
    let mut sum = Coverage::default();
    thread::scope(|scope| {
        let shares: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || share(thread))).collect();
        for share in shares {
            match share.join().expect("a run ends with a verdict") {
                Ok(coverage) => sum.add(coverage),
                Err((seed, broken)) => fail(seed, &broken),
            }
        }
    });
    println!("{sum}in {:.1} s", began.elapsed().as_secs_f64());
    if seeds >= ENOUGH {
        sum.is_wide().unwrap();
    }
}

#[test]
fn a_seed_always_tells_the_same_story() {
    for seed in 0..200 {
        let tell = || match run(seed, Story::fingerprint()).1 {
            Story::Fingerprint(hash) => hash,
            Story::Silent | Story::Aloud => unreachable!("the story was a fingerprint"),
        };
        assert_eq!(tell(), tell(), "seed {seed} told two stories");
    }
}

#[cfg(feature = "planted-faults")]
mod faults;
