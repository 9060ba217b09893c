//! The consumer in Python follows an order over a real broker, with what the server says of its events and nothing else.

use super::*;
use shared::event::Position;
use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::mpsc,
};

/// An order's life, as far as people see it.
const LIFE: [&str; 8] = ["placed", "paid", "accepted", "started", "cooked", "picked", "delivered", "completed"];

/// Killed when the test is over.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// The events of one order's life, by their names.
fn life() -> Vec<Arc<Recorded>> {
    let named = |name: &str| {
        let event = samples::events().into_iter().map(|(_, event)| event).find(|event| {
            let value = serde_json::to_value(event).unwrap();
            value["order"]["type"] == name
                && !matches!(event, shared::Event::Order(shared::order::Event::Accepted { status, .. }) if status.code() != "accepted")
        });
        event.unwrap_or_else(|| panic!("no sample of {name}"))
    };
    let record = |(seq, name): (u64, &&str)| {
        let position = Position { context: Context::Order, partition: 3, seq };
        let (stream, at_ms) = (samples::order_id().to_string(), samples::NOON_MS);
        Arc::new(Recorded { position, stream, version: seq, at_ms, by: None, cause: None, event: named(name) })
    };
    (1..).zip(&LIFE).map(record).collect()
}

fn lines<T: std::io::Read + Send + 'static>(from: T) -> mpsc::Receiver<String> {
    let (lines, read) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_in_python_tells_an_orders_life() {
    let root = venv::here().join("python");
    let python = venv::python("python", &[root.join("requirements.txt"), root.join("tests/requirements.txt")]);
    let alone = Alone::start().await;
    let bus = alone.bus().await;
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("asyncapi.json");
    std::fs::write(&document, server::http::asyncapi::document()).unwrap();
    let mut command = Command::new(python);
    command.arg("-B").arg(root.join("follow.py")).arg(samples::order_id().to_string()).args(["--lang", "en", "--url", &alone.broker.url()]);
    command.arg("--asyncapi").arg(document).env("TZ", "Asia/Seoul").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut follower = Follower(command.spawn().unwrap());
    let (out, err): (ChildStdout, ChildStderr) = (follower.0.stdout.take().unwrap(), follower.0.stderr.take().unwrap());
    let (said, complained) = (lines(out), lines(err));
    let began = complained.recv_timeout(PATIENCE).unwrap();
    assert_eq!(began, format!("following {}", samples::order_id()));
    let life = life();
    // Single ones, several at once, and one that comes again.
    for part in [&life[..1], &life[1..4], &life[2..4], &life[4..5], &life[4..]] {
        bus.publish(Context::Order, 3, part.iter().cloned().collect());
    }
    let told: Vec<_> = LIFE.iter().map(|_| said.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{:?}", complained.try_recv()))).collect();
    let labels = life.iter().map(|one| {
        let shared::Event::Order(event) = &one.event else { panic!("not of the order") };
        event.status().unwrap().label(shared::Lang::En)
    });
    let wanted: Vec<_> = labels.map(|label| format!("12:00:00  {}  {label}", samples::order_id())).collect();
    assert_eq!(told, wanted);
    assert!(follower.0.wait().unwrap().success() && said.recv().is_err(), "it ends with the order");
}
