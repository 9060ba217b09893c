//! `chaos`: breaks Baemin on purpose while people order, and says what became of their orders.

use clap::Parser;
use examples::{
    chaos::{money, options::Options, say},
    seed::Seed,
};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Findings of each kind that are shown.
const SHOWN: usize = 6;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(Seed::fresh);
    say(&format!("chaos: seed={seed}"));
    let folder = options.folder.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("baemin-chaos-{}", std::process::id())));
    let good = match play(&options, seed, &folder).await {
        Ok(good) => good,
        Err(why) => {
            say(&format!("error: {why}"));
            false
        }
    };
    if good && options.folder.is_none() {
        let _ = fs::remove_dir_all(&folder);
    } else {
        say(&format!("the folder is kept: {}", folder.display()));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn play(options: &Options, seed: u64, folder: &Path) -> Result<bool, String> {
    let named = |e: std::io::Error, path: &Path| format!("{}: {e}", path.display());
    fs::create_dir_all(folder).map_err(|e| named(e, folder))?;
    if fs::read_dir(folder).map_err(|e| named(e, folder))?.next().is_some() {
        return Err(format!("{}: the folder is not empty", folder.display()));
    }
    let folder: PathBuf = folder.canonicalize().map_err(|e| named(e, folder))?;
    let outcome = money::run(options, seed, &folder).await?;
    let wrong = outcome.verdict.found.iter().map(ToString::to_string).chain(outcome.missed.iter().cloned());
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for text in wrong {
        // A finding begins with its kind.
        let seen = shown.entry(text.split(':').next().unwrap_or_default().to_owned()).or_default();
        *seen += 1;
        if *seen <= SHOWN {
            say(&text);
        }
    }
    say(&format!("{} orders, {} commands recovered", outcome.verdict.orders, outcome.verdict.recovered));
    writeln!(std::io::stdout(), "chaos: rounds={} {} seed={seed}", options.rounds, outcome.verdict).map_err(|e| e.to_string())?;
    Ok(outcome.is_good())
}
