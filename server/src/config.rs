//! What an operator may set: flags, or `BAEMIN_*` variables, or a file; in this order.

mod file;

use crate::{
    gateway::table::Lines,
    notifier::{Hidden, Secrets},
    provider::toss::{Keys, SecretKey},
    service::Service,
};
use clap::{CommandFactory, FromArgMatches, parser::ValueSource};
use domain::Deadlines;
use reqwest::Url;
use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

/// The server of Baemin. Without settings: every service in one process, on one folder, with nothing installed.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "baemin-server", version)]
pub struct Config {
    /// A file with the same settings as these flags, such as `listen = "127.0.0.1:8088"`. Flags and variables come first.
    #[arg(long, env = "BAEMIN_CONFIG")]
    pub config: Option<PathBuf>,

    /// What runs in this process: order, payment, store, rider, customer, notification, identity, gateway, or all.
    #[arg(long, env = "BAEMIN_SERVICES", value_delimiter = ',', default_value = "all", value_parser = services)]
    pub services: Vec<Services>,

    /// The folder with what is kept here. Only one server uses it at a time.
    #[arg(long, env = "BAEMIN_DATA", default_value = "baemin-data")]
    pub data: PathBuf,

    /// Where the journals are: `sqlite:FOLDER` (the data folder, unless set) or `postgres://USER@HOST/DATABASE`. An address
    /// with a password belongs into the variable or the file, where no process list shows it.
    #[arg(long, env = "BAEMIN_JOURNAL", hide_env_values = true)]
    pub journal: Option<String>,

    /// How events travel: `local` within this process, or `amqp://USER@HOST`. As with the journal for passwords.
    #[arg(long, env = "BAEMIN_BUS", hide_env_values = true, default_value = "local")]
    pub bus: String,

    /// Parts of each journal, which replicas share between them. Fixed when a journal is made.
    #[arg(long, env = "BAEMIN_PARTITIONS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub partitions: u16,

    /// Where to listen. Port 0 takes a free one. Unless set: the port of the service, or 8088.
    #[arg(long, env = "BAEMIN_LISTEN")]
    pub listen: Option<SocketAddr>,

    /// Where Prometheus finds this process's metrics, such as `127.0.0.1:9464`; nowhere unless set. The address is for
    /// the operators' network: whoever reaches it may read, and there is nothing else.
    #[arg(long, env = "BAEMIN_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,

    /// Where traces go: a collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; nowhere unless this, or
    /// OTEL_EXPORTER_OTLP_ENDPOINT, is set.
    #[arg(long, env = "BAEMIN_TRACES_ENDPOINT", value_parser = collector)]
    pub traces_endpoint: Option<Url>,

    /// Where another service is, such as `identity=http://127.0.0.1:8087`; several times for several replicas. Unless set:
    /// this machine, at the port of the service.
    #[arg(long = "peer", env = "BAEMIN_PEERS", value_delimiter = ',', value_parser = peer)]
    pub peers: Vec<(Service, Url)>,

    /// What the services of one installation know, and nobody else. Only as a variable, or in a file.
    #[arg(long, env = "BAEMIN_SERVICE_SECRET", hide = true, hide_env_values = true)]
    pub service_secret: Option<String>,

    /// A file with the service secret.
    #[arg(long, env = "BAEMIN_SERVICE_SECRET_FILE")]
    pub service_secret_file: Option<PathBuf>,

    /// The payment provider: `simulator`, or `simulator:FOLDER` where several replicas of the payment service share one, or
    /// `toss:URL` for Toss Payments, such as `toss:https://api.tosspayments.com`.
    #[arg(long, env = "BAEMIN_PROVIDER", default_value = "simulator")]
    pub provider: String,

    /// The secret key of Toss Payments. Only as a variable, or in a file.
    #[arg(long, env = "BAEMIN_TOSS_SECRET_KEY", hide = true, hide_env_values = true)]
    pub toss_secret_key: Option<SecretKey>,

    /// What stands for the payment window of Toss Payments: takes a `POST` of `{orderId, amount, card, extra}`, and answers
    /// `{paymentKey}`.
    #[arg(long, env = "BAEMIN_TOSS_CHECKOUT")]
    pub toss_checkout: Option<Url>,
    /// The ways in which notices go out, in the order in which they are tried: `log` (a file), `solapi:URL?from=..&pf=..&template=..`
    /// (알림톡, or a text message in its place) and `webhook:URL` (a signed request).
    #[arg(long, env = "BAEMIN_NOTIFIER", value_delimiter = ',', default_value = "log")]
    pub notifier: Vec<String>,

