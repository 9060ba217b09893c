//! Servers as processes of their own: started, found ready, measured from outside, stopped or killed by their own id.

use crate::measure::rounded;
use serde::Serialize;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long a server may take until it says that it is ready.
const READY_DEADLINE: Duration = Duration::from_secs(20);
/// How long a server may take to stop when it is asked to.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// What stands before the address in the line that says so.
const READY: &str = " ready on ";
/// The kernel counts a process's time in hundredths of a second, whatever the machine (`man 5 proc`, `USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// A server that is ready.
pub struct Server {
    child: Child,
    /// Kept open: a server that cannot write its output should not die of it here.
    _out: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub url: String,
    /// Its process.
    pub pid: u32,
}

impl Server {
    /// Starts a program and waits for its ready line. Errors of the program go to `errors`.
    ///
    /// # Errors
    /// It does not start, ends, or is not ready in time.
    pub async fn start(program: &Path, arguments: &[String], errors: Stdio) -> Result<Self, String> {
        let named = |why: String| format!("{}: {why}", program.display());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| named(e.to_string()))?;
        let out = child.stdout.take().ok_or_else(|| named("no output".into()))?;
        let mut lines = BufReader::new(out).lines();
        let ready = timeout(READY_DEADLINE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, url)) = line.split_once(READY) {
                    return Ok(url.trim().to_owned());
                }
            }
            Err(named("ended before it was ready".into()))
        });
        let url = ready.await.map_err(|_| named("was not ready in time".into()))??;
        let pid = child.id().ok_or_else(|| named("ended when it was ready".into()))?;
        Ok(Self { child, _out: lines, url, pid })
    }

    /// SIGKILL, and waits until the process is gone.
    ///
    /// # Errors
    /// The process cannot be killed.
    pub async fn kill(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|e| e.to_string())
    }

    /// SIGTERM, and waits until the process has ended by itself.
    ///
    /// # Errors
    /// It did not end in time, or not well.
    pub async fn stop(mut self) -> Result<(), String> {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.pid.to_string()]).status().await.map_err(|e| e.to_string())?;
        let status = timeout(STOP_DEADLINE, self.child.wait()).await.map_err(|_| "the server did not stop in time".to_owned())?;
        let status = status.map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the server stopped with {status}")) }
    }
}

/// The program of this name beside the current one, as cargo builds them; tests are one folder deeper. `variable` names
/// another one.
///
/// # Errors
/// A sentence that says how to build it.
pub fn program(name: &str, variable: &str) -> Result<PathBuf, String> {
    if let Some(path) = env::var_os(variable) {
        return Ok(path.into());
    }
    let here = env::current_exe().map_err(|e| e.to_string())?;
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        format!("{name} is not beside {}: run `cargo build -p server` in the same profile, or set {variable}", here.display())
    })
}

/// Memory that is a process's own share (PSS), in megabytes.
pub fn pss_mb(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kb: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kb / 1024.0)
}

/// Processor time of a process, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// In its own code.
    pub user: f64,
    /// In the kernel's.
    pub system: f64,
}

impl Cpu {
    /// Since the process began.
    pub fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold blanks; it ends with the last bracket, and the third field comes after it.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / TICKS_PER_S);
        Some(Self { user: seconds()?, system: seconds()? })
    }

    /// From an earlier moment to this one.
    pub fn since(self, earlier: Self) -> Self {
        Self { user: rounded(self.user - earlier.user), system: rounded(self.system - earlier.system) }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    /// Both of one.
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

/// The processes that a process has started, and those that they have started.
pub fn descendants(pid: u32) -> Vec<u32> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let all: Vec<u32> = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(number).collect();
    let parents: Vec<(u32, u32)> = all.into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(of) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Bytes in the files of a folder and of those in it.
pub fn folder_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |file: fs::DirEntry| match file.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&file.path()),
        Ok(meta) => meta.len(),
        // It was there a moment ago: a database tidies up while it runs.
        Err(_) => 0,
    };
    files.map(bytes).sum()
}

/// Brings every database of a folder whose server has stopped into its main file: what is left is what must be kept.
///
/// # Errors
/// A file cannot be read, or somebody still uses it.
pub fn checkpoint(folder: &Path) -> Result<(), String> {
    let files = fs::read_dir(folder).map_err(|e| e.to_string())?.flatten().map(|file| file.path());
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "db")) {
        let named = |e: rusqlite::Error| format!("{}: {e}", path.display());
        let connection = rusqlite::Connection::open(&path).map_err(named)?;
        connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).map_err(named)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_measured() {
        let pid = std::process::id();
        assert!(pss_mb(pid).is_some_and(|mb| mb > 0.1));
        assert!(Cpu::of(pid).is_some());
        assert!(folder_bytes(Path::new(env!("CARGO_MANIFEST_DIR"))) > 100);
    }
}
