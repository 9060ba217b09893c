//! Event streams pass piece by piece, and end with either side.

use crate::harness::{Door, Upstream, until};
use axum::{body::Body, response::Response};
use futures_util::stream;
use server::gateway::Config;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// A stream whose events the test sends, and which notes that it was dropped.
async fn streaming() -> (Arc<Upstream>, mpsc::UnboundedSender<&'static str>, Arc<AtomicBool>) {
    struct Gone(Arc<AtomicBool>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let (send, receive) = mpsc::unbounded_channel::<&'static str>();
    let (receive, gone) = (Arc::new(Mutex::new(Some(receive))), Arc::new(AtomicBool::new(false)));
    let told = gone.clone();
    let upstream = Upstream::start(move |_| {
        let (receive, gone) = (receive.lock().unwrap().take().unwrap(), Gone(told.clone()));
        async move {
            let events = stream::unfold((receive, gone), |(mut receive, gone)| async move {
                let event = receive.recv().await?;
                Some((Ok::<_, std::io::Error>(event), (receive, gone)))
            });
            Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(events)).unwrap()
        }
    })
    .await;
    (upstream, send, gone)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_pass_at_once_longer_than_any_timeout_and_the_client_ends_them() {
    let (upstream, send, gone) = streaming().await;
    let door = Door::with(&[upstream.url()], Config::default(), 300).await;
    let mut answer = door.request("GET", "/orders/1/events").send().await.unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        // The next is sent only when the one before has arrived.
        send.send(event).unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), event);
        // The time for the head of an answer is over between the two.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(!gone.load(SeqCst));
    drop(answer);
    until("the service hears that its reader has gone", || gone.load(SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_ends_streams_and_finishes_the_rest() {
    let (upstream, send, gone) = streaming().await;
    let mut door = Door::before(&[upstream.url()]).await;
    let mut answer = door.request("GET", "/orders/1/events").send().await.unwrap();
    send.send("data: 1\n\n").unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    door.stop();
    assert_eq!(answer.chunk().await.unwrap(), None, "a clean end");
    door.running.take().unwrap().await.unwrap().unwrap();
    until("the service hears it", || gone.load(SeqCst)).await;
    assert!(tokio::net::TcpStream::connect(door.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_is_finished() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel::<()>();
    let go = Arc::new(tokio::sync::Notify::new());
    let gate = go.clone();
    let upstream = Upstream::start(move |_| {
        let (arrived, gate) = (arrived.clone(), gate.clone());
        async move {
            arrived.send(()).unwrap();
            gate.notified().await;
            crate::harness::text("done")
        }
    })
    .await;
    let mut door = Door::before(&[upstream.url()]).await;
    let request = tokio::spawn(door.request("GET", "/orders").send());
    arrivals.recv().await.unwrap();
    door.stop();
    go.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    door.running.take().unwrap().await.unwrap().unwrap();
}
