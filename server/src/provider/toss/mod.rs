//! Toss Payments, core API v1 (<https://docs.tosspayments.com/reference>).
//!
//! A charge is a payment window that the customer finishes, and then a capture that we ask for. The order id over there is
//! the movement's key, so that whatever became of a movement can be looked up under a name that was in our journal before
//! the first call. Invariants:
//! - a window is opened only when a look-up by that name finds nothing, and captures have one row of idempotency keys for all
//!   attempts, whichever payment key they name: the next one is used only once the provider has said that nothing was
//!   captured under the last, and so one captures, however many attempts overlap;
//! - money is approved only by a payment that is read whole and says the same order, amount and currency;
//! - a refund is asked only when a look-up does not show it, and under a lock on what was left by that look-up.

mod charge;
mod client;
mod errors;
pub mod hints;
mod records;
mod refund;
mod wire;

use super::{Answer, Ask, OpenError, Provider, Record};
use client::Caller;
use futures_util::{FutureExt, future::BoxFuture};
use quick_cache::sync::Cache;
use reqwest::Url;
use shared::{Millis, Won, order::Reason};
use std::{fmt, net::IpAddr, ops::Range, str::FromStr, time::Duration};
use wire::{Payment, Reply, Status, is_payment_key};

/// How long one call may take. A card company that is slow needs some ten seconds, and whoever waits for the order has a
/// shorter deadline of his own.
pub const DEADLINE: Duration = Duration::from_secs(15);
/// Complaints remembered, so that each is made once; the oldest are made again.
const COMPLAINTS: usize = 10_000;
/// Movements remembered whose idempotency key is worth nothing any more.
const SPENT: usize = 10_000;

/// A secret key. It is not shown by accident.
#[derive(Clone, PartialEq)]
pub struct SecretKey(String);

impl SecretKey {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// A client key is public, and one with a byte order mark in front is refused over there in words that nobody
    /// understands.
    fn is_secret_key(&self) -> bool {
        let rest = ["test_sk_", "live_sk_", "test_gsk_", "live_gsk_"].iter().find_map(|prefix| self.0.strip_prefix(prefix));
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    }

