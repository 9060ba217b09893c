//! The demo: one order from menu to doorstep through the real `baemin` binary, and then everything that can happen on
//! the way. Each claim that it prints is checked; the first that does not hold ends it with exit code 1.

mod demo {
    pub mod story;
}

use clap::Parser;
use demo::story;
use examples::{
    servers::cluster::{Cluster, Settings, Ways},
    stage::{Stage, Told, binaries, fresh},
};
use std::{io::Write, process::ExitCode};

/// One order from menu to doorstep, and everything that can happen on the way, each claim checked.
#[derive(Parser)]
struct Options {
    /// Every service as a process of its own, on a private PostgreSQL and RabbitMQ, instead of one process.
    #[arg(long)]
    distributed: bool,
}

fn tell(distributed: bool) -> Told<u32> {
    if !distributed {
        return story::tell(&mut Stage::open()?);
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let folder = fresh("demo")?;
    let settings = Settings {
        program: binaries()?.join("baemin-server"),
        folder: folder.clone(),
        replicas: 1,
        deadlines: String::new(),
        texts: Ways::default(),
    };
    let cluster = runtime.block_on(Cluster::start(settings))?;
    let told = story::tell(&mut Stage::at(cluster.url())?);
    // When the story does not hold, the folder with every service's log stays.
    if told.is_ok() {
        runtime.block_on(cluster.stop())?;
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    told
}

fn main() -> ExitCode {
    let told = tell(Options::parse().distributed);
    let mut out = std::io::stdout();
    let code = match told {
        Ok(checks) => {
            let _ = writeln!(out, "\n{checks} claims checked");
            let _ = writeln!(out, "demo: ok");
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(out, "\ndemo: failed: {why}");
            ExitCode::FAILURE
        }
    };
    let _ = out.flush();
    code
}
