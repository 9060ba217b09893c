//! A private PostgreSQL: made in a folder, started, killed and started again.

use std::{
    collections::hash_map::RandomState,
    env,
    fs::{self, File},
    hash::BuildHasher,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long the server may take until it answers; after a kill it first reads its log again.
const READY: Duration = Duration::from_secs(30);
/// How long a process may take to end.
const END: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Free ports that are tried, should somebody else take one in the meantime.
const PORTS: usize = 3;
/// The superuser of the server.
const USER: &str = "baemin";

/// A server that runs, or that was stopped.
pub struct Postgres {
    binaries: PathBuf,
    dir: PathBuf,
    settings: Vec<String>,
    password: String,
    port: u16,
    /// Whom the server runs as, when this process is root: PostgreSQL refuses to.
    owner: Option<(u32, u32)>,
    child: Option<Child>,
}

impl Postgres {
    /// Makes a server in this folder, and starts it. It flushes what it acknowledges.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub fn start(dir: &Path) -> Result<Self, String> {
        Self::start_with(dir, &[])
    }

    /// A program of PostgreSQL's, of the server's own version.
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }

    /// The same with settings of `postgresql.conf`, such as `fsync=off`.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or does not start.
    pub fn start_with(dir: &Path, settings: &[&str]) -> Result<Self, String> {
        let binaries = binaries()?;
        fs::create_dir_all(dir).map_err(|e| named(dir, &e))?;
        let owner = owner(dir)?;
        let random = || RandomState::new().hash_one(0u8);
        let mut server = Self {
            binaries,
            dir: dir.into(),
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            password: format!("{:016x}{:016x}", random(), random()),
            port: 0,
            owner,
            child: None,
        };
        server.init()?;
        let mut outcome = Err("no port".to_owned());
        for _ in 0..PORTS {
            server.port = free_port()?;
            outcome = server.run();
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(|()| server)
    }

    /// Where it listens, for a journal.
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/postgres", self.password, self.port)
    }

    /// Where it listens, for a proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL to the postmaster and all of its children, and waits until they are gone: as if the machine had stopped,
    /// except that the system still writes out what it was given.
    ///
    /// # Errors
    /// A process does not end.
    pub fn kill(&mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let children = children(child.id());
        child.kill().map_err(|e| e.to_string())?;
        child.wait().map_err(|e| e.to_string())?;
        // A child may have ended by itself by now, so that it cannot be signalled is no error.
        for pid in &children {
            let _ = signal("KILL", *pid);
        }
        poll(END, || children.iter().all(|pid| !is_alive(*pid))).ok_or_else(|| "a PostgreSQL process does not end".to_owned())
    }

    /// Ends it in order, though not waiting for those who are connected.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn stop(&mut self) -> Result<(), String> {
        let Some(child) = &mut self.child else { return Ok(()) };
        signal("INT", child.id())?;
        poll(END, || matches!(child.try_wait(), Ok(Some(_)))).ok_or_else(|| "PostgreSQL did not stop in time".to_owned())?;
        self.child = None;
        Ok(())
    }

    /// Starts it again where it was, stopped or killed before.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&mut self) -> Result<(), String> {
        self.stop()?;
        self.run()
    }

    fn init(&self) -> Result<(), String> {
        let secret = self.dir.join("password");
        fs::write(&secret, &self.password).map_err(|e| named(&secret, &e))?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).map_err(|e| named(&secret, &e))?;
        if let Some((user, group)) = self.owner {
            chown(&secret, Some(user), Some(group)).map_err(|e| named(&secret, &e))?;
        }
        let mut command = self.command("initdb");
        command.args(["--no-sync", "--locale=C", "--encoding=UTF8", "--auth=scram-sha-256", "-U", USER, "--pwfile"]);
        let made = command.arg(&secret).arg("-D").arg(self.data()).output().map_err(|e| e.to_string())?;
        if made.status.success() { Ok(()) } else { Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr))) }
    }

    fn run(&mut self) -> Result<(), String> {
        let path = self.dir.join("log");
        let log = File::options().create(true).append(true).open(&path).map_err(|e| named(&path, &e))?;
        let errors = log.try_clone().map_err(|e| e.to_string())?;
        let mut command = self.command("postgres");
        // No socket file: its path would have to be shorter than those of many test folders.
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.arg("-D").arg(self.data()).stdout(log).stderr(errors);
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        let mut ended = false;
        let ready = poll(READY, || {
            ended = !matches!(child.try_wait(), Ok(None));
            ended || self.is_ready()
        });
        if ready.is_none() || ended {
            // It is of no use; why is in its log.
            drop((child.kill(), child.wait()));
            return Err(format!("PostgreSQL did not start: {}", fs::read_to_string(&path).unwrap_or_default()));
        }
        self.child = Some(child);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let port = self.port.to_string();
        let asked = self.command("pg_isready").args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
        asked.is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.stdin(Stdio::null()).current_dir(&self.dir);
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nobody is left to be told.
        drop(self.kill());
    }
}

/// Where `initdb` and `postgres` are: PostgreSQL's own folders first, because distributions keep them off the path.
fn binaries() -> Result<PathBuf, String> {
    let mut places = vec![];
    for parent in ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/homebrew/opt"] {
        let versions = fs::read_dir(parent).into_iter().flatten().flatten();
        places.extend(versions.map(|version| version.path().join("bin")));
    }
    places.push("/usr/pgsql/bin".into());
    places.push("/usr/local/pgsql/bin".into());
    // The newest first.
    places.sort();
    places.reverse();
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let complete = |place: &PathBuf| ["initdb", "postgres", "pg_isready"].iter().all(|name| place.join(name).is_file());
    places.into_iter().find(complete).ok_or_else(|| "PostgreSQL is not installed: on Debian, apt install postgresql".to_owned())
}

/// Gives the folder to the user of PostgreSQL when this process is root, and says who that is.
fn owner(dir: &Path) -> Result<Option<(u32, u32)>, String> {
    let mark = dir.join("whose");
    fs::write(&mark, "").map_err(|e| named(&mark, &e))?;
    if fs::metadata(&mark).map_err(|e| named(&mark, &e))?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|e| e.to_string())?;
    let ids = ["postgres", "nobody"].iter().find_map(|name| {
        let fields: Vec<&str> = users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f[0] == *name)?;
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    });
    let (user, group) = ids.ok_or("PostgreSQL does not run as root, and there is no user postgres")?;
    chown(dir, Some(user), Some(group)).map_err(|e| named(dir, &e))?;
    Ok(Some((user, group)))
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}

fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// A process that has ended and only waits to be counted is not alive.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn signal(name: &str, pid: u32) -> Result<(), String> {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status();
    sent.map_err(|e| e.to_string()).map(drop)
}

fn poll(limit: Duration, mut done: impl FnMut() -> bool) -> Option<()> {
    let until = Instant::now() + limit;
    while !done() {
        if Instant::now() > until {
            return None;
        }
        thread::sleep(LOOK);
    }
    Some(())
}

fn named(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
