//! What every way of a notice promises, over each of them; and what the way over SOLAPI does when SOLAPI does not do its
//! part. SOLAPI is `solapi_sim`, in a process of its own; with a key in the environment the real one is asked as well.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod contract;
mod fuzz;
mod hook;
mod outcomes;
mod real;
mod resets;
#[path = "../../../shared/tests/samples/mod.rs"]
mod samples;
mod shedding;

use examples::{
    http::{Ask, Client, Host},
    process::Server,
    solapi::{Faults, Taken},
};
use futures_util::{StreamExt, stream};
use hyper::{Method, body::Bytes};
use server::notifier::{Fault, Message, Notifier, solapi::Solapi};
use shared::{AccountId, Lang, OrderId, id::Bits, sealed::Phone};
use std::{path::Path, process::Stdio, time::Duration};
use tempfile::TempDir;

/// The pause before a way is tried again, and how often that is: longer than anything takes.
const PAUSE: Duration = Duration::from_millis(20);
const TRIES: usize = 500;
/// Notices on their way at once, as the worker has it.
const AT_ONCE: usize = 64;

/// The company that sends texts.
struct Sim {
    server: Server,
    client: Client,
    dir: TempDir,
}

impl Sim {
    async fn start(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = format!("--journal={}", dir.path().join("journal").display());
        let arguments: Vec<String> = [journal.as_str()].iter().chain(more).map(|text| (*text).to_owned()).collect();
        let server = Server::start(Path::new(env!("CARGO_BIN_EXE_solapi_sim")), &arguments, Stdio::inherit()).await.unwrap();
        let client = Client::new(&Host::new(&server.url).unwrap());
        Self { server, client, dir }
    }

    async fn ask(&mut self, method: Method, path: &str, body: Vec<u8>) -> Bytes {
        let ask = Ask { method, path: path.to_owned(), login: None, key: None, body: Bytes::from(body) };
        let answer = self.client.ask(ask).await.unwrap();
        assert!(answer.is_good(), "{answer:?}");
        answer.body
    }

    async fn fail(&mut self, faults: &Faults) {
        self.ask(Method::PUT, "/sim/faults", serde_json::to_vec(faults).unwrap()).await;
    }

    /// Asserts that everything has gone wrong that was asked for.
    async fn has_failed(&mut self) {
        let left: Faults = serde_json::from_slice(&self.ask(Method::GET, "/sim/faults", vec![]).await).unwrap();
        let Faults { cut_after_accept, cut_before_accept, unavailable_after_accept, unavailable, too_many, undelivered } = left;
        let left = [cut_after_accept, cut_before_accept, unavailable_after_accept, unavailable, too_many, undelivered];
        assert_eq!(left, [0; 6], "not everything has gone wrong");
    }

    /// The names in the journal on disk, without the texts in place of an 알림톡, in their order.
    fn names(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("journal")).unwrap();
        let taken = text.lines().map(|line| serde_json::from_str::<Taken>(line).unwrap());
        taken.filter(|taken| !taken.replacement).map(|taken| taken.nid).collect()
    }

    fn way(&self) -> Solapi {
        solapi(&self.server.url, 50)
    }
}

fn solapi(url: &str, settle_ms: u64) -> Solapi {
    let settings = format!("{url}?from=0212345678&pf=KA01PF&template=KA01TP&settle-ms={settle_ms}&report-ms={settle_ms}&deadline-ms=5000");
    Solapi::new(settings.parse().unwrap(), "sim-key".parse().unwrap(), "sim-secret".parse().unwrap()).unwrap()
}

/// A notice; each has a reader, and so a phone, of its own.
fn message(n: usize) -> Message {
    let (to, order) = (AccountId(Bits([7; 10])), OrderId(Bits([1; 10])));
    let phone = Phone::new(&format!("010-{:04}-{:04}", n / 10_000, n % 10_000)).ok();
    Message {
        key: format!("n{n}"),
        to,
        lang: Lang::Ko,
        text: format!("\"주문\" {n}"),
        alimtalk: None,
        order,
        at_ms: 1_700_000_000_000,
        phone,
        again: false,
    }
}

/// Hands a notice over as the worker does: again and again, until the way has it or refuses it.
async fn hand_over(way: &dyn Notifier, message: Message) -> Result<(), Fault> {
    for attempt in 0..TRIES {
        match way.send(Message { again: message.again || attempt > 0, ..message.clone() }).await {
            Err(Fault::Full | Fault::Broken) => tokio::time::sleep(PAUSE).await,
            done => return done,
        }
    }
    panic!("{} was neither taken nor refused", message.key)
}

/// Many at once; all are taken.
async fn hand_over_all(way: &dyn Notifier, numbers: std::ops::Range<usize>) {
    let sent: Vec<_> = stream::iter(numbers).map(|n| hand_over(way, message(n))).buffer_unordered(AT_ONCE).collect().await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
}
