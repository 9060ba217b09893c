//! The gateway before services in other processes: small ones, made for each test, that can be away, slow or wrong.
//!
//! - `harness`: a service, a gateway, a client. `routing`: which path leads where, and with which headers.
//! - `faults`: services that are slow, broken or being restarted. `streams`: event streams. `hostile`: what nobody should send.
//! - `connections`: kept, and not trusted. `cost`: what a request through the gateway costs; run by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

mod connections;
mod cost;
mod faults;
mod harness;
mod hostile;
mod routing;
mod streams;
