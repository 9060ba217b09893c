//! Who asks, in which language, and what they have seen: read once from the headers of a request.

use super::{App, problem::Trouble};
use crate::{
    engine::{Token, now_ms},
    gateway::headers::correlation,
    service::peers::DEADLINE,
};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use shared::{AccountId, Actor, Context, Kind, Lang, Millis, Role, Stamp, id::Bits, problem::Code};
use std::time::{Duration, Instant};

/// The header with the positions that a client has seen.
pub const CONSISTENCY: &str = "baemin-consistency";
/// The header that names the journals behind an answer: positions of other journals mean nothing here.
pub const JOURNAL: &str = "baemin-journal";
/// No deadline is farther away: what says more says nothing.
const MAX_DEADLINE: Duration = Duration::from_secs(300);
/// The header with the name of a request.
const IDEMPOTENCY: &str = "idempotency-key";
/// Positions in one token: six contexts, and room for partitions.
const MAX_POSITIONS: usize = 64;
/// How long a read waits for what its caller has seen. Longer than any healthy lag, shorter than anybody's patience.
const CATCH_UP: Duration = Duration::from_secs(2);

/// A request's sender.
pub struct Caller {
    /// The person, or nobody.
    pub actor: Actor,
    /// The token, to be checked again by long answers.
    pub token: Option<String>,
    /// For everything that people read.
    pub lang: Lang,
    /// What was seen.
    seen: Token,
    /// The name of this request.
    pub idempotency_key: Option<String>,
    /// Where the client thinks that we are, for links.
    pub base: String,
    /// True when plain JSON was asked for before HAL.
    pub plain_json: bool,
    /// When the request came.
    pub at_ms: Millis,
    /// The name of this request in all services and logs.
    pub correlation: HeaderValue,
    /// When nobody waits for the answer any more, as the gateway or another service has said.
    deadline: Option<Instant>,
}

/// What is kept of a deadline for the answer's way back.
const WAY_BACK: Duration = Duration::from_millis(50);

/// The language of a request, even of one that cannot be read otherwise.
pub fn language(headers: &HeaderMap) -> Lang {
    text(headers, "accept-language").and_then(Lang::parse).unwrap_or(Lang::En)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Caller {
    /// Reads the headers.
    ///
    /// # Errors
    /// A token that is not good, a key or media type that cannot be read.
    pub fn read(app: &App, method: &Method, headers: &HeaderMap) -> Result<Self, Trouble> {
        let at_ms = now_ms();
        let (actor, token) = match text(headers, "authorization") {
            None if headers.contains_key(header::AUTHORIZATION) => return Err(Code::Unauthenticated.into()),
            None => (nobody(), None),
            Some(value) => {
                let token = value.strip_prefix("Bearer ").ok_or(Code::Unauthenticated)?;
                let verified = app.identity.verify(token, at_ms).map_err(|e| e.code())?;
                (Actor::Person { account: verified.account, roles: verified.roles.to_vec() }, Some(token.to_owned()))
            }
        };
        let idempotency_key = match headers.get(IDEMPOTENCY) {
            Some(value) if *method == Method::POST || *method == Method::PUT => Some(key(value.to_str().ok())?),
            _ => None,
        };
        let plain_json = negotiate(text(headers, "accept"))?;
        let seen = text(headers, CONSISTENCY).map(positions).transpose()?.unwrap_or_default();
        let left = text(headers, DEADLINE).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        let deadline = left.map(|left| Instant::now() + left.min(MAX_DEADLINE).saturating_sub(WAY_BACK));
        Ok(Self {
            actor,
            token,
            lang: language(headers),
            seen,
            idempotency_key,
            base: base(headers),
            plain_json,
            at_ms,
            correlation: correlation(headers),
            deadline,
        })
    }

    /// How long this answer may wait for something, and no longer than its reader does.
    pub fn patience(&self, at_most: Duration) -> Duration {
        self.deadline.map_or(at_most, |deadline| at_most.min(deadline.saturating_duration_since(Instant::now())))
    }

    /// The person's account.
    ///
    /// # Errors
    /// Nobody is logged in.
    pub fn account(&self) -> Result<AccountId, Trouble> {
        match &self.actor {
            Actor::Person { account, roles } if !roles.is_empty() => Ok(*account),
            _ => Err(Code::Unauthenticated.into()),
        }
    }

    /// The person's account, in one of these roles.
    ///
    /// # Errors
    /// Nobody is logged in, or in another role.
    pub fn one_of(&self, roles: &[Role]) -> Result<AccountId, Trouble> {
        let account = self.account()?;
        if roles.iter().any(|role| self.actor.is(*role)) { Ok(account) } else { Err(Code::Forbidden.into()) }
    }

    /// What the edge stamps on this caller's commands.
    pub fn stamp(&self) -> Stamp {
        Stamp { by: self.actor.clone(), at_ms: self.at_ms }
    }

    /// Waits until a context has heard of what this caller has seen.
    pub async fn catch_up(&self, app: &App, kind: Kind) {
        if !self.seen.is_empty() {
            app.engine.caught_up(kind.context(), &self.seen, self.patience(CATCH_UP)).await;
        }
    }
}

/// A person without account or role.
fn nobody() -> Actor {
    Actor::Person { account: AccountId(Bits([0; 10])), roles: vec![] }
}

/// An idempotency key: 1 to 255 visible characters.
fn key(value: Option<&str>) -> Result<String, Trouble> {
    match value {
        Some(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => Ok(key.to_owned()),
        _ => Err(Trouble::Edge(Code::InvalidParameter, Some("Idempotency-Key: 1 to 255 visible ASCII characters are wanted".into()))),
    }
}

/// True when plain JSON comes first, as Spring Data REST answers it.
fn negotiate(accept: Option<&str>) -> Result<bool, Trouble> {
    let Some(accept) = accept else { return Ok(false) };
    for range in accept.split(',').map(|range| range.split(';').next().unwrap_or("").trim()) {
        match range {
            "application/hal+json" | "*/*" | "application/*" | "" => return Ok(false),
            "application/json" => return Ok(true),
            "text/event-stream" | "application/problem+json" => return Ok(false),
            _ => {}
        }
    }
    Err(Code::NotAcceptable.into())
}

/// `order.0=12,store.0=5`
fn positions(value: &str) -> Result<Token, Trouble> {
    let one = |item: &str| {
        let (place, seq) = item.trim().split_once('=')?;
        let (context, partition) = place.split_once('.')?;
        Some((Context::parse(context)?, partition.parse().ok()?, seq.parse().ok()?))
    };
    let token: Option<Token> = value.split(',').take(MAX_POSITIONS).map(one).collect();
    token.ok_or_else(|| Trouble::Edge(Code::InvalidParameter, Some(format!("{CONSISTENCY}: a value that this server gave is wanted"))))
}

/// Writes what [`positions`] reads: where the journal of a context stands now.
pub fn position(app: &App, context: Context) -> String {
    let heads = app.engine.heads(context);
    let items: Vec<String> = heads.iter().enumerate().map(|(partition, seq)| format!("{}.{partition}={seq}", context.name())).collect();
    items.join(",")
}

/// Links lead to where the client found us. A host that could break out of a link is not repeated.
fn base(headers: &HeaderMap) -> String {
    let safe =
        |host: &&str| !host.is_empty() && host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    match text(headers, "host").filter(safe) {
        Some(host) => format!("http://{host}"),
        None => String::new(),
    }
}
