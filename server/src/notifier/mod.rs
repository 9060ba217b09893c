//! Notifiers: the ways in which a notice reaches its reader, beside the inbox. A way that is full or broken says so at
//! once; whatever happens here, ordering never waits.

mod log;

pub use log::Log;

use futures_util::future::BoxFuture;
use serde::Serialize;
use shared::{AccountId, Lang};

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// Names the notice: a repeat has the same key.
    pub key: String,
    /// To whom.
    pub to: AccountId,
    /// In which language it is written.
    pub lang: Lang,
    /// What it says.
    pub text: String,
}

/// Why a notice did not go out. It may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More notices wait already than the way can carry.
    #[error("too many notices wait")]
    Full,
    /// The way is broken.
    #[error("the notice could not be handed over")]
    Broken,
}

/// A way to a reader.
pub trait Notifier: Send + Sync {
    /// Hands a notice over. `Ok` means that the way has it; it may arrive twice if the process ends before that is known.
    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>>;
}

#[cfg(test)]
mod tests;
