//! What a request through the gateway costs, against the same request without it. Run by hand:
//! `cargo test -p server --test gateway cost -- --ignored --nocapture`.

use crate::harness::{Door, good};
use std::{fs, time::Instant};

/// Ticks of processor time that this process has used, in microseconds.
fn cpu_us() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux counts a hundred ticks a second on all machines that we know.
    ticks * 10_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a check"]
async fn cost() {
    const MANY: u32 = 10_000;
    let upstream = good().await;
    let door = Door::before(&[upstream.url()]).await;
    let mut report = String::new();
    for (name, url) in [("direct", upstream.url()), ("through", format!("http://{}", door.address))] {
        for _ in 0..500 {
            door.http.get(format!("{url}/orders")).send().await.unwrap().bytes().await.unwrap();
        }
        let (cpu, mut times) = (cpu_us(), vec![]);
        for _ in 0..MANY {
            let began = Instant::now();
            door.http.get(format!("{url}/orders")).send().await.unwrap().bytes().await.unwrap();
            times.push(began.elapsed().as_micros());
        }
        times.sort_unstable();
        let each = (cpu_us() - cpu) / u64::from(MANY);
        report += &format!("{name}: p50 {} us, p99 {} us, processor {each} us\n", times[times.len() / 2], times[times.len() * 99 / 100]);
    }
    std::io::Write::write_all(&mut std::io::stderr(), report.as_bytes()).unwrap();
}
