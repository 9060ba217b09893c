//! The command line of Baemin, and the client library beneath it.
//!
//! # Layout
//!
//! - [`client`], [`sse`], [`session`]: the library. They print nothing and need no configuration, so that load
//!   generators and other programs use the same code as people do.
//! - [`config`], [`files`]: profiles, and the small private files.
//! - [`args`], [`parse`], [`prompt`]: what people type. [`output`], [`table`], [`views`], [`times`]: what they read.
//! - [`context`], [`orders`], [`board`], [`commands`]: what the commands do. [`error`]: how they end.
//!
//! Invariant: only [`output`] prints, and only `main.rs` exits.

pub mod args;
pub mod board;
pub mod client;
pub mod commands;
pub mod config;
pub mod context;
pub mod error;
pub mod files;
pub mod orders;
pub mod output;
pub mod parse;
pub mod prompt;
pub mod session;
pub mod sse;
pub mod table;
pub mod times;
pub mod views;

pub use client::{Client, Reply};
pub use error::{Exit, Failure};
pub use session::Session;
pub use sse::{News, Watch};
