//! The HTTP client: one place that knows tokens, retries, idempotency keys and consistency headers, so that commands
//! only say what they want. It prints nothing.

mod reply;
mod send;

pub use reply::Reply;
pub(crate) use send::{is_passing, pause};

use crate::{Exit, Failure, session::Session};
use reqwest::Method;
use send::{Call, fresh_key};
use serde::Serialize;
use shared::{
    Lang,
    api::{Login, LoginName, Tokens},
    problem::Problem,
};
use std::{sync::Arc, time::Duration};

/// A server that is there takes a connection at once.
const CONNECT: Duration = Duration::from_secs(3);

/// A client of one server, in one language, for one person. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    lang: Lang,
    session: Arc<Session>,
}

impl Client {
    /// A client of the server at this address.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(server: &str, lang: Lang, session: Session) -> Result<Self, Failure> {
        let bad = || {
            Failure::usage(lang.pick(format!("서버 주소가 아니에요: {server}"), format!("not a server address: {server}")))
                .hint("baemin customer stores --server http://127.0.0.1:8088")
        };
        let url = reqwest::Url::parse(server).map_err(|_| bad())?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(bad)?;
        let mut http = reqwest::Client::builder().connect_timeout(CONNECT).tcp_nodelay(true);
        if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        Ok(Self { http, base: server.trim_end_matches('/').to_owned(), lang, session: Arc::new(session) })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.base
    }

    /// The language of answers.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Who is logged in.
    pub fn tokens(&self) -> Option<Tokens> {
        self.session.tokens()
    }

    /// Who is logged in, or a failure that says how to.
    ///
    /// # Errors
    /// When nobody is.
    pub fn me(&self) -> Result<Tokens, Failure> {
        self.tokens().ok_or_else(|| Problem::new(shared::problem::Code::Unauthenticated, self.lang, None).into())
    }

    /// Reads.
    ///
    /// # Errors
    /// Every answer that is not a success, and no answer.
    pub async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.get_with(path, &[]).await
    }

    /// Reads, with parameters.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_with(&self, path: &str, query: &[(&str, String)]) -> Result<Reply, Failure> {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let call = Call { method: Method::GET, path: path.into(), query, body: None, key: None, anonymous: false };
        self.send(&call).await
    }

    /// Creates.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Reply, Failure> {
        self.command(Method::POST, path, body, false).await
    }

    /// Moves one thing with a verb.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Result<Reply, Failure> {
        self.command(Method::PUT, path, body, false).await
    }

    async fn command(&self, method: Method, path: &str, body: &impl Serialize, anonymous: bool) -> Result<Reply, Failure> {
        let body = serde_json::to_value(body).map_err(|e| Failure::new(Exit::Failed, e.to_string()))?;
        let key = (method != Method::DELETE).then(fresh_key);
        let call = Call { method, path: path.into(), query: Vec::new(), body: Some(body), key, anonymous };
        self.send(&call).await
    }

    /// Creates an account.
    ///
    /// # Errors
    /// As [`Client::get`]; `name_taken` when the name is somebody's.
    pub async fn join(&self, join: &shared::api::Join) -> Result<Reply, Failure> {
        self.command(Method::POST, "/accounts", join, true).await
    }

    /// Logs in, and keeps the tokens.
    ///
    /// # Errors
    /// As [`Client::get`]; `wrong_password`.
    pub async fn login(&self, name: &LoginName, password: &str) -> Result<Tokens, Failure> {
        self.token(&Login::Password { name: name.clone(), password: password.into() }).await
    }

    async fn token(&self, login: &Login) -> Result<Tokens, Failure> {
        let tokens: Tokens = self.command(Method::POST, "/tokens", login, true).await?.read()?;
        self.session.keep(&tokens)?;
        Ok(tokens)
    }

    /// Logs out, here and at the server. Here also when the server is away.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn logout(&self) -> Result<(), Failure> {
        let Some(tokens) = self.tokens() else { return Ok(()) };
        let body = serde_json::json!({ "refresh": tokens.refresh });
        let answer = self.command(Method::DELETE, "/tokens", &body, false).await;
        self.session.forget();
        match answer {
            Err(failure) if failure.exit != Exit::Denied => Err(failure),
            _ => Ok(()),
        }
    }

    /// Rotates the tokens, unless somebody has done so since `stale` was read.
    pub(crate) async fn refresh(&self, stale: &str) -> Result<(), Failure> {
        let _turn = self.session.turn().await;
        let kept = self.me()?;
        if kept.access != stale {
            return Ok(());
        }
        let answer = Box::pin(self.token(&Login::Refresh { refresh: kept.refresh })).await;
        answer.map(drop).inspect_err(|failure| {
            if failure.exit == Exit::Denied {
                self.session.forget();
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked() {
        for bad in ["", "localhost:8088", "ftp://x", "http://"] {
            assert_eq!(Client::new(bad, Lang::En, Session::in_memory()).err().map(|f| f.exit), Some(Exit::Usage), "{bad}");
        }
        assert!(Client::new("http://127.0.0.1:8088/", Lang::En, Session::in_memory()).is_ok());
    }
}
