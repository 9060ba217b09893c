//! Notifiers: the ways in which a notice reaches its reader, beside the inbox. A way that is full or broken says so at
//! once; whatever happens here, ordering never waits.

mod http;
mod log;
pub mod solapi;
pub mod webhook;

pub use log::Log;
pub use shared::notice::{Outcome, Way};

use domain::notification::text::Alimtalk;
use futures_util::{FutureExt, future::BoxFuture};
use serde::Serialize;
use shared::{AccountId, Lang, Millis, OrderId, sealed::Phone};
use std::{fmt, path::Path, str::FromStr, sync::Arc};

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
    /// The same as 알림톡 has it approved, if it has.
    #[serde(skip)]
    pub alimtalk: Option<Alimtalk>,
    /// About which order.
    #[serde(skip)]
    pub order: OrderId,
    /// When it came to be.
    #[serde(skip)]
    pub at_ms: Millis,
    /// Where texts go. Only for a way that [wants](Notifier::wants_phone) it.
    #[serde(skip)]
    pub phone: Option<Phone>,
    /// True when it may have been handed over before: a way that does not know its own repeats must look first.
    #[serde(skip)]
    pub again: bool,
}

/// Why a notice did not go out, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More notices wait already than the way can carry.
    #[error("too many notices wait")]
    Full,
    /// The way is broken, or nobody knows whether it has the notice: it may be sent again, with `again` set.
    #[error("the notice could not be handed over")]
    Broken,
    /// This way has not taken this notice and never will: another one must.
    #[error("the notice was refused")]
    Refused,
}

/// A way to a reader.
pub trait Notifier: Send + Sync {
    /// What it is called where a notice says how it went out.
    fn way(&self) -> Way;
    /// True for a way that leads to a phone.
    fn wants_phone(&self) -> bool {
        false
    }
    /// Hands a notice over. `Ok` means that the way has it; it may arrive twice if the process ends before that is known.
    fn send(&self, message: Message) -> BoxFuture<'_, Result<(), Fault>>;
    /// What became of a notice that this way has taken, as far as it is known by now. Asked only of a way that
    /// [reports](Way::reports).
    fn outcome(&self, message: Message) -> BoxFuture<'_, Result<Option<Outcome>, Fault>> {
        drop(message);
        std::future::ready(Ok(None)).boxed()
    }
}

/// What may be in no process list, log or error.
#[derive(Clone)]
pub struct Hidden(Box<str>);

impl Hidden {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl FromStr for Hidden {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Err("a secret is wanted") } else { Ok(Self(text.into())) }
    }
}

/// What the ways must know, and nobody else.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// SOLAPI's name for us.
    pub solapi_key: Option<Hidden>,
    /// What requests to SOLAPI are signed with.
    pub solapi_secret: Option<Hidden>,
    /// What requests to a webhook are signed with.
    pub webhook_secret: Option<Hidden>,
}

/// Opens the ways of these names, in this order: `log` (in this folder), `solapi:URL` and `webhook:URL`.
///
/// # Errors
/// A sentence for the operator: which way cannot be opened, and what to do.
pub fn open(names: &[String], dir: &Path, secrets: &Secrets) -> Result<Vec<Arc<dyn Notifier>>, String> {
    let open = |name: &String| -> Result<Arc<dyn Notifier>, String> {
        let wanted = |secret: &Option<Hidden>, variable| secret.clone().ok_or_else(|| format!("--notifier {name}: set {variable}"));
        match name.split_once(':') {
            None if name == "log" => Ok(Arc::new(Log::open(dir).map_err(|e| e.to_string())?)),
            Some(("solapi", url)) => {
                let settings = url.parse::<solapi::Settings>().map_err(|why| format!("--notifier solapi: {why}"))?;
                let key = wanted(&secrets.solapi_key, "BAEMIN_SOLAPI_KEY")?;
                let secret = wanted(&secrets.solapi_secret, "BAEMIN_SOLAPI_SECRET")?;
                Ok(Arc::new(solapi::Solapi::new(settings, key, secret)?))
            }
            Some(("webhook", url)) => {
                let url = http::address(url).map_err(|why| format!("--notifier webhook: {why}"))?;
                Ok(Arc::new(webhook::Webhook::new(url, &wanted(&secrets.webhook_secret, "BAEMIN_WEBHOOK_SECRET")?)?))
            }
            _ => Err(format!("--notifier {name}: log, solapi:URL or webhook:URL is wanted")),
        }
    };
    let ways = names.iter().map(open).collect::<Result<Vec<_>, String>>()?;
    // A notice says by which way it went: two of a kind could not be told apart.
    let twice = ways.iter().enumerate().any(|(n, way)| ways[..n].iter().any(|other| other.way() == way.way()));
    if twice || ways.is_empty() {
        return Err("--notifier: each way is wanted once, and at least one".into());
    }
    Ok(ways)
}

#[cfg(test)]
mod tests;
