//! What a collector of traces gets of an order's life, of requests, and of a collector that is away: all of it over real
//! sockets, with nothing of a person's in it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod collector;
mod life;
mod trouble;

// A server, its people and its streams, as the tests of the edge have them.
#[path = "../http/bodies.rs"]
#[allow(dead_code, reason = "some of it is used")]
mod bodies;
#[path = "../http/cast.rs"]
#[allow(dead_code, reason = "some of it is used")]
mod cast;
#[path = "../http/harness.rs"]
#[allow(dead_code, reason = "some of it is used")]
mod harness;
#[path = "../http/sse.rs"]
#[allow(dead_code, reason = "some of it is used")]
mod sse;
