//! Sending: tries, deadlines, pauses, a token that has expired, and what becomes of no answer.

use super::{Client, Reply};
use crate::{Exit, Failure};
use reqwest::{Method, RequestBuilder, Response, header::HeaderMap};
use serde_json::Value;
use shared::{Lang, problem::Problem};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, Instant},
};

/// How often a request is sent at most.
const TRIES: u32 = 4;
/// No try starts later than this after the first.
const BUDGET: Duration = Duration::from_secs(10);
/// One answer; placing an order waits 1 s for its payment.
const ATTEMPT: Duration = Duration::from_secs(6);
/// What of that is kept for the answer's way back: whoever gives up last is the one who knows why.
const WAY_BACK: Duration = Duration::from_millis(500);
/// The first pause before a repetition; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// What is sent, each time the same.
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
    pub key: Option<String>,
    pub anonymous: bool,
}

impl Client {
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

    /// Sends until there is an answer that will not change by waiting.
    pub(super) async fn send(&self, call: &Call) -> Result<Reply, Failure> {
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
        request = request.header("Baemin-Deadline-Ms", (ATTEMPT - WAY_BACK).as_millis().to_string());
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
        Failure::new(Exit::Unreachable, what)
            .why(cause(error, self.lang))
            .hint(self.lang.pick("서버를 켜거나 주소를 알려 주세요: --server URL", "Start the server, or name another: --server URL"))
    }
}

/// What lies at the bottom of an error of the network, in the reader's language as far as it is a common one.
fn cause(error: &reqwest::Error, lang: Lang) -> String {
    use std::io::ErrorKind as Kind;
    let mut root: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let text = root.to_string();
    let (ko, en) = match root.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(Kind::ConnectionRefused) => ("그 주소에 켜져 있는 서버가 없어요", "no server listens at that address"),
        Some(Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::UnexpectedEof) => {
            ("연결이 도중에 끊겼어요", "the connection was cut")
        }
        Some(Kind::TimedOut) => ("연결에 너무 오래 걸려요", "connecting takes too long"),
        Some(Kind::HostUnreachable | Kind::NetworkUnreachable) => ("그 주소까지 가는 길이 없어요", "there is no way to that address"),
        _ if error.is_timeout() => ("연결에 너무 오래 걸려요", "connecting takes too long"),
        _ if text.contains("lookup address") => ("그런 이름의 서버를 찾을 수 없어요", "no server has that name"),
        _ => return text,
    };
    lang.pick(ko, en).to_owned()
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
pub(super) fn fresh_key() -> String {
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
}
