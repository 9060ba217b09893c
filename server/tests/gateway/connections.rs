//! Connections to a service are kept for the next request, and one that has ended meanwhile costs nobody anything.

use crate::harness::Door;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// A service that speaks by hand: it answers so many requests on each connection, and then hangs up without a word.
struct Spoken {
    url: String,
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// The other side has noticed that a connection has ended.
    noticed: Notify,
}

impl Spoken {
    async fn start(each: usize, answer: &'static [u8]) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spoken = Arc::new(Self { url, connections: 0.into(), requests: 0.into(), noticed: Notify::new() });
        let all = spoken.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                all.connections.fetch_add(1, SeqCst);
                tokio::spawn(speak(all.clone(), socket, each, answer));
            }
        });
        spoken
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(SeqCst), self.requests.load(SeqCst))
    }
}

async fn speak(all: Arc<Spoken>, mut socket: TcpStream, each: usize, answer: &[u8]) {
    let mut buffer = [0u8; 4_096];
    for _ in 0..each {
        // Requests of these tests have no body, and come in one piece.
        if socket.read(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
        all.requests.fetch_add(1, SeqCst);
        socket.write_all(answer).await.unwrap();
    }
    socket.shutdown().await.unwrap();
    while socket.read(&mut buffer).await.unwrap_or(0) > 0 {}
    all.noticed.notify_one();
}

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_one_request_after_another() {
    let service = Spoken::start(usize::MAX, GOOD).await;
    let door = Door::before(&[service.url.clone()]).await;
    for _ in 0..50 {
        assert_eq!(door.status("GET", "/orders").await, 200);
    }
    let (connections, requests) = service.counts();
    // It is kept once its answer has been read, which may be a moment after the next request has come.
    assert!(requests == 50 && connections <= 10, "{connections} connections for {requests} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_has_ended_is_no_failure() {
    let service = Spoken::start(1, GOOD).await;
    let door = Door::before(&[service.url.clone()]).await;
    for count in 1..=20 {
        // It may not be sent twice, and it is not.
        assert_eq!(door.status("POST", "/orders").await, 200);
        assert_eq!(service.counts(), (count, count));
        service.noticed.notified().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_asked_for_is_no_answer() {
    let service = Spoken::start(usize::MAX, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n").await;
    let door = Door::before(&[service.url.clone()]).await;
    for _ in 0..20 {
        let answer = door.request("GET", "/orders").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "ok"));
    }
}
