//! Somebody who receives webhooks, and checks them as standardwebhooks.com says.

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub const SECRET: &str = "whsec_c2VjcmV0LW9mLXRoZS13ZWJob29r";

/// What has come, and what the next request is answered with.
#[derive(Default)]
pub struct Heard {
    pub names: Vec<String>,
    pub bodies: Vec<serde_json::Value>,
    pub status: u16,
}

pub type Hook = Arc<Mutex<Heard>>;

/// Starts a receiver, and says where it is.
pub async fn start() -> (Hook, String) {
    let hook = Hook::default();
    hook.lock().unwrap().status = 204;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(receive)).with_state(hook.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (hook, url)
}

async fn receive(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, at_s, signature) = (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    let signed = [format!("{id}.{at_s}.").as_bytes(), &body].concat();
    let tag = signature.strip_prefix("v1,").and_then(|tag| STANDARD.decode(tag).ok()).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(&SECRET[6..]).unwrap());
    if hmac::verify(&key, &signed, &tag).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let mut heard = hook.lock().unwrap();
    let status = StatusCode::from_u16(heard.status).unwrap();
    if status.is_success() {
        heard.names.push(id);
        heard.bodies.push(serde_json::from_slice(&body).unwrap());
    }
    status
}
