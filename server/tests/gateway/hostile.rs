//! What nobody should send: never a panic, never a path that is the services' own.

use crate::harness::{Door, Upstream, good, text};
use axum::extract::Request;
use std::sync::{Arc, Mutex};

/// A service that notes the paths and lengths it was asked, as one that trusts its gateway would read them.
async fn noting() -> (Arc<Upstream>, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(vec![]));
    let noted = seen.clone();
    let upstream = Upstream::start(move |request: Request| {
        let noted = noted.clone();
        async move {
            let line = format!("{} {} host={:?}", request.method(), request.uri(), request.headers().get("host"));
            let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
            noted.lock().unwrap().push(format!("{line} body={}", body.len()));
            text("good")
        }
    })
    .await;
    (upstream, seen)
}

const PATHS: [&str; 34] = [
    "/internal/x",
    "/feed/order/0",
    "/metrics",
    "/vault/1",
    "/VAULT/1",
    "/%76ault/1",
    "/./vault/1",
    "//vault/1",
    "/orders/../vault/1",
    "/orders/..;/vault/1",
    "/orders/%2e%2e/vault/1",
    "/orders/%2E%2e/vault/1",
    "/orders/.%2e/vault/1",
    "/orders%2f..%2fvault/1",
    "/orders/..%2fvault",
    "/orders/..%5cvault",
    "/orders/..\\vault",
    "/orders\\..\\vault",
    "/orders/%252e%252e/vault",
    "/orders/%00/vault",
    "/orders//../vault",
    "/orders/x/../../vault",
    "/ops/../vault",
    "/ops",
    "/ops/nobody/x",
    "/ops/order/../../vault",
    "/orders;/vault",
    "/ordersx",
    "/Orders",
    "/vault",
    "/internal",
    "/feed",
    "/health/ready/../../vault",
    "/health/other",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_reaches_what_is_the_services_own() {
    let (upstream, seen) = noting().await;
    let door = Door::before(&[upstream.url()]).await;
    for path in PATHS {
        for line in [path.to_owned(), format!("http://x{path}"), format!("http://127.0.0.1:1{path}?a=/orders")] {
            let answer = door.raw(format!("GET {line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{line}: {answer}");
        }
    }
    for line in ["*", "vault", "http://", "http://x", "x:443", "/orders#/vault", "/orders /vault"] {
        for method in ["GET", "OPTIONS", "CONNECT", "TRACE"] {
            let answer = door.raw(format!("{method} {line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1."), "{method} {line}: {answer}");
        }
    }
    let reached: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .filter(|line| ["vault", "internal", "feed", "metrics"].iter().any(|n| line.contains(n)))
        .cloned()
        .collect();
    assert_eq!(reached, Vec::<String>::new());
    assert_eq!(door.status("GET", "/orders").await, 200, "it still works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_is_one_request() {
    let (upstream, seen) = noting().await;
    let door = Door::before(&[upstream.url()]).await;
    let inner = "GET /vault/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    let cases = [
        format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n{inner}", inner.len() + 5),
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{inner}", inner.len()),
        format!("Content-Length: +0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("Transfer-Encoding: chunked\r\n\r\n5;ext=\"\r\n\r\n\"\r\nhello\r\n0\r\n\r\n{inner}"),
        format!("Connection: content-length, transfer-encoding\r\nContent-Length: {}\r\n\r\n{inner}", inner.len()),
    ];
    for case in &cases {
        let answer = door.raw(format!("PUT /orders/1/cancel HTTP/1.1\r\nHost: x\r\n{case}").as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{case}: {answer}");
    }
    for line in seen.lock().unwrap().iter() {
        assert!(line.starts_with("PUT /orders/1/cancel "), "{line}");
    }
    // Bodies arrive whole or not at all.
    let chunked =
        "POST /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    assert!(door.raw(chunked.as_bytes()).await.ends_with("good"));
    assert!(seen.lock().unwrap().last().unwrap().ends_with("body=11"));
    let big = "x".repeat(64 * 1024 + 1);
    assert_eq!(door.request("POST", "/orders").body(big).send().await.unwrap().status(), 413);
    let fits = "x".repeat(64 * 1024);
    assert_eq!(door.request("POST", "/orders").body(fits).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_and_headers_do_no_harm() {
    let (upstream, seen) = noting().await;
    let door = Door::before(&[upstream.url()]).await;
    for (headers, expected) in [
        ("Host: a\r\nHost: b\r\n", "HTTP/1.1 400"),
        ("Host: x\r\nBaemin-Correlation: a\r\nBaemin-Correlation: b\r\n", "HTTP/1.1 200"),
        ("Host: x\r\nConnection: host, baemin-correlation, x-forwarded-for, close\r\n", "HTTP/1.1 200"),
        ("Host: x\r\nBaemin-Deadline-Ms: -1\r\n", "HTTP/1.1 200"),
        ("Host: x\r\nBaemin-Deadline-Ms: 99999999999999999999\r\n", "HTTP/1.1 200"),
        ("Host: x\r\nAuthorization: Bearer \u{e9}.\u{e9}.\u{e9}\r\n", "HTTP/1.1 200"),
        ("Host: x\r\nExpect: 100-continue\r\n", "HTTP/1.1 200"),
    ] {
        let answer = door.raw(format!("GET /orders HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with(expected), "{headers}: {answer}");
    }
    // No host: the service must not show its own. A request line's host counts more than the header.
    assert!(door.raw(b"GET /orders?1 HTTP/1.0\r\n\r\n").await.contains(" 200 "));
    assert!(seen.lock().unwrap().last().unwrap().contains("host=Some(\"\")"), "{:?}", seen.lock().unwrap().last());
    door.raw(b"GET http://front.example/orders HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n").await;
    assert!(seen.lock().unwrap().last().unwrap().starts_with("GET /orders host=Some(\"front.example\")"));
    for (name, value) in [("x", "y".repeat(2 << 20)), ("authorization", format!("Bearer {}", "a".repeat(300_000)))] {
        let answer = door.raw(format!("GET /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: {value}\r\n\r\n").as_bytes()).await;
        assert!(answer.is_empty() || answer.contains(" 431 ") || answer.contains(" 200 "), "{}", &answer[..answer.len().min(200)]);
    }
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let answer = door.raw(format!("GET /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.contains(" 431 ") || answer.is_empty(), "{answer}");
    // Bytes without sense, the same ones each time.
    let mut seed = 1u64;
    for _ in 0..200 {
        let noise: Vec<u8> = (0..300)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as u8
            })
            .collect();
        door.noise(&[b"GET /orders".as_slice(), &noise].concat()).await;
    }
    let upstream = good().await;
    assert_eq!(Door::before(&[upstream.url()]).await.status("GET", "/orders").await, 200);
    assert_eq!(door.status("GET", "/orders").await, 200, "it still works");
}
