//! A stand-in for SOLAPI: the part of its HTTP API that notices need, in a process of its own, with a journal on disk that
//! is an independent witness of what was accepted, and with faults on demand. Answers have the form that SOLAPI documents
//! (messages v4: send, list; status codes); nothing leaves this machine.

mod auth;
mod office;
mod server;

pub use office::{Faults, Office, Options, Taken};
pub use server::serve;

use serde_json::{Value, json};

/// An answer: a status and JSON, or a connection that is cut without one.
pub enum Answer {
    /// What a client reads.
    Json(u16, Value),
    /// Nothing.
    Cut,
}

/// An error as SOLAPI tells it.
fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::Json(status, json!({ "errorCode": code, "errorMessage": message }))
}
