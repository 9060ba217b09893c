//! What somebody who runs the harness may set.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Breaks Baemin on purpose while people order, and compares what they were told with what is kept.
#[derive(Debug, Clone, Parser)]
#[command(name = "chaos")]
pub struct Options {
    /// Faults, one after another.
    #[arg(long, default_value_t = 20)]
    pub rounds: u32,
    /// What is broken.
    #[arg(long, value_enum, default_value_t = Fault::All)]
    pub fault: Fault,
    /// Where every choice comes from; another one each time when it is absent.
    #[arg(long)]
    pub seed: Option<u64>,
    /// One process on one folder, instead of a process for each service with PostgreSQL and RabbitMQ.
    #[arg(long)]
    pub embedded: bool,
    /// One long fault with the figures that it must show, instead of rounds.
    #[arg(long, value_enum)]
    pub scenario: Option<Scenario>,
    /// How long a scenario's fault lasts.
    #[arg(long, default_value_t = 60, default_value_if("scenario", "notice-flood", "120"))]
    pub seconds: u64,
    /// How often a scenario about money does what it is about.
    #[arg(
        long,
        default_value_t = 1_000,
        default_value_ifs([("scenario", "cancel-races", "10000"), ("scenario", "webhook-lies", "10000")]),
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub times: u32,
    /// People who order at the same time; each has a store and a rider of their own.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub clients: u16,
    /// Processes of each service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub replicas: u16,
    /// The server's program; the one beside this program when it is absent.
    #[arg(long, env = "BAEMIN_SERVER")]
    pub server: Option<PathBuf>,
    /// The folder to use, which must be empty or absent, and which is kept. A fresh one, kept when something is wrong,
    /// when it is absent.
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Milliseconds between the end of one fault and the beginning of the next, at least and at most.
    #[arg(long, value_parser = span, default_value = "100-1500")]
    pub between_ms: (u64, u64),
    /// Milliseconds that a fault lasts, at least and at most.
    #[arg(long, value_parser = span, default_value = "0-1000")]
    pub fault_ms: (u64, u64),
}

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Services: killed, or held still.
    Service,
    /// Services: killed.
    Kill,
    /// The broker: killed, or stopped.
    Broker,
    /// The broker, and everything that it has kept.
    Wipe,
    /// The database: killed.
    Database,
    /// The payment provider: it does not answer.
    Provider,
    /// The company that sends texts: it refuses, or accepts and does not say so, while whoever sends them is killed.
    Notice,
    /// Any of them, but for notices: a company that writes each text to its disk makes everybody slower.
    All,
}

/// A single long fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// The store service is stopped.
    StoreAway,
    /// The rider service is stopped.
    RiderAway,
    /// The customer service is stopped.
    CustomerAway,
    /// The notification service is stopped.
    NotificationAway,
    /// The broker is stopped.
    BrokerAway,
    /// The broker is killed 20 times.
    BrokerKills,
    /// The broker is killed and loses everything that it kept.
    BrokerWipe,
    /// The database is killed 20 times.
    DatabaseKills,
    /// Each service is killed 30 times.
    ServiceKills,
    /// One replica of each service is killed, and stays away. Needs `--replicas` of at least 2.
    ReplicaDies,
    /// Each process is stopped and started again in turn.
    RollingRestart,
    /// Every view is built anew, again and again.
    ViewRebuild,
    /// The payment provider, over its own protocol, does not answer; always one process on one folder.
    ProviderHung,
    /// Half of its answers are errors.
    ProviderFailing,
    /// Each of its answers takes ten seconds and more.
    ProviderSlow,
    /// Connections to it are cut before and after it has taken money or given it back, `--times` each.
    ProviderCut,
    /// Its approval comes late, and the customer has cancelled in between, `--times`.
    ProviderLate,
    /// Fifty requests at once to pay the same order, for `--times` orders, while the provider fails now and then.
    PaymentStorm,
    /// Webhooks about payments that are forged, `--times`; and true ones that are repeated, out of order and contradicted.
    WebhookLies,
    /// Ten times the texts that their company takes, for `--seconds`; and connections that are cut after a text was accepted,
    /// `--times`.
    NoticeFlood,
    /// The customer cancels at the moment when the store begins to cook, `--times`, while the server is killed again and again.
    CancelRaces,
}

impl Options {
    /// True when texts go to a company that can be broken.
    pub fn has_texts(&self) -> bool {
        self.scenario.is_none() && self.fault == Fault::Notice
    }

    /// True for one process on one folder: the scenarios about money know no other.
    pub fn is_embedded(&self) -> bool {
        self.embedded || self.scenario == Some(Scenario::CancelRaces)
    }
}

fn span(text: &str) -> Result<(u64, u64), String> {
    let wanted = || format!("{text}: a span such as 100-1500 is wanted");
    let (least, most) = text.split_once('-').ok_or_else(wanted)?;
    let (least, most) = (least.parse().map_err(|_| wanted())?, most.parse().map_err(|_| wanted())?);
    if least < most { Ok((least, most)) } else { Err(wanted()) }
}
