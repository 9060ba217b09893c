//! A server of one's own on a folder of one's own, and a client that remembers what it has seen, as real clients do.

use reqwest::{Client, Method, header::HeaderMap};
use serde_json::Value;
use server::{
    bus::local::LocalBus,
    config::Config,
    engine::{Engine, EngineConfig},
    http::{self, App, HttpConfig},
    identity::{Access, Identity},
    journal::Place,
    notifier,
    provider::{self, Provider},
    service::Peers,
    start, workers,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

/// Nothing that these tests wait for takes longer, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A running server. It stops when it is dropped.
pub struct House {
    pub address: SocketAddr,
    pub data: TempDir,
    /// Where its metrics are, if anywhere.
    pub metrics: Option<SocketAddr>,
    http: Client,
    pub seen: Seen,
    stop: Option<oneshot::Sender<()>>,
    running: Option<tokio::task::JoinHandle<Result<(), String>>>,
}

/// What was seen of the journals, by `context.partition`: the next read waits until it is there.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<BTreeMap<String, u64>>>);

impl Seen {
    /// A journal has come as far as this.
    pub fn saw(&self, place: &str, seq: u64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.entry(place.to_owned()).or_default();
        *known = seq.max(*known);
    }

    /// As the header says it.
    pub fn token(&self) -> String {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(place, seq)| format!("{place}={seq}")).collect::<Vec<_>>().join(",")
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub struct Person {
    pub name: String,
    /// Without its prefix, so that it is part of every id of this person.
    pub bits: String,
    pub access: String,
    pub refresh: String,
}

/// The configuration of a quick server on this folder.
pub fn config(data: &Path) -> Config {
    let folder = data.display().to_string();
    let arguments = ["baemin-server", "--data", &folder, "--listen", "127.0.0.1:0", "--cors-origin", "https://shop.example"];
    Config { max_streams: 5_000, ..Config::read(arguments.map(Into::into)).unwrap() }
}

impl House {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub async fn open_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path());
        adjust(&mut config);
        Self::open_on(data, &config).await
    }

    pub async fn open_on(data: TempDir, config: &Config) -> Self {
        let server = start::open(config).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, metrics) = (server.address, server.metrics);
        let running = tokio::spawn(server.run(async move { drop(stopped.await) }));
        Self { address, data, metrics, http: client(), seen: Seen::default(), stop: Some(stop), running: Some(running) }
    }

    /// A server of which the test holds the inside as well. It ends with the test.
    pub async fn open_app() -> (Self, Arc<App>) {
        Self::open_app_with(EngineConfig::default(), |provider| provider).await
    }

    /// The same, with deadlines of the test's own, and with what it puts before the provider.
    pub async fn open_app_with(
        engine_config: EngineConfig,
        before: impl FnOnce(Arc<dyn Provider>) -> Arc<dyn Provider>,
    ) -> (Self, Arc<App>) {
        let data = tempfile::tempdir().unwrap();
        let stopping = CancellationToken::new();
        let (place, bus) = (Place::Sqlite(data.path().to_owned()), Arc::new(LocalBus::new(1)));
        let engine = Engine::open(&place, bus, Arc::new(Peers::none().unwrap()), &engine_config).unwrap();
        let provider = provider::open(provider::SIMULATOR, data.path(), &provider::toss::Keys::default()).unwrap();
        let pay = workers::start_pay(&engine, before(provider), data.path(), &stopping).unwrap();
        let identity = Access::Home(Identity::open(data.path()).unwrap());
        workers::start_notify(&engine, vec![Arc::new(notifier::Log::open(data.path()).unwrap())], &identity, &stopping);
        let app = Arc::new(App {
            engine,
            identity,
            pay: Some(pay),
            peers: Arc::new(Peers::none().unwrap()),
            verbs: http::verbs::Verbs::new(),
            in_flight: http::create::InFlight::default(),
            streams: http::live::Streams::default(),
            config: HttpConfig { max_streams: 64 },
            journal_id: "a-journal".into(),
            stopping,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = http::router(&app);
        tokio::spawn(async move { axum::serve(listener, router).await });
        (Self { address, data, metrics: None, http: client(), seen: Seen::default(), stop: None, running: None }, app)
    }

    /// Stops the server and gives its folder back.
    pub async fn close(mut self) -> TempDir {
        drop(self.stop.take());
        self.running.take().unwrap().await.unwrap().unwrap();
        std::mem::replace(&mut self.data, tempfile::tempdir().unwrap())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request that tells nothing of what was seen before.
    pub fn bare(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), self.url(path))
    }

    /// A request of a client that expects to see what it has seen.
    pub fn request(&self, method: &str, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.bare(method, path);
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        match self.seen.token() {
            seen if seen.is_empty() => request,
            seen => request.header("Baemin-Consistency", seen),
        }
    }

    /// Sends a request, and remembers what its answer shows.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer { status, headers, text: response.text().await.unwrap() };
        for item in answer.header("baemin-consistency").split(',') {
            if let Some((place, seq)) = item.split_once('=') {
                self.seen.saw(place, seq.parse().unwrap());
            }
        }
        answer
    }

    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let request = self.request(method, path, token);
        self.send(body.into_iter().fold(request, |request, body| request.json(body))).await
    }

    pub async fn get(&self, path: &str, who: &Person) -> Answer {
        self.call("GET", path, Some(&who.access), None).await
    }

    pub async fn post(&self, path: &str, who: &Person, body: &Value) -> Answer {
        self.call("POST", path, Some(&who.access), Some(body)).await
    }

    pub async fn put(&self, path: &str, who: &Person, body: &Value) -> Answer {
        self.call("PUT", path, Some(&who.access), Some(body)).await
    }

    /// A new account in these roles, logged in.
    pub async fn join(&self, name: &str, roles: &[&str]) -> Person {
        let body = serde_json::json!({ "name": name, "password": PASSWORD, "roles": roles });
        self.call("POST", "/accounts", None, Some(&body)).await.ok();
        self.login(name, PASSWORD).await
    }

    pub async fn login(&self, name: &str, password: &str) -> Person {
        let body = serde_json::json!({ "name": name, "password": password });
        let tokens = self.call("POST", "/tokens", None, Some(&body)).await.ok();
        let text = |field: &str| tokens[field].as_str().unwrap().to_owned();
        let bits = text("account").trim_start_matches("acc_").to_owned();
        Person { name: name.to_owned(), bits, access: text("access"), refresh: text("refresh") }
    }

    /// The operator, whose first password lies in the folder.
    pub async fn operator(&self) -> Person {
        let password = std::fs::read_to_string(self.data.path().join("operator-password")).unwrap();
        self.login("operator", password.trim()).await
    }

    /// Sends bytes as they are, for what no well-behaved client would send, and reads until the server has answered.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // A server that has refused may close while the rest is still being sent.
        let _ = socket.write_all(bytes).await;
        let mut said = vec![];
        let read = async {
            let mut chunk = [0; 4096];
            while !is_whole(&said) {
                match socket.read(&mut chunk).await {
                    Ok(0) | Err(_) => break,
                    Ok(n) => said.extend_from_slice(&chunk[..n]),
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        let (head, text) = said.split_once("\r\n\r\n").unwrap_or((&said, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, headers: HeaderMap::new(), text: text.to_owned() }
    }
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse 말";

/// True when an answer with a known length is complete.
fn is_whole(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    let Some((head, body)) = said.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

impl Answer {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The body of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.is_good(), "{self:?}");
        self.json()
    }

    /// The stable word of a problem, which is checked for all that a problem has.
    #[track_caller]
    pub fn code(&self) -> String {
        assert!(self.status >= 400, "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        for field in ["code", "title", "hint"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "no {field}: {self:?}");
        }
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(problem["type"], format!("urn:baemin:problem:{code}"));
        code
    }

    /// Asserts a status and a code at once.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
    }

    /// The names of the links beyond `self` and the resource's own.
    pub fn verbs(&self, name: &str) -> Vec<String> {
        let links = self.json()["_links"].as_object().cloned().unwrap_or_default();
        links.into_iter().map(|(link, _)| link).filter(|link| link != "self" && link != name).collect()
    }
}
