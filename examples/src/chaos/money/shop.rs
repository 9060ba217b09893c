//! What a scenario about money stands on: the payment company and a server that uses it, each a process of its own; and
//! whoever asks that server.

use crate::{
    chaos::{
        asker::Asker,
        company::Company,
        options::Options,
        run::{Outcome, place},
        settle::quiet_within,
    },
    http::Host,
    oracle::{finding::Verdict, place::Place},
    people::Party,
    process::program,
    servers::process::{Process, free_ports},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// How long everything may take to be settled: the longest time that the breaker stays open, and what was kept meanwhile.
pub const SETTLED: Duration = Duration::from_secs(120);
/// The same when hundreds are asked again and nobody orders meanwhile: each waits up to half a minute between two tries, and
/// the budget lets few of them through until ten answers in a row were good.
const REPEATED: Duration = Duration::from_secs(300);
/// Nothing expires here, and nobody has to log in again: the longest run takes less than a day.
const DAY_MS: &str = "86400000";
/// How long an approval may come late: some ten seconds at most, with what these scenarios do.
const LATE_MS: u64 = 20_000;

/// Both processes.
pub struct Shop {
    /// Where the money is.
    pub company: Company,
    /// Where people connect.
    pub host: Host,
    server: Process,
    data: PathBuf,
}

impl Shop {
    /// Opens it in this folder. The server's program is copied, so that a build during the run changes nothing.
    ///
    /// # Errors
    /// One of them does not start.
    pub async fn open(options: &Options, folder: &Path) -> Result<Self, String> {
        Self::open_with(options, folder, vec![], vec![]).await
    }

    /// The same with more arguments and variables for the server.
    ///
    /// # Errors
    /// See [`Shop::open`].
    pub async fn open_with(
        options: &Options,
        folder: &Path,
        mut arguments: Vec<String>,
        mut variables: Vec<(String, String)>,
    ) -> Result<Self, String> {
        let company = Company::start(folder).await?;
        let from = options.server.clone().map_or_else(|| program("baemin-server", "BAEMIN_SERVER"), Ok)?;
        let (data, port, copy) = (folder.join("data"), free_ports(1)?[0], folder.join("server"));
        fs::copy(&from, &copy).map_err(|e| format!("{}: {e}", from.display()))?;
        let (at, listen) = (data.display().to_string(), format!("127.0.0.1:{port}"));
        let deadlines = format!("payment={DAY_MS},answer={DAY_MS},late={LATE_MS}");
        arguments.extend(company.arguments());
        variables.extend(company.variables());
        arguments.extend(["--data", &at, "--listen", &listen, "--deadline", &deadlines, "--access-ms", DAY_MS].map(str::to_owned));
        let mut server = Process::new("server".into(), port, copy, arguments, variables, folder.join("server.log"));
        server.start().await?;
        Ok(Self { host: Host::new(&server.url())?, company, server, data })
    }

    /// Somebody who may look at everything.
    ///
    /// # Errors
    /// Nobody can log in.
    pub async fn operator(&self) -> Result<Asker, String> {
        Asker::operator(&self.host, &self.data).await
    }

    /// So many customers, each with a store.
    ///
    /// # Errors
    /// The server does not answer, or refuses any of it.
    pub async fn parties(&self, count: usize) -> Result<Vec<Party>, String> {
        let mut parties = vec![];
        for number in 0..count {
            parties.push(Party::gather(&self.host, &format!("money-{number}"), place(number)).await.map_err(|e| e.to_string())?);
        }
        Ok(parties)
    }

    /// Waits until nothing is on its way any more. False when something still was, in the end.
    pub async fn settled(&self) -> bool {
        quiet_within(&self.place(), REPEATED).await
    }

    /// Where the server keeps everything.
    pub fn place(&self) -> Place {
        Place::Sqlite(self.data.clone())
    }

    /// The server's address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The server's process.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Ends both in order.
    ///
    /// # Errors
    /// One of them does not end well.
    pub async fn close(mut self, verdict: Verdict, missed: Vec<String>) -> Result<Outcome, String> {
        self.server.stop().await?;
        let (log, plant) = (self.server.log().clone(), self.company.journal.clone());
        self.company.end().await?;
        Ok(Outcome { verdict, missed, log, plant })
    }
}

/// Waits a little between two looks at something.
pub async fn look(began: Instant, within: Duration) -> bool {
    /// How long one looks apart.
    const LOOK: Duration = Duration::from_millis(100);
    tokio::time::sleep(LOOK).await;
    began.elapsed() < within
}
