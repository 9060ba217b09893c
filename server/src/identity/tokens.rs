//! Access tokens: JWTs signed with Ed25519, verified from the token alone.
//!
//! Only tokens of this very program are wanted, so their header must be our header to the byte: whatever else a header
//! may ask for (another algorithm, another key, a key of its own) is refused before it is read. Time is compared here,
//! with the caller's clock. A token that was good is remembered, so that its signature is checked once; its end and the
//! end of its login are checked each time.

use super::{IdentityError, OpenError, TokenError};
use aws_lc_rs::{
    digest, rand,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use shared::{AccountId, Millis, Role, id::Bits};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

const ISSUER: &str = "baemin";
const AUDIENCE: &str = "baemin-services";
/// Our longest token has some 400 bytes; more is not read.
const MAX_TOKEN: usize = 1024;
/// How far the clocks of two of our machines may be apart, for a token that is not good yet. None is granted at the end.
const LEEWAY_MS: Millis = 60_000;
/// Tokens remembered, of some 500 bytes each: 25 MB for as many people at the same time.
const REMEMBERED: usize = 50_000;

/// Names a login in access tokens, for as long as it is refreshed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub Bits);

impl SessionId {
    pub(super) fn new() -> Result<Self, IdentityError> {
        let mut bits = [0; 10];
        rand::fill(&mut bits)?;
        Ok(Self(Bits(bits)))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ses_{}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whoever sent a good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who.
    pub account: AccountId,
    /// As what.
    pub roles: Vec<Role>,
    /// Since which login.
    pub session: SessionId,
    /// Until when.
    pub expires_ms: Millis,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: AccountId,
    pub sid: String,
    pub roles: Vec<Role>,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
}

/// Verifies: all that a service needs which gives no tokens.
pub struct Verifier {
    /// The header as it stands in every token of ours, with its dot.
    prefix: String,
    pub(super) verifying: DecodingKey,
    validation: Validation,
    access_ms: Millis,
    remembered: Cache<Box<str>, Verified>,
    /// Sessions that ended, until their last access token has ended too.
    ended: RwLock<HashMap<SessionId, Millis>>,
    signatures: AtomicU64,
}

/// Signs and verifies.
pub struct Signer {
    pub(super) header: Header,
    pub(super) signing: EncodingKey,
    pub(super) verifier: Verifier,
    /// The public half of the key, as services ask for it.
    pub(super) public: Vec<u8>,
}

/// The header that names a public key.
fn header(public: &[u8]) -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, public).as_ref()[..12]));
    header
}

impl Signer {
    /// Takes the key pair, and the sessions that were ended of late; tries itself out, since a library without its
    /// cryptography would only fail at the first token.
    pub fn new(pkcs8: &[u8], access_ms: Millis, ended: Vec<(SessionId, Millis)>) -> Result<Self, OpenError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| OpenError::NotAKey("keys/signing.pk8"))?;
        let public = pair.public_key().as_ref().to_vec();
        let (header, verifier) = (header(&public), Verifier::new(&public, access_ms)?);
        let signer = Self { header, signing: EncodingKey::from_ed_der(pkcs8), verifier, public };
        ended.into_iter().for_each(|(session, at_ms)| signer.end(session, at_ms));
        signer.try_out()?;
        Ok(signer)
    }

    fn try_out(&self) -> Result<(), OpenError> {
        let broken = |why: String| OpenError::Broken(why);
        let session = SessionId(Bits([0; 10]));
        let (token, _) = self.sign(AccountId(Bits([0; 10])), &[], session, 0).map_err(|why| broken(why.to_string()))?;
        let read = self.verifier.read(&token, 0).map_err(|why| broken(why.to_string()))?;
        if read.session == session { Ok(()) } else { Err(broken("a token reads otherwise than it was written".into())) }
    }

    /// Writes a token, and says when it ends: to the second, as tokens do.
    pub fn sign(&self, account: AccountId, roles: &[Role], session: SessionId, now_ms: Millis) -> Result<(String, Millis), IdentityError> {
        let (now_s, exp) = (now_ms.div_euclid(1000), (now_ms + self.verifier.access_ms).div_euclid(1000));
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: account,
            sid: session.0.to_string(),
            roles: roles.to_vec(),
            iat: now_s,
            nbf: now_s,
            exp,
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.signing).map_err(|_| IdentityError::Fault("signing"))?;
        Ok((token, exp * 1000))
    }

    /// Refuses every token of a session from now on.
    pub fn end(&self, session: SessionId, now_ms: Millis) {
        self.verifier.end(session, now_ms);
    }
}

