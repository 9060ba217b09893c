//! `solapi_sim`: a stand-in for SOLAPI on loopback, until somebody presses Ctrl-C.

use clap::Parser;
use examples::solapi::{Office, Options, serve};
use std::{io::Write, path::PathBuf, process::ExitCode};
use tokio::net::TcpListener;

/// Takes what the notice adapter sends, as SOLAPI would, and keeps a journal of it. The key and the secret are
/// `SOLAPI_SIM_KEY` and `SOLAPI_SIM_SECRET`, or `sim-key` and `sim-secret`.
#[derive(Parser)]
struct Flags {
    /// The port on loopback; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The journal of what was accepted.
    #[arg(long, default_value = "solapi-sim.journal")]
    journal: PathBuf,
    /// An approved template, as `ID=TEXT`.
    #[arg(long = "template", value_parser = template, default_value = "KA01TP=#{내용}\n주문번호 #{주문번호}")]
    templates: Vec<(String, String)>,
    /// Messages per second; 0 for as many as come.
    #[arg(long, default_value_t = 0)]
    capacity: u32,
    /// How long nobody knows what becomes of a message, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pending_ms: i64,
}

fn template(text: &str) -> Result<(String, String), String> {
    text.split_once('=').map(|(id, text)| (id.into(), text.into())).ok_or_else(|| "ID=TEXT is wanted".into())
}

#[tokio::main]
async fn main() -> ExitCode {
    tokio::select! {
        served = run(Flags::parse()) => match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                let _ = writeln!(std::io::stderr(), "error: {why}");
                ExitCode::FAILURE
            }
        },
        _ = tokio::signal::ctrl_c() => ExitCode::SUCCESS,
    }
}

async fn run(flags: Flags) -> Result<(), String> {
    let said = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let (key, secret) = (said("SOLAPI_SIM_KEY", "sim-key"), said("SOLAPI_SIM_SECRET", "sim-secret"));
    let Flags { port, journal, templates, capacity, pending_ms } = flags;
    let templates = templates.into_iter().collect();
    let office = Office::open(Options { journal, key, secret, templates, capacity, pending_ms })?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    writeln!(std::io::stdout(), "solapi_sim ready on http://{address}").map_err(|e| e.to_string())?;
    serve(listener, office).await
}
