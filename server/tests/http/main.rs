//! The server as its clients meet it: in one process, over real sockets.
//!
//! - `harness`, `sse`, `cast`, `bodies`, `mutate`: a server, its streams, the people, what they send, and what is wrong with it.
//! - `matrix`, `doors`, `fields`: who may do and see what. `hostile`, `raw`: what nobody should send.
//! - `files`: looks into the databases. `ops`: what operators look at and mend, and metrics. `pay`: orders whose payment is
//!   kept for later. `offers`: to leave out what is sold out.
//! - `watchers`: live streams. `links`, `protocol`, `repeats`: the shape of answers. `startup`, `crash`: beginnings
//!   and ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod bodies;
mod cast;
mod crash;
#[path = "../documents/mod.rs"]
mod documents;
mod doors;
mod fields;
#[path = "../files/mod.rs"]
mod files;
mod harness;
mod hostile;
mod links;
mod matrix;
mod mutate;
mod offers;
mod ops;
mod pay;
mod protocol;
mod raw;
mod repeats;
mod sse;
mod startup;
mod watchers;