impl Verifier {
    /// Takes the public key of those who sign.
    pub fn new(public: &[u8], access_ms: Millis) -> Result<Self, OpenError> {
        let written = serde_json::to_vec(&header(public)).map_err(|why| OpenError::Broken(why.to_string()))?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // The library would ask the machine's clock; `Verifier::read` asks the caller's.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        Ok(Self {
            prefix: format!("{}.", URL_SAFE_NO_PAD.encode(written)),
            verifying: DecodingKey::from_ed_der(public),
            validation,
            access_ms,
            remembered: Cache::new(REMEMBERED),
            ended: RwLock::default(),
            signatures: AtomicU64::new(0),
        })
    }

    /// Says whose token this is.
    pub fn verify(&self, token: &str, now_ms: Millis) -> Result<Verified, TokenError> {
        let verified = match self.remembered.get(token) {
            Some(verified) => verified,
            None => {
                let verified = self.read(token, now_ms)?;
                self.remembered.insert(token.into(), verified.clone());
                verified
            }
        };
        let ended = now_ms >= verified.expires_ms || self.has_ended(verified.session);
        if ended { Err(TokenError::Expired) } else { Ok(verified) }
    }

    fn read(&self, token: &str, now_ms: Millis) -> Result<Verified, TokenError> {
        if token.len() > MAX_TOKEN || !token.starts_with(&self.prefix) {
            return Err(TokenError::Invalid);
        }
        self.signatures.fetch_add(1, Ordering::Relaxed);
        let read = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation);
        let Claims { sub, sid, roles, nbf, exp, .. } = read.map_err(|_| TokenError::Invalid)?.claims;
        let session = SessionId(Bits::parse(&sid).ok_or(TokenError::Invalid)?);
        let (begins_ms, expires_ms) = (nbf.saturating_mul(1000), exp.saturating_mul(1000));
        // A token that would live longer than we let any live was not made by this program.
        let too_far = now_ms + LEEWAY_MS;
        if begins_ms > too_far || expires_ms > too_far + self.access_ms {
            return Err(TokenError::Invalid);
        }
        if now_ms >= expires_ms {
            return Err(TokenError::Expired);
        }
        Ok(Verified { account: sub, roles, session, expires_ms })
    }

    /// Refuses every token of a session from now on. What is kept for this is bounded by the logins that can end within
    /// one token's life, and each login costs a password.
    pub fn end(&self, session: SessionId, now_ms: Millis) {
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|_, until_ms| *until_ms > now_ms);
        ended.insert(session, now_ms + self.access_ms + LEEWAY_MS);
    }

    /// Sessions that ended, and until when each is remembered: what other services must refuse too.
    pub fn ended(&self) -> Vec<(SessionId, Millis)> {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).iter().map(|(session, until_ms)| (*session, *until_ms)).collect()
    }

    /// Takes over what [`Verifier::ended`] of another service says.
    pub fn end_all(&self, sessions: impl IntoIterator<Item = (SessionId, Millis)>, now_ms: Millis) {
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.extend(sessions);
        ended.retain(|_, until_ms| *until_ms > now_ms);
    }

    fn has_ended(&self, session: SessionId) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session)
    }

    /// Signatures checked since the start; tokens that were remembered are not among them.
    pub fn signatures(&self) -> u64 {
        self.signatures.load(Ordering::Relaxed)
    }
}
