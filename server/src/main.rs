//! `baemin-server`: reads the configuration, starts, says where it listens, and stops on a signal.

use server::{config::Config, start};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{EnvFilter, fmt};

/// Many threads take and give back small pieces of memory all the time; this allocator keeps them out of each other's way.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is told unless something else is asked for. The bus itself says, once, what the broker's library would shout.
const FILTER: &str = "warn,lapin=off";

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::read(std::env::args_os()).unwrap_or_else(|e| e.exit());
    let filter = EnvFilter::try_from_env("BAEMIN_LOG").unwrap_or_else(|_| EnvFilter::new(FILTER));
    let is_seen = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    fmt().with_env_filter(filter).with_ansi(is_seen).with_writer(std::io::stderr).init();
    match serve(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "error: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: &Config) -> Result<(), String> {
    let server = start::open(config).await?;
    // Scripts wait for this line and read the port from it.
    let mut out = std::io::stdout();
    let _ = writeln!(out, "baemin-server ready on http://{}", server.address);
    let _ = out.flush();
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let stop = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    server.run(stop).await
}
