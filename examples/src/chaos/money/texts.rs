//! The company that sends texts: SOLAPI's stand-in as a process of its own. Its journal says what was sent.

use crate::{
    http::{Ask, Client, Host},
    process::{Server, program},
    solapi::{Faults, Taken},
};
use hyper::{Method, body::Bytes};
use serde::de::DeserializeOwned;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

/// One that is open.
pub struct Texts {
    server: Server,
    host: Host,
    /// What was accepted.
    pub journal: PathBuf,
}

impl Texts {
    /// Opens one that takes so many texts in a second, and all of them with 0.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(folder: &Path, capacity: u32) -> Result<Self, String> {
        let journal = folder.join("solapi.journal");
        let arguments = ["--journal".into(), journal.display().to_string(), "--capacity".into(), capacity.to_string()];
        let server = Server::start(&program("solapi_sim", "BAEMIN_SOLAPI_SIM")?, &arguments, Stdio::null()).await?;
        Ok(Self { host: Host::new(&server.url)?, server, journal })
    }

    /// What a server must be told to use it. Whoever has no phone reads the log instead.
    pub fn arguments(&self) -> Vec<String> {
        let solapi = format!("solapi:{}?from=0212345678&pf=KA01PF&template=KA01TP&settle-ms=1000", self.server.url);
        ["--notifier", &solapi, "--notifier", "log"].map(str::to_owned).to_vec()
    }

    /// What no process list may show.
    pub fn variables(&self) -> Vec<(String, String)> {
        [("BAEMIN_SOLAPI_KEY", "sim-key"), ("BAEMIN_SOLAPI_SECRET", "sim-secret")].map(|(name, value)| (name.into(), value.into())).to_vec()
    }

    /// What goes wrong from now on.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn trouble(&self, faults: &Faults) -> Result<Faults, String> {
        self.ask(Method::PUT, "faults", serde_json::to_vec(faults).map_err(|e| e.to_string())?.into()).await
    }

    /// What is still to go wrong.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn faults(&self) -> Result<Faults, String> {
        self.ask(Method::GET, "faults", Bytes::new()).await
    }

    /// Everything that was accepted.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn taken(&self) -> Result<Vec<Taken>, String> {
        self.ask(Method::GET, "journal", Bytes::new()).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T, String> {
        let ask = Ask { method, path: format!("/sim/{path}"), login: None, key: None, body };
        let answer = Client::new(&self.host).ask(ask).await.map_err(|e| e.to_string())?;
        serde_json::from_slice(&answer.body).map_err(|e| e.to_string())
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// It cannot be ended.
    pub async fn end(self) -> Result<(), String> {
        self.server.kill().await
    }
}
