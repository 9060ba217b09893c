//! Services: which parts of the system run in this process, and how they ask those that run in others.
//!
//! - [`peers`]: requests to other services, with a deadline and the installation's secret.
//! - [`internal`]: what other services may ask of this one. The gateway never leads here.

pub mod internal;
pub mod peers;

pub use peers::Peers;

use shared::Context;
use std::{fmt, str::FromStr, sync::Arc, time::Duration};

/// Something that can run in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// A context with its journal, its subscriptions and its workers.
    Context(Context),
    /// Accounts, tokens and the vault.
    Identity,
    /// The single entry point.
    Gateway,
}

impl Service {
    /// All of them.
    pub fn all() -> Vec<Service> {
        Context::ALL.into_iter().map(Service::Context).chain([Service::Identity, Service::Gateway]).collect()
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Service::Context(context) => context.name(),
            Service::Identity => "identity",
            Service::Gateway => "gateway",
        }
    }

    /// The port on which it listens unless told otherwise.
    pub fn port(self) -> u16 {
        match self {
            Service::Context(Context::Order) => 8081,
            Service::Context(Context::Rider) => 8082,
            Service::Context(Context::Customer) => 8083,
            Service::Context(Context::Store) => 8084,
            Service::Context(Context::Payment) => 8085,
            Service::Context(Context::Notification) => 8086,
            Service::Identity => 8087,
            Service::Gateway => 8088,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Service::all().into_iter().find(|service| service.name() == text).ok_or_else(|| {
            let names: Vec<_> = Service::all().into_iter().map(Service::name).collect();
            format!("{text}: no such service; there are {}", names.join(", "))
        })
    }
}

/// What services of one installation know, and nobody else. It is in no `Debug`, log line or error.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// A shorter one could be guessed.
    const MIN_CHARS: usize = 16;

    /// Takes a secret of visible characters.
    ///
    /// # Errors
    /// When it is too short to be one, or cannot stand in a header.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < Self::MIN_CHARS || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("the service secret: at least {} visible ASCII characters are wanted", Self::MIN_CHARS));
        }
        Ok(Self(text.into()))
    }

    /// One that nobody knows, for a process that is alone.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn random() -> Result<Self, String> {
        let mut bytes = [0u8; 24];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
        Ok(Self(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into()))
    }

    /// Compares in a time that tells nothing.
    pub fn is(&self, other: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), other).is_ok()
    }

    /// A name for the installation that all its services share, and that gives nothing away.
    pub fn installation(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("installation:{}", self.0).as_bytes());
        digest.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect()
    }

    fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How long code that cannot await may wait for another service.
const WAIT: Duration = Duration::from_secs(2);

/// Waits for an answer in code that is not asynchronous, without holding up the other requests of this thread. Needs a
/// runtime of several threads, which the server's is.
///
/// # Errors
/// The answer's own, or that it took too long.
pub fn wait<T>(answer: impl Future<Output = Result<T, crate::journal::Fault>>) -> Result<T, crate::journal::Fault> {
    let late = |_| Err(crate::journal::Fault("another service did not answer in time".into()));
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async { tokio::time::timeout(WAIT, answer).await.unwrap_or_else(late) })
    })
}

#[cfg(test)]
mod tests;
