//! The server of Baemin: contexts decide, the engine remembers, delivers and waits, the edges translate.
//!
//! # Layout
//!
//! - [`engine`]: dispatch, subscriptions, timers, live streams. It knows no business word.
//! - [`journal`], [`bus`]: where events are kept, and how they travel; a trait and a file per adapter.
//! - [`workers`]: the only code that acts on the outside world, through [`provider`] and [`notifier`].
//! - [`identity`]: accounts, tokens and the vault. Rows, never events.
//! - [`http`]: one generic set of routes for every context. [`gateway`]: the single entry point.
//! - [`service`]: which parts run in this process, and how they ask those that run in others.
//! - [`metrics`]: what is counted, for Prometheus.
//! - [`traces`]: what followed from what, for OpenTelemetry; off unless set.
//! - `outside`: what calls to somebody else's server have in common. `random`: jitter and names.
//! - [`reconcile`]: the ledger beside the provider's own record.
//! - [`config`], [`start`]: from flags to a running server.

pub mod breaker;
pub mod bus;
pub mod config;
pub mod engine;
pub mod gateway;
pub mod http;
pub mod identity;
pub mod journal;
pub mod metrics;
pub mod notifier;
mod outside;
pub mod provider;
mod random;
pub mod reconcile;
pub mod service;
mod sqlite;
pub mod start;
pub mod traces;
pub mod workers;
