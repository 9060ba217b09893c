//! `rush_hour`: loads a server with whole lives of orders, and prints one JSON object with the figures, beside the limits
//! of the machine in the same run. What it says to people goes to stderr.

use clap::Parser;
use examples::{
    http::Host,
    limits::{appends, echo, pgbench, publishes},
    measure::{Summary, rounded},
    process::{Cpu, Server, checkpoint, descendants, folder_bytes, program, pss_mb},
    rush::{Load, Outcome, gather, run},
    seed::Seed,
    servers::cluster::{Cluster, Settings, Ways, stores},
};
use serde::Serialize;
use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

/// Loads a Baemin server with people who order, cook and carry as fast as they are served.
#[derive(Parser)]
struct Options {
    /// People who order at the same time; each has a store and a rider of their own.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// Seconds that are measured, after one of warming up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Where names and dishes come from; another one each time when it is absent.
    #[arg(long)]
    seed: Option<u64>,
    /// A server that runs already.
    #[arg(long, conflicts_with = "server")]
    url: Option<String>,
    /// Every service as a process of its own, with a private PostgreSQL and RabbitMQ; their figures are added up.
    #[arg(long, conflicts_with = "url")]
    distributed: bool,
    /// The server to start, on a fresh folder; the one beside this program when it is absent.
    #[arg(long, env = "BAEMIN_SERVER")]
    server: Option<PathBuf>,
    /// Where the fresh folder is made.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    temp: PathBuf,
    /// Everybody at one place, where every rider hears of every job.
    #[arg(long)]
    together: bool,
    /// Leaves out the machine's limits.
    #[arg(long)]
    no_limits: bool,
    /// Answers with what it is sent: the limit that this program measures in a process of its own.
    #[arg(long, hide = true)]
    echo_server: bool,
}

/// Twice in a run: before and after the load.
#[derive(Serialize)]
struct Limit {
    before: f64,
    after: f64,
}

