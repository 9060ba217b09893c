//! Identity in one process, the contexts in another: tokens are verified and contacts sealed across them, a login that
//! ended is refused everywhere, and nobody without the secret learns anything.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};
use server::{
    config::Config,
    service::{Peers, Secret, Service},
    start,
};
use shared::{AccountId, Context};
use std::{collections::HashMap, net::SocketAddr, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{sync::oneshot, time::Instant};

const SECRET: &str = "one-secret-for-all-of-them";
/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(40);

/// A process of the installation; it stops when it is dropped.
struct Process {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: tokio::task::JoinHandle<Result<(), String>>,
}

fn config(data: &Path, services: &str, listen: SocketAddr, identity: Option<SocketAddr>) -> Config {
    let folder = data.display().to_string();
    let (listen, peer) = (listen.to_string(), identity.map(|address| format!("identity=http://{address}")));
    let mut arguments = vec!["baemin-server", "--data", &folder, "--listen", &listen, "--services", services];
    arguments.extend(peer.iter().flat_map(|peer| ["--peer", peer.as_str()]));
    Config { service_secret: Some(SECRET.into()), ..Config::read(arguments.into_iter().map(Into::into)).unwrap() }
}

impl Process {
    async fn start(config: &Config) -> Self {
        let server = start::open(config).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let address = server.address;
        Self { address, stop: Some(stop), running: tokio::spawn(server.run(async move { drop(stopped.await) })) }
    }

    async fn stop(mut self) -> SocketAddr {
        drop(self.stop.take());
        self.running.await.unwrap().unwrap();
        self.address
    }
}

async fn send(client: &Client, method: Method, at: SocketAddr, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
    let mut request = client.request(method, format!("http://{at}{path}")).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or_default())
}

