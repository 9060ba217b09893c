//! A RabbitMQ broker of one's own: no plugins, little memory, its own port mapper, and nothing outside of its folder.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a broker may take until it listens: seconds on a free machine.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// Between looks whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Where packages put the programs.
const PLACES: [&str; 4] = ["/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/rabbitmq/sbin", "/usr/sbin"];
/// Names the folder of the programs, when it is another one.
const PLACE_VARIABLE: &str = "RABBITMQ_BIN";

/// A broker. It is killed when it is dropped.
pub struct RabbitMq {
    dir: PathBuf,
    programs: PathBuf,
    port: u16,
    mapper_port: u16,
    nodes_port: u16,
    mapper: Child,
    broker: Option<Child>,
}

impl RabbitMq {
    /// Starts a broker with its files in this folder, and waits until it listens.
    ///
    /// # Errors
    /// It is not installed, does not start, or not in time.
    pub fn start(dir: &Path) -> Result<Self, String> {
        let programs = programs()?;
        let [port, mapper_port, nodes_port] = free_ports()?;
        for folder in ["home", "mnesia", "log"] {
            fs::create_dir_all(dir.join(folder)).map_err(|e| e.to_string())?;
        }
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = false\nlog.file.level = warning\n\
             vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 50MB\n"
        );
        fs::write(dir.join("rabbitmq.conf"), settings).map_err(|e| e.to_string())?;
        fs::write(dir.join("plugins"), "[].\n").map_err(|e| e.to_string())?;
        let mapper = mapper(mapper_port)?;
        let mut broker = Self { dir: dir.into(), programs, port, mapper_port, nodes_port, mapper, broker: None };
        broker.restart()?;
        Ok(broker)
    }

    /// Where it listens, with the name and the password of a fresh broker, which only this machine may use.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Starts it again on the same ports and files, and waits until it listens.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill()?;
        let out = fs::File::create(self.dir.join("log/start")).map_err(|e| e.to_string())?;
        let mut command = self.command("rabbitmq-server");
        // With input allowed the script becomes the broker, so that the child is the process to be killed.
        command.env("RABBITMQ_ALLOW_INPUT", "1").env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false -noinput +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
        );
        command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
        self.broker = Some(command.spawn().map_err(|e| format!("the broker does not start: {e}"))?);
        let began = Instant::now();
        while TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).is_err() {
            if let Some(status) = self.broker.as_mut().and_then(|child| child.try_wait().ok()).flatten() {
                return Err(format!("the broker ended with {status}; see {}", self.dir.join("log").display()));
            }
            if began.elapsed() > READY_DEADLINE {
                return Err("the broker was not ready in time".into());
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// SIGKILL, and waits until the process is gone.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result<(), String> {
        let Some(mut child) = self.broker.take() else { return Ok(()) };
        child.kill().and_then(|()| child.wait()).map(|_| ()).map_err(|e| e.to_string())
    }

    /// SIGTERM, and waits until it has ended by itself.
    ///
    /// # Errors
    /// It cannot be asked.
    pub fn stop(&mut self) -> Result<(), String> {
        self.signal("-TERM")?;
        let Some(mut child) = self.broker.take() else { return Ok(()) };
        child.wait().map(|_| ()).map_err(|e| e.to_string())
    }

    /// Forgets everything that the broker ever kept. It must not be running.
    ///
    /// # Errors
    /// The broker runs, or its files cannot be removed.
    pub fn wipe(&mut self) -> Result<(), String> {
        if self.broker.is_some() {
            return Err("a running broker cannot be wiped".into());
        }
        let files = self.dir.join("mnesia");
        fs::remove_dir_all(&files).and_then(|()| fs::create_dir_all(&files)).map_err(|e| e.to_string())
    }

    /// Stops it in its tracks, with its connections open.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn pause(&self) -> Result<(), String> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The signal cannot be sent.
    pub fn resume(&self) -> Result<(), String> {
        self.signal("-CONT")
    }

    /// What `rabbitmqctl` says: its standard output.
    ///
    /// # Errors
    /// What it complains of.
    pub fn control(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command("rabbitmqctl").arg("-q").args(arguments).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn signal(&self, signal: &str) -> Result<(), String> {
        let Some(child) = &self.broker else { return Err("the broker does not run".into()) };
        let status = Command::new("kill").args([signal, &child.id().to_string()]).status().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("kill ended with {status}")) }
    }

    /// A program of the broker with everything in its own folder. The name `localhost` needs no look-up elsewhere.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .env("HOME", self.dir.join("home"))
            .env("ERL_EPMD_PORT", self.mapper_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("baemin{}@localhost", self.port))
            .env("RABBITMQ_DIST_PORT", self.nodes_port.to_string())
            .env("RABBITMQ_MNESIA_BASE", self.dir.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", self.dir.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.dir.join("plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = self.mapper.kill().and_then(|()| self.mapper.wait());
    }
}

fn programs() -> Result<PathBuf, String> {
    let named = env::var_os(PLACE_VARIABLE).map(PathBuf::from);
    let found = named.into_iter().chain(PLACES.map(PathBuf::from)).find(|folder| folder.join("rabbitmqctl").is_file());
    found.ok_or_else(|| format!("RabbitMQ is not installed in a usual place; {PLACE_VARIABLE} names the folder of its programs"))
}

/// The port mapper of Erlang, in the foreground and on this machine alone.
fn mapper(port: u16) -> Result<Child, String> {
    let mut command = Command::new("epmd");
    command.args(["-address", "127.0.0.1", "-port", &port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|e| format!("epmd, which comes with Erlang, does not start: {e}"))
}

/// Ports that are free now.
fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut listeners = vec![];
    for _ in 0..N {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?);
    }
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().map_err(|e| e.to_string())?.port();
    }
    Ok(ports)
}
