//! From a configuration to a running server, and from a signal to a stopped one.

use crate::{
    config::Config,
    engine::{Engine, EngineConfig},
    gateway,
    http::{self, App, HttpConfig},
    identity::{Identity, IdentityConfig},
    notifier, provider, workers,
};
use std::{fs, future::Future, io::Write, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests that are being answered may take when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that listens.
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    app: Arc<App>,
    listener: TcpListener,
    router: axum::Router,
    /// Held as long as the server lives, so that no other one uses the folder.
    _lock: fs::File,
}

/// Opens everything, and listens.
///
/// # Errors
/// A sentence for the operator: what is wrong, and what to do.
pub async fn open(config: &Config) -> Result<Server, String> {
    let origins = gateway::Origins::new(&config.cors_origins)?;
    let lock = claim(&config.data)?;
    let identity_config = IdentityConfig { access_ms: config.access_ms, ..IdentityConfig::default() };
    let identity = Identity::open_with(&config.data, identity_config).map_err(|e| e.to_string())?;
    let engine_config = EngineConfig { deadlines: config.deadlines(), ..EngineConfig::default() };
    let engine = Engine::open(&config.data, &engine_config).map_err(|e| e.to_string())?;
    let provider = provider::open(provider::SIMULATOR, &config.data).map_err(|e| e.to_string())?;
    let notifier = Arc::new(notifier::Log::open(&config.data).map_err(|e| e.to_string())?);
    let stopping = CancellationToken::new();
    workers::start(&engine, provider, notifier, &stopping);
    let app = Arc::new(App {
        engine,
        identity,
        verbs: http::verbs::Verbs::new(),
        in_flight: http::create::InFlight::default(),
        streams: http::live::Streams::default(),
        config: HttpConfig { max_streams: config.max_streams },
        journal_id: journal_id(&config.data)?,
        stopping,
    });
    let listener = TcpListener::bind(config.listen).await.map_err(|e| format!("cannot listen on {}: {e}", config.listen))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let router = gateway::before(http::router(&app), origins);
    Ok(Server { address, app, listener, router, _lock: lock })
}

impl Server {
    /// Serves until `stop` is ready, then finishes what has begun.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), String> {
        let stopping = self.app.stopping.clone();
        let signal = {
            let stopping = stopping.clone();
            async move {
                stop.await;
                // Open streams would hold the server for ever: they end now, and their readers come back.
                stopping.cancel();
            }
        };
        let serve = axum::serve(self.listener, self.router).with_graceful_shutdown(signal);
        let served = tokio::select! {
            served = async { serve.await } => served.map_err(|e| e.to_string()),
            () = async { stopping.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
        };
        let engine = self.app.engine.clone();
        tokio::task::spawn_blocking(move || engine.stop()).await.map_err(|e| e.to_string())?;
        served
    }
}

/// Makes the folder, readable by its owner only, and takes it for this process.
fn claim(data: &Path) -> Result<fs::File, String> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let shown = data.display();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|e| format!("the data folder {shown} cannot be made: {e}"))?;
    let path = data.join("lock");
    let mut lock = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| format!("{} cannot be opened: {e}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err(format!("another server is using {shown}: stop it first, or choose another folder with --data"));
        }
        Err(fs::TryLockError::Error(e)) => return Err(format!("{} cannot be locked: {e}", path.display())),
    }
    // Who holds it is a help for people only; the lock itself is the kernel's.
    let _ = write!(lock, "{}", std::process::id());
    Ok(lock)
}

/// The random name of this folder's journals, made on the first start.
fn journal_id(data: &Path) -> Result<String, String> {
    let path = data.join("journal-id");
    match fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        _ => {
            let mut bytes = [0u8; 8];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
            let id: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            fs::write(&path, &id).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
            Ok(id)
        }
    }
}
