//! Identity: who logs in, as what, and the keys under which people's contacts are sealed. Rows, never events: passwords,
//! tokens and keys must be changeable and forgettable, and an event is neither.
//!
//! # Layout
//!
//! - `accounts`, `sessions`: the rows of `identity.db`, which `database` opens.
//! - `logins`: from a password or a refresh token to tokens.
//! - `passwords`: Argon2id behind a bounded queue, and the throttle of failed tries.
//! - `tokens`: access tokens, verified without a row being read.
//! - `vault`: contacts, sealed under a key per person.
//! - `access`: what every service needs of identity, wherever identity itself runs.
//! - `files`: the key files and the operator's first password.
//!
//! Invariants: a secret is in no `Debug`, log line or error. Whether a name exists cannot be told from a login.

pub mod access;
mod accounts;
mod database;
mod error;
mod files;
mod logins;
mod passwords;
mod sessions;
mod tokens;
mod vault;

pub use access::{Access, Away};
pub use error::{IdentityError, OpenError, TokenError};
pub use tokens::{SessionId, Verified};

use accounts::{Account, chosen, folded};
use database::Rows;
use passwords::{Passwords, Throttle};
use sessions::Refresh;
use shared::{
    AccountId, Contact, Millis, Role, Sealed,
    api::{self, AccountShown, LoginName},
    id::Bits,
};
use std::{path::Path, sync::Arc, thread, time::SystemTime};
use tokens::Signer;
use vault::Vault;

/// The least a password has, in characters as people count them.
const PASSWORD_MIN: usize = 8;
/// The most: beyond any passphrase, and little to hash.
const PASSWORD_MAX: usize = 200;
/// The operator's name, taken on the first start.
const OPERATOR: &str = "operator";

/// What may be set.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// How long an access token lives, and so how long a change of roles may take.
    pub access_ms: Millis,
    /// How long a login lasts without being used.
    pub refresh_ms: Millis,
    /// Passwords hashed at once; each takes a core and 19 MiB for some tens of milliseconds.
    pub argon_permits: usize,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            access_ms: 15 * 60 * 1000,
            refresh_ms: 30 * 24 * 60 * 60 * 1000,
            // A flood of logins must leave cores to those who order.
            argon_permits: (cores / 2).clamp(1, 2),
        }
    }
}

/// Accounts, tokens and the vault. Cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    rows: Rows,
    passwords: Passwords,
    throttle: Throttle,
    signer: Signer,
    vault: Vault,
    config: IdentityConfig,
}

impl Identity {
    /// Opens identity in this folder, or begins it: `identity.db`, `keys/`, and the operator's account with a random
    /// password in `operator-password`.
    ///
    /// # Errors
    /// When files cannot be used, or are newer than this program.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(dir, IdentityConfig::default())
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// When files cannot be used, or are newer than this program.
    pub fn open_with(dir: &Path, config: IdentityConfig) -> Result<Self, OpenError> {
        let keys = files::keys(dir)?;
        let database = dir.join("identity.db");
        let rows = Rows::open(&database)?;
        let ended = rows.ended_sessions(wall_ms() - config.access_ms * 2)?;
        let signer = Signer::new(&keys.signing, config.access_ms, ended)?;
        let vault = Vault::open(&database, &keys.master)?;
        let passwords = Passwords::new(config.argon_permits)?;
        let inner = Inner { rows, passwords, throttle: Throttle::default(), signer, vault, config };
        inner.begin_operator(dir)?;
        Ok(Self(Arc::new(inner)))
    }

