//! A live stream against a server that cuts the connection, repeats itself and skips: the reader sees each change once,
//! in order, and none is missing.

#![expect(clippy::unwrap_used, reason = "a test may end here")]

use baemin::{Client, Exit, News, Session, Watch};
use shared::{Lang, OrderId};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

const ORDER: &str = "ord_0123456789abcdef";

/// A change as it comes over the wire.
fn change(version: u64, status: &str) -> String {
    let data =
        format!(r#"{{"of":"order","order":"{ORDER}","version":{version},"event":"{status}","status":"{status}","at_ms":{version}}}"#);
    format!("event: change\nid: {version}\ndata: {data}\n\n")
}

/// The head of an answer, and then what `body` says; the connection is cut at its end.
fn answer(stream: &mut TcpStream, head: &str, body: &str) {
    stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).unwrap();
    stream.flush().unwrap();
}

/// Serves one answer per connection and tells the request's headers of each.
fn server(answers: Vec<(&'static str, String)>) -> (String, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    thread::spawn(move || {
        for (head, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = Vec::new();
            let mut length = 0;
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                let line = line.trim().to_lowercase();
                length = line.strip_prefix("content-length: ").map_or(length, |n| n.parse().unwrap());
                lines.push(line);
            }
            std::io::copy(&mut std::io::Read::take(&mut reader, length), &mut std::io::sink()).unwrap();
            answer(&mut stream, head, &body);
            tell.send(lines).unwrap();
        }
        // Whoever comes later waits for ever.
        let _later = listener.accept();
        thread::park();
    });
    (address, told)
}

fn events(body: &[String]) -> (&'static str, String) {
    ("200 OK\r\nContent-Type: text/event-stream", format!(": hello\n\n{}", body.concat()))
}

fn client(address: &str) -> Client {
    Client::new(address, Lang::En, Session::in_memory()).unwrap()
}

/// Reads until so many changes have come; the versions, and how often the stream was lost.
async fn read(watch: &mut Watch, count: usize) -> (Vec<u64>, usize) {
    let (mut versions, mut losses) = (Vec::new(), 0);
    while versions.len() < count {
        match watch.next().await.unwrap() {
            News::Change { change, .. } => versions.push(change.version),
            News::Lost => losses += 1,
            News::Open { .. } | News::Gap => {}
        }
    }
    (versions, losses)
}

fn header<'a>(request: &'a [String], name: &str) -> Option<&'a str> {
    request.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn a_cut_connection_goes_on_where_it_was() {
    // The second answer begins with what is known, as a server may; the third is cut in the middle of an event.
    let (address, requests) = server(vec![
        events(&[change(1, "pending_payment"), change(2, "placed")]),
        events(&[change(2, "placed"), change(1, "pending_payment"), change(3, "accepted"), "event: change\nid: 4\nda".into()]),
        ("503 Service Unavailable\r\nContent-Length: 0", String::new()),
        events(&[change(4, "cooking"), change(5, "cooked")]),
    ]);
    let mut watch = Watch::order(&client(&address), OrderId::parse(ORDER).unwrap());
    let (versions, losses) = read(&mut watch, 5).await;
    assert_eq!((versions, losses), (vec![1, 2, 3, 4, 5], 2));
    let ids: Vec<Option<String>> = requests.iter().take(4).map(|r| header(&r, "last-event-id").map(str::to_owned)).collect();
    assert_eq!(ids, [None, Some("2".into()), Some("3".into()), Some("3".into())]);
}

#[tokio::test]
async fn a_missing_change_is_asked_for() {
    let (address, requests) = server(vec![
        events(&[change(1, "pending_payment"), change(3, "accepted")]),
        events(&[change(2, "placed"), change(3, "accepted"), change(4, "cooking")]),
    ]);
    let mut watch = Watch::order(&client(&address), OrderId::parse(ORDER).unwrap());
    assert_eq!(read(&mut watch, 4).await.0, [1, 2, 3, 4]);
    assert_eq!(requests.iter().nth(1).and_then(|r| header(&r, "last-event-id").map(str::to_owned)).as_deref(), Some("1"));
}

#[tokio::test]
async fn a_refusal_ends_the_watch() {
    let problem = r#"{"type":"urn:baemin:problem:not_found","status":404,"code":"not_found","title":"No.","hint":"Look."}"#;
    let (address, _requests) = server(vec![("404 Not Found\r\nContent-Type: application/problem+json", problem.into())]);
    let mut watch = Watch::order(&client(&address), OrderId::parse(ORDER).unwrap());
    let failure = watch.next().await.unwrap_err();
    assert_eq!((failure.exit, failure.what.as_str()), (Exit::NotFound, "No."));
}

#[tokio::test]
async fn a_command_is_repeated_with_the_same_key_until_it_is_answered() {
    let (address, requests) = server(vec![
        ("503 Service Unavailable\r\nContent-Length: 0", String::new()),
        (
            "409 Conflict\r\nContent-Type: application/problem+json",
            r#"{"type":"x","status":409,"code":"in_flight","title":"Wait.","hint":""}"#.into(),
        ),
        ("201 Created\r\nContent-Type: application/hal+json\r\nBaemin-Consistency: order.0=3\r\nBaemin-Journal: j", "{}".into()),
        ("200 OK\r\nContent-Type: application/hal+json", "{}".into()),
    ]);
    let client = client(&address);
    assert_eq!(client.post("/orders", &serde_json::json!({})).await.unwrap().status, 201);
    client.get("/orders").await.unwrap();
    let requests: Vec<Vec<String>> = requests.iter().take(4).collect();
    let keys: Vec<Option<&str>> = requests.iter().map(|r| header(r, "idempotency-key")).collect();
    assert!(keys[0].is_some() && keys[0] == keys[1] && keys[1] == keys[2] && keys[3].is_none(), "{keys:?}");
    assert_eq!(header(&requests[3], "baemin-consistency"), Some("order.0=3"));
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once_and_the_request_repeated() {
    let expired = r#"{"type":"x","status":401,"code":"token_expired","title":"Old.","hint":""}"#;
    let tokens = |access: &str| {
        format!(r#"{{"account":"acc_0123456789abcdef","roles":["customer"],"access":"{access}","refresh":"r-{access}","expires_ms":1}}"#)
    };
    let (address, requests) = server(vec![
        ("201 Created", tokens("one")),
        ("401 Unauthorized", expired.into()),
        ("201 Created", tokens("two")),
        ("200 OK", "{}".into()),
    ]);
    let client = client(&address);
    client.login(&shared::Text::new("hong").unwrap(), "password").await.unwrap();
    client.get("/orders").await.unwrap();
    let requests: Vec<Vec<String>> = requests.iter().take(4).collect();
    let bearers: Vec<Option<&str>> = requests.iter().map(|r| header(r, "authorization")).collect();
    assert_eq!(bearers, [None, Some("bearer one"), None, Some("bearer two")]);
    assert_eq!(client.tokens().unwrap().refresh, "r-two");
}

#[tokio::test]
async fn a_server_that_is_away_is_said_so() {
    let address = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let failure = client(&address).get("/orders").await.unwrap_err();
    assert_eq!((failure.exit, failure.hint.is_some()), (Exit::Unreachable, true));
}
