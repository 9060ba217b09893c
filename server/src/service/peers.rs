//! Requests to other services of the installation: each has a deadline of its own, carries what is left of it, and proves
//! with the secret that it is one of ours.

use super::{Secret, Service};
use crate::{
    gateway::headers::CORRELATION,
    identity::access::TokenKeys,
    journal::{Fault, read},
};
use axum::http::HeaderValue;
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::{AccountId, Context, Recorded};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The header with the secret.
pub const SERVICE: &str = "baemin-service";
/// The header with the milliseconds that are left for an answer.
pub const DEADLINE: &str = "baemin-deadline-ms";
/// How long another service may take: it reads rows, which takes milliseconds.
const DEADLINE_TIME: Duration = Duration::from_secs(2);
/// How long a connection may take to be made on a network of ours.
const CONNECT: Duration = Duration::from_millis(500);
/// Idle connections kept for each service.
const IDLE: usize = 8;

/// A person's key on its way between services.
#[derive(Serialize, Deserialize)]
pub(super) struct PersonKey {
    pub key: String,
}

/// What the payment service says of a payment that somebody waits for.
#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    /// How long nothing will be asked of the provider, if so: the payment is kept meanwhile.
    pub kept_ms: Option<u64>,
}

/// The other services.
pub struct Peers {
    urls: HashMap<Service, Vec<Url>>,
    secret: Secret,
    client: Client,
    turn: AtomicUsize,
}

impl Peers {
    /// Knows the services at these addresses.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(urls: HashMap<Service, Vec<Url>>, secret: Secret) -> Result<Self, String> {
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(DEADLINE_TIME)
            .pool_max_idle_per_host(IDLE)
            .tcp_nodelay(true)
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Self { urls, secret, client, turn: AtomicUsize::new(0) })
    }

    /// A process that needs no other.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn none() -> Result<Self, String> {
        Self::new(HashMap::new(), Secret::random()?)
    }

    /// What the services of this installation know.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Events of a context's partition after a position, from the service that has its journal.
    ///
    /// # Errors
    /// The service does not answer, or not with events.
    pub async fn feed(&self, source: Context, partition: u16, after: u64, limit: usize) -> Result<Vec<Arc<Recorded>>, Fault> {
        let path = format!("internal/feed/{}/{partition}?after={after}&limit={limit}", source.name());
        let strange = || Fault(format!("the peer {source} has no such journal, or another service secret", source = source.name()));
        let events = self.read(Service::Context(source), &path, read::events).await?.ok_or_else(strange)?;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    /// Where each partition of a context's journal stands, from the service that has it.
    ///
    /// # Errors
    /// The service does not answer.
    pub async fn heads(&self, source: Context) -> Result<Vec<u64>, Fault> {
        let path = format!("internal/heads/{}", source.name());
        self.get(Service::Context(source), &path).await?.ok_or_else(|| Fault(format!("{} does not run there", source.name())))
    }

    /// What identity tells about tokens.
    ///
    /// # Errors
    /// Identity does not answer.
    pub async fn token_keys(&self) -> Result<TokenKeys, Fault> {
        self.get(Service::Identity, "internal/identity/tokens").await?.ok_or_else(|| Fault("identity has no keys".into()))
    }

    /// A person's key, made if need be; `None` when the person was forgotten.
    ///
    /// # Errors
    /// Identity does not answer.
    pub async fn person_key(&self, person: AccountId, make: bool) -> Result<Option<[u8; 32]>, Fault> {
        let path = format!("internal/identity/people/{person}?make={make}");
        let found: Option<PersonKey> = self.get(Service::Identity, &path).await?;
        let bytes = |found: PersonKey| STANDARD.decode(found.key).ok().and_then(|bytes| bytes.try_into().ok());
        found.map(|found| bytes(found).ok_or_else(|| Fault("identity told a key that is none".into()))).transpose()
    }

    /// Waits until the payment service keeps an order's payment for later, but not longer than `at_most`; `None` when it
    /// does not.
    ///
    /// # Errors
    /// The payment service does not answer, or no replica looks after this order.
    pub async fn payment_kept(&self, order: &str, at_most: Duration, correlation: &HeaderValue) -> Result<Option<Duration>, Fault> {
        let path = format!("internal/payments/{order}");
        let urls = self.urls.get(&Service::Context(Context::Payment)).map_or(&[][..], Vec::as_slice);
        let until = Instant::now() + at_most;
        let mut fault = Fault("no replica of the payment service looks after this order".into());
        for url in urls {
            let left = until.saturating_duration_since(Instant::now());
            match self.ask(url, &path, left, Some(correlation), |bytes| serde_json::from_slice::<Waiting>(bytes)).await {
                Ok(Some(waiting)) => return Ok(waiting.kept_ms.map(Duration::from_millis)),
                Ok(None) => {}
                Err(why) => fault = Fault(format!("payment: {why}")),
            }
        }
        Err(fault)
    }

    async fn get<T: DeserializeOwned>(&self, service: Service, path: &str) -> Result<Option<T>, Fault> {
        self.read(service, path, |bytes| serde_json::from_slice(bytes)).await
    }

    /// Asks each address of a service in turn, until one answers; `None` for 404.
    async fn read<T>(&self, service: Service, path: &str, read: impl Fn(&[u8]) -> serde_json::Result<T>) -> Result<Option<T>, Fault> {
        let urls = self.urls.get(&service).map_or(&[][..], Vec::as_slice);
        let first = self.turn.fetch_add(1, Relaxed);
        let mut fault = Fault(format!("no address is known for the service {service}: set --peer {service}=http://…"));
        for n in 0..urls.len() {
            match self.ask(&urls[(first + n) % urls.len()], path, DEADLINE_TIME, None, &read).await {
                Ok(answer) => return Ok(answer),
                Err(why) => fault = Fault(format!("{service}: {why}")),
            }
        }
        Err(fault)
    }

    async fn ask<T>(
        &self,
        base: &Url,
        path: &str,
        left: Duration,
        correlation: Option<&HeaderValue>,
        read: impl Fn(&[u8]) -> serde_json::Result<T>,
    ) -> Result<Option<T>, String> {
        let url = base.join(path).map_err(|e| e.to_string())?;
        let mut request = self.client.get(url).header(SERVICE, self.secret.reveal()).header(DEADLINE, left.as_millis() as u64);
        if let Some(correlation) = correlation {
            request = request.header(CORRELATION, correlation);
        }
        // The address is in the sentence already; a URL never has a secret in it.
        let response = request.send().await.map_err(|e| e.without_url().to_string())?;
        match response.status() {
            status if status.is_success() => {
                let bytes = response.bytes().await.map_err(|e| e.without_url().to_string())?;
                read(&bytes).map(Some).map_err(|e| format!("an answer cannot be read: {e}"))
            }
            reqwest::StatusCode::NOT_FOUND => Ok(None),
            status => Err(format!("answered {status}")),
        }
    }
}
