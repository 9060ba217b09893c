//! Services that are slow, broken, away or being restarted.

use crate::harness::{Door, Upstream, good, status, text, until};
use axum::response::Response;
use server::{
    breaker::{self, Forced, State},
    gateway::{Config, limits, retry},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt, net::TcpListener};

fn state(door: &Door, service: &str) -> State {
    door.gateway.breakers().into_iter().find(|(name, ..)| name == service).unwrap().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_in_time_is_a_problem() {
    let upstream = Upstream::start(|_| std::future::pending::<Response>()).await;
    let door = Door::with(&[upstream.url()], Config::default(), 200).await;
    let began = Instant::now();
    let answer = door.request("GET", "/orders").send().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    // A client that has less time says so.
    let door = Door::before(&[upstream.url()]).await;
    let began = Instant::now();
    let answer = door.request("GET", "/orders").header("baemin-deadline-ms", "100").send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_opens_refuses_at_once_and_recovers() {
    let bad = Arc::new(AtomicBool::new(true));
    let flag = bad.clone();
    let upstream = Upstream::start(move |_| {
        let bad = flag.load(SeqCst);
        async move { if bad { status(500) } else { text("good") } }
    })
    .await;
    let breaker = breaker::Config { open_ms: 300, ..breaker::Config::default() };
    let door = Door::with(&[upstream.url()], Config { breaker, ..Config::default() }, 5_000).await;
    for _ in 0..20 {
        assert_eq!(door.status("GET", "/orders").await, 500);
    }
    let answer = door.request("GET", "/orders").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
    assert_eq!((state(&door, "order"), upstream.came()), (State::Open, 20), "the refused one never came");
    // The others have breakers of their own.
    assert_eq!(door.status("GET", "/stores").await, 500);
    bad.store(false, SeqCst);
    until("it may be tried again", || state(&door, "order") == State::HalfOpen).await;
    for _ in 0..3 {
        assert_eq!(door.status("GET", "/orders").await, 200);
    }
    assert_eq!(state(&door, "order"), State::Closed);
    // An operator's word counts more.
    door.gateway.force("order", Some(Forced { open: true, reason: "repairs".into() })).unwrap();
    assert_eq!(door.status("GET", "/orders").await, 503);
    door.gateway.force("order", None).unwrap();
    assert_eq!(door.status("GET", "/orders").await, 200);
    assert!(door.gateway.force("nobody", None).is_err());
}

/// A service that hangs up after it has read a request; the first `times` times, or always.
async fn hanging_up(times: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, came) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let count = came.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = [0u8; 4_096];
            // A connection that the client's pool made and did not use is no request.
            if socket.read(&mut buffer).await.unwrap_or(0) == 0 {
                continue;
            }
            if count.fetch_add(1, SeqCst) >= times {
                use tokio::io::AsyncWriteExt;
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
            }
        }
    });
    (url, came)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_harmless_is_sent_twice() {
    for (method, key, sent) in [
        ("GET", false, 3),
        ("HEAD", false, 3),
        ("PUT", false, 3),
        ("DELETE", false, 3),
        ("POST", true, 3),
        ("POST", false, 1),
        ("PATCH", true, 1),
    ] {
        let (url, came) = hanging_up(usize::MAX).await;
        let door = Door::before(&[url]).await;
        let request = door.request(method, "/orders").header("content-type", "application/json").body("{}");
        let request = if key { request.header("idempotency-key", "k-1") } else { request };
        assert_eq!(request.send().await.unwrap().status(), 503);
        assert_eq!(came.load(SeqCst), sent, "{method} {key}");
        let (url, _) = hanging_up(1).await;
        let door = Door::before(&[url]).await;
        let request = door.request(method, "/orders").body("{}");
        let request = if key { request.header("idempotency-key", "k-1") } else { request };
        assert_eq!(request.send().await.unwrap().status().as_u16() == 200, sent > 1, "{method} {key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_keeps_repeats_from_becoming_the_load() {
    let (url, came) = hanging_up(usize::MAX).await;
    let retry = retry::Config { saved: 5, ..retry::Config::default() };
    let breaker = breaker::Config { min_calls: 1_000, ..breaker::Config::default() };
    let door = Door::with(&[url], Config { retry, breaker, ..Config::default() }, 5_000).await;
    for _ in 0..50 {
        assert_eq!(door.status("GET", "/orders").await, 503);
    }
    // Fifty first tries, five that were saved up, and a tenth of the requests.
    assert!((55..=61).contains(&came.load(SeqCst)), "{}", came.load(SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_says_it_is_ending_is_asked_elsewhere() {
    let ending =
        Upstream::start(|_| async { Response::builder().status(503).header("baemin-draining", "1").body("".into()).unwrap() }).await;
    let other = good().await;
    let door = Door::before(&[ending.url(), other.url()]).await;
    for _ in 0..20 {
        // It has done nothing, so even what is not repeatable goes elsewhere.
        let answer = door.request("POST", "/orders").body("{}").send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "good");
    }
    assert_eq!(other.came(), 20);
    assert!(ending.came() <= 2, "{}", ending.came());
}

/// Clients that ask all the time; how many were answered, and what else was said.
async fn load(door: &Arc<Door>, going: &Arc<AtomicBool>, clients: usize) -> Vec<tokio::task::JoinHandle<(usize, Vec<String>)>> {
    let one = |number: usize| {
        let (door, going) = (door.clone(), going.clone());
        tokio::spawn(async move {
            let (mut good, mut bad) = (0, vec![]);
            for n in 0.. {
                if !going.load(SeqCst) {
                    break;
                }
                let method = ["GET", "PUT", "DELETE", "POST"][n % 4];
                let request = door.request(method, "/orders").header("idempotency-key", format!("{number}-{n}"));
                match request.body("{}").send().await {
                    Ok(answer) if answer.status() == 200 => good += 1,
                    other => bad.push(format!("{method} {other:?}")),
                }
            }
            (good, bad)
        })
    };
    (0..clients).map(one).collect()
}

async fn restarted_under_load(copies: usize, away: Duration) {
    let mut upstreams = vec![];
    for _ in 0..copies {
        upstreams.push(good().await);
    }
    let urls: Vec<_> = upstreams.iter().map(|upstream| upstream.url()).collect();
    let (door, going) = (Arc::new(Door::before(&urls).await), Arc::new(AtomicBool::new(true)));
    let clients = load(&door, &going, 16).await;
    for upstream in &upstreams {
        let before = upstream.came();
        until("it works", || upstream.came() > before + 50).await;
        upstream.stop().await;
        tokio::time::sleep(away).await;
        upstream.start_again().await;
        let before = upstream.came();
        until("it works again", || upstream.came() > before + 50).await;
    }
    going.store(false, SeqCst);
    let mut all = 0;
    for client in clients {
        let (good, bad) = client.await.unwrap();
        assert!(bad.is_empty(), "{} of {}: {:?}", bad.len(), good, &bad[..bad.len().min(5)]);
        all += good;
    }
    assert!(all >= 100 * copies, "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_restart_of_one_of_two_copies_is_not_seen() {
    restarted_under_load(2, Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_restart_of_an_only_copy_is_not_seen() {
    restarted_under_load(1, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_tells_of_every_service() {
    let upstream = good().await;
    let door = Door::before(&[upstream.url()]).await;
    let ready = || async {
        let answer = door.request("GET", "/health/ready").send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str::<serde_json::Value>(&answer.text().await.unwrap()).unwrap())
    };
    let (code, body) = ready().await;
    assert_eq!((code, body["services"]["order"]["status"].as_str()), (200, Some("UP")), "{body}");
    assert_eq!(body["services"]["order"]["breaker"], "closed");
    let asked = upstream.came();
    for _ in 0..50 {
        ready().await;
    }
    // Seven services are asked anew at most once a second, however long fifty questions take here.
    assert!(upstream.came() - asked <= 7 * 5, "{}", upstream.came() - asked);
    upstream.stop().await;
    let began = Instant::now();
    loop {
        let (code, body) = ready().await;
        if code == 503 {
            assert_eq!(body["waits_for"].as_array().unwrap().len(), 7, "{body}");
            break;
        }
        assert!(began.elapsed() < crate::harness::PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(door.status("GET", "/health/live").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let upstream = good().await;
    let small = limits::Rate { burst: 5.0, per_s: 0.1 };
    let limits = limits::Config { peer: small, limit_loopback: true, ..limits::Config::default() };
    let door = Door::with(&[upstream.url()], Config { limits, ..Config::default() }, 5_000).await;
    for n in 0..10 {
        // Another address in a header is no other address.
        let answer = door.request("GET", "/orders").header("x-forwarded-for", format!("10.0.0.{n}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), if n < 5 { 200 } else { 429 }, "{n}");
        assert!(n < 5 || answer.headers().contains_key("retry-after"));
    }
    assert_eq!(upstream.came(), 5);
    // By default a machine's own programs are not limited.
    let door = Arc::new(Door::before(&[upstream.url()]).await);
    let going = Arc::new(AtomicBool::new(true));
    let clients = load(&door, &going, 8).await;
    until("three thousand", || upstream.came() > 3_005).await;
    going.store(false, SeqCst);
    for client in clients {
        assert!(client.await.unwrap().1.is_empty());
    }
}
