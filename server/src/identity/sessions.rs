//! The rows of sessions: one per login, however often it is refreshed.
//!
//! A refresh token names its session by a *family* that no access token shows, and proves it by a secret that changes
//! with every use. Rows hold the hashes of both. So whoever knows the family with a secret that is not the latest has
//! used a token that was spent: somebody has a copy, and the whole session ends.

use super::{
    IdentityError, SessionId,
    database::{Rows, write},
};
use aws_lc_rs::{constant_time, digest, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{OptionalExtension, params};
use shared::{AccountId, Millis, id::Bits};

/// Bytes of a family: 128 bits cannot be guessed.
const FAMILY: usize = 16;
/// Bytes of a secret.
const SECRET: usize = 32;
/// Ended sessions swept away with each login: more than the one that comes, so that they cannot pile up.
const SWEPT: u32 = 16;

/// A refresh token.
pub struct Refresh([u8; FAMILY + SECRET]);

impl Refresh {
    /// The token of a new session.
    pub fn new() -> Result<Self, IdentityError> {
        let mut bytes = [0; FAMILY + SECRET];
        rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The next token of the same session.
    fn next(&self) -> Result<Self, IdentityError> {
        let mut next = Self(self.0);
        rand::fill(&mut next.0[FAMILY..])?;
        Ok(next)
    }

    /// Reads the written form; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; FAMILY + SECRET];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// The form in which its owner keeps it.
    pub fn written(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn family(&self) -> [u8; 32] {
        sha256(&self.0[..FAMILY])
    }

    fn secret(&self) -> [u8; 32] {
        sha256(&self.0[FAMILY..])
    }
}

/// What became of a refresh.
pub enum Refreshed {
    /// The session goes on with another token.
    Next { session: SessionId, account: AccountId, refresh: Refresh },
    /// A spent token: the session ends here.
    Reused(SessionId),
    /// No such session, or it ended.
    Ended,
}

impl Rows {
    /// Begins a session, and sweeps away some that ended so long ago that no access token of theirs can live.
    pub fn begin_session(
        &self,
        account: AccountId,
        now_ms: Millis,
        ends_ms: Millis,
        access_ms: Millis,
    ) -> Result<(SessionId, Refresh), IdentityError> {
        let (session, refresh) = (SessionId::new()?, Refresh::new()?);
        let mut db = self.db();
        let tx = write(&mut db)?;
        tx.prepare_cached(
            "DELETE FROM sessions WHERE session IN
                (SELECT session FROM sessions WHERE ends_ms < ?1 ORDER BY ends_ms LIMIT ?2)",
        )?
        .execute(params![now_ms - access_ms, SWEPT])?;
        tx.prepare_cached("INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, NULL)")?.execute(params![
            session.0.0,
            refresh.family(),
            refresh.secret(),
            account.0.0,
            ends_ms
        ])?;
        tx.commit()?;
        Ok((session, refresh))
    }

    /// Takes a refresh token and gives the next one, which lives until `ends_ms`.
    pub fn refresh(&self, refresh: &Refresh, now_ms: Millis, ends_ms: Millis) -> Result<Refreshed, IdentityError> {
        let mut db = self.db();
        let tx = write(&mut db)?;
        let found = tx
            .prepare_cached("SELECT session, account, secret FROM sessions WHERE family = ?1 AND ends_ms > ?2 AND revoked_ms IS NULL")?
            .query_row(params![refresh.family(), now_ms], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, [u8; 32]>(2)?)))
            .optional()?;
        let Some((session, account, secret)) = found else { return Ok(Refreshed::Ended) };
        let session = SessionId(Bits(session));
        let refreshed = if constant_time::verify_slices_are_equal(&secret, &refresh.secret()).is_ok() {
            let next = refresh.next()?;
            tx.prepare_cached("UPDATE sessions SET secret = ?2, ends_ms = ?3 WHERE session = ?1")?.execute(params![
                session.0.0,
                next.secret(),
                ends_ms
            ])?;
            Refreshed::Next { session, account: AccountId(Bits(account)), refresh: next }
        } else {
            tx.prepare_cached("UPDATE sessions SET revoked_ms = ?2 WHERE session = ?1")?.execute(params![session.0.0, now_ms])?;
            Refreshed::Reused(session)
        };
        tx.commit()?;
        Ok(refreshed)
    }

    /// Ends the session of a refresh token, spent or not; `None` when there is none, or it ended.
    pub fn end_session(&self, refresh: &Refresh, now_ms: Millis) -> Result<Option<SessionId>, IdentityError> {
        let mut db = self.db();
        let tx = write(&mut db)?;
        let ended = tx
            .prepare_cached("UPDATE sessions SET revoked_ms = ?2 WHERE family = ?1 AND revoked_ms IS NULL RETURNING session")?
            .query_row(params![refresh.family(), now_ms], |row| Ok(SessionId(Bits(row.get(0)?))))
            .optional()?;
        tx.commit()?;
        Ok(ended)
    }

    /// The sessions that were ended since then, and when.
    pub fn ended_sessions(&self, since_ms: Millis) -> Result<Vec<(SessionId, Millis)>, rusqlite::Error> {
        let db = self.db();
        let mut ended = db.prepare("SELECT session, revoked_ms FROM sessions WHERE revoked_ms >= ?1")?;
        let rows = ended.query_map([since_ms], |row| Ok((SessionId(Bits(row.get(0)?)), row.get(1)?)))?;
        rows.collect()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}
