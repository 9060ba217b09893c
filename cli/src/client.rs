//! The HTTP client: one place that knows tokens, retries, idempotency keys and consistency headers, so that commands
//! only say what they want. It prints nothing.

use crate::{Exit, Failure, session::Session};
use reqwest::{Method, RequestBuilder, Response, header::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use shared::{
    Lang,
    api::{Login, LoginName, Tokens},
    problem::Problem,
};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

/// How often a request is sent at most.
const TRIES: u32 = 4;
/// No try starts later than this after the first.
const BUDGET: Duration = Duration::from_secs(10);
/// One answer; placing an order waits 3 s for the payment.
const ATTEMPT: Duration = Duration::from_secs(6);
/// A server that is there takes a connection at once.
const CONNECT: Duration = Duration::from_secs(3);
/// The first pause before a repetition; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// An answer that is a success.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// As the server wrote it.
    pub text: String,
    /// The same, read; null for an empty answer.
    pub body: Value,
    /// When to look again.
    pub retry_after: Option<Duration>,
}

impl Reply {
    /// The answer as a type of `shared`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(self.body.clone())
    }

    /// The elements of a collection.
    pub fn items(&self) -> Vec<Value> {
        let embedded = self.body.get("_embedded").and_then(Value::as_object);
        embedded.and_then(|map| map.values().find_map(Value::as_array)).cloned().unwrap_or_default()
    }

    /// The elements of a collection as a type of `shared`.
    ///
    /// # Errors
    /// When they are something else.
    pub fn list<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failure> {
        self.items().into_iter().map(read).collect()
    }

    /// How many pages there are; 1 when the answer does not say.
    pub fn pages(&self) -> u64 {
        self.body.pointer("/page/totalPages").and_then(Value::as_u64).unwrap_or(1)
    }
}

/// Reads a value of the server.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|e| {
        Failure::new(Exit::Failed, "the server's answer cannot be read / 서버의 답을 읽을 수 없어요")
            .why(e.to_string())
            .hint("baemin --version")
    })
}

/// What is sent, each time the same.
struct Call {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    key: Option<String>,
    anonymous: bool,
}

/// A client of one server, in one language, for one person. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    lang: Lang,
    session: Arc<Session>,
}

