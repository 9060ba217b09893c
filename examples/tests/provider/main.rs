//! What every payment provider promises, over each of them; and what the one over the network does when the network, or the
//! company at its other end, does not do its part. Toss Payments is `toss_sim`, a process of its own whose journal is the
//! witness.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod classes;
mod contract;
mod cuts;
mod fuzz;
mod odd;

use examples::{
    http::{Ask as Request, Client, Host},
    process::Server,
    toss::{
        SECRET_KEY,
        book::{self, Line},
    },
};
use hyper::{Method, body::Bytes};
use serde_json::Value;
use server::provider::{
    Answer, Ask, Part, Provider,
    toss::{Settings, Toss},
};
use shared::{OrderId, Won, id::Bits, order::Means};
use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};
use tempfile::TempDir;

/// How often a worker would ask again before a test gives up: it has given up when this is not enough.
const PATIENCE: usize = 1_000;
/// How long a slow card takes here.
const SLOW_MS: u64 = 100;

fn order(n: u32) -> OrderId {
    let mut bits = [7; 10];
    bits[..4].copy_from_slice(&n.to_be_bytes());
    OrderId(Bits(bits))
}

fn key(n: u32, movement: u32) -> String {
    format!("{}-{movement}", order(n))
}

fn charge(n: u32, movement: u32, amount: i64, means: Means) -> Ask {
    Ask { key: key(n, movement), order: order(n), amount: Won(amount), means, extra: movement > 1, against: vec![] }
}

/// A refund that takes so much of each of these movements.
fn refund(n: u32, movement: u32, of: &[(u32, i64)]) -> Ask {
    let amount = of.iter().map(|(_, amount)| amount).sum();
    let against = of.iter().map(|(charge, amount)| Part { charge: key(n, *charge), amount: Won(*amount) }).collect();
    Ask { against, ..charge(n, movement, amount, Means::Card) }
}

/// Whether a refund was refused, by a provider that has a word for it or by one that has none.
fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Declined(_) | Answer::Refused(_))
}

/// Asks as the payment worker does: until there is an answer.
async fn settle(provider: &dyn Provider, ask: &Ask, back: bool) -> Answer {
    for _ in 0..PATIENCE {
        let answer = if back { provider.refund(ask.clone()).await } else { provider.charge(ask.clone()).await };
        if !matches!(answer, Answer::Undecided | Answer::Unknown) {
            return answer;
        }
        tokio::task::yield_now().await;
    }
    Answer::Unknown
}

/// A provider as a process, and its journal.
struct Company {
    server: Server,
    journal: PathBuf,
    _dir: TempDir,
}

impl Company {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("toss.journal");
        let server = Self::serve(&journal).await;
        Self { server, journal, _dir: dir }
    }

    async fn serve(journal: &std::path::Path) -> Server {
        let arguments = ["--journal", journal.to_str().unwrap(), "--slow-ms", &SLOW_MS.to_string()].map(str::to_owned);
        Server::start(env!("CARGO_BIN_EXE_toss_sim").as_ref(), &arguments, Stdio::inherit()).await.unwrap()
    }

    fn settings(&self) -> Settings {
        settings(&self.server.url)
    }

    fn provider(&self) -> Arc<Toss> {
        Arc::new(Toss::open(&self.settings()).unwrap())
    }

    async fn admin(&self, method: Method, path: &str, body: Value) -> Value {
        let mut client = Client::new(&Host::new(&self.server.url).unwrap());
        let body = Bytes::from(body.to_string());
        let answer = client.ask(Request { method, path: format!("/admin/{path}"), login: None, key: None, body }).await.unwrap();
        assert!(answer.is_good(), "{path}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }

    async fn fault(&self, rule: Value) {
        self.admin(Method::POST, "faults", Value::Array(vec![rule])).await;
    }

    async fn heal(&self) {
        self.admin(Method::DELETE, "faults", Value::Null).await;
    }

    async fn faults(&self) -> u64 {
        self.admin(Method::GET, "counts", Value::Null).await["faults"].as_u64().unwrap()
    }

    /// What came from an order and what went back, each movement by itself.
    fn moved(&self, n: u32) -> (Vec<i64>, Vec<i64>) {
        let (mut came, mut went) = (vec![], vec![]);
        let prefix = format!("{}-", order(n));
        for line in book::read(&self.journal).unwrap() {
            match line {
                Line::Captured { order_id, amount, .. } if order_id.starts_with(&prefix) => came.push(amount),
                Line::Cancelled { order_id, amount, .. } if order_id.starts_with(&prefix) => went.push(amount),
                _ => {}
            }
        }
        (came, went)
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        base: url.parse().unwrap(),
        secret_key: SECRET_KEY.parse().unwrap(),
        checkout: Some(format!("{url}/checkout").parse().unwrap()),
        deadline: Duration::from_secs(10),
        test_code: None,
    }
}
