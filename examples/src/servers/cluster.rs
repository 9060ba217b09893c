//! Every service as a process of its own, with a private PostgreSQL and RabbitMQ.

use super::{
    postgres::Postgres,
    process::{Process, free_ports},
    rabbitmq::RabbitMq,
};
use crate::oracle::place::Place;
use std::{
    collections::hash_map::RandomState,
    fs,
    hash::BuildHasher,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The services, in the order in which they are started: the others need identity's keys, and the gateway all of them.
const SERVICES: [&str; 8] = ["identity", "payment", "store", "rider", "customer", "notification", "order", "gateway"];
/// The single entry point, of which there is one.
const GATEWAY: &str = "gateway";
/// Those of which there is one: the gateway, because people connect to it, and identity, whose accounts are in a file.
const ALONE: [&str; 2] = [GATEWAY, "identity"];
/// Parts of each journal when there are replicas: enough for each to have some. Alone, one part is the cheapest: it makes
/// the fewest queues, and the largest batches.
const SHARED_PARTITIONS: u16 = 4;

/// What a cluster is made of.
pub struct Settings {
    /// The server's program.
    pub program: PathBuf,
    /// Where everything is kept.
    pub folder: PathBuf,
    /// Processes of each service.
    pub replicas: u16,
    /// The deadlines of orders, as the server reads them.
    pub deadlines: String,
    /// What else the notification service is told, and every service in variables: how people are told.
    pub texts: Ways,
}

/// Arguments, and what no process list may show.
pub type Ways = (Vec<String>, Vec<(String, String)>);

/// A cluster that runs.
pub struct Cluster {
    /// The services, in the order in which they were started.
    pub processes: Vec<Process>,
    /// Where the journals are.
    pub database: Postgres,
    /// How events travel.
    pub broker: RabbitMq,
    folder: PathBuf,
}

/// Where a process is, before it is started.
struct Seat {
    service: &'static str,
    number: u16,
    port: u16,
}

impl Seat {
    fn name(&self) -> String {
        format!("{}-{}", self.service, self.number)
    }
}

impl Cluster {
    /// Starts the database, the broker and every service, and waits until all are ready.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(settings: Settings) -> Result<Self, String> {
        let (database, broker) = tokio::task::block_in_place(|| stores(&settings.folder))?;
        Self::start_on(settings, database, broker).await
    }

    /// The same on a database and a broker that run already.
    ///
    /// # Errors
    /// A service does not start.
    pub async fn start_on(settings: Settings, database: Postgres, broker: RabbitMq) -> Result<Self, String> {
        let secret = settings.folder.join("service-secret");
        let random = || RandomState::new().hash_one(0u8);
        fs::write(&secret, format!("{:016x}{:016x}", random(), random())).map_err(|e| e.to_string())?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).map_err(|e| e.to_string())?;
        let seats = seats(settings.replicas)?;
        // Passwords are in these addresses, and variables are in no process list.
        let mut variables = vec![("BAEMIN_JOURNAL".to_owned(), database.url()), ("BAEMIN_BUS".to_owned(), broker.url())];
        variables.extend(settings.texts.1.iter().cloned());
        let process = |seat: &Seat| {
            let log = settings.folder.join(format!("{}.log", seat.name()));
            Process::new(seat.name(), seat.port, settings.program.clone(), flags(&settings, seat, &seats, &secret), variables.clone(), log)
        };
        let mut processes: Vec<Process> = seats.iter().map(process).collect();
        for process in &mut processes {
            process.spawn()?;
        }
        for process in &mut processes {
            process.ready().await?;
        }
        Ok(Self { processes, database, broker, folder: settings.folder })
    }

    /// Ends every service in order, the gateway first; then the broker and the database end with this value.
    ///
    /// # Errors
    /// A service does not end as it should.
    pub async fn stop(mut self) -> Result<(), String> {
        for process in self.processes.iter_mut().rev() {
            process.stop().await?;
        }
        Ok(())
    }

    /// Where people connect.
    pub fn url(&self) -> String {
        self.of(GATEWAY).next().map(Process::url).unwrap_or_default()
    }

    /// Where the journals are.
    pub fn journal(&self) -> Place {
        Place::Postgres(self.database.url())
    }

    /// The journal of the payment company's simulator, which all replicas of the payment service share.
    pub fn providers(&self) -> Vec<PathBuf> {
        vec![provider(&self.folder).join("provider.db")]
    }

    /// Where the service of accounts keeps everything.
    pub fn accounts(&self) -> PathBuf {
        data(&self.folder, "identity-0")
    }

    /// The processes of a service.
    pub fn of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Process> {
        self.processes.iter().filter(move |process| is_of(process, service))
    }

    /// The same, to be changed.
    pub fn of_mut<'a>(&'a mut self, service: &'a str) -> impl Iterator<Item = &'a mut Process> {
        self.processes.iter_mut().filter(move |process| is_of(process, service))
    }
}