    fn is_live(&self) -> bool {
        self.0.starts_with("live_")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl FromStr for SecretKey {
    type Err = std::convert::Infallible;

    /// Takes anything: whoever reads settings would repeat a wrong one to all the world. It is checked when it is used.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

/// How Toss Payments is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://api.tosspayments.com`, or a simulator.
    pub base: Url,
    /// Who we are.
    pub secret_key: SecretKey,
    /// What stands for the payment window, as a terminal has no browser: takes `{orderId, amount, card, extra}`, and answers
    /// `{paymentKey}`. Without one nothing new can be paid.
    pub checkout: Option<Url>,
    /// How long one call may take.
    pub deadline: Duration,
    /// The error with which every capture shall be answered; test keys only.
    pub test_code: Option<String>,
}

impl Settings {
    /// Those of a server.
    ///
    /// # Errors
    /// What is missing, or cannot be.
    pub fn new(base: &str, keys: &Keys) -> Result<Self, String> {
        let secret_key = keys.secret_key.clone().ok_or("its secret key is wanted in BAEMIN_TOSS_SECRET_KEY")?;
        let checkout = keys.checkout.clone().ok_or("the address of its payment window is wanted in BAEMIN_TOSS_CHECKOUT")?;
        let base: Url = base.parse().ok().filter(is_plain).ok_or("an address such as toss:https://api.tosspayments.com is wanted")?;
        if !is_plain(&checkout) {
            return Err("the address of its payment window is wanted in BAEMIN_TOSS_CHECKOUT".into());
        }
        if !secret_key.is_secret_key() {
            return Err("what BAEMIN_TOSS_SECRET_KEY says is no secret key such as test_sk_…".into());
        }
        if secret_key.is_live() && base.scheme() == "http" {
            return Err("a live key travels encrypted, or not at all: an https address is wanted".into());
        }
        Ok(Self { base, secret_key, checkout: Some(checkout), deadline: DEADLINE, test_code: None })
    }

    fn is_loopback(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// An address of the web that has no secret in it.
fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none()
}

/// What the configuration says beside the address.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Who we are.
    pub secret_key: Option<SecretKey>,
    /// What stands for the payment window.
    pub checkout: Option<Url>,
}

/// Toss Payments.
pub struct Toss {
    caller: Caller,
    complaints: Cache<String, ()>,
    /// By charge, and by refund and charge: how many keys were answered with an error that does not last, and is repeated to us
    /// for as long as the key is.
    spent: Cache<String, u32>,
}

/// What a payment over there says about a charge.
#[derive(Debug, PartialEq)]
enum Seen {
    /// The money came in. What went back since is another matter.
    Captured,
    /// It may be captured, with this payment key.
    Open(String),
    /// It ended without money, and why.
    Over(Reason, String),
    /// It is not what was asked for, or cannot be understood.
    Strange,
}

/// A look-up.
#[derive(Debug, PartialEq)]
enum Found {
    Nothing,
    Payment(Payment),
    /// What is found, or what we are told instead, is for people to understand.
    Strange,
    Unclear,
}

impl Found {
    /// What is known of a movement when no payment was found, although there may be one.
    fn answer(&self) -> Answer {
        if *self == Found::Strange { Answer::Undecided } else { Answer::Unknown }
    }
}

impl Toss {
    /// Prepares to call; nothing is called yet.
    ///
    /// # Errors
    /// When no client can be built.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let caller = Caller::new(settings).map_err(OpenError::Toss)?;
        Ok(Self { caller, complaints: Cache::new(COMPLAINTS), spent: Cache::new(SPENT) })
    }

    async fn find(&self, order_id: &str) -> Found {
        let reply = self.caller.by_order(order_id).await;
        self.found(reply, |payment| payment.order_id == order_id)
    }

    fn found(&self, reply: Reply<Payment>, is_it: impl Fn(&Payment) -> bool) -> Found {
        if reply.is_not_found() {
            return Found::Nothing;
        }
        match reply {
            Reply::Good(payment) if is_it(&payment) => Found::Payment(payment),
            Reply::Good(_) => {
                self.complain("look-up", "it answers with another payment");
                Found::Strange
            }
            Reply::Refused { status, code } if errors::class(status, &code) == errors::Class::OurFault => {
                self.complain("look-up", &code);
                Found::Strange
            }
            Reply::Refused { .. } => Found::Unclear,
            Reply::Unclear(_) => Found::Unclear,
        }
    }

    /// Tells operators what does not pass by itself: once, not at every attempt.
    fn complain(&self, about: &str, why: &str) {
        let complaint = format!("{about}: {why}");
        if self.complaints.get(&complaint).is_none() {
            self.complaints.insert(complaint, ());
            tracing::error!(about, why, "Toss Payments needs an operator");
        }
    }
}

/// Reads a payment as the answer to a charge.
fn seen(payment: &Payment, order_id: &str, amount: Won) -> Seen {
    let Payment { total_amount: total, balance_amount: balance, .. } = *payment;
    let is_ours = payment.order_id == order_id && total == amount.0 && payment.currency == "KRW" && (0..=total).contains(&balance);
    if !is_ours || !is_payment_key(&payment.payment_key) {
        return Seen::Strange;
    }
    let (key, came) = (payment.payment_key.clone(), payment.approved_at.is_some());
    match payment.status {
        Status::Done | Status::PartialCanceled | Status::Canceled if came => Seen::Captured,
        Status::Ready | Status::InProgress if !came => Seen::Open(key),
        Status::Aborted if !came => Seen::Over(Reason::Declined, key),
        Status::Expired if !came => Seen::Over(Reason::NotPaid, key),
        _ => Seen::Strange,
    }
}

impl Provider for Toss {
    fn charge(&self, ask: Ask) -> BoxFuture<'_, Answer> {
        async move { self.take(&ask).await }.boxed()
    }

    fn refund(&self, ask: Ask) -> BoxFuture<'_, Answer> {
        async move { self.give_back(&ask).await }.boxed()
    }

    fn look_up<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Option<Answer>> {
        async move { self.charged(key).await }.boxed()
    }

    fn records(&self, time: Range<Millis>) -> BoxFuture<'_, Result<Vec<Record>, String>> {
        self.transactions(time).boxed()
    }
}

#[cfg(test)]
mod tests;
