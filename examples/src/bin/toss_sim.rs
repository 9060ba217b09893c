//! `toss_sim`: Toss Payments on this machine, until somebody ends it.

use clap::Parser;
use examples::toss::{SECRET_KEY, server::Sim};
use std::{io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};
use tokio::net::TcpListener;

/// Serves Toss Payments' core API, a stand-in for its payment window at /checkout, and knobs under /admin.
#[derive(Parser)]
#[command(name = "toss_sim")]
struct Options {
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The journal: what money moved. Begun if there is none.
    #[arg(long)]
    journal: PathBuf,
    /// How long a slow card takes, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    slow_ms: u64,
    /// The merchant's secret key.
    #[arg(long, env = "TOSS_SIM_SECRET_KEY", hide_env_values = true, default_value = SECRET_KEY)]
    secret_key: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(std::io::stderr(), "error: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    if !options.listen.ip().is_loopback() {
        return Err("its knobs have no lock: it listens on this machine's own interface only".into());
    }
    let named = |e: std::io::Error| format!("{}: {e}", options.journal.display());
    let sim = Sim::open(&options.journal, options.secret_key, Duration::from_millis(options.slow_ms)).map_err(named)?;
    let listener = TcpListener::bind(options.listen).await.map_err(|e| format!("cannot listen on {}: {e}", options.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    writeln!(std::io::stdout(), "toss-sim ready on http://{address}").map_err(|e| e.to_string())?;
    tokio::select! { () = sim.serve(listener) => {}, _ = tokio::signal::ctrl_c() => {} }
    Ok(())
}
