//! The routes: who asks, whether it was asked before, what goes wrong before it happens, and what happens.

use super::{
    admin,
    answers::{self, Answer},
    bank::{Bank, No, Payment, Wish},
    clock::Clock,
    faults::{Call, Faults, Kind},
    keys::{Keys, MAX_LENGTH, Name, Turn},
    webhooks::{Hooks, Setting},
    wire::{Body, Cut, IDEMPOTENCY, JSON, disfigured, whole},
};
use http_body_util::{BodyExt, Limited};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Bytes, Incoming},
    header::AUTHORIZATION,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};

/// The longest body that is taken: the longest real one has some hundred bytes.
const MAX_BODY: usize = 64 * 1024;
/// Transactions that are told at once.
const MAX_TRANSACTIONS: usize = 10_000;
const TEST_CODE: &str = "tosspayments-test-code";

/// Calls of each kind that came, and the most that a minute may bring.
#[derive(Default)]
pub struct Meter {
    pub(super) calls: HashMap<&'static str, u64>,
    pub(super) per_minute: Option<u32>,
    minute: HashMap<&'static str, (i64, u32)>,
}

impl Meter {
    fn count(&mut self, call: &'static str, now_ms: i64) -> bool {
        *self.calls.entry(call).or_default() += 1;
        let (minute, seen) = self.minute.entry(call).or_default();
        if *minute != now_ms / 60_000 {
            (*minute, *seen) = (now_ms / 60_000, 0);
        }
        *seen += 1;
        self.per_minute.is_none_or(|most| *seen <= most)
    }
}

/// The provider.
pub struct Sim {
    secret_key: String,
    slow: Duration,
    pub(super) clock: Clock,
    pub(super) bank: Mutex<Bank>,
    keys: Mutex<Keys>,
    pub(super) faults: Mutex<Faults>,
    pub(super) meter: Mutex<Meter>,
    pub(super) hooks: Hooks,
    /// Changes when what hangs may go on.
    pub(super) released: watch::Sender<u64>,
}

/// Not held over anything that may fail.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request, whole.
struct Asked {
    call: Call,
    name: &'static str,
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    /// Which payment it is about: a capture names its order, everything else says it in the path.
    fn payment(&self) -> String {
        let capture = serde_json::from_slice::<ConfirmBody>(&self.body).ok().filter(|_| self.call == Call::Confirm);
        capture.map_or_else(|| self.path.clone(), |capture| capture.order_id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckoutBody {
    order_id: String,
    amount: i64,
    #[serde(default)]
    card: String,
    #[serde(default)]
    extra: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfirmBody {
    payment_key: String,
    order_id: String,
    amount: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelBody {
    cancel_reason: String,
    cancel_amount: Option<i64>,
    refundable_amount: Option<i64>,
}

impl Sim {
    /// A provider with this journal, that lets a slow card take so long.
    ///
    /// # Errors
    /// The journal cannot be used.
    pub fn open(journal: &Path, secret_key: String, slow: Duration) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            secret_key,
            slow,
            clock: Clock::default(),
            bank: Mutex::new(Bank::open(journal)?),
            keys: Mutex::default(),
            faults: Mutex::default(),
            meter: Mutex::default(),
            hooks: Hooks::start(Setting::default()),
            released: watch::Sender::new(0),
        }))
    }

    /// Serves, for ever.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let sim = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| sim.clone().serve_one(request));
                // A connection that ends badly has ended as it was told to, or its client has left.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn serve_one(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else { return Err(Cut) };
        let (method, path, body) = (parts.method, parts.uri.path().to_owned(), body.to_bytes());
        let query = parts.uri.query().unwrap_or_default().to_owned();
        if let Some(answer) = admin::answer(&self, &method, &path, &body) {
            return Ok(whole(&answer, JSON, None));
        }
        let Some((call, name)) = route(&method, &path) else {
            return Ok(whole(&Answer::error("INVALID_REQUEST"), JSON, None));
        };
        let asked = Asked { call, name, method, path, query, headers: parts.headers, body };
        // What was asked happens whether or not the asker stays: a merchant that hangs up has not said no.
        tokio::spawn(self.asked(asked)).await.unwrap_or(Err(Cut))
    }

