//! What the machine could do at best, measured in the same run as the thing, because machines differ and drift.

pub mod appends;
pub mod echo;
pub mod pgbench;
pub mod publishes;

use std::time::Duration;

/// How long each limit is measured, before the load and again after it.
pub const MEASURED: Duration = Duration::from_secs(2);
