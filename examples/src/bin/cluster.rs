//! `cluster`: every service as a process of its own on a private PostgreSQL and RabbitMQ, until somebody presses Ctrl-C.

use clap::Parser;
use examples::{
    servers::cluster::{Cluster, Settings, Ways},
    stage::{binaries, fresh},
};
use std::{io::Write, path::PathBuf, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};

/// Starts everything, says how to use it, and stops everything.
#[derive(Parser)]
struct Options {
    /// Where everything is kept. A fresh folder, deleted at the end, when it is absent.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Processes of each service that can have several.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    replicas: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// To people. Nobody is left to be told when this fails.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn run(options: &Options) -> Result<(), String> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let folder = match &options.data {
        Some(folder) => std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display())).map(|()| folder.clone())?,
        None => fresh("cluster")?,
    };
    say("PostgreSQL, RabbitMQ and eight services start …");
    let program = binaries()?.join("baemin-server");
    let settings =
        Settings { program, folder: folder.clone(), replicas: options.replicas, deadlines: String::new(), texts: Ways::default() };
    let started = tokio::select! {
        cluster = Cluster::start(settings) => Some(cluster?),
        _ = interrupt.recv() => None,
    };
    if let Some(cluster) = started {
        show(&cluster);
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        say("\nEverything stops …");
        cluster.stop().await?;
    }
    if options.data.is_none() {
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    Ok(())
}

fn show(cluster: &Cluster) {
    for process in &cluster.processes {
        say(&format!("  {:<16} {}   log: {}", process.name, process.url(), process.log().display()));
    }
    say(&format!("\nThe gateway is ready on {}. In another terminal:", cluster.url()));
    say(&format!("  export BAEMIN_SERVER={}", cluster.url()));
    say("  baemin --profile lee  store register");
    say("  baemin --profile kim  customer join");
    say("Ctrl-C stops everything.");
}
