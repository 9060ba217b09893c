//! What is broken: one process on a folder, or a process for each service with a database and a broker.

use super::{
    company::Company,
    money::texts::Texts,
    options::{Options, Scenario},
};
use crate::{
    oracle::place::{Place, Plant as Left},
    process::program,
    servers::{
        cluster::{Cluster, Settings, Ways},
        process::{Process, free_ports},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Everything that runs.
pub struct Plant {
    services: Services,
    /// Who sends texts, unless people read the log.
    texts: Option<Texts>,
}

/// The services.
enum Services {
    /// All in one process.
    Embedded(Embedded),
    /// A process for each.
    Distributed(Box<Cluster>),
}

/// One process.
struct Embedded {
    server: Process,
    data: PathBuf,
    /// Where its money is, unless that is simulated within.
    company: Option<Company>,
}

impl Embedded {
    async fn start(
        options: &Options,
        program: PathBuf,
        folder: &Path,
        deadlines: &str,
        (more, mut variables): Ways,
    ) -> Result<Self, String> {
        let (data, port) = (folder.join("data"), free_ports(1)?[0]);
        let arguments = ["--data", &data.display().to_string(), "--listen", &format!("127.0.0.1:{port}"), "--deadline", deadlines];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        let has_company = options.scenario == Some(Scenario::CancelRaces);
        let company = if has_company { Some(Company::start(folder).await?) } else { None };
        arguments.extend(company.iter().flat_map(Company::arguments).chain(more));
        variables.extend(company.iter().flat_map(Company::variables));
        let mut server = Process::new("server".into(), port, program, arguments, variables, folder.join("server.log"));
        server.start().await?;
        Ok(Self { server, data, company })
    }
}

impl Plant {
    /// Starts everything in a folder. The program is copied, so that a build during the run changes nothing.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(options: &Options, folder: &Path, deadlines: &str) -> Result<Self, String> {
        let from = match &options.server {
            Some(path) => path.clone(),
            None => program("baemin-server", "BAEMIN_SERVER")?,
        };
        let program = folder.join("server");
        fs::copy(&from, &program).map_err(|e| format!("{}: {e}", from.display()))?;
        let texts = if options.has_texts() { Some(Texts::start(folder, 0).await?) } else { None };
        let told = texts.as_ref().map(|texts| (texts.arguments(), texts.variables())).unwrap_or_default();
        let services = if options.is_embedded() {
            Services::Embedded(Embedded::start(options, program, folder, deadlines, told).await?)
        } else {
            let (folder, replicas, deadlines) = (folder.into(), options.replicas, deadlines.into());
            Services::Distributed(Box::new(Cluster::start(Settings { program, folder, replicas, deadlines, texts: told }).await?))
        };
        Ok(Self { services, texts })
    }

    /// Where people connect.
    pub fn url(&self) -> String {
        match &self.services {
            Services::Embedded(one) => one.server.url(),
            Services::Distributed(cluster) => cluster.url(),
        }
    }

    /// Who sends texts.
    ///
    /// # Errors
    /// Nobody does.
    pub fn texts(&self) -> Result<&Texts, String> {
        self.texts.as_ref().ok_or_else(|| "nobody sends texts here".into())
    }

    /// What it leaves behind, for the oracle.
    pub fn leaves(&self) -> Left {
        let texts = self.texts.as_ref().map(|texts| texts.journal.clone());
        match &self.services {
            Services::Embedded(one) => Left {
                journal: Place::Sqlite(one.data.clone()),
                providers: vec![one.company.as_ref().map_or_else(|| one.data.join("provider.db"), |company| company.journal.clone())],
                texts,
                logs: vec![one.server.log().clone()],
                never_said: vec!["panicked".into(), "ERROR".into()],
            },
            // While the database is away a service may say so; that it panics is a bug at any time.
            Services::Distributed(cluster) => Left {
                journal: cluster.journal(),
                providers: cluster.providers(),
                texts,
                logs: cluster.processes.iter().map(|process| process.log().clone()).collect(),
                never_said: vec!["panicked".into()],
            },
        }
    }

    /// All processes of services.
    pub fn processes(&mut self) -> &mut [Process] {
        match &mut self.services {
            Services::Embedded(one) => std::slice::from_mut(&mut one.server),
            Services::Distributed(cluster) => &mut cluster.processes,
        }
    }

    /// The cluster, for what only a cluster has.
    ///
    /// # Errors
    /// It is one process.
    pub fn cluster(&mut self) -> Result<&mut Cluster, String> {
        match &mut self.services {
            Services::Embedded(_) => Err("one process has no broker, no database and no other services: run it without --embedded".into()),
            Services::Distributed(cluster) => Ok(cluster),
        }
    }

    /// Ends all services in order. The database stays, for the oracle.
    ///
    /// # Errors
    /// One of them does not end well.
    pub async fn stop(&mut self) -> Result<(), String> {
        for process in self.processes() {
            process.stop().await?;
        }
        Ok(())
    }
}
