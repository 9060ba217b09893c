//! What cannot be done, and how it is mended: events that always fail among thousands of good ones, and views that are
//! built anew while everything goes on. The engine runs on real files, and the damage is done to these files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall say where")]

#[path = "../files/mod.rs"]
mod files;
mod orders;
mod poison;

#[path = "../../../shared/tests/samples/mod.rs"]
mod samples;