    /// Makes an account. The same request again is answered with the same account.
    ///
    /// # Errors
    /// When the request breaks a limit, or the name is somebody else's.
    pub async fn join(&self, join: api::Join, now_ms: Millis) -> Result<AccountShown, IdentityError> {
        let roles = chosen(join.roles)?;
        if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&join.password.chars().count()) {
            return Err(IdentityError::Invalid(format!("password: {PASSWORD_MIN} to {PASSWORD_MAX} characters are wanted")));
        }
        // A taken name with its password is the same person again. Guessing it here is guessing, as at a login.
        let name = folded(&join.name);
        let attempt = self.0.throttle.begin(&name, now_ms)?;
        let known = match self.named(&name).await? {
            Some(known) => known,
            None => {
                let hash = self.0.passwords.hash(join.password.clone()).await?;
                let new = Account { shown: AccountShown { account: new_account()?, name: join.name, roles: roles.clone() }, hash };
                match self.add(new, now_ms).await? {
                    Ok(shown) => return Ok(shown),
                    // Somebody was quicker, perhaps the same person.
                    Err(known) => known,
                }
            }
        };
        if !self.0.passwords.verify(join.password, Some(known.hash)).await? {
            attempt.failed();
            return Err(IdentityError::NameTaken);
        }
        if known.shown.roles == roles { Ok(known.shown) } else { Err(IdentityError::NameTaken) }
    }

    /// Gives tokens for a password, or for a refresh token, which is spent by it.
    ///
    /// # Errors
    /// When neither proves anybody, or too many try.
    pub async fn login(&self, login: api::Login, now_ms: Millis) -> Result<api::Tokens, IdentityError> {
        match login {
            api::Login::Password { name, password } => self.login_by_password(&name, password, now_ms).await,
            api::Login::Refresh { refresh } => self.login_by_refresh(&refresh, now_ms).await,
        }
    }

    /// Ends the login of a refresh token: its access tokens are refused from now on. One that is not known has ended.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn logout(&self, refresh: &str) -> Result<(), IdentityError> {
        let Some(refresh) = Refresh::parse(refresh) else { return Ok(()) };
        let now_ms = wall_ms();
        if let Some(session) = self.blocking(move |inner| inner.rows.end_session(&refresh, now_ms)).await? {
            self.0.signer.end(session, now_ms);
        }
        Ok(())
    }

    /// Says whose access token this is.
    ///
    /// # Errors
    /// When it is not ours, or has ended.
    pub fn verify(&self, token: &str, now_ms: Millis) -> Result<Verified, TokenError> {
        self.0.signer.verifier.verify(token, now_ms)
    }

    /// Signatures checked since the start: repeated tokens cost none.
    pub fn signatures(&self) -> u64 {
        self.0.signer.verifier.signatures()
    }

    /// The account of an id. It reads a row, and may wait for the disk.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn account(&self, id: AccountId) -> Result<Option<AccountShown>, IdentityError> {
        self.0.rows.account(id)
    }

    /// Seals a contact for its person. For an account that joined here no write is needed.
    ///
    /// # Errors
    /// When the vault cannot be read or written.
    pub fn seal(&self, person: AccountId, contact: &Contact) -> Result<Sealed, IdentityError> {
        self.0.vault.seal(person, contact)
    }

    /// Unseals a contact; `None` when its person was forgotten, or the text is not ours.
    pub fn unseal(&self, sealed: &Sealed) -> Option<Contact> {
        self.0.vault.unseal(sealed)
    }

    /// What other services need to verify tokens by themselves.
    pub fn token_keys(&self) -> access::TokenKeys {
        access::TokenKeys::of(&self.0.signer, self.0.config.access_ms)
    }

    /// A person's key, for another service of ours; made if need be.
    ///
    /// # Errors
    /// When the vault cannot be read or written.
    pub fn person_key(&self, person: AccountId, make: bool) -> Result<Option<[u8; 32]>, IdentityError> {
        self.0.vault.raw(person, make)
    }

    /// Forgets a person's key: whatever was sealed for the person is unreadable from now on.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn forget(&self, person: AccountId) -> Result<(), IdentityError> {
        self.0.vault.forget(person)
    }

    /// Rows wait for the disk, and so not on a thread that serves requests.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(|_| IdentityError::Fault("a thread"))?
    }
}

impl Inner {
    fn begin_operator(&self, dir: &Path) -> Result<(), OpenError> {
        let broken = |why: IdentityError| match why {
            IdentityError::Store(why) => OpenError::Store(why),
            why => OpenError::Broken(why.to_string()),
        };
        if self.rows.account_named(OPERATOR).map_err(broken)?.is_some() {
            return Ok(());
        }
        // The file comes first: an account whose password nobody knows would be worse than a password without account.
        let hash = self.passwords.hash_now(&files::operator_password(dir)?).map_err(broken)?;
        let name = LoginName::new(OPERATOR).map_err(OpenError::Broken)?;
        let shown = AccountShown { account: new_account().map_err(broken)?, name, roles: vec![Role::Operator] };
        // Another process may have been quicker, with the same file.
        self.rows.add_account(&Account { shown, hash }, wall_ms()).map(drop).map_err(broken)
    }
}

fn new_account() -> Result<AccountId, IdentityError> {
    let mut bits = [0; 10];
    aws_lc_rs::rand::fill(&mut bits)?;
    Ok(AccountId(Bits(bits)))
}

/// The machine's clock, where no caller gives the time.
fn wall_ms() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests;