    async fn asked(self: Arc<Self>, asked: Asked) -> Result<Response<Body>, Cut> {
        let key = asked.headers.get(IDEMPOTENCY).and_then(|key| key.to_str().ok()).map(str::to_owned);
        if !lock(&self.meter).count(asked.name, self.clock.now_ms()) {
            return Ok(whole(&Answer::error("TOO_MANY_REQUESTS"), JSON, None));
        }
        if asked.call != Call::Checkout
            && let Err(no) = self.knows(&asked.headers)
        {
            return Ok(whole(&Answer::no(no), JSON, None));
        }
        if key.as_ref().is_some_and(|key| key.len() > MAX_LENGTH) {
            return Ok(whole(&Answer::error("INVALID_IDEMPOTENCY_KEY"), JSON, None));
        }
        let fault = lock(&self.faults).next(asked.call);
        let (call, payment) = (asked.call, fault.map(|_| asked.payment()));
        let answer = self.clone().answered(asked, key, fault).await;
        if let (Err(Cut), Some((kind, _)), Some(payment)) = (&answer, fault, payment) {
            lock(&self.faults).cut(call, kind, payment);
        }
        answer
    }

    async fn answered(self: Arc<Self>, asked: Asked, key: Option<String>, fault: Option<(Kind, u64)>) -> Result<Response<Body>, Cut> {
        let name: Option<Name> = key
            .clone()
            .filter(|_| asked.method == Method::POST)
            .map(|key| (key, self.secret_key.clone(), asked.method.to_string(), asked.path.clone()));
        let turn = name.as_ref().map_or(Turn::New, |name| lock(&self.keys).begin(name, self.clock.now_ms()));
        let answer = match turn {
            Turn::Running => Answer::error("IDEMPOTENT_REQUEST_PROCESSING"),
            Turn::Done(answer) => answer,
            Turn::New => {
                let answer = self.clone().happen(asked, fault).await;
                if let Some(name) = &name {
                    lock(&self.keys).end(name, answer.as_ref().ok(), self.clock.now_ms());
                }
                answer?
            }
        };
        disfigured(answer, fault, key).await
    }

