//! Broken answers, by the thousand: whatever a company, a proxy or a network may send. None of them is money.

use super::*;
use examples::{
    seed::Seed,
    toss::{
        answers::shown,
        bank::{Cancel, Payment, Status},
    },
};
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Broken answers in a run.
const ANSWERS: u32 = 6_000;
const AMOUNT: i64 = 23_500;
const BACK: i64 = 5_000;

/// The payment as it would be, had everything happened.
fn truth(n: u32, is_back: bool) -> Value {
    let cancel = Cancel { amount: BACK, reason: format!("환불 {}", key(n, 2)), left: AMOUNT - BACK, at_ms: 1 };
    let payment = Payment {
        key: format!("pay{n}"),
        order_id: key(n, 1),
        amount: AMOUNT,
        balance: if is_back { AMOUNT - BACK } else { AMOUNT },
        card: String::new(),
        extra: false,
        status: if is_back { Status::PartialCanceled } else { Status::Done },
        requested_ms: 0,
        approved_ms: Some(1),
        cancels: if is_back { vec![cancel] } else { vec![] },
    };
    shown(&payment)
}

/// Breaks one thing of it that matters.
fn altered(seed: &mut Seed, mut truth: Value, is_back: bool) -> Value {
    let fields = ["paymentKey", "orderId", "status", "currency", "totalAmount", "balanceAmount", "approvedAt"];
    let field = fields[seed.below(fields.len() as u64) as usize];
    let broken = [json!(null), json!([]), json!({ "a": 1 }), json!(true), json!(-1), json!(1.5), json!("../x"), json!(u64::MAX)];
    let broken = broken[seed.below(broken.len() as u64) as usize].clone();
    match seed.below(if is_back { 4 } else { 3 }) {
        0 => drop(truth.as_object_mut().unwrap().remove(field)),
        // A moment that is some other text is believed: it is only asked whether there is one.
        1 if field == "approvedAt" => truth[field] = json!(null),
        1 => truth[field] = broken,
        2 => truth["status"] = json!(["READY", "IN_PROGRESS", "WAITING_FOR_DEPOSIT", "ABORTED", "EXPIRED", "NEW"][seed.below(6) as usize]),
        _ => {
            let cancel = &mut truth["cancels"][0];
            match seed.below(3) {
                0 => cancel["cancelAmount"] = json!(BACK - 1),
                1 => cancel["cancelReason"] = json!("환불"),
                _ => drop(cancel.as_object_mut().unwrap().remove("cancelAmount")),
            }
        }
    }
    truth
}

/// A whole HTTP answer that says nothing true.
fn broken(seed: &mut Seed, truth: Value, is_back: bool) -> Vec<u8> {
    let good = truth.to_string().into_bytes();
    let code = ["NOBODY_KNOWS_THIS", "PROVIDER_ERROR", "", "lower", "한글", "COMMON_ERROR", "X".repeat(500).as_str()]
        [seed.below(7) as usize]
        .to_owned();
    let (mut status, mut kind, mut body, mut length) = (200, "application/json", good.clone(), None);
    match seed.below(12) {
        0 => body.truncate(seed.below(good.len() as u64) as usize),
        1 => (kind, body) = ("text/html", b"<!doctype html><p>DONE</p>".to_vec()),
        2 => kind = ["text/plain", "application/jsonp", "", "application/octet-stream"][seed.below(4) as usize],
        3 => body.resize(good.len() + 300 * 1024, b' '),
        4 => status = [201, 202, 204, 301, 302, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504][seed.below(16) as usize],
        5 => (status, body) = (400 + seed.below(199) as u16, json!({ "code": code, "message": "…" }).to_string().into_bytes()),
        6 => body = (0..seed.below(4_000)).map(|_| seed.draw() as u8).collect(),
        7 => body = "[".repeat(100_000).into_bytes(),
        8 => length = Some(good.len() + 1 + seed.below(1_000) as usize),
        9 => body.clear(),
        10 => return (0..seed.below(200)).map(|_| seed.draw() as u8).collect(),
        _ => body = altered(seed, truth, is_back).to_string().into_bytes(),
    }
    let length = length.unwrap_or(body.len());
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\nlocation: /\r\n\r\n");
    [head.into_bytes(), body].concat()
}

fn good(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.into_bytes(), body.into_bytes()].concat()
}

/// What a call is answered: look-ups truly, for every other order, since otherwise nothing else would be asked.
fn answer(seed: &mut Seed, path: &str, n: u32) -> Vec<u8> {
    let is_back = n % 2 == 1;
    let (is_look_up, looks_well) = (path.starts_with("GET"), n % 4 < 3);
    match path {
        _ if path.contains("/checkout") => good(200, &json!({ "paymentKey": format!("pay{n}") })),
        // The truth there: nothing went back, or nothing was asked for yet.
        _ if is_look_up && looks_well && is_back => good(200, &truth(n, false)),
        _ if is_look_up && looks_well => good(404, &json!({ "code": "NOT_FOUND_PAYMENT", "message": "…" })),
        _ => broken(seed, truth(n, is_back), is_back),
    }
}

/// Serves one connection; `n` is the order that is asked about at the moment.
async fn serve(mut stream: TcpStream, seed: Arc<Mutex<(Seed, u32)>>) -> Option<()> {
    let mut request = vec![];
    let mut chunk = [0; 4096];
    let head = loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break head.to_owned();
        }
    };
    let reply = {
        let mut at = seed.lock().unwrap();
        let n = at.1;
        answer(&mut at.0, head.lines().next()?, n)
    };
    stream.write_all(&reply).await.ok()?;
    stream.shutdown().await.ok()
}

#[tokio::test]
async fn broken_answers_are_never_money_and_never_a_panic() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let now = Arc::new(Mutex::new((Seed(20_261_121), 0)));
    let seed = now.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, seed.clone()));
        }
    });
    let toss = Toss::open(&settings(&url)).unwrap();
    for n in 0..ANSWERS {
        now.lock().unwrap().1 = n;
        if n % 2 == 1 {
            // A look-up that shows another amount under this refund's name is for an operator, and so it may be declined.
            assert_ne!(toss.refund(refund(n, 2, &[(1, BACK)])).await, Answer::Approved, "refund {n}");
        } else {
            let answer = toss.charge(charge(n, 1, AMOUNT, Means::Card)).await;
            assert!(matches!(answer, Answer::Undecided | Answer::Unknown), "charge {n}: {answer:?}");
        }
        if n % 4 == 3 {
            assert_ne!(toss.look_up(&key(n, 1)).await, None, "look-up {n}: what was not understood was taken for nothing");
        }
    }
}
