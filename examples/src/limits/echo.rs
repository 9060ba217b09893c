//! The edge's limit: a bare server that answers a `POST` with its own body, in a process of its own, asked by the same
//! client over as many connections.

use super::MEASURED;
use crate::{
    http::{Ask, Client, Host},
    process::Server,
};
use axum::{Json, Router, routing::post};
use hyper::{Method, body::Bytes};
use serde_json::{Value, json};
use std::{env, io::Write, process::Stdio, time::Instant};
use tokio::{net::TcpListener, task::JoinSet};

/// The hidden flag under which the current program is the echo server.
pub const FLAG: &str = "--echo-server";

/// Is the echo server, until it is killed.
///
/// # Errors
/// It cannot listen.
pub async fn serve() -> Result<(), String> {
    let echo = Router::new().route("/", post(|Json(body): Json<Value>| async move { Json(body) }));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    writeln!(std::io::stdout(), "echo ready on http://{address}").map_err(|e| e.to_string())?;
    axum::serve(listener, echo).await.map_err(|e| e.to_string())
}

/// Requests per second that so many connections get answered.
///
/// # Errors
/// The server does not start, or does not answer.
pub async fn per_second(connections: usize) -> Result<f64, String> {
    let program = env::current_exe().map_err(|e| e.to_string())?;
    let server = Server::start(&program, &[FLAG.to_owned()], Stdio::inherit()).await?;
    let host = Host::new(&server.url)?;
    // As large as an order.
    let order = json!({ "store": "sto_0000000000000000", "items": [{ "item": "후라이드", "quantity": 2 }], "note": "x".repeat(150) });
    let body = Bytes::from(order.to_string());
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (mut client, body) = (Client::new(&host), body.clone());
        tasks.spawn(async move {
            let mut answered = 0u64;
            while began.elapsed() < MEASURED {
                let ask = Ask { method: Method::POST, path: "/".into(), login: None, key: None, body: body.clone() };
                client.ask(ask).await.map_err(|e| e.to_string())?;
                answered += 1;
            }
            Ok::<_, String>(answered)
        });
    }
    let answered = tasks.join_all().await.into_iter().sum::<Result<u64, _>>()?;
    let seconds = began.elapsed().as_secs_f64();
    server.kill().await?;
    Ok(answered as f64 / seconds)
}