    /// SOLAPI's name for us. Only as a variable, or in a file.
    #[arg(long, env = "BAEMIN_SOLAPI_KEY", hide = true, hide_env_values = true)]
    pub solapi_key: Option<Hidden>,

    /// What requests to SOLAPI are signed with. Only as a variable, or in a file.
    #[arg(long, env = "BAEMIN_SOLAPI_SECRET", hide = true, hide_env_values = true)]
    pub solapi_secret: Option<Hidden>,

    /// What requests to a webhook are signed with: `whsec_` and base64, or any text. Only as a variable, or in a file.
    #[arg(long, env = "BAEMIN_WEBHOOK_SECRET", hide = true, hide_env_values = true)]
    pub webhook_secret: Option<Hidden>,

    /// Origins that may call from a browser, exactly as browsers send them.
    #[arg(long = "cors-origin", env = "BAEMIN_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,

    /// Live streams that one account may hold open.
    #[arg(long, env = "BAEMIN_MAX_STREAMS", default_value_t = 64)]
    pub max_streams: usize,

    /// A deadline in milliseconds, such as `answer=600000`. Names: payment, answer, overdue, minute, cook, widen, rider,
    /// door, receipt, extra, late.
    #[arg(long = "deadline", env = "BAEMIN_DEADLINES", value_delimiter = ',', value_parser = deadline)]
    pub deadlines: Vec<(String, i64)>,

    /// How long an access token lives, in milliseconds.
    #[arg(long, env = "BAEMIN_ACCESS_MS", default_value_t = 15 * 60 * 1000)]
    pub access_ms: i64,

    /// The gateway's routing table; only in the file.
    #[arg(skip)]
    pub routing: Lines,
}

/// One service, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// Everything.
    All,
    /// Just this one.
    One(Service),
}

fn services(text: &str) -> Result<Services, String> {
    if text == "all" { Ok(Services::All) } else { text.parse().map(Services::One) }
}

fn peer(text: &str) -> Result<(Service, Url), String> {
    let (name, url) = text.split_once('=').ok_or("a service and an address are wanted, such as identity=http://127.0.0.1:8087")?;
    let mut url: Url = url.parse().map_err(|e| format!("{url}: {e}"))?;
    if url.scheme() != "http" && url.scheme() != "https" || url.cannot_be_a_base() {
        return Err(format!("{url}: an http address is wanted"));
    }
    url.set_path("/");
    Ok((name.parse()?, url))
}

/// The usual variable of every program that exports traces.
const USUAL_COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn collector(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|e| format!("an http address is wanted: {e}"))?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() || !plain {
        return Err("an http address without a user, a password and a query is wanted, such as http://127.0.0.1:4318".into());
    }
    Ok(url)
}

/// The collector that the usual variable names.
fn usual_collector(said: Option<OsString>) -> Result<Option<Url>, String> {
    let said = said.map(|said| said.to_string_lossy().into_owned()).filter(|said| !said.is_empty());
    said.map(|said| collector(&said).map_err(|why| format!("{USUAL_COLLECTOR}: {why}"))).transpose()
}

/// No wait is longer than a month.
const MAX_DEADLINE_MS: i64 = 31 * 24 * 3_600_000;

fn deadline(text: &str) -> Result<(String, i64), String> {
    let wanted = || "a name and milliseconds are wanted, such as answer=600000".to_owned();
    let (name, ms) = text.split_once('=').ok_or_else(wanted)?;
    let ms: i64 = ms.parse().map_err(|_| wanted())?;
    if !(1..=MAX_DEADLINE_MS).contains(&ms) {
        return Err(format!("1 to {MAX_DEADLINE_MS} milliseconds are wanted"));
    }
    let mut probe = Deadlines::default();
    set(&mut probe, name, ms).ok_or_else(|| format!("{name}: no such deadline"))?;
    Ok((name.to_owned(), ms))
}