    /// Whether the merchant is one.
    fn knows(&self, headers: &HeaderMap) -> Result<(), No> {
        let said = headers.get(AUTHORIZATION).and_then(|said| said.to_str().ok()).and_then(|said| said.strip_prefix("Basic "));
        let said = said.ok_or(No("UNAUTHORIZED_KEY"))?;
        let bytes =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, said).map_err(|_| No("INCORRECT_BASIC_AUTH_FORMAT"))?;
        let said = String::from_utf8(bytes).map_err(|_| No("INCORRECT_BASIC_AUTH_FORMAT"))?;
        let key = said.strip_suffix(':').ok_or(No("INCORRECT_BASIC_AUTH_FORMAT"))?;
        if key == self.secret_key { Ok(()) } else { Err(No("UNAUTHORIZED_KEY")) }
    }

    /// What goes wrong before anything happens, and then what happens.
    async fn happen(self: Arc<Self>, asked: Asked, fault: Option<(Kind, u64)>) -> Result<Answer, Cut> {
        match fault {
            Some((Kind::Hang, _)) => {
                // An error says that the simulator ends.
                let _ = self.released.subscribe().changed().await;
            }
            Some((Kind::Latency, ms)) => {
                tokio::time::sleep(Duration::from_millis(ms + u64::from(ms > 0) * (rand(&asked) % ms.max(1)))).await
            }
            Some((Kind::ResetBefore, _)) => return Err(Cut),
            Some((Kind::ErrorBefore, _)) => return Ok(Answer::error("FAILED_INTERNAL_SYSTEM_PROCESSING")),
            _ => {}
        }
        let forced = asked.headers.get(TEST_CODE).and_then(|code| code.to_str().ok());
        if let Some(code) = forced.filter(|_| asked.call == Call::Confirm && self.secret_key.starts_with("test_")) {
            return Ok(Answer::error(code));
        }
        if asked.call == Call::Confirm && self.is_slow(&asked.body) {
            tokio::time::sleep(self.slow).await;
        }
        // The journal is flushed in there.
        let done = tokio::task::spawn_blocking(move || self.done(&asked)).await;
        done.map_err(|_| Cut)
    }

    fn is_slow(&self, body: &[u8]) -> bool {
        let asked = serde_json::from_slice::<ConfirmBody>(body);
        asked.is_ok_and(|asked| lock(&self.bank).card(&asked.payment_key) == Some("slow_card"))
    }

    fn done(&self, asked: &Asked) -> Answer {
        let now_ms = self.clock.now_ms();
        let rest: Vec<&str> = asked.path.trim_start_matches("/v1/payments/").split('/').collect();
        let done: Result<Payment, No> = match (asked.call, &rest[..]) {
            (Call::Checkout, _) => {
                return self.opened(&asked.body, now_ms);
            }
            (Call::LookUp, ["", "v1", "transactions"]) => return self.transactions(&asked.query),
            (Call::LookUp, ["orders", order]) => lock(&self.bank).by_order(order, now_ms),
            (Call::LookUp, [key]) => lock(&self.bank).by_key(key, now_ms),
            (Call::Confirm, _) => self.confirmed(&asked.body, now_ms),
            (Call::Cancel, [key, _]) => self.cancelled(key, &asked.body, now_ms),
            _ => Err(No("INVALID_REQUEST")),
        };
        done.map_or_else(Answer::no, |payment| Answer::payment(&payment))
    }

    fn transactions(&self, query: &str) -> Answer {
        // Of what is asked here, only colons are written in another way.
        let query: HashMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), value.replace("%3A", ":")))
            .collect();
        let moment = |name: &str| query.get(name).and_then(|text| answers::read_moment(text));
        let (Some(from), Some(until)) = (moment("startDate"), moment("endDate")) else { return Answer::error("INVALID_DATE") };
        let limit = query.get("limit").map_or(Some(MAX_TRANSACTIONS), |limit| limit.parse().ok()).unwrap_or(0);
        if !(1..=MAX_TRANSACTIONS).contains(&limit) {
            return Answer::error("INVALID_REQUEST");
        }
        let bank = lock(&self.bank);
        let moved = bank.moved(from, until);
        let place = query.get("startingAfter").map(|after| moved.iter().position(|one| answers::transaction_key(one) == *after));
        let first = match place {
            None => 0,
            Some(Some(place)) => place + 1,
            Some(None) => return Answer::error("INVALID_TRANSACTION_KEY"),
        };
        let all: Vec<serde_json::Value> = moved[first..].iter().take(limit).map(answers::transaction_shown).collect();
        Answer::json(200, &all.into())
    }

    fn opened(&self, body: &[u8], now_ms: i64) -> Answer {
        let Ok(asked) = serde_json::from_slice::<CheckoutBody>(body) else { return Answer::error("INVALID_REQUEST") };
        if !(6..=64).contains(&asked.order_id.len()) || asked.amount < 1 {
            return Answer::error("INVALID_REQUEST");
        }
        let opened = lock(&self.bank).opened(asked.order_id, asked.amount, asked.card, asked.extra, now_ms);
        opened.map_or_else(Answer::no, |payment| Answer::json(200, &serde_json::json!({ "paymentKey": payment.key })))
    }

    fn confirmed(&self, body: &[u8], now_ms: i64) -> Result<Payment, No> {
        let asked: ConfirmBody = serde_json::from_slice(body).map_err(|_| No("INVALID_REQUEST"))?;
        let mut bank = lock(&self.bank);
        let done = bank.confirm(&asked.payment_key, &asked.order_id, asked.amount, now_ms);
        match &done {
            Ok(payment) => self.hooks.say(payment, now_ms),
            Err(No("REJECT_CARD_PAYMENT")) => bank.by_key(&asked.payment_key, now_ms).iter().for_each(|p| self.hooks.say(p, now_ms)),
            Err(_) => {}
        }
        done
    }

    fn cancelled(&self, key: &str, body: &[u8], now_ms: i64) -> Result<Payment, No> {
        let asked: CancelBody = serde_json::from_slice(body).map_err(|_| No("INVALID_REQUEST"))?;
        if asked.cancel_reason.is_empty() || asked.cancel_reason.chars().count() > 200 {
            return Err(No("INVALID_REQUEST"));
        }
        let wish = Wish { reason: asked.cancel_reason, amount: asked.cancel_amount, refundable: asked.refundable_amount };
        let done = lock(&self.bank).cancel(key, wish, now_ms);
        done.inspect(|payment| self.hooks.say(payment, now_ms))
    }
}

/// Differs between calls, and need not be good.
fn rand(asked: &Asked) -> u64 {
    let bytes = asked.path.bytes().chain(asked.body.iter().copied());
    crate::seed::Seed(bytes.fold(0, |n, b| n.wrapping_mul(31).wrapping_add(u64::from(b)))).draw()
}

fn route(method: &Method, path: &str) -> Option<(Call, &'static str)> {
    let rest: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    match (method, &rest[..]) {
        (&Method::POST, ["checkout"]) => Some((Call::Checkout, "checkout")),
        (&Method::POST, ["v1", "payments", "confirm"]) => Some((Call::Confirm, "confirm")),
        (&Method::POST, ["v1", "payments", _, "cancel"]) => Some((Call::Cancel, "cancel")),
        (&Method::GET, ["v1", "transactions"]) => Some((Call::LookUp, "transactions")),
        (&Method::GET, ["v1", "payments", _] | ["v1", "payments", "orders", _]) => Some((Call::LookUp, "look_up")),
        _ => None,
    }
}