/// Asks again until the answer is as wanted.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !ask().await {
        assert!(Instant::now() < end, "{what} has not come true");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const CONTEXTS: &str = "order,payment,store,rider,customer,notification";
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Joins and logs in: an access and a refresh token.
async fn kim(client: &Client, at: SocketAddr) -> (String, String, String) {
    let post = async |path: &str, body: Value| -> Value {
        client.post(format!("http://{at}{path}")).json(&body).send().await.unwrap().json().await.unwrap()
    };
    let account = post("/accounts", json!({ "name": "kim", "password": "long enough", "roles": ["customer"] })).await;
    let tokens = post("/tokens", json!({ "name": "kim", "password": "long enough" })).await;
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    (text(&account["account"]), text(&tokens["access"]), text(&tokens["refresh"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts_work_with_identity_elsewhere_and_while_it_is_away() {
    let (home, away, client): (TempDir, TempDir, Client) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Client::new());
    let identity = Process::start(&config(home.path(), "identity", FREE, None)).await;
    let contexts = Process::start(&config(away.path(), CONTEXTS, FREE, Some(identity.address))).await;
    let (account, access, refresh) = kim(&client, identity.address).await;
    until("readiness", async || {
        client.get(format!("http://{}/health/ready", contexts.address)).send().await.unwrap().status() == StatusCode::OK
    })
    .await;
    // The contact is sealed here under a key from there, and read again.
    let contact = json!({ "phone": "010-1234-5678", "address": "서울 강남구 1", "at": { "lat": 37.5, "lng": 127.0 } });
    let new = json!({ "name": "김하나", "contact": contact });
    let (status, customer) = send(&client, Method::POST, contexts.address, "/customers", &access, Some(new)).await;
    assert_eq!((status, &customer["contact"]["address"]), (StatusCode::CREATED, &contact["address"]), "{customer}");
    let id = customer["customer"].as_str().unwrap().to_owned();
    // Routes of identity are not here, and those of the contexts not there.
    assert_eq!(send(&client, Method::GET, contexts.address, &format!("/accounts/{account}"), &access, None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(send(&client, Method::GET, identity.address, "/orders", &access, None).await.0, StatusCode::NOT_FOUND);

    // Identity goes away: whoever is logged in goes on, even over a restart of the contexts.
    let at = identity.stop().await;
    let path = format!("/customers/{id}");
    assert_eq!(send(&client, Method::GET, contexts.address, &path, &access, None).await.0, StatusCode::OK);
    let address = contexts.stop().await;
    let contexts = Process::start(&config(away.path(), CONTEXTS, address, Some(at))).await;
    assert_eq!(send(&client, Method::GET, contexts.address, &path, &access, None).await.0, StatusCode::OK);

    // It returns, the login ends there, and is refused here.
    let identity = Process::start(&config(home.path(), "identity", at, None)).await;
    let end = client.delete(format!("http://{at}/tokens")).json(&json!({ "refresh": refresh })).send().await.unwrap();
    assert_eq!(end.status(), StatusCode::NO_CONTENT);
    until("the end of the login", async || {
        send(&client, Method::GET, contexts.address, &path, &access, None).await.0 == StatusCode::UNAUTHORIZED
    })
    .await;
    contexts.stop().await;
    identity.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_services_read_the_feed_and_strangers_find_nothing() {
    let (data, client) = (tempfile::tempdir().unwrap(), Client::new());
    let contexts = Process::start(&config(data.path(), CONTEXTS, FREE, Some(FREE))).await;
    let url: Url = format!("http://{}/", contexts.address).parse().unwrap();
    let peers = |secret: &str| {
        let urls = HashMap::from([(Service::Context(Context::Order), vec![url.clone()]), (Service::Identity, vec![url.clone()])]);
        Peers::new(urls, Secret::new(secret).unwrap()).unwrap()
    };
    assert!(peers(SECRET).feed(Context::Order, 0, 0, 10).await.unwrap().is_empty());
    assert!(peers(SECRET).token_keys().await.is_err(), "identity is not here");
    assert!(peers(SECRET).person_key(AccountId(shared::id::Bits([1; 10])), true).await.unwrap().is_none());
    // Whoever does not know the secret finds no such place.
    for path in ["internal/feed/order/0?after=0&limit=1", "internal/identity/tokens", "internal/identity/people/x?make=true"] {
        for secret in [None, Some(""), Some("one-secret-for-all-of-then")] {
            let mut request = client.get(url.join(path).unwrap());
            request = secret.into_iter().fold(request, |request, secret| request.header("baemin-service", secret));
            assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
    assert!(peers("another-secret-than-theirs").feed(Context::Order, 0, 0, 10).await.is_err());
    contexts.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_refused_with_the_reason() {
    let data = tempfile::tempdir().unwrap();
    let refused = async |config: Config| start::open(&config).await.err().expect("the server started");
    let apart = config(data.path(), "order", FREE, None);
    assert!(refused(apart).await.contains("--bus amqp://"));
    let strangers = Config { service_secret: None, ..config(data.path(), "identity", FREE, None) };
    assert!(refused(strangers).await.contains("BAEMIN_SERVICE_SECRET"));
    let short = Config { service_secret: Some("short".into()), ..config(data.path(), "identity", FREE, None) };
    assert!(refused(short).await.contains("at least"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_payment_elsewhere_hears_at_once_that_it_is_kept() {
    let (data, identity_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let identity = Process::start(&config(identity_data.path(), "identity", FREE, None)).await;
    let contexts = Process::start(&config(data.path(), CONTEXTS, FREE, Some(identity.address))).await;
    let client = Client::new();
    let password = std::fs::read_to_string(identity_data.path().join("operator-password")).unwrap();
    let login = json!({ "name": "operator", "password": password.trim() });
    let tokens = client.post(format!("http://{}/tokens", identity.address)).json(&login).send().await.unwrap();
    let tokens: Value = tokens.json().await.unwrap();
    let token = tokens["access"].as_str().unwrap().to_owned();

    let payment = |address: SocketAddr, secret: &str| {
        let urls = vec![Url::parse(&format!("http://{address}/")).unwrap()];
        Peers::new(HashMap::from([(Service::Context(Context::Payment), urls)]), Secret::new(secret).unwrap()).unwrap()
    };
    let (peers, name) = (payment(contexts.address, SECRET), "a-name".parse().unwrap());
    let order = "ord_0123456789abcdef";
    assert_eq!(peers.payment_kept(order, Duration::from_millis(50), &name).await.unwrap(), None);
    let force = json!({ "force": "open", "reason": "a test" });
    let give_up = Instant::now() + PATIENCE;
    // The contexts learn identity's keys some time after their start.
    while send(&client, Method::PUT, contexts.address, "/ops/payment/breaker", &token, Some(force.clone())).await.0 != StatusCode::OK {
        assert!(Instant::now() < give_up, "the operator is not let in");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The answer comes although the deadline is far.
    assert_eq!(peers.payment_kept(order, PATIENCE, &name).await.unwrap(), Some(Duration::from_secs(5)));
    assert!(payment(contexts.address, "quite-another-secret").payment_kept(order, PATIENCE, &name).await.is_err());
    assert!(payment(contexts.stop().await, SECRET).payment_kept(order, PATIENCE, &name).await.is_err());
    identity.stop().await;
}
