//! Scenarios about money, over the protocol of a payment company: whole orders, while the company or the way to it fails.
//!
//! - [`shop`]: what they stand on. [`crowd`]: who orders. [`audit`]: what was to become of each won, and what did.
//! - [`trouble`]: the company does not answer for a while. [`cut`]: connections are cut around its commit. [`late`]: it
//!   approves late, and the customer has cancelled meanwhile. [`storm`]: many pay one order at once. [`lies`]: webhooks say what they like.
//! - [`flood`]: more notices than [`texts`] can carry; what money there is only pays for the orders.
//! - [`races`]: cancel against cook start; a run with the harness's own clients and oracle.

pub mod audit;
pub mod crowd;
pub mod cut;
pub mod flood;
pub mod late;
pub mod lies;
pub mod races;
pub mod shop;
pub mod storm;
pub mod texts;
pub mod trouble;

use super::{
    options::{Options, Scenario},
    run::{self, Outcome},
};
use std::path::Path;

/// Runs whatever the options ask for.
///
/// # Errors
/// The run could not be made; nothing is known about what was tested.
pub async fn run(options: &Options, seed: u64, folder: &Path) -> Result<Outcome, String> {
    match options.scenario {
        Some(Scenario::ProviderCut) => cut::run(options, folder).await,
        Some(Scenario::ProviderLate) => late::run(options, seed, folder).await,
        Some(Scenario::NoticeFlood) => flood::run(options, seed, folder).await,
        Some(Scenario::WebhookLies) => lies::run(options, folder).await,
        Some(Scenario::PaymentStorm) => storm::run(options, folder).await,
        other => match other.and_then(Scenario::trouble) {
            Some(trouble) => trouble::run(options, &trouble, folder).await,
            None => run::run(options, seed, folder).await,
        },
    }
}