fn set(deadlines: &mut Deadlines, name: &str, ms: i64) -> Option<()> {
    *match name {
        "payment" => &mut deadlines.payment_ms,
        "answer" => &mut deadlines.answer_ms,
        "overdue" => &mut deadlines.overdue_ms,
        "minute" => &mut deadlines.minute_ms,
        "cook" => &mut deadlines.cook_ms,
        "widen" => &mut deadlines.widen_ms,
        "rider" => &mut deadlines.rider_ms,
        "door" => &mut deadlines.door_ms,
        "receipt" => &mut deadlines.receipt_ms,
        "extra" => &mut deadlines.extra_ms,
        "late" => &mut deadlines.late_ms,
        _ => return None,
    } = ms;
    Some(())
}

impl Config {
    /// Reads flags, variables and the file.
    ///
    /// # Errors
    /// What is wrong, as clap says it: with the usage, and an exit code of 2.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(&arguments)?;
        let no = |command: &mut clap::Command, why: String| command.error(clap::error::ErrorKind::ValueValidation, why);
        let (from_file, routing) = file::arguments(&command, &matches).map_err(|why| no(&mut command, why))?;
        // The file comes last, so it may say only what nobody else has said.
        let all = arguments.into_iter().chain(from_file.iter().map(OsString::from));
        let with_file = command.try_get_matches_from_mut(all).map_err(|e| file::without_secrets(&mut Self::command(), &e))?;
        // A password that stands in the file is not in the process list.
        for name in ["journal", "bus", "service_secret", "toss_secret_key", "solapi_key", "solapi_secret", "webhook_secret"] {
            let said = matches.value_source(name) == Some(ValueSource::CommandLine);
            let is_address = matches!(name, "journal" | "bus");
            if said && (!is_address || matches.get_one::<String>(name).is_some_and(|value| has_password(value))) {
                let variable = format!("BAEMIN_{}", name.to_uppercase());
                let flag = name.replace('_', "-");
                let why = format!("--{flag}: every user of this machine could read the secret in the process list; set {variable} instead");
                return Err(no(&mut command, why));
            }
        }
        let mut config = Self { routing, ..Self::from_arg_matches(&with_file)? };
        if config.traces_endpoint.is_none() {
            config.traces_endpoint = usual_collector(std::env::var_os(USUAL_COLLECTOR)).map_err(|why| no(&mut command, why))?;
        }
        Ok(config)
    }

    /// What the ways of notices must know.
    pub fn notifier_secrets(&self) -> Secrets {
        let Self { solapi_key, solapi_secret, webhook_secret, .. } = self.clone();
        Secrets { solapi_key, solapi_secret, webhook_secret }
    }

    /// The services that run here.
    pub fn running(&self) -> Vec<Service> {
        let mut running: Vec<Service> = self
            .services
            .iter()
            .flat_map(|services| match services {
                Services::All => Service::all(),
                Services::One(service) => vec![*service],
            })
            .collect();
        running.sort();
        running.dedup();
        running
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        let port = match self.running()[..] {
            [service] => service.port(),
            _ => Service::Gateway.port(),
        };
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Addresses of the services that do not run here.
    pub fn elsewhere(&self) -> Vec<(Service, Vec<Url>)> {
        let running = self.running();
        let others = Service::all().into_iter().filter(|service| !running.contains(service));
        others
            .map(|service| {
                let said: Vec<Url> = self.peers.iter().filter(|(name, _)| *name == service).map(|(_, url)| url.clone()).collect();
                let usual = || format!("http://127.0.0.1:{}/", service.port()).parse().into_iter().collect();
                (service, if said.is_empty() { usual() } else { said })
            })
            .collect()
    }

    /// What Toss Payments needs.
    pub fn toss(&self) -> Keys {
        Keys { secret_key: self.toss_secret_key.clone(), checkout: self.toss_checkout.clone() }
    }

    /// The deadlines as set.
    pub fn deadlines(&self) -> Deadlines {
        let mut deadlines = Deadlines::default();
        for (name, ms) in &self.deadlines {
            // Names were checked when they were read.
            let _ = set(&mut deadlines, name, *ms);
        }
        deadlines
    }
}

/// `scheme://user:password@host`
fn has_password(url: &str) -> bool {
    url.parse::<Url>().is_ok_and(|url| url.password().is_some())
}

#[cfg(test)]
mod tests;
