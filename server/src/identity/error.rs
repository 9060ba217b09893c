//! How identity says no. None of these texts repeats a password, a token or a key.

use shared::problem::Code;
use std::path::PathBuf;

/// Why identity cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or folder cannot be used.
    #[error("{0} cannot be used: {1}")]
    File(PathBuf, std::io::Error),
    /// The database cannot be used.
    #[error("identity.db cannot be used: {0}")]
    Store(#[from] rusqlite::Error),
    /// The database was written by a newer program.
    #[error("identity.db has schema {0}, which is newer than this program: use the newer program")]
    Newer(u32),
    /// Without its key the vault cannot be read, and a new key would hide that.
    #[error("{0} is missing, but identity.db is there: put the key back, or begin with an empty folder")]
    KeyMissing(PathBuf),
    /// A key file holds something else.
    #[error("{0} holds no key")]
    NotAKey(&'static str),
    /// The cryptography does not work as it is built; no token would ever be good.
    #[error("the cryptography of this build does not work: {0}")]
    Broken(String),
}

/// Why identity refuses a request, or cannot answer it.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The request breaks a limit; the text says which.
    #[error("{0}")]
    Invalid(String),
    /// The name is somebody else's.
    #[error("the name is taken")]
    NameTaken,
    /// Name and password do not belong together.
    #[error("name or password is wrong")]
    WrongPassword,
    /// The login ended, was taken back, or never was.
    #[error("the login has ended")]
    Ended,
    /// Too many tries for this name.
    #[error("too many tries: wait {retry_after_s} s")]
    TooMany {
        /// When the next try is heard.
        retry_after_s: u64,
    },
    /// Too many passwords wait to be checked.
    #[error("too many logins at once")]
    Busy,
    /// The rows cannot be read or written.
    #[error("identity.db: {0}")]
    Store(#[from] rusqlite::Error),
    /// A cryptographic operation failed, or a worker thread was lost.
    #[error("identity failed at {0}")]
    Fault(&'static str),
}

impl IdentityError {
    /// The stable code of the problem.
    pub fn code(&self) -> Code {
        match self {
            IdentityError::Invalid(_) => Code::InvalidBody,
            IdentityError::NameTaken => Code::NameTaken,
            IdentityError::WrongPassword => Code::WrongPassword,
            IdentityError::Ended => Code::TokenExpired,
            IdentityError::TooMany { .. } => Code::TooManyRequests,
            IdentityError::Busy | IdentityError::Store(_) | IdentityError::Fault(_) => Code::Unavailable,
        }
    }

    /// What the caller may know beyond the code: the broken limit, and nothing of what failed inside.
    pub fn detail(&self) -> Option<String> {
        match self {
            IdentityError::Invalid(detail) => Some(detail.clone()),
            _ => None,
        }
    }

    /// When it is worth trying again; for `Retry-After`.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            IdentityError::TooMany { retry_after_s } => Some(*retry_after_s),
            IdentityError::Busy => Some(1),
            _ => None,
        }
    }
}

impl From<aws_lc_rs::error::Unspecified> for IdentityError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        IdentityError::Fault("cryptography")
    }
}

/// Why an access token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours.
    #[error("the token is not ours")]
    Invalid,
    /// Its time is over, or its login was ended.
    #[error("the token has expired")]
    Expired,
    /// This service has not heard from identity yet, and cannot tell.
    #[error("identity is away")]
    Unknown,
}

impl TokenError {
    /// The stable code of the problem.
    pub fn code(self) -> Code {
        match self {
            TokenError::Invalid => Code::Unauthenticated,
            TokenError::Expired => Code::TokenExpired,
            TokenError::Unknown => Code::Unavailable,
        }
    }
}
