//! The chaos harness: real processes under load, broken on purpose, and an oracle that compares what the clients were
//! told with what is kept.
//!
//! A run: start, load, a fault and its healing in each round, let the clients finish, drain, stop, judge.
//!
//! - [`plant`]: what is broken: one process, or a process for each service with a database and a broker.
//! - [`faults`]: how. [`rounds`]: when. [`scenario`]: a single long fault, and the figures that it must show;
//!   [`rebuilds`]: of views.
//! - [`money`]: runs of their own, in which the payment [`company`] fails or is raced.
//! - [`client`], [`steady`], [`insist`], [`log`]: who orders meanwhile, and what they write down. [`asker`]: an operator. [`settle`]: what comes after.

pub mod asker;
pub mod client;
pub mod company;
pub mod faults;
pub mod insist;
pub mod log;
pub mod money;
pub mod options;
pub mod plant;
pub mod rebuilds;
pub mod rounds;
pub mod run;
pub mod scenario;
pub mod settle;
pub mod steady;

use std::io::Write;

/// What a run says to people while it goes on.
pub fn say(text: &str) {
    // A run without anybody to read it goes on.
    let _ = writeln!(std::io::stderr(), "{text}");
}
