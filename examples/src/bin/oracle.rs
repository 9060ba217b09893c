//! `oracle`: reads a client log, and everything that a run has left behind, and says what is wrong.

use clap::Parser;
use examples::oracle::{books::Books, finding::Verdict, judge, log::Told, place::Plant};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

/// Findings that are shown to people.
const SHOWN: usize = 50;

/// Compares what clients were told with what is kept.
#[derive(Parser)]
#[command(name = "oracle")]
struct Options {
    /// The clients' log.
    #[arg(long)]
    log: PathBuf,
    /// The description of the databases, the provider's journals and the servers' logs: `plant.json` of a run.
    #[arg(long)]
    plant: PathBuf,
    /// The whole verdict as JSON, instead of sentences.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match verdict(&options).and_then(|verdict| show(&options, &verdict).map(|()| verdict)) {
        Ok(verdict) if verdict.found.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(io::stderr(), "error: {why}");
            ExitCode::from(2)
        }
    }
}

fn verdict(options: &Options) -> Result<Verdict, String> {
    let text = fs::read_to_string(&options.plant).map_err(|e| format!("{}: {e}", options.plant.display()))?;
    let plant: Plant = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", options.plant.display()))?;
    Ok(judge(&Books::read(&plant)?, &Told::read(&options.log)?))
}

fn show(options: &Options, verdict: &Verdict) -> Result<(), String> {
    let mut out = io::stdout().lock();
    let shown = if options.json {
        serde_json::to_writer(&mut out, verdict).map_err(|e| e.to_string())?;
        writeln!(out)
    } else {
        let findings: String = verdict.found.iter().take(SHOWN).map(|finding| format!("{finding}\n")).collect();
        writeln!(out, "{findings}oracle: orders={} recovered={} {verdict}", verdict.orders, verdict.recovered)
    };
    shown.map_err(|e| e.to_string())
}