/// All figures.
#[derive(Serialize)]
struct Report {
    lifecycles_per_s: f64,
    lives: u64,
    clients: u16,
    seconds: u64,
    seed: u64,
    place_ms: Option<Summary>,
    accept_ms: Option<Summary>,
    start_ms: Option<Summary>,
    finish_ms: Option<Summary>,
    pick_ms: Option<Summary>,
    deliver_ms: Option<Summary>,
    confirm_ms: Option<Summary>,
    life_ms: Option<Summary>,
    commit_to_screen_ms: Option<Summary>,
    unpaid_answers: u64,
    errors: BTreeMap<String, u64>,
    server_pss_mb: Option<f64>,
    server_cpu_s: Option<Cpu>,
    generator_cpu_s: Option<Cpu>,
    server_cpu_ms_per_life: Option<f64>,
    generator_cpu_ms_per_life: Option<f64>,
    bytes_per_order: Option<f64>,
    bytes_per_order_stopped: Option<f64>,
    raw_appends_per_s: Option<Limit>,
    echo_per_s: Option<Limit>,
    pgbench_simple_updates_per_s: Option<f64>,
    confirmed_publishes_per_s: Option<f64>,
    lifecycles_per_pgbench_simple_update: Option<f64>,
    lifecycles_per_confirmed_publish: Option<f64>,
    lifecycles_per_raw_append: Option<f64>,
    lifecycles_per_echo: Option<f64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = if options.echo_server { echo::serve().await } else { bench(&options).await };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// To people.
fn say(text: &str) {
    // Nobody is left to be told when this fails.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What is under load, if it is ours, with its folder.
struct Own {
    system: System,
    folder: PathBuf,
    /// PostgreSQL's and RabbitMQ's own rates, measured before the services started.
    stores: Option<(f64, f64)>,
}

enum System {
    One(Server),
    Cluster(Box<Cluster>),
}

impl Own {
    fn url(&self) -> String {
        match &self.system {
            System::One(server) => server.url.clone(),
            System::Cluster(cluster) => cluster.url(),
        }
    }

    /// Every process of it: this program starts nothing else meanwhile.
    fn pids(&self) -> Vec<u32> {
        match &self.system {
            System::One(server) => vec![server.pid],
            System::Cluster(_) => descendants(std::process::id()),
        }
    }

    async fn stop(self) -> Result<(), String> {
        match self.system {
            System::One(server) => {
                server.stop().await?;
                checkpoint(&self.folder)
            }
            System::Cluster(cluster) => cluster.stop().await,
        }
    }
}

/// Processor time and memory of several processes together.
fn weigh(pids: &[u32]) -> (Cpu, f64) {
    let cpu = pids.iter().filter_map(|pid| Cpu::of(*pid)).fold(Cpu::default(), Cpu::plus);
    (cpu, pids.iter().filter_map(|pid| pss_mb(*pid)).sum())
}

async fn bench(options: &Options) -> Result<(), String> {
    let seed = options.seed.unwrap_or_else(Seed::fresh);
    let folder = options.temp.join(format!("rush-hour-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let done = measured(options, seed, &folder).await;
    let _ = fs::remove_dir_all(&folder);
    let (report, good) = done?;
    let line = serde_json::to_string(&report).map_err(|e| e.to_string())?;
    writeln!(std::io::stdout(), "{line}").map_err(|e| e.to_string())?;
    if good { Ok(()) } else { Err("not everything was served: see errors".into()) }
}

async fn measured(options: &Options, seed: u64, folder: &Path) -> Result<(Report, bool), String> {
    let before = limits(options, folder).await?;
    let own = match &options.url {
        Some(_) => None,
        None => Some(start(options, folder).await?),
    };
    let url = own.as_ref().map_or_else(|| options.url.clone().unwrap_or_default(), Own::url);
    let (load, host) = (
        Load { clients: options.clients.into(), span: Duration::from_secs(options.seconds), seed, together: options.together },
        Host::new(&url)?,
    );
    say(&format!("{} clients join at {url}", options.clients));
    let members = gather(&host, &load).await.map_err(|e| format!("somebody could not join: {e}"))?;
    let bytes = own.as_ref().map(|own| folder_bytes(&own.folder));
    say(&format!("they order for {} s", options.seconds));
    let pids = own.as_ref().map(Own::pids);
    let cpu = || [pids.as_deref().map(|pids| weigh(pids).0), Cpu::of(std::process::id())];
    let (first, last, pss) = (Cell::new([None; 2]), Cell::new([None; 2]), Cell::new(None));
    let at_end = || {
        last.set(cpu());
        pss.set(pids.as_deref().map(|pids| weigh(pids).1));
    };
    let outcome = run(members, &load, || first.set(cpu()), at_end).await;
    let [server_cpu, generator_cpu] = [0, 1].map(|i| last.get()[i].zip(first.get()[i]).map(|(last, first): (Cpu, Cpu)| last.since(first)));
    let grown = |own: &Path| bytes.map(|bytes| folder_bytes(own).saturating_sub(bytes) as f64 / outcome.orders.max(1) as f64);
    let (mut running, mut stopped, mut stores) = (None, None, None);
    if let Some(own) = own {
        let kept = own.folder.clone();
        (running, stores) = (grown(&kept), own.stores);
        own.stop().await?;
        stopped = grown(&kept);
    }
    let after = limits(options, folder).await?;
    let good = outcome.errors.is_empty() && outcome.lives > 0;
    let mut report = report(options, seed, outcome, before.zip(after));
    (report.server_pss_mb, report.server_cpu_s, report.generator_cpu_s) = (pss.get().map(rounded), server_cpu, generator_cpu);
    if let Some((updates, publishes)) = stores {
        let share = |limit: f64| Some((report.lifecycles_per_s / limit * 10_000.0).round() / 10_000.0);
        (report.pgbench_simple_updates_per_s, report.confirmed_publishes_per_s) = (Some(updates.round()), Some(publishes.round()));
        (report.lifecycles_per_pgbench_simple_update, report.lifecycles_per_confirmed_publish) = (share(updates), share(publishes));
    }
    let each = |cpu: Cpu| rounded(cpu.total() * 1000.0 / report.lives.max(1) as f64);
    (report.server_cpu_ms_per_life, report.generator_cpu_ms_per_life) = (server_cpu.map(each), generator_cpu.map(each));
    (report.bytes_per_order, report.bytes_per_order_stopped) = (running.map(f64::round), stopped.map(f64::round));
    Ok((report, good))
}

async fn start(options: &Options, folder: &Path) -> Result<Own, String> {
    let program = match &options.server {
        Some(path) => path.clone(),
        None => program("baemin-server", "BAEMIN_SERVER")?,
    };
    if options.distributed {
        return cluster(program, folder.join("cluster"), options.no_limits).await;
    }
    let folder = folder.join("data");
    let arguments = ["--data", &folder.display().to_string(), "--listen", "127.0.0.1:0"].map(str::to_owned);
    let server = Server::start(&program, &arguments, Stdio::inherit()).await?;
    Ok(Own { system: System::One(server), folder, stores: None })
}

async fn cluster(program: PathBuf, folder: PathBuf, no_limits: bool) -> Result<Own, String> {
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let settings = Settings { program, folder: folder.clone(), replicas: 1, deadlines: String::new(), texts: Ways::default() };
    let (database, broker) = tokio::task::block_in_place(|| stores(&folder))?;
    let mut limits = None;
    if !no_limits {
        say("the limits of PostgreSQL and RabbitMQ");
        limits = Some((tokio::task::block_in_place(|| pgbench::per_second(&database))?, publishes::per_second(&broker.url()).await?));
    }
    let cluster = Cluster::start_on(settings, database, broker).await?;
    Ok(Own { system: System::Cluster(Box::new(cluster)), folder, stores: limits })
}

/// Raw appends and echoes per second.
async fn limits(options: &Options, folder: &Path) -> Result<Option<(f64, f64)>, String> {
    if options.no_limits {
        return Ok(None);
    }
    say("the machine's limits");
    Ok(Some((appends::per_second(folder, options.clients.into()).await?, echo::per_second(options.clients.into()).await?)))
}

fn report(options: &Options, seed: u64, outcome: Outcome, limits: Option<((f64, f64), (f64, f64))>) -> Report {
    let mut times = outcome.times;
    let rate = outcome.lives as f64 / options.seconds as f64;
    let limit = |(before, after): (f64, f64)| Limit { before: before.round(), after: after.round() };
    // The machine is what it was on average while it was loaded.
    let share = |(before, after): (f64, f64)| (rate / ((before + after) / 2.0) * 10_000.0).round() / 10_000.0;
    let appends = limits.map(|(before, after)| (before.0, after.0));
    let echoes = limits.map(|(before, after)| (before.1, after.1));
    Report {
        lifecycles_per_s: rounded(rate),
        lives: outcome.lives,
        clients: options.clients,
        seconds: options.seconds,
        seed,
        place_ms: times.place.summary(),
        accept_ms: times.accept.summary(),
        start_ms: times.start.summary(),
        finish_ms: times.finish.summary(),
        pick_ms: times.pick.summary(),
        deliver_ms: times.deliver.summary(),
        confirm_ms: times.confirm.summary(),
        life_ms: times.life.summary(),
        commit_to_screen_ms: times.screen.summary(),
        unpaid_answers: times.unpaid,
        errors: outcome.errors,
        server_pss_mb: None,
        server_cpu_s: None,
        generator_cpu_s: None,
        server_cpu_ms_per_life: None,
        generator_cpu_ms_per_life: None,
        bytes_per_order: None,
        bytes_per_order_stopped: None,
        pgbench_simple_updates_per_s: None,
        confirmed_publishes_per_s: None,
        lifecycles_per_pgbench_simple_update: None,
        lifecycles_per_confirmed_publish: None,
        raw_appends_per_s: appends.map(limit),
        echo_per_s: echoes.map(limit),
        lifecycles_per_raw_append: appends.map(share),
        lifecycles_per_echo: echoes.map(share),
    }
}
