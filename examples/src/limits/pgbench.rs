//! PostgreSQL's limit, in the yardstick that people know: pgbench's simple update.

use super::MEASURED;
use crate::servers::postgres::Postgres;
use std::process::Command;

/// Connections at once: beyond this two cores gain nothing.
const CLIENTS: &str = "16";

/// Transactions per second on a fresh server.
///
/// # Errors
/// pgbench is not installed, or fails.
pub fn per_second(server: &Postgres) -> Result<f64, String> {
    let url = server.url();
    let seconds = MEASURED.as_secs().to_string();
    run(server, &["--initialize", "--quiet", "--scale=4", &url])?;
    let told = run(server, &["--builtin=simple-update", "--no-vacuum", "--jobs=2", "--client", CLIENTS, "--time", &seconds, &url])?;
    let rate = told.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench said no rate: {told}"))
}

fn run(server: &Postgres, arguments: &[&str]) -> Result<String, String> {
    let program = server.program("pgbench");
    let output = Command::new(&program).args(arguments).output().map_err(|e| format!("{}: {e}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("pgbench: {}", String::from_utf8_lossy(&output.stderr))) }
}
