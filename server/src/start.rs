//! From a configuration to a running server, and from a signal to a stopped one.

use crate::{
    bus,
    config::Config,
    engine::{Engine, EngineConfig},
    gateway,
    http::{self, App, HttpConfig},
    identity::{Access, Away, Identity, IdentityConfig},
    journal, metrics, notifier, provider,
    service::{Peers, Secret, Service, internal},
    traces::Traces,
    workers::{self, Payments},
};
use shared::Context;
use std::{collections::HashMap, fs, future::Future, io::Write, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests that are being answered may take when the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A server that listens.
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    /// Where the metrics are, if anywhere.
    pub metrics: Option<SocketAddr>,
    app: Arc<App>,
    listener: TcpListener,
    router: axum::Router,
    /// Held as long as the server lives, so that no other one uses the folder.
    _lock: fs::File,
}

/// Opens everything that runs here, and listens.
///
/// # Errors
/// A sentence for the operator: what is wrong, and what to do.
pub async fn open(config: &Config) -> Result<Server, String> {
    let origins = gateway::Origins::new(&config.cors_origins)?;
    let running = config.running();
    let contexts: Vec<Context> = Context::ALL.into_iter().filter(|context| running.contains(&Service::Context(*context))).collect();
    let bus_place = bus::Place::parse(&config.bus).map_err(|e| e.to_string())?;
    refuse_what_cannot_work(&contexts, &bus_place)?;
    let secret = secret(config, running.len() == Service::all().len())?;
    let lock = claim(&config.data)?;
    let stopping = CancellationToken::new();
    let peers = Arc::new(Peers::new(config.elsewhere().into_iter().collect(), secret.clone())?);
    let access = access(config, &running, &peers, &stopping)?;
    let engine_config = EngineConfig { contexts: contexts.clone(), partitions: config.partitions, deadlines: config.deadlines() };
    let journal_place = match &config.journal {
        Some(url) => journal::Place::parse(url).map_err(|e| e.to_string())?,
        None => journal::Place::Sqlite(config.data.clone()),
    };
    let bus = bus::open(&bus_place, config.partitions).map_err(|e| e.to_string())?;
    let engine = Engine::open(&journal_place, bus, peers.clone(), &engine_config).map_err(|e| e.to_string())?;
    if let Some(endpoint) = &config.traces_endpoint {
        let traces = Traces::start(&engine, endpoint, trace_name(&running))?;
        engine.traces.get_or_init(|| traces);
    }
    let pay = start_workers(config, &engine, &access, &stopping)?;
    let app = Arc::new(App {
        engine: engine.clone(),
        identity: access.clone(),
        pay: pay.clone(),
        peers,
        verbs: http::verbs::Verbs::new(),
        in_flight: http::create::InFlight::default(),
        streams: http::live::Streams::default(),
        config: HttpConfig { max_streams: config.max_streams },
        journal_id: if running.len() == Service::all().len() { journal_id(&config.data)? } else { secret.installation() },
        stopping,
    });
    let metrics = serve_metrics(config, &engine, &app.stopping).await?;
    let listen = config.address();
    let listener = TcpListener::bind(listen).await.map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let router = http::router(&app);
    let router = if running.contains(&Service::Gateway) {
        let table = gateway::Table::new(backends(config, &running, &router)?, &config.routing.routes)?;
        let gateway_config = gateway::Config { origins, traces: engine.traces.get().cloned(), ..gateway::Config::default() };
        gateway::Gateway::new(table, gateway_config, app.stopping.clone()).router()
    } else {
        router.merge(internal::router(internal::Inside { engine, access, pay: pay.clone(), secret }))
    };
    let router = match pay.filter(|_| provider::is_toss(&config.provider)) {
        Some(pay) => {
            let (hooks, hinted) = provider::toss::hints::hints();
            tokio::spawn(provider::toss::hints::follow(hinted, move |order| pay.nudge(&order.to_string())));
            router.merge(hooks)
        }
        None => router,
    };
    Ok(Server { address, metrics, app, listener, router, _lock: lock })
}

/// What this process is called in traces.
fn trace_name(running: &[Service]) -> String {
    if running.len() == Service::all().len() {
        return "baemin".into();
    }
    running.iter().fold("baemin".to_owned(), |name, service| format!("{name}-{}", service.name()))
}

