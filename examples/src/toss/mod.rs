//! toss-sim: Toss Payments' core API v1 in a process of its own, with a journal that nobody else writes: the witness of what
//! money moved. It does what the real one is known to do, odd corners included, and fails as it is told to.
//!
//! - [`book`]: the journal. [`bank`]: what may happen to a payment. [`keys`]: idempotency. [`clock`]: time that can be moved.
//! - [`answers`]: the words on the wire. [`server`]: the routes. `wire`: how an answer comes back.
//! - [`admin`]: the knobs. [`faults`]: what goes wrong, and when. [`webhooks`]: hints to the merchant, as unreliable as the real ones.

pub mod admin;
pub mod answers;
pub mod bank;
pub mod book;
pub mod clock;
pub mod faults;
pub mod keys;
pub mod server;
pub mod webhooks;
mod wire;

/// The key of the documentation's examples; the simulator takes it unless it is told another one.
pub const SECRET_KEY: &str = "test_sk_zXLkKEypNArWmo50nX3lmeaxYG5R";
