//! Hints to the merchant that a payment has changed: unsigned, as the real ones, and as unreliable as one wishes.
//!
//! Real ones are repeated after 1, 4, 16, 64, 256, 1024 and 4096 minutes until they are answered with 200; here a minute
//! takes as long as one says.

use super::{
    answers::{hook_moment, shown},
    bank::Payment,
    server::lock,
};
use crate::http::Host;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};

/// Hints that wait; more are lost, as they may be.
const QUEUE: usize = 10_000;
/// How long the merchant may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// After how many minutes a hint is repeated.
const LADDER: [u32; 7] = [1, 4, 16, 64, 256, 1024, 4096];

/// Where hints go, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Setting {
    /// `http://127.0.0.1:8085`; nowhere without one.
    pub url: Option<String>,
    /// The path there.
    pub path: String,
    /// Each is sent so often more.
    pub duplicates: u32,
    /// Each waits until the next one was sent.
    pub reorder: bool,
    /// Each is followed by one that says the opposite.
    pub contradict: bool,
    /// How long a minute of the ladder takes; no repeats without.
    pub minute_ms: u32,
}

/// A hint, ready to be sent.
#[derive(Clone)]
struct Hint {
    id: String,
    at: String,
    body: Bytes,
}

/// The way out.
pub struct Hooks {
    setting: Arc<Mutex<Setting>>,
    queue: mpsc::Sender<Vec<Hint>>,
}

impl Hooks {
    /// Starts the task that sends. Called within a runtime.
    pub fn start(setting: Setting) -> Self {
        let setting = Arc::new(Mutex::new(setting));
        let (queue, hints) = mpsc::channel(QUEUE);
        tokio::spawn(run(setting.clone(), hints));
        Self { setting, queue }
    }

    /// Changes where hints go, and how.
    pub fn set(&self, setting: Setting) {
        *lock(&self.setting) = setting;
    }

    /// A payment has changed.
    pub fn say(&self, payment: &Payment, now_ms: i64) {
        let setting = lock(&self.setting).clone();
        if setting.url.is_none() {
            return;
        }
        let mut data = shown(payment);
        let id = format!("{}-{}-{}", payment.key, payment.status.name(), payment.cancels.len());
        let mut hints = vec![hint(id.clone(), &data, now_ms); setting.duplicates as usize + 1];
        if setting.contradict {
            data["status"] = if data["status"] == "DONE" { "ABORTED" } else { "DONE" }.into();
            hints.push(hint(format!("{id}-not"), &data, now_ms));
        }
        // A full queue loses hints, and nobody may rely on them.
        let _ = self.queue.try_send(hints);
    }
}

fn hint(id: String, data: &Value, now_ms: i64) -> Hint {
    let at = hook_moment(now_ms);
    let body = json!({ "eventType": "PAYMENT_STATUS_CHANGED", "createdAt": at, "data": data }).to_string().into();
    Hint { id, at, body }
}

async fn run(setting: Arc<Mutex<Setting>>, mut hints: mpsc::Receiver<Vec<Hint>>) {
    let mut held: Vec<Hint> = vec![];
    while let Some(new) = hints.recv().await {
        let now = lock(&setting).clone();
        let due = if now.reorder { [new, std::mem::take(&mut held)].concat() } else { new };
        for hint in due {
            if now.reorder && held.is_empty() && !hint.id.ends_with("-not") {
                held.push(hint);
                continue;
            }
            if !send(&now, &hint, 0).await && now.minute_ms > 0 {
                tokio::spawn(again(now.clone(), hint));
            }
        }
    }
}

async fn again(setting: Setting, hint: Hint) {
    for (n, minutes) in LADDER.into_iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(u64::from(minutes) * u64::from(setting.minute_ms))).await;
        if send(&setting, &hint, n + 1).await {
            return;
        }
    }
}

/// Sends one that says whatever somebody likes, as anybody can. True when it was answered with 200.
pub async fn forge(setting: &Setting, id: String, data: &Value) -> bool {
    send(setting, &hint(id, data, crate::toss::clock::Clock::default().now_ms()), 0).await
}

async fn send(setting: &Setting, hint: &Hint, retried: usize) -> bool {
    timeout(PATIENCE, post(setting, hint, retried)).await.ok().flatten().is_some()
}

/// `None` unless it was answered with 200.
async fn post(setting: &Setting, hint: &Hint, retried: usize) -> Option<()> {
    let url = setting.url.as_ref()?;
    let port = Host::new(url).ok()?.port()?;
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::post(if setting.path.is_empty() { "/" } else { &setting.path })
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("tosspayments-webhook-transmission-id", &hint.id)
        .header("tosspayments-webhook-transmission-time", &hint.at)
        .header("tosspayments-webhook-transmission-retried-count", retried)
        .body(Full::new(hint.body.clone()))
        .ok()?;
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    response.into_body().collect().await.ok()?;
    (status == 200).then_some(())
}
