//! The server as its clients meet it: in one process, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod bodies;
mod cast;
mod harness;
mod matrix;
mod sse;
