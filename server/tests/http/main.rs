//! The server as its clients meet it: in one process, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod bodies;
mod cast;
mod doors;
mod fields;
mod harness;
mod hostile;
mod matrix;
mod mutate;
mod raw;
mod sse;
mod watchers;
