//! When things are broken: round after round, at moments that follow from the seed.

use super::{faults::Blow, options::Options, plant::Plant, say};
use crate::seed::Seed;
use std::time::{Duration, Instant};

/// How long things may take a client.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// One order, all faults included.
    pub life: Duration,
    /// The pause between two orders.
    pub rest: Duration,
}

/// Breaks and mends, round after round.
///
/// # Errors
/// Something does not come back.
pub async fn play(plant: &mut Plant, options: &Options, seed: &mut Seed) -> Result<(), String> {
    let (processes, mut lasted) = (plant.processes().len(), vec![]);
    for round in 0..options.rounds {
        let blow = Blow::draw(options, processes, seed);
        let (between, last) = (within(seed, options.between_ms), within(seed, options.fault_ms));
        // The moment of the fault is the experiment.
        tokio::time::sleep(between).await;
        let began = Instant::now();
        blow.strike(plant, last).await.map_err(|why| format!("round {}: {blow:?}: {why}", round + 1))?;
        lasted.push(began.elapsed());
    }
    lasted.sort_unstable();
    if let (Some(median), Some(longest)) = (lasted.get(lasted.len() / 2), lasted.last()) {
        say(&format!("{} faults; from one to its end {median:?} in the median, {longest:?} at most", options.rounds));
    }
    Ok(())
}

fn within(seed: &mut Seed, (least, most): (u64, u64)) -> Duration {
    Duration::from_millis(least + seed.below(most - least))
}
