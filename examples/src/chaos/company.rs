//! The payment company: Toss Payments' simulator as a process of its own, with the knobs that a scenario turns. Its journal
//! is the witness of what money moved: nobody else writes it.

use crate::{
    http::{Answer, Ask, Client, Host},
    process::{Server, program},
    toss::{
        SECRET_KEY,
        faults::{Call, Cuts, Kind},
        webhooks::Setting,
    },
};
use hyper::Method;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

/// A company that is open.
pub struct Company {
    server: Server,
    host: Host,
    /// What money moved.
    pub journal: PathBuf,
}

impl Company {
    /// Opens one that writes its journal in this folder.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(folder: &Path) -> Result<Self, String> {
        let journal = folder.join("toss.journal");
        let arguments = ["--journal".into(), journal.display().to_string()];
        let server = Server::start(&program("toss_sim", "BAEMIN_TOSS_SIM")?, &arguments, Stdio::null()).await?;
        Ok(Self { host: Host::new(&server.url)?, server, journal })
    }

    /// What a server must be told to use it.
    pub fn arguments(&self) -> Vec<String> {
        let url = &self.server.url;
        vec!["--provider".into(), format!("toss:{url}"), "--toss-checkout".into(), format!("{url}/checkout")]
    }

    /// What no process list may show.
    pub fn variables(&self) -> Vec<(String, String)> {
        vec![("BAEMIN_TOSS_SECRET_KEY".to_owned(), SECRET_KEY.to_owned())]
    }

    /// From now on this goes wrong as well.
    ///
    /// # Errors
    /// It does not answer, or knows no such trouble.
    pub async fn trouble(&self, rules: &Value) -> Result<(), String> {
        self.knob(Method::POST, "faults", rules).await.map(drop)
    }

    /// Nothing goes wrong any more.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn heal(&self) -> Result<(), String> {
        self.knob(Method::DELETE, "faults", &Value::Null).await.map(drop)
    }

    /// From now on it tells this server of each payment that changes, so reliably.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn webhooks(&self, setting: &Setting) -> Result<(), String> {
        self.knob(Method::POST, "webhooks", &serde_json::to_value(setting).map_err(|e| e.to_string())?).await.map(drop)
    }

    /// What it has counted.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn counts(&self) -> Result<Value, String> {
        self.knob(Method::GET, "counts", &Value::Null).await
    }

    /// Connections that it has cut in one way.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn cuts(&self, on: Call, kind: Kind) -> Result<Cuts, String> {
        let all: Vec<Cuts> = serde_json::from_value(self.counts().await?["cuts"].take()).map_err(|e| e.to_string())?;
        let found = all.into_iter().find(|cuts| (cuts.on, cuts.kind) == (on, kind));
        Ok(found.unwrap_or(Cuts { on, kind, times: 0, payments: 0 }))
    }

    async fn knob(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let ask = Ask { method, path: format!("/admin/{path}"), login: None, key: None, body: body.to_string().into() };
        read(&Client::new(&self.host).ask(ask).await.map_err(|e| e.to_string())?)
    }

    /// Ends it at once: all that it has said is on the disk.
    ///
    /// # Errors
    /// It cannot be ended.
    pub async fn end(self) -> Result<(), String> {
        self.server.kill().await
    }
}

/// What a good answer says.
///
/// # Errors
/// Any other answer.
pub fn read(answer: &Answer) -> Result<Value, String> {
    let text = || format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    if answer.is_good() { serde_json::from_slice(&answer.body).map_err(|e| e.to_string()) } else { Err(text()) }
}
