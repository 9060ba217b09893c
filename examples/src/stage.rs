//! The stage: a server of its own on a free port and a fresh folder, and people who type commands.

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// How long the server may take to start, and anything to become true.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at something that becomes true by itself.
const LOOK: Duration = Duration::from_millis(20);

/// What was asked for, or the sentence that says why not.
pub type Told<T> = Result<T, String>;

/// The server, and where people keep their logins.
pub struct Stage {
    /// Absent when people type at a server that somebody else has started.
    server: Option<Child>,
    /// Where the server listens.
    pub url: String,
    folder: PathBuf,
    bin: PathBuf,
    /// Claims that held so far.
    pub checks: u32,
}

/// A command that runs beside the others.
pub struct Beside {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    /// Starts a server, from the folder of binaries that this one was built into.
    ///
    /// # Errors
    /// The server cannot be started.
    pub fn open() -> Told<Self> {
        Self::open_with(|_| {})
    }

    /// The same with other settings of the server.
    ///
    /// # Errors
    /// The server cannot be started.
    pub fn open_with(set_up: impl FnOnce(&mut Command)) -> Told<Self> {
        let (bin, folder) = (binaries()?, fresh("stage")?);
        let mut server = Command::new(bin.join("baemin-server"));
        server.args(["--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data")).stdout(Stdio::piped());
        set_up(&mut server);
        let mut server = server.spawn().map_err(|e| format!("baemin-server cannot be started: {e}"))?;
        let out = server.stdout.take().ok_or("no output")?;
        let mut stage = Self { server: Some(server), url: String::new(), folder, bin, checks: 0 };
        let ready = first_line(out)?;
        stage.url = ready.rsplit(' ').next().unwrap_or_default().to_owned();
        if !stage.url.starts_with("http://") {
            return Err(format!("the server said: {ready}"));
        }
        Ok(stage)
    }

    /// The same people, at a server that runs already.
    ///
    /// # Errors
    /// The command line is not built.
    pub fn at(url: String) -> Told<Self> {
        Ok(Self { server: None, url, folder: fresh("stage")?, bin: binaries()?, checks: 0 })
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where people keep their logins.
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// A command line of somebody, ready to be run.
    pub fn command(&self, who: &str, args: &str) -> Command {
        let mut command = Command::new(self.bin.join("baemin"));
        let lang = if who == "choi" { "en" } else { "ko" };
        command.args(["--profile", who, "--lang", lang, "--no-input", "--yes"]).args(words(args));
        command.env("BAEMIN_HOME", self.home()).env("BAEMIN_SERVER", &self.url).env("BAEMIN_PASSWORD", "a-long-password");
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Types a command and shows what comes; its exit code must be this.
    ///
    /// # Errors
    /// Something was not as it should be.
    pub fn run(&mut self, who: &str, args: &str, code: i32) -> Told<Output> {
        say(&format!("\n$ baemin --profile {who} {args}"));
        let output = self.command(who, args).output().map_err(|e| e.to_string())?;
        for text in [&output.stdout, &output.stderr] {
            String::from_utf8_lossy(text).lines().for_each(|line| say(&format!("  {line}")));
        }
        if output.status.code() != Some(code) {
            return Err(format!("exit code {code} was expected of `{args}`, it was {:?}", output.status.code()));
        }
        Ok(output)
    }

    /// Asks quietly, for a check.
    ///
    /// # Errors
    /// Something was not as it should be.
    pub fn ask(&self, who: &str, args: &str) -> Told<Value> {
        let output = self.command(who, args).args(["-o", "json", "-q"]).output().map_err(|e| e.to_string())?;
        serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("`{args}` gave no JSON: {e}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Orders, and gives the id.
    ///
    /// # Errors
    /// Something was not as it should be.
    pub fn order(&mut self, who: &str, args: &str, code: i32) -> Told<String> {
        self.run(who, &format!("customer order {args}"), code)?;
        Ok(self.ask(who, "status show last")?["order"].as_str().unwrap_or_default().to_owned())
    }

    /// Starts a command that goes on by itself.
    ///
    /// # Errors
    /// Something was not as it should be.
    pub fn beside(&self, who: &str, args: &str) -> Told<Beside> {
        say(&format!("\n$ baemin --profile {who} {args} &"));
        let mut child = self.command(who, args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|e| e.to_string())?;
        let out = child.stdout.take().ok_or("no output")?;
        let (sender, lines) = channel();
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Ok(Beside { child, lines })
    }

    /// Two people type at the same moment; the exit codes, in their order.
    ///
    /// # Errors
    /// Something was not as it should be.
    pub fn at_once(&mut self, people: [&str; 2], args: &str) -> Told<[i32; 2]> {
        people.iter().for_each(|who| say(&format!("\n$ baemin --profile {who} {args} &")));
        let spawn = |who: &str| self.command(who, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|e| e.to_string());
        let children = [spawn(people[0])?, spawn(people[1])?];
        let mut codes = [0; 2];
        for (code, child) in codes.iter_mut().zip(children) {
            let output = child.wait_with_output().map_err(|e| e.to_string())?;
            String::from_utf8_lossy(&output.stderr).lines().for_each(|line| say(&format!("  {line}")));
            *code = output.status.code().unwrap_or(-1);
        }
        Ok(codes)
    }

    /// A claim: printed when it holds, the end when it does not.
    ///
    /// # Errors
    /// Something was not as it should be.
    pub fn check(&mut self, claim: &str, holds: bool) -> Told<()> {
        if !holds {
            return Err(format!("this should hold, and does not: {claim}"));
        }
        self.checks += 1;
        say(&format!("  [ok] {claim}"));
        Ok(())
    }

    /// A claim about something that becomes true by itself.
    ///
    /// # Errors
    /// Something was not as it should be.
    pub fn becomes(&mut self, claim: &str, who: &str, args: &str, holds: impl Fn(&Value) -> bool) -> Told<Value> {
        let until = Instant::now() + PATIENCE;
        loop {
            let value = self.ask(who, args)?;
            if holds(&value) {
                self.check(claim, true)?;
                return Ok(value);
            }
            if Instant::now() > until {
                return Err(format!("this should become true, and does not: {claim}: {value}"));
            }
            thread::sleep(LOOK);
        }
    }
}

impl Beside {
    /// What it has printed when it is over, and how it ended.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn finish(mut self) -> Told<(Vec<String>, i32)> {
        let code = self.child.wait().map_err(|e| e.to_string())?.code().unwrap_or(-1);
        Ok((self.lines.iter().collect(), code))
    }
}

/// The folder of the programs that were built together with this one.
///
/// # Errors
/// The server is not there.
pub fn binaries() -> Told<PathBuf> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    // Tests live one folder below the binaries.
    let bin = own.ancestors().skip(1).find(|folder| folder.join("baemin-server").is_file());
    Ok(bin.ok_or("baemin-server is not built: cargo build -p server -p baemin")?.to_owned())
}

/// A new folder that no other process of ours uses.
///
/// # Errors
/// It cannot be made.
pub fn fresh(name: &str) -> Told<PathBuf> {
    let folder = std::env::temp_dir().join(format!("baemin-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// The first line of an output, read by a thread so that a server that never speaks does not hold us for ever. The
/// thread goes on reading, so that the server never waits for a reader.
fn first_line(out: impl std::io::Read + Send + 'static) -> Told<String> {
    let (sender, lines) = channel();
    thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    lines.recv_timeout(PATIENCE).map_err(|_| "the server did not start in time".to_owned())
}

/// Splits a command line at blanks, but not between single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (i, part) in line.split('\'').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Prints a line; a reader who went away is no error of ours.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
