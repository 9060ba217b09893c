//! Bodies that are no JSON, headers and parameters that no client of ours would send, and connections that stall.

use crate::{
    cast::{Cast, FRIED},
    harness::{Answer, House, PATIENCE},
};
use serde_json::json;
use server::http::{ops::Ops, routes::Op};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A whole request with these bytes as its body.
fn request(path: &str, token: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_json_is_refused_as_such() {
    let cast = Cast::gather().await;
    let twice = format!(r#"{{"store":"{}","store":"{}","items":[],"contact":{{}}}}"#, cast.store, cast.other_store);
    let bodies: [(&str, Vec<u8>, u16); 15] = [
        ("nothing", vec![], 400),
        ("blanks", b" \n\t ".to_vec(), 400),
        ("text", b"hello".to_vec(), 400),
        ("cut off", br#"{"name":"a"#.to_vec(), 400),
        ("with a byte order mark", "\u{feff}{}".into(), 400),
        ("in UTF-16", "{}".encode_utf16().flat_map(u16::to_le_bytes).collect(), 400),
        ("not UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec(), 400),
        ("two values", b"{} {}".to_vec(), 400),
        ("a list", b"[]".to_vec(), 400),
        ("null", b"null".to_vec(), 400),
        ("a number of a megabyte", [b"{\"x\":".as_slice(), &[b'9'; 60_000]].concat(), 400),
        ("deep", [b'['; 60_000].to_vec(), 400),
        ("a field twice", twice.into_bytes(), 400),
        ("a form", b"name=a&password=b".to_vec(), 400),
        ("a megabyte", vec![b' '; 1 << 20], 413),
    ];
    for path in ["/orders", "/accounts", "/tokens", "/customers", "/reviews"] {
        for (what, body, status) in &bodies {
            let answer = cast.house.raw(&request(path, &cast.kim.access, body)).await;
            assert_eq!(answer.status, *status, "{path} {what}: {answer:?}");
            assert_eq!(answer.code(), if *status == 413 { "too_large" } else { "invalid_body" }, "{path} {what}");
        }
    }
    assert_eq!(cast.house.get("/orders", &cast.kim).await.ok()["page"]["totalElements"], 0);
}

/// A body without an end, in chunks, and one that never comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_end_and_a_body_that_stalls_are_given_up() {
    let house = House::open().await;
    let head = "POST /tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let endless = async {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        socket.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
        let mut sent = 0;
        // It may take what is under way, but nowhere near this much.
        while sent < 200_000_000 && socket.write_all(b"400\r\n").await.is_ok() && socket.write_all(&[b' '; 1024]).await.is_ok() {
            if socket.write_all(b"\r\n").await.is_err() {
                break;
            }
            sent += 1024;
        }
        assert!(sent < 200_000_000, "the server took {sent} bytes");
    };
    let stalling = async {
        let mut socket = TcpStream::connect(house.address).await.unwrap();
        socket.write_all(format!("{head}Content-Length: 50\r\n\r\n{{\"name\":").as_bytes()).await.unwrap();
        let (begun, mut said) = (Instant::now(), vec![0; 4096]);
        let read = tokio::time::timeout(PATIENCE, socket.read(&mut said)).await;
        let n = read.expect("a stalled body holds its place for ever").unwrap();
        assert!(String::from_utf8_lossy(&said[..n]).starts_with("HTTP/1.1 400"), "{}", String::from_utf8_lossy(&said[..n]));
        assert!(begun.elapsed() < Duration::from_secs(30));
    };
    tokio::join!(endless, stalling);
    assert!(house.call("GET", "/health/live", None, None).await.is_good());
}

/// What a header of ours or of HTTP could hold by mistake or by intent.
const VALUES: [&[u8]; 29] = [
    b"",
    b" ",
    b"x",
    b"-1",
    b"0",
    b"\"",
    b"*/*;q=nan",
    b"\xff\xfe",
    "한글".as_bytes(),
    b"a\tb",
    b"null",
    b"undefined",
    b"99999999999999999999999",
    b"18446744073709551615",
    b"-",
    b"1-2-3",
    b"1.5",
    b"order.0=-1",
    b"order.99=5",
    b"order.0=99999999999999999999",
    b"nobody.0=1",
    b"order.0=18446744073709551615",
    b"=,=,=",
    b"application/xml",
    b"text/*;q=0",
    b"ko-",
    b"\xea\xb0",
    b"k",
    b"Bearer",
];

/// Headers that anything here reads.
const NAMES: [&str; 19] = [
    "idempotency-key",
    "baemin-consistency",
    "last-event-id",
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "origin",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "if-none-match",
    "if-match",
    "range",
    "cookie",
    "expect",
    "te",
    "content-encoding",
    "access-control-request-method",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_header_breaks_anything() {
    let cast = Cast::gather().await;
    let long = "x".repeat(8_000);
    let many = "order.0=1,".repeat(700);
    let values = VALUES.into_iter().chain([long.as_bytes(), many.as_bytes()]);
    let wanted = json!({ "store": cast.store, "items": [{ "item": FRIED, "quantity": 0 }], "contact": {} }).to_string();
    for name in NAMES {
        for value in values.clone() {
            for (method, path) in [("POST", "/orders"), ("GET", "/orders"), ("GET", "/orders/events"), ("OPTIONS", "/orders")] {
                let request = cast.house.bare(method, path).header(name, value);
                let request = if name == "authorization" { request } else { request.bearer_auth(&cast.kim.access) };
                let request = if name == "content-type" { request } else { request.header("content-type", "application/json") };
                let request = if method == "POST" { request.body(wanted.clone()) } else { request };
                // A header that no client can send, or a stream that opened, is nothing to look at.
                let Ok(response) = request.send().await else { continue };
                let status = response.status().as_u16();
                let about = format!("{method} {path} {name}: {}", String::from_utf8_lossy(&value[..value.len().min(60)]));
                assert!(status < 500, "{status}: {about}");
                let is_problem = response.headers().get("content-type").is_some_and(|media| media == "application/problem+json");
                if status >= 400 && is_problem {
                    let answer = Answer { status, headers: response.headers().clone(), text: response.text().await.unwrap() };
                    answer.code();
                } else {
                    // The HTTP library itself refuses heads beyond its limits, without a body.
                    assert!(status < 400 || [400, 414, 417, 431].contains(&status), "{status} without a problem: {about}");
                }
            }
        }
    }
    assert_eq!(cast.house.get("/orders", &cast.kim).await.ok()["page"]["totalElements"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_id_and_no_parameter_breaks_anything() {
    let cast = Cast::gather().await;
    let long = format!("ord_{}", "0".repeat(5_000));
    let ids = [
        "0",
        "-1",
        "ord_",
        "ord_0000000000000000",
        "sto_0000000000000000",
        "ORD_0000000000000000",
        "ord_000000000000000l",
        "%00",
        "%ff",
        "%2e%2e%2f",
        "'%20OR%201=1",
        "*",
        "%F0%9F%8D%95",
        "null",
        "events%2f",
        "ord_0000000000000000%0a",
        &long,
    ];
    for route in server::http::routes::all() {
        if !route.path.contains("{id}") {
            continue;
        }
        for id in ids {
            for who in [&cast.kim, &cast.park, &cast.han, &cast.operator] {
                let path = route.path.replace("{id}", id);
                let answer = cast.house.call(route.method.as_str(), &path, Some(&who.access), Some(&json!({}))).await;
                // A story is told to operators even of an order that nobody knows: it is empty, since journals forget nothing.
                let is_story = matches!(route.op, Op::Ops(_, Ops::Story)) && answer.status == 200;
                assert!(is_story || [403, 404].contains(&answer.status), "{} {path}: {answer:?}", route.method);
                if is_story {
                    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer.text).unwrap()["events"], json!([]), "{path}");
                } else {
                    answer.code();
                }
            }
        }
    }
    let odd = [
        "",
        "-1",
        "0",
        "1",
        "100000",
        "99999999999999999999",
        "NaN",
        "inf",
        "-inf",
        "1e400",
        "0x1",
        "1.5",
        "true",
        "%00",
        "%ff",
        "%F0%9F%8D%95",
        "[]",
        "a&a=b",
    ];
    for route in server::http::routes::kinds() {
        for name in ["page", "size", "sort", "lat", "lng", "km", "name", "open", "as", "store", "x", "page[]", ""] {
            for value in odd {
                let path = format!("/{}?{name}={value}", route.route());
                let request = cast.house.bare("GET", &path).bearer_auth(&cast.kim.access);
                let answer = cast.house.send(request).await;
                assert!(answer.status < 500, "{path}: {answer:?}");
                if answer.is_good() {
                    let page = answer.ok()["page"].clone();
                    assert!(page["size"].as_u64().is_some_and(|size| (1..=100).contains(&size)), "{path}: {page}");
                } else {
                    answer.code();
                }
            }
        }
    }
    for place in ["lat=91&lng=0", "lat=0&lng=181", "lat=inf&lng=0", "lat=NaN&lng=NaN", "lat=1", "lng=1", "lat=1e400&lng=1", "lat=&lng="] {
        cast.house.call("GET", &format!("/storefronts?{place}"), None, None).await.is_problem(400, "invalid_parameter");
    }
    for place in ["lat=90&lng=180", "lat=-90&lng=-180", "lat=0&lng=179.9999999", "lat=37&lng=127&km=1e308", "lat=37&lng=127&km=-5"] {
        cast.house.call("GET", &format!("/storefronts?{place}"), None, None).await.ok();
    }
}
