//! What a request through the gateway costs, against the same request without it.

use crate::harness::{Door, good};
use std::{fs, time::Instant};

/// Enough of them to be measured in ticks.
const MANY: u32 = 3_000;
/// Other tests run in this process, and their time is counted as well: the least of so many rounds is what it costs.
const ROUNDS: u32 = 8;
/// A gateway parses and writes everything once more, so twice is what to expect; more than this is waste.
const MAX_TIMES: u64 = 4;

/// Ticks of processor time that this process has used, in microseconds.
fn cpu_us() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux counts a hundred ticks a second on all machines that we know.
    ticks * 10_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "figures are for whoever runs the test")]
async fn a_request_through_the_gateway_costs_a_few_times_one_without() {
    let upstream = good().await;
    let door = Door::before(&[upstream.url()]).await;
    let urls = [("direct", upstream.url()), ("through", format!("http://{}", door.address))];
    let mut costs = [u64::MAX; 2];
    for _ in 0..ROUNDS {
        for ((name, url), least) in urls.iter().zip(&mut costs) {
            let (cpu, mut times) = (cpu_us(), vec![]);
            for _ in 0..MANY {
                let began = Instant::now();
                door.http.get(format!("{url}/orders")).send().await.unwrap().bytes().await.unwrap();
                times.push(began.elapsed().as_micros());
            }
            times.sort_unstable();
            let each = (cpu_us() - cpu) / u64::from(MANY);
            println!("{name}: p50 {} us, p99 {} us, processor {each} us", times[times.len() / 2], times[times.len() * 99 / 100]);
            *least = each.min(*least);
        }
        if costs[1] <= MAX_TIMES * costs[0] {
            return;
        }
    }
    panic!("{costs:?} us of processor time");
}
