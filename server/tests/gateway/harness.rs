//! A service whose behaviour is a function, and a gateway before it.

use axum::{Router, body::Body, extract::Request, response::Response};
use server::gateway::{Config, Gateway, Table, serve, table::Service};
use shared::Context;
use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Nothing that these tests wait for takes longer, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(30);

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Behaviour = Arc<dyn Fn(Request) -> Answer + Send + Sync>;

/// A service on a port of its own. It can be stopped, and started again on the same port.
pub struct Upstream {
    pub address: SocketAddr,
    behaviour: Behaviour,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
    /// Requests that came.
    pub came: Arc<AtomicUsize>,
}

impl Upstream {
    pub async fn start<F, A>(behaviour: F) -> Arc<Self>
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let came = Arc::new(AtomicUsize::new(0));
        let counted = came.clone();
        let behaviour: Behaviour = Arc::new(move |request| {
            counted.fetch_add(1, SeqCst);
            Box::pin(behaviour(request))
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Arc::new(Self { address: listener.local_addr().unwrap(), behaviour, running: Mutex::new(None), came });
        upstream.run(listener);
        upstream
    }

    fn run(&self, listener: TcpListener) {
        let behaviour = self.behaviour.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().fallback(move |request: Request| behaviour(request));
        let task = tokio::spawn(async move {
            let serve = axum::serve(listener, router).with_graceful_shutdown(async { drop(stopped.await) });
            serve.await.unwrap();
        });
        *self.running.lock().unwrap() = Some((stop, task));
    }

    /// Stops as a service does: finishes what has begun.
    pub async fn stop(&self) {
        let (stop, task) = self.running.lock().unwrap().take().unwrap();
        drop(stop);
        task.await.unwrap();
    }

    pub async fn start_again(&self) {
        self.run(TcpListener::bind(self.address).await.unwrap());
    }

    pub fn came(&self) -> usize {
        self.came.load(SeqCst)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A gateway on a port of its own. It stops when it is dropped.
pub struct Door {
    pub address: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    pub running: Option<JoinHandle<Result<(), String>>>,
}

/// Every service's name.
pub fn names() -> Vec<&'static str> {
    Context::ALL.iter().map(|context| context.name()).chain(["identity"]).collect()
}

impl Door {
    /// Every service is these copies.
    pub async fn before(urls: &[String]) -> Self {
        Self::with(urls, Config::default(), 15_000).await
    }

    pub async fn with(urls: &[String], config: Config, timeout_ms: u64) -> Self {
        let one = |name: &&str| Service { timeout_ms, ..Service::remote(name, urls).unwrap() };
        Self::open(Table::new(names().iter().map(one).collect(), &[]).unwrap(), config).await
    }

    pub async fn open(table: Table, config: Config) -> Self {
        let gateway = Gateway::new(table, config, CancellationToken::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = gateway.clone();
        let running = tokio::spawn(async move { serve(&served, listener, async { drop(stopped.await) }, Duration::from_secs(5)).await });
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { address, gateway, http, stop: Some(stop), running: Some(running) }
    }

    /// Tells the gateway to stop.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    pub async fn status(&self, method: &str, path: &str) -> u16 {
        self.request(method, path).send().await.unwrap().status().as_u16()
    }

    /// Sends bytes as they are, and reads the answer: to its end when the bytes ask for one, or until nothing more comes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        const SILENCE: Duration = Duration::from_millis(500);
        let sent = String::from_utf8_lossy(bytes);
        let ends = sent.contains("Connection: close") || sent.contains("HTTP/1.0");
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // A server that has heard enough may close while we still write.
        let _ = socket.write_all(bytes).await;
        let (mut answer, mut piece) = (vec![], [0u8; 4_096]);
        loop {
            match tokio::time::timeout(if ends { PATIENCE } else { SILENCE }, socket.read(&mut piece)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(count)) => answer.extend_from_slice(&piece[..count]),
                Err(_) => {
                    assert!(!ends, "no end: {sent}");
                    break;
                }
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends bytes and hangs up.
    pub async fn noise(&self, bytes: &[u8]) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut vec![])).await.expect("an end");
    }
}

pub fn text(text: impl Into<Body>) -> Response {
    Response::new(text.into())
}

pub fn status(status: u16) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

/// A service that says yes to everything.
pub async fn good() -> Arc<Upstream> {
    Upstream::start(|_| async { text("good") }).await
}

/// Waits until something is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "{what}: never");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
