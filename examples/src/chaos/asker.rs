//! Somebody who asks what only one who is logged in may ask.

use super::company::read;
use crate::http::{Answer, Ask, Broken, Client, Host};
use hyper::{Method, body::Bytes, header::HeaderValue};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Somebody who asks with a login, on a connection of his own.
pub struct Asker {
    client: Client,
    login: HeaderValue,
}

impl Asker {
    /// Somebody whose login this is: a person may have several connections.
    pub fn new(host: &Host, login: &HeaderValue) -> Self {
        Self { client: Client::new(host), login: login.clone() }
    }

    /// Somebody who may look at everything, whose password the service of accounts keeps in its folder.
    ///
    /// # Errors
    /// Nobody can log in.
    pub async fn operator(host: &Host, data: &Path) -> Result<Self, String> {
        let password = fs::read_to_string(data.join("operator-password")).map_err(|e| e.to_string())?;
        let mut client = Client::new(host);
        let body = json!({ "name": "operator", "password": password.trim() }).to_string().into();
        let ask = Ask { method: Method::POST, path: "/tokens".into(), login: None, key: None, body };
        let tokens = read(&client.ask(ask).await.map_err(|e| e.to_string())?)?;
        let login = format!("Bearer {}", tokens["access"].as_str().unwrap_or_default());
        Ok(Self { client, login: HeaderValue::try_from(login).map_err(|e| e.to_string())? })
    }

    /// What is there.
    ///
    /// # Errors
    /// Nothing, or not for this one.
    pub async fn get(&mut self, path: &str) -> Result<Value, String> {
        read(&self.ask(Method::GET, path.into(), Bytes::new()).await.map_err(|e| e.to_string())?)
    }

    /// Does with the breaker before the company what an operator may.
    ///
    /// # Errors
    /// This one may not, or it is no such wish.
    pub async fn force(&mut self, wish: &str) -> Result<(), String> {
        let body = json!({ "force": wish, "reason": "a run of the harness" }).to_string();
        let answer = self.ask(Method::PUT, "/ops/payment/breaker".into(), body.into()).await;
        read(&answer.map_err(|e| e.to_string())?).map(drop)
    }

    /// Asks once.
    ///
    /// # Errors
    /// No answer came.
    pub async fn ask(&mut self, method: Method, path: String, body: Bytes) -> Result<Answer, Broken> {
        self.client.ask(Ask { method, path, login: Some(&self.login), key: None, body }).await
    }
}