fn is_of(process: &Process, service: &str) -> bool {
    process.name.rsplit_once('-').is_some_and(|(name, _)| name == service)
}

/// The private database and broker, in this folder.
///
/// # Errors
/// One of them is not installed, or does not start.
pub fn stores(folder: &Path) -> Result<(Postgres, RabbitMq), String> {
    let place = |name: &str| {
        let place = folder.join(name);
        fs::create_dir_all(&place).map_err(|e| format!("{}: {e}", place.display())).map(|()| place)
    };
    let (database, broker) = (place("postgres")?, place("rabbitmq")?);
    // Each takes some seconds: they start at the same time.
    std::thread::scope(|scope| {
        let broker = scope.spawn(move || RabbitMq::start(&broker));
        let database = Postgres::start(&database)?;
        let broker = broker.join().map_err(|_| "starting RabbitMQ panicked".to_owned())??;
        Ok((database, broker))
    })
}

fn seats(replicas: u16) -> Result<Vec<Seat>, String> {
    let copies = |service: &str| if ALONE.contains(&service) { 1 } else { replicas };
    let all: Vec<(&str, u16)> =
        SERVICES.into_iter().flat_map(|service| (0..copies(service)).map(move |number| (service, number))).collect();
    let ports = free_ports(all.len())?;
    Ok(all.into_iter().zip(ports).map(|((service, number), port)| Seat { service, number, port }).collect())
}

fn provider(folder: &Path) -> PathBuf {
    folder.join("provider")
}

fn data(folder: &Path, name: &str) -> PathBuf {
    folder.join("data").join(name)
}

/// The one place that knows how a service is told what it is.
fn flags(settings: &Settings, seat: &Seat, seats: &[Seat], secret: &Path) -> Vec<String> {
    let mut flags = vec![
        format!("--services={}", seat.service),
        format!("--listen=127.0.0.1:{}", seat.port),
        format!("--data={}", data(&settings.folder, &seat.name()).display()),
        format!("--partitions={}", if settings.replicas > 1 { SHARED_PARTITIONS } else { 1 }),
        format!("--provider=simulator:{}", provider(&settings.folder).display()),
        format!("--service-secret-file={}", secret.display()),
    ];
    if !settings.deadlines.is_empty() {
        flags.push(format!("--deadline={}", settings.deadlines));
    }
    if seat.service == "notification" {
        flags.extend(settings.texts.0.iter().cloned());
    }
    let others = seats.iter().filter(|other| other.service != seat.service && other.service != GATEWAY);
    flags.extend(others.map(|other| format!("--peer={}=http://127.0.0.1:{}", other.service, other.port)));
    flags
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_seats_and_knows_the_others() {
        let seats = seats(3).unwrap();
        assert_eq!(seats.len(), 2 + 6 * 3);
        let mut ports: Vec<u16> = seats.iter().map(|seat| seat.port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), seats.len());
        let settings =
            Settings { program: "server".into(), folder: "/run".into(), replicas: 3, deadlines: "answer=1".into(), texts: Ways::default() };
        let order = seats.iter().find(|seat| seat.name() == "order-2").unwrap();
        let flags = flags(&settings, order, &seats, Path::new("/run/secret"));
        assert_eq!(flags.iter().filter(|flag| flag.starts_with("--peer=store=")).count(), 3);
        assert!(!flags.iter().any(|flag| flag.starts_with("--peer=order=") || flag.starts_with("--peer=gateway=")));
        assert!(flags.contains(&"--data=/run/data/order-2".to_owned()));
    }
}