impl Client {
    /// A client of the server at this address.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(server: &str, lang: Lang, session: Session) -> Result<Self, Failure> {
        let bad = || {
            Failure::usage(lang.pick(format!("서버 주소가 아니에요: {server}"), format!("not a server address: {server}")))
                .hint("--server http://127.0.0.1:8088")
        };
        let url = reqwest::Url::parse(server).map_err(|_| bad())?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(bad)?;
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT).tcp_nodelay(true);
        if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        Ok(Self { http, base: server.trim_end_matches('/').to_owned(), lang, session: Arc::new(session) })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.base
    }

    /// The language of answers.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Who is logged in.
    pub fn tokens(&self) -> Option<Tokens> {
        self.session.tokens()
    }

    /// Who is logged in, or a failure that says how to.
    ///
    /// # Errors
    /// When nobody is.
    pub fn me(&self) -> Result<Tokens, Failure> {
        self.tokens().ok_or_else(|| Problem::new(shared::problem::Code::Unauthenticated, self.lang, None).into())
    }

    /// Reads.
    ///
    /// # Errors
    /// Every answer that is not a success, and no answer.
    pub async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.get_with(path, &[]).await
    }

    /// Asks whether the server is ready. A no is an answer like a yes, so it is asked once.
    ///
    /// # Errors
    /// No answer.
    pub async fn ready(&self) -> Result<Reply, Failure> {
        let request = self.request(Method::GET, "/health/ready", None).timeout(ATTEMPT).header("Accept", "application/hal+json");
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let text = response.text().await.map_err(|e| self.unreachable(&e))?;
        match serde_json::from_str(&text) {
            Ok(body @ Value::Object(_)) => Ok(Reply { status, text, body, retry_after }),
            _ => Err(self.failure(status, &text)),
        }
    }

    /// Reads, with parameters.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_with(&self, path: &str, query: &[(&str, String)]) -> Result<Reply, Failure> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let call = Call { method: Method::GET, path: path.into(), query, body: None, key: None, anonymous: false };
        self.send(&call).await
    }

    /// Creates.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Reply, Failure> {
        self.command(Method::POST, path, body, false).await
    }

    /// Moves one thing with a verb.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Result<Reply, Failure> {
        self.command(Method::PUT, path, body, false).await
    }

    async fn command(&self, method: Method, path: &str, body: &impl Serialize, anonymous: bool) -> Result<Reply, Failure> {
        let body = serde_json::to_value(body).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        let key = (method != Method::DELETE).then(fresh_key);
        let call = Call { method, path: path.into(), query: Vec::new(), body: Some(body), key, anonymous };
        self.send(&call).await
    }

    /// Creates an account.
    ///
    /// # Errors
    /// As [`Client::get`]; `name_taken` when the name is somebody's.
    pub async fn join(&self, join: &shared::api::Join) -> Result<Reply, Failure> {
        self.command(Method::POST, "/accounts", join, true).await
    }

    /// Logs in, and keeps the tokens.
    ///
    /// # Errors
    /// As [`Client::get`]; `wrong_password`.
    pub async fn login(&self, name: &LoginName, password: &str) -> Result<Tokens, Failure> {
        self.token(&Login::Password { name: name.clone(), password: password.into() }).await
    }

    async fn token(&self, login: &Login) -> Result<Tokens, Failure> {
        let tokens: Tokens = self.command(Method::POST, "/tokens", login, true).await?.read()?;
        self.session.keep(&tokens)?;
        Ok(tokens)
    }

    /// Logs out, here and at the server. Here also when the server is away.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn logout(&self) -> Result<(), Failure> {
        let Some(tokens) = self.tokens() else { return Ok(()) };
        let body = serde_json::json!({ "refresh": tokens.refresh });
        let answer = self.command(Method::DELETE, "/tokens", &body, false).await;
        self.session.forget();
        match answer {
            Err(failure) if failure.exit != Exit::Denied => Err(failure),
            _ => Ok(()),
        }
    }

    /// Rotates the tokens, unless somebody has done so since `stale` was read.
    pub(crate) async fn refresh(&self, stale: &str) -> Result<(), Failure> {
        let _turn = self.session.turn().await;
        let kept = self.me()?;
        if kept.access != stale {
            return Ok(());
        }
        let answer = Box::pin(self.token(&Login::Refresh { refresh: kept.refresh })).await;
        answer.map(drop).inspect_err(|failure| {
            if failure.exit == Exit::Denied {
                self.session.forget();
            }
        })
    }

    /// Sends until there is an answer that will not change by waiting.
    async fn send(&self, call: &Call) -> Result<Reply, Failure> {
        let (start, mut tries, mut refreshed) = (Instant::now(), 0, false);
        loop {
            let token = self.access(call.anonymous);
            let (failure, wished) = match self.once(call, token.as_deref()).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err((failure, wished))) => (failure, wished),
                Err(failure) => (failure, None),
            };
            if let (false, "token_expired", Some(stale)) = (refreshed, failure.code(), &token) {
                refreshed = true;
                self.refresh(stale).await?;
                continue;
            }
            tries += 1;
            let pause = pause(tries).max(wished.unwrap_or_default());
            if !is_passing(&failure) || tries >= TRIES || start.elapsed() + pause > BUDGET {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn access(&self, anonymous: bool) -> Option<String> {
        if anonymous { None } else { self.tokens().map(|t| t.access) }
    }

    /// One try: a success, or a problem with the wish of the server, or nothing from the server.
    async fn once(&self, call: &Call, token: Option<&str>) -> Result<Result<Reply, (Failure, Option<Duration>)>, Failure> {
        let mut request = self.request(call.method.clone(), &call.path, token).timeout(ATTEMPT);
        request = request.header("Accept", "application/hal+json").query(&call.query);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        if let Some(key) = &call.key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        self.note(response.headers());
        let (status, wished) = (response.status().as_u16(), retry_after(response.headers()));
        let text = response.text().await.map_err(|e| self.unreachable(&e))?;
        if !(200..300).contains(&status) {
            return Ok(Err((self.failure(status, &text), wished)));
        }
        let body = if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::Null) };
        Ok(Ok(Reply { status, text, body, retry_after: wished }))
    }

    fn request(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.header("Accept-Language", self.lang.pick("ko", "en"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(seen) = self.session.consistency() {
            request = request.header("Baemin-Consistency", seen);
        }
        request
    }

    /// Opens a live stream once; a failure of the second kind may pass.
    pub(crate) async fn stream(&self, path: &str, last_id: Option<&str>) -> Result<Response, Failure> {
        let mut refreshed = false;
        loop {
            let token = self.access(false);
            let mut request = self.request(Method::GET, path, token.as_deref()).header("Accept", "text/event-stream");
            if let Some(id) = last_id {
                request = request.header("Last-Event-ID", id);
            }
            let opening = tokio::time::timeout(ATTEMPT, request.send()).await;
            let response = opening.map_err(|_| self.timed_out())?.map_err(|e| self.unreachable(&e))?;
            self.note(response.headers());
            let status = response.status().as_u16();
            if status == 200 {
                return Ok(response);
            }
            let failure = self.failure(status, &response.text().await.unwrap_or_default());
            match &token {
                Some(stale) if failure.code() == "token_expired" && !refreshed => {
                    refreshed = true;
                    self.refresh(stale).await?;
                }
                _ => return Err(failure),
            }
        }
    }

    fn note(&self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        self.session.note(text("Baemin-Consistency"), text("Baemin-Journal"));
    }

    fn failure(&self, status: u16, text: &str) -> Failure {
        match serde_json::from_str::<Problem>(text) {
            Ok(problem) => problem.into(),
            Err(_) => {
                let what = self.lang.pick(format!("서버가 {status}로 답했어요"), format!("the server answered {status}"));
                Failure::new(Exit::of(status, ""), what)
                    .hint(self.lang.pick("서버 주소를 확인해 주세요: --server", "Check the address: --server"))
            }
        }
    }

    fn timed_out(&self) -> Failure {
        let what = self
            .lang
            .pick(format!("서버가 제때 답하지 않았어요: {}", self.base), format!("the server did not answer in time: {}", self.base));
        Failure::new(Exit::Unreachable, what).hint(self.lang.pick("잠시 뒤에 다시 해 주세요", "Try again in a moment."))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() && !error.is_connect() {
            return self.timed_out();
        }
        let what =
            self.lang.pick(format!("서버에 연결할 수 없어요: {}", self.base), format!("the server cannot be reached: {}", self.base));
        let mut root: &dyn std::error::Error = error;
        while let Some(source) = root.source() {
            root = source;
        }
        Failure::new(Exit::Unreachable, what)
            .why(root.to_string())
            .hint(self.lang.pick("서버를 켜거나 --server로 주소를 알려 주세요", "Start the server, or name another with --server."))
    }
}

/// True when the same request may succeed a little later. A repetition has the same key and so no second effect.
pub(crate) fn is_passing(failure: &Failure) -> bool {
    matches!(failure.exit, Exit::Later | Exit::Unreachable)
}

/// The pause after so many tries: doubling, with jitter, so that many clients do not come back in step.
pub(crate) fn pause(tries: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(5));
    whole / 2 + whole.mul_f64((random() % 1000) as f64 / 2000.0)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get("Retry-After")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Random bits: every `RandomState` is seeded by the operating system and counted on.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A new idempotency key: 128 bits.
fn fresh_key() -> String {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let mut second = RandomState::new().build_hasher();
    second.write_u64(clock);
    second.write_u32(std::process::id());
    format!("{:016x}{:016x}", random(), second.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_pauses_grow_within_limits() {
        let keys: std::collections::HashSet<String> = (0..1000).map(|_| fresh_key()).collect();
        assert_eq!(keys.len(), 1000);
        for tries in 1..10 {
            let whole = FIRST_PAUSE * (1 << (tries - 1).min(5));
            assert!((whole / 2..=whole).contains(&pause(tries)), "{tries}");
        }
    }

    #[test]
    fn an_address_is_checked() {
        for bad in ["", "localhost:8088", "ftp://x", "http://"] {
            assert_eq!(Client::new(bad, Lang::En, Session::in_memory()).err().map(|f| f.exit), Some(Exit::Usage), "{bad}");
        }
        assert!(Client::new("http://127.0.0.1:8088/", Lang::En, Session::in_memory()).is_ok());
    }
}
