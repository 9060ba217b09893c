//! Payment providers: the companies that move money. A provider is asked under a key that names one movement, so that
//! asking again is always safe; what it has not answered is looked up or asked again, never guessed.

mod movements;
mod simulator;
pub mod toss;

pub use simulator::{Moved, OpenError, Simulator};

use futures_util::future::BoxFuture;
use shared::{
    Millis, OrderId, Won,
    order::{Means, Reason},
    payment::RefusalCode,
};
use std::{ops::Range, path::Path, sync::Arc};

/// A movement of money that somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Names the movement: the same key is the same movement, however often it is asked.
    pub key: String,
    /// For which order.
    pub order: OrderId,
    /// How much, always positive: the verb says which way.
    pub amount: Won,
    /// By which card.
    pub means: Means,
    /// True for the difference of a changed order.
    pub extra: bool,
    /// Which charges a refund goes against, newest first. The same at every attempt, and together its amount; empty for a
    /// charge.
    pub against: Vec<Part>,
}

/// What a refund takes of one charge.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The key of the charge.
    pub charge: String,
    /// How much of it goes back.
    pub amount: Won,
}

/// What the provider says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The money moved.
    Approved,
    /// The money did not move and will not, under this key.
    Declined(Reason),
    /// The same of a refund, by a provider that says why in a word of its own: operators read it.
    Refused(Option<RefusalCode>),
    /// The provider has answered, and has not decided, or says what cannot be: look it up, or ask again with the same key.
    /// Nothing is wrong with the provider itself.
    Undecided,
    /// Nobody knows, since no answer came, or one that says that the provider does not work: look it up, or ask again with
    /// the same key.
    Unknown,
}

/// Money that moved, as the provider has it in its own books.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The name that we gave it; of a refund, that of the refund or of the charge that it takes from.
    pub key: String,
    /// True when it went back.
    pub refund: bool,
    /// How much, always positive.
    pub amount: Won,
    /// When, by the provider's clock.
    pub at_ms: Millis,
}

/// A company that moves money.
pub trait Provider: Send + Sync {
    /// Takes money from the customer.
    fn charge(&self, ask: Ask) -> BoxFuture<'_, Answer>;
    /// Gives money back to the customer.
    fn refund(&self, ask: Ask) -> BoxFuture<'_, Answer>;
    /// What a charge of this key has come to; `None` when that is nothing yet, and asking for it (again) is the way on. A
    /// refund is asked again instead: that looks first.
    fn look_up<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Answer>>;
    /// All money that moved in this time. An error says why that cannot be told whole.
    fn records(&self, time: Range<Millis>) -> BoxFuture<'_, Result<Vec<Record>, String>>;
}

/// The name of the built-in provider in the configuration.
pub const SIMULATOR: &str = "simulator";

/// What stands before the address of Toss Payments in the configuration.
const TOSS: &str = "toss";

/// True for a provider of this name that sends webhooks.
pub fn is_toss(name: &str) -> bool {
    name.split_once(':').is_some_and(|(company, _)| company == TOSS)
}

/// Opens the provider of this name: `simulator`, or `toss:URL`, to which the keys belong. The simulator keeps its journal
/// in `dir`, or in the folder after a colon, which several processes may share: each movement is one transaction on that
/// file.
///
/// # Errors
/// When there is no provider of this name, or it cannot be opened.
pub fn open(name: &str, dir: &Path, keys: &toss::Keys) -> Result<Arc<dyn Provider>, OpenError> {
    match name.split_once(':') {
        None if name == SIMULATOR => Ok(Arc::new(Simulator::open(dir)?)),
        Some((SIMULATOR, folder)) if !folder.is_empty() => {
            std::fs::create_dir_all(folder)?;
            Ok(Arc::new(Simulator::open(Path::new(folder))?))
        }
        Some((TOSS, base)) => {
            let settings = toss::Settings::new(base, keys).map_err(OpenError::Toss)?;
            Ok(Arc::new(toss::Toss::open(&settings)?))
        }
        _ => Err(OpenError::NoSuch(name.into())),
    }
}

#[cfg(test)]
mod tests;
