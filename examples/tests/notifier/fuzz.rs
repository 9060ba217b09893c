//! Broken answers, thousands of them: none is taken for an accepted text, and nothing panics.

use super::*;
use examples::seed::Seed;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Broken answers, to a new notice and to one that may have been sent.
const ANSWERS: u64 = 4_000;
/// More than any adapter should read.
const HUGE: usize = 2 * 1024 * 1024;

/// A body that says something, or nothing, but not that a text was accepted.
fn body(seed: &mut Seed) -> Vec<u8> {
    let good = json!({ "groupId": "G4V1", "messageId": "M4V1", "statusCode": "2000", "to": "01000000001" }).to_string();
    match seed.below(14) {
        0 => vec![],
        1 => good.as_bytes()[..seed.below(good.len() as u64) as usize].to_vec(),
        2 => b"<html><body>502 Bad Gateway</body></html>".to_vec(),
        3 => json!({ "messageId": "M4V1", "statusCode": 2000 }).to_string().into_bytes(),
        4 => json!({ "messageId": "M4V1", "statusCode": seed.draw().to_string() }).to_string().into_bytes(),
        5 => json!({ "messageId": "", "statusCode": "2000" }).to_string().into_bytes(),
        6 => json!({ "statusCode": "2000" }).to_string().into_bytes(),
        7 => json!({ "messageId": "M4V1", "statusCode": "2000", "errorCode": "New" }).to_string().into_bytes(),
        8 => json!([[], {}, null, 7]).to_string().into_bytes(),
        9 => (0..seed.below(400)).map(|_| seed.draw() as u8).collect(),
        10 => [b"[".repeat(20_000), b"]".repeat(20_000)].concat(),
        11 => json!({ "messageList": { "M1": { "statusCode": seed.below(9_999), "customFields": { "nid": "n1" } } } })
            .to_string()
            .into_bytes(),
        12 => json!({ "errorCode": "NewError" }).to_string().into_bytes(),
        _ => [good.trim_end_matches('}').as_bytes(), b",\"x\":\"", &b"y".repeat(HUGE), b"\"}"].concat(),
    }
}

fn pick<'a>(seed: &mut Seed, from: &[&'a str]) -> &'a str {
    from[seed.below(from.len() as u64) as usize]
}

/// A whole answer. What claims to be longer than it is ends too early.
fn answer(seed: &mut Seed) -> Vec<u8> {
    let status = pick(
        seed,
        &["200 OK", "200 OK", "200 OK", "201 Created", "302 Found", "400 Bad", "403 No", "429 Slow", "500 Oh", "503 Away", "999 What"],
    );
    let kind =
        pick(seed, &["application/json", "application/json", "application/json; charset=utf-8", "text/html", "application/jsonp", "\u{1}"]);
    let body = body(seed);
    let length = body.len() + if seed.below(4) == 0 { 7 } else { 0 };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let whole = [head.as_bytes(), &body].concat();
    match seed.below(10) {
        0 => whole[..seed.below(whole.len().min(200) as u64) as usize].to_vec(),
        1 => (0..seed.below(300)).map(|_| seed.draw() as u8).collect(),
        _ => whole,
    }
}

/// Reads a request to the end of its body.
async fn read(socket: &mut TcpStream) {
    let (mut heard, mut part) = (vec![], [0; 4096]);
    while let Ok(count @ 1..) = socket.read(&mut part).await {
        heard.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&heard).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|n| n.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_broken_answer_is_taken_for_an_accepted_text() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = solapi(&format!("http://{}", listener.local_addr().unwrap()), 0);
    tokio::spawn(async move {
        for number in 0.. {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut seed = Seed(20_261_121).fork(number);
            tokio::spawn(async move {
                read(&mut socket).await;
                // Whoever asked may have read enough.
                let _ = socket.write_all(&answer(&mut seed)).await;
            });
        }
    });
    let (mut kinds, way) = ([0; 3], &way);
    let asked = stream::iter(0..ANSWERS).map(|n| way.send(Message { again: n % 2 == 1, ..message(1) }));
    let mut asked = asked.buffer_unordered(8);
    while let Some(sent) = asked.next().await {
        match sent {
            Ok(()) => panic!("a broken answer was taken for an accepted text"),
            Err(Fault::Full) => kinds[0] += 1,
            Err(Fault::Broken) => kinds[1] += 1,
            Err(Fault::Refused) => kinds[2] += 1,
        }
    }
    // The answers were not all broken in one way.
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}