/// Contexts in different processes never hear of each other over a bus within one.
fn refuse_what_cannot_work(contexts: &[Context], bus: &bus::Place) -> Result<(), String> {
    let apart = !contexts.is_empty() && contexts.len() < Context::ALL.len();
    if apart && matches!(bus, bus::Place::Local) {
        return Err("the bus `local` does not leave this process, and other services run elsewhere: set --bus amqp://…, or run all \
                    services here"
            .into());
    }
    Ok(())
}

/// Where the gateway finds each service: where the table says, in this process, or with a peer.
fn backends(config: &Config, running: &[Service], router: &axum::Router) -> Result<Vec<gateway::table::Service>, String> {
    let elsewhere: HashMap<_, _> = config.elsewhere().into_iter().collect();
    let services = Service::all().into_iter().filter(|service| *service != Service::Gateway);
    let find = |service: Service| {
        let name = service.name();
        match config.routing.backends.iter().find(|line| line.name == name) {
            Some(line) => line.service(),
            None if running.contains(&service) => Ok(gateway::table::Service::local(name, router.clone())),
            None => gateway::table::Service::remote(name, &elsewhere[&service].iter().map(ToString::to_string).collect::<Vec<_>>()),
        }
    };
    services.map(find).collect()
}

/// What the services of one installation know. A process that is alone needs nobody's.
fn secret(config: &Config, is_alone: bool) -> Result<Secret, String> {
    match (&config.service_secret, &config.service_secret_file) {
        (Some(secret), _) => Secret::new(secret),
        (None, Some(path)) => {
            let text = fs::read_to_string(path).map_err(|e| format!("the service secret cannot be read from {}: {e}", path.display()))?;
            Secret::new(&text)
        }
        (None, None) if is_alone => Secret::random(),
        (None, None) => Err("services in different processes know each other by a secret: set BAEMIN_SERVICE_SECRET, or \
                             --service-secret-file, to the same for all of them"
            .into()),
    }
}

fn access(config: &Config, running: &[Service], peers: &Arc<Peers>, stopping: &CancellationToken) -> Result<Access, String> {
    if running.contains(&Service::Identity) {
        let identity_config = IdentityConfig { access_ms: config.access_ms, ..IdentityConfig::default() };
        return Identity::open_with(&config.data, identity_config).map(Access::Home).map_err(|e| e.to_string());
    }
    let away = Away::new(peers.clone(), &config.data);
    tokio::spawn(away.clone().follow(stopping.clone()));
    Ok(Access::Away(away))
}

fn start_workers(
    config: &Config,
    engine: &Arc<Engine>,
    access: &Access,
    stopping: &CancellationToken,
) -> Result<Option<Arc<Payments>>, String> {
    let mut pay = None;
    if engine.runs(Context::Payment) {
        let provider = provider::open(&config.provider, &config.data, &config.toss()).map_err(|e| e.to_string())?;
        pay = Some(workers::start_pay(engine, provider, &config.data, stopping)?);
    }
    if engine.runs(Context::Notification) {
        let ways = notifier::open(&config.notifier, &config.data, &config.notifier_secrets())?;
        workers::start_notify(engine, ways, access, stopping);
    }
    Ok(pay)
}

/// Metrics have a listener of their own, so that nothing else leads there.
async fn serve_metrics(config: &Config, engine: &Arc<Engine>, stopping: &CancellationToken) -> Result<Option<SocketAddr>, String> {
    let Some(listen) = config.metrics_listen else { return Ok(None) };
    let listener = TcpListener::bind(listen).await.map_err(|e| format!("cannot listen on {listen} for metrics: {e}"))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let serve = axum::serve(listener, metrics::router(engine.clone())).with_graceful_shutdown(stopping.clone().cancelled_owned());
    tokio::spawn(async move { serve.await });
    tracing::info!(%address, "metrics");
    Ok(Some(address))
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
        let serve =
            axum::serve(self.listener, self.router.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(signal);
        let served = tokio::select! {
            served = async { serve.await } => served.map_err(|e| e.to_string()),
            () = async { stopping.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
        };
        let engine = self.app.engine.clone();
        let traces = engine.traces.get().cloned();
        tokio::task::spawn_blocking(move || engine.stop()).await.map_err(|e| e.to_string())?;
        if let Some(traces) = traces {
            traces.close().await;
        }
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
