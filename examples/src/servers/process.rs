//! A server as a process that is started again and again: on the same port, with the same arguments, writing to one log.

use crate::http::{Ask, Client, Host};
use hyper::{Method, body::Bytes};
use std::{
    fs::OpenOptions,
    io::ErrorKind,
    net::TcpListener,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a server may take until it is ready.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take to stop when it is asked to: longer than the ten seconds that it gives its requests.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// How often it is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(5);
/// Tries to execute a program that was copied just now: another thread may be between its fork and its exec, and until then
/// that child holds open what this process was writing.
const BUSY_TRIES: u32 = 200;

/// A process that runs, or will again.
pub struct Process {
    /// What people call it.
    pub name: String,
    /// Where it listens.
    pub port: u16,
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A process that has not been started. Variables are for what no process list may show.
    pub fn new(name: String, port: u16, program: PathBuf, arguments: Vec<String>, variables: Vec<(String, String)>, log: PathBuf) -> Self {
        Self { name, port, program, arguments, variables, log, child: None }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// True for the one that tells people: of many, the notification service.
    pub fn sends_notices(&self) -> bool {
        self.name == "server" || self.name.starts_with("notification-")
    }

    /// What it writes.
    pub fn log(&self) -> &PathBuf {
        &self.log
    }

    /// Starts it, and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started, or runs already.
    pub fn spawn(&mut self) -> Result<(), String> {
        if self.child.is_some() {
            return Err(format!("{} runs already", self.name));
        }
        let log = OpenOptions::new().create(true).append(true).open(&self.log).map_err(|e| format!("{}: {e}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log)).kill_on_drop(true);
        let mut tries = 1;
        self.child = Some(loop {
            match command.spawn() {
                Ok(child) => break child,
                Err(e) if e.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => tries += 1,
                Err(e) => return Err(format!("{}: {e}", self.program.display())),
            }
            std::thread::sleep(LOOK);
        });
        Ok(())
    }

    /// Waits until it says that it is ready, and says how long that took.
    ///
    /// # Errors
    /// It ended, or was not ready in time.
    pub async fn ready(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        let host = Host::new(&self.url())?;
        loop {
            let ask = Ask { method: Method::GET, path: "/health/ready".into(), login: None, key: None, body: Bytes::new() };
            let answer = timeout(READY_DEADLINE, Client::new(&host).ask(ask)).await;
            if matches!(&answer, Ok(Ok(answer)) if answer.is_good()) {
                return Ok(began.elapsed());
            }
            let child = self.child.as_mut().ok_or_else(|| format!("{} does not run", self.name))?;
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("{} ended with {status}; it wrote {}", self.name, self.log.display()));
            }
            if began.elapsed() > READY_DEADLINE {
                return Err(format!("{} was not ready in time; it wrote {}", self.name, self.log.display()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Both together.
    ///
    /// # Errors
    /// See [`Process::spawn`] and [`Process::ready`].
    pub async fn start(&mut self) -> Result<Duration, String> {
        self.spawn()?;
        self.ready().await
    }

    /// SIGKILL, and waits until it is gone. One that does not run is left alone.
    ///
    /// # Errors
    /// It cannot be killed.
    pub async fn kill(&mut self) -> Result<(), String> {
        match self.child.take() {
            Some(mut child) => child.kill().await.map_err(|e| format!("{}: {e}", self.name)),
            None => Ok(()),
        }
    }

    /// SIGTERM, and waits until it has ended by itself. One that does not run is left alone.
    ///
    /// # Errors
    /// It did not end in time, or not well.
    pub async fn stop(&mut self) -> Result<(), String> {
        self.signal("TERM").await?;
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let status = timeout(STOP_DEADLINE, child.wait()).await.map_err(|_| format!("{} did not stop in time", self.name))?;
        let status = status.map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("{} stopped with {status}", self.name)) }
    }

    /// SIGSTOP: it holds its connections, and does nothing.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub async fn freeze(&mut self) -> Result<(), String> {
        self.signal("STOP").await
    }

    /// SIGCONT: it goes on.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub async fn thaw(&mut self) -> Result<(), String> {
        self.signal("CONT").await
    }

    async fn signal(&self, name: &str) -> Result<(), String> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().await.map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("{} cannot be sent SIG{name}", self.name)) }
    }
}

/// Ports that nobody uses at the moment, all different.
///
/// # Errors
/// There are none.
pub fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    let open = || TcpListener::bind("127.0.0.1:0").and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    // All are held until the last one is found.
    let held: Vec<_> = (0..count).map(|_| open()).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    Ok(held.into_iter().map(|(port, _)| port).collect())
}
