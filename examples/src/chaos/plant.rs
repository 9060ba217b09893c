//! What is broken: one process on a folder, or a process for each service with a database and a broker.

use super::{
    company::Company,
    options::{Options, Scenario},
};
use crate::{
    oracle::place::{Place, Plant as Left},
    process::program,
    servers::{
        cluster::{Cluster, Settings},
        process::{Process, free_ports},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Everything that runs.
pub enum Plant {
    /// All services in one process.
    Embedded(Embedded),
    /// A process for each.
    Distributed(Box<Cluster>),
}

/// One process.
pub struct Embedded {
    server: Process,
    data: PathBuf,
    /// Where its money is, unless that is simulated within.
    company: Option<Company>,
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
        if !options.is_embedded() {
            let settings = Settings { program, folder: folder.into(), replicas: options.replicas, deadlines: deadlines.into() };
            return Ok(Plant::Distributed(Box::new(Cluster::start(settings).await?)));
        }
        let (data, port) = (folder.join("data"), free_ports(1)?[0]);
        let arguments = ["--data", &data.display().to_string(), "--listen", &format!("127.0.0.1:{port}"), "--deadline", deadlines];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        let has_company = options.scenario == Some(Scenario::CancelRaces);
        let company = if has_company { Some(Company::start(folder).await?) } else { None };
        arguments.extend(company.iter().flat_map(Company::arguments));
        let variables = company.iter().flat_map(Company::variables).collect();
        let mut server = Process::new("server".into(), port, program, arguments, variables, folder.join("server.log"));
        server.start().await?;
        Ok(Plant::Embedded(Embedded { server, data, company }))
    }

    /// Where people connect.
    pub fn url(&self) -> String {
        match self {
            Plant::Embedded(one) => one.server.url(),
            Plant::Distributed(cluster) => cluster.url(),
        }
    }

    /// What it leaves behind, for the oracle.
    pub fn leaves(&self) -> Left {
        match self {
            Plant::Embedded(one) => Left {
                journal: Place::Sqlite(one.data.clone()),
                providers: vec![one.company.as_ref().map_or_else(|| one.data.join("provider.db"), |company| company.journal.clone())],
                logs: vec![one.server.log().clone()],
                never_said: vec!["panicked".into(), "ERROR".into()],
            },
            // While the database is away a service may say so; that it panics is a bug at any time.
            Plant::Distributed(cluster) => Left {
                journal: cluster.journal(),
                providers: cluster.providers(),
                logs: cluster.processes.iter().map(|process| process.log().clone()).collect(),
                never_said: vec!["panicked".into()],
            },
        }
    }

    /// All processes of services.
    pub fn processes(&mut self) -> &mut [Process] {
        match self {
            Plant::Embedded(one) => std::slice::from_mut(&mut one.server),
            Plant::Distributed(cluster) => &mut cluster.processes,
        }
    }

    /// The cluster, for what only a cluster has.
    ///
    /// # Errors
    /// It is one process.
    pub fn cluster(&mut self) -> Result<&mut Cluster, String> {
        match self {
            Plant::Embedded(_) => Err("one process has no broker, no database and no other services: run it without --embedded".into()),
            Plant::Distributed(cluster) => Ok(cluster),
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
