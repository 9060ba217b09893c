//! What every service needs of identity: whose token is this, and what does this sealed contact say. Where identity runs
//! in this process it is asked directly; elsewhere tokens are verified with its public key, and people's keys are fetched
//! from it once in a while. A service that has the public key goes on while identity is away.

use super::{
    Identity, IdentityError, TokenError, Verified,
    tokens::{SessionId, Signer, Verifier},
    vault::{self, Key, Letter},
};
use crate::service::Peers;
use base64::{Engine, engine::general_purpose::STANDARD};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use shared::{AccountId, Contact, Millis, Sealed, id::Bits};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often identity is asked which logins have ended: for so long another service may believe a token of theirs.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The pause while identity's public key is not known yet, and nothing can be served.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How long a person's key is used without asking again, and so how long a forgotten person may still be read.
const KEY_LIFE: Duration = Duration::from_secs(60);
/// People whose key is at hand, of about a kilobyte each.
const REMEMBERED: usize = 20_000;

/// What identity tells other services about tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenKeys {
    public: String,
    access_ms: Millis,
    /// Sessions that ended, and until when that must be remembered.
    ended: Vec<(String, Millis)>,
}

impl TokenKeys {
    pub(super) fn of(signer: &Signer, access_ms: Millis) -> Self {
        let ended = signer.verifier.ended().into_iter().map(|(session, until_ms)| (session.0.to_string(), until_ms)).collect();
        Self { public: STANDARD.encode(&signer.public), access_ms, ended }
    }
}

/// Identity as a service sees it.
#[derive(Clone)]
pub enum Access {
    /// It runs here.
    Home(Identity),
    /// It runs elsewhere.
    Away(Arc<Away>),
}

impl Access {
    /// Says whose access token this is.
    ///
    /// # Errors
    /// When it is not ours, or has ended.
    pub fn verify(&self, token: &str, now_ms: Millis) -> Result<Verified, TokenError> {
        match self {
            Access::Home(identity) => identity.verify(token, now_ms),
            Access::Away(away) => away.verifier().ok_or(TokenError::Unknown)?.verify(token, now_ms),
        }
    }

    /// Seals a contact for its person.
    ///
    /// # Errors
    /// When the person's key cannot be had.
    pub fn seal(&self, person: AccountId, contact: &Contact) -> Result<Sealed, IdentityError> {
        match self {
            Access::Home(identity) => identity.seal(person, contact),
            Access::Away(away) => {
                let key = away.key(person, true)?.ok_or(IdentityError::Fault("a person's key"))?;
                vault::seal(&key, person, contact)
            }
        }
    }

    /// Unseals a contact; `None` when its person was forgotten, or the text is not ours.
    ///
    /// # Errors
    /// When the person's key cannot be had now.
    pub fn unseal(&self, sealed: &Sealed) -> Result<Option<Contact>, IdentityError> {
        match self {
            Access::Home(identity) => Ok(identity.unseal(sealed)),
            Access::Away(away) => {
                let Some(letter) = Letter::read(sealed) else { return Ok(None) };
                Ok(away.key(letter.person, false)?.and_then(|key| letter.open(&key)))
            }
        }
    }

    /// Identity itself.
    ///
    /// # Errors
    /// When it is another service; no route leads here then.
    pub fn home(&self) -> Result<&Identity, IdentityError> {
        match self {
            Access::Home(identity) => Ok(identity),
            Access::Away(_) => Err(IdentityError::Fault("being another service")),
        }
    }

    /// False until tokens can be verified.
    pub fn is_ready(&self) -> bool {
        match self {
            Access::Home(_) => true,
            Access::Away(away) => away.verifier().is_some(),
        }
    }

    /// Signatures checked since the start: repeated tokens cost none.
    pub fn signatures(&self) -> u64 {
        match self {
            Access::Home(identity) => identity.signatures(),
            Access::Away(away) => away.verifier().map_or(0, |verifier| verifier.signatures()),
        }
    }
}

/// Identity in another process.
pub struct Away {
    peers: Arc<Peers>,
    verifier: RwLock<Option<(TokenKeys, Arc<Verifier>)>>,
    people: Cache<AccountId, (Key, Instant)>,
    /// The public key as it was last heard, for a start while identity is away.
    kept: PathBuf,
}

impl Away {
    /// Begins with what this folder has kept.
    pub fn new(peers: Arc<Peers>, dir: &std::path::Path) -> Arc<Self> {
        let kept = dir.join("token-keys.json");
        let away = Self { peers, verifier: RwLock::default(), people: Cache::new(REMEMBERED), kept };
        if let Some(keys) = fs::read(&away.kept).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            away.take(keys, 0);
        }
        Arc::new(away)
    }

    /// Asks identity again and again, until the process stops.
    pub async fn follow(self: Arc<Self>, stopping: CancellationToken) {
        let asking = async {
            loop {
                match self.peers.token_keys().await {
                    Ok(keys) => self.take(keys, super::wall_ms()),
                    Err(fault) => tracing::debug!(%fault, "identity does not answer; it is asked again"),
                }
                tokio::time::sleep(if self.verifier().is_some() { ASK_EVERY } else { ASK_AGAIN }).await;
            }
        };
        tokio::select! { () = asking => {}, () = stopping.cancelled() => {} }
    }

    fn verifier(&self) -> Option<Arc<Verifier>> {
        self.verifier.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, verifier)| verifier.clone())
    }

    fn take(&self, keys: TokenKeys, now_ms: Millis) {
        let mut known = self.verifier.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.as_ref().is_none_or(|(known, _)| (&known.public, known.access_ms) != (&keys.public, keys.access_ms));
        if is_new {
            let verifier = STANDARD.decode(&keys.public).ok().and_then(|public| Verifier::new(&public, keys.access_ms).ok());
            let Some(verifier) = verifier else {
                tracing::error!("identity told a key that is none");
                return;
            };
            *known = Some((keys.clone(), Arc::new(verifier)));
            let written = serde_json::to_vec(&TokenKeys { ended: vec![], ..keys.clone() }).unwrap_or_default();
            if let Err(fault) = fs::write(&self.kept, written) {
                tracing::warn!(%fault, "identity's public key is not kept for the next start");
            }
        }
        if let Some((_, verifier)) = &*known {
            let ended = keys.ended.iter().filter_map(|(session, until_ms)| Some((SessionId(Bits::parse(session)?), *until_ms)));
            verifier.end_all(ended, now_ms);
        }
    }

    /// A person's key: as remembered, or fetched; an older one while identity is away.
    fn key(&self, person: AccountId, make: bool) -> Result<Option<Key>, IdentityError> {
        let known = self.people.get(&person);
        if let Some((key, fetched)) = &known
            && fetched.elapsed() < KEY_LIFE
        {
            return Ok(Some(key.clone()));
        }
        match crate::service::wait(self.peers.person_key(person, make)) {
            Ok(Some(bytes)) => {
                let key: Key = Arc::new(vault::key(&bytes)?);
                self.people.insert(person, (key.clone(), Instant::now()));
                Ok(Some(key))
            }
            Ok(None) => {
                self.people.remove(&person);
                Ok(None)
            }
            Err(_) if known.is_some() => Ok(known.map(|(key, _)| key)),
            Err(fault) => {
                tracing::warn!(%fault, "a person's key cannot be fetched");
                Err(IdentityError::Fault("fetching a person's key"))
            }
        }
    }
}
