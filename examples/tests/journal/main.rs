//! What every journal promises, held over SQLite and PostgreSQL alike; and what replicas of one journal promise each other.
//!
//! PostgreSQL must be installed: without it these tests fail, they are not skipped. `JOURNAL_EVENTS=1000000` makes the feed
//! test as long as its claim; by default it appends 100,000.

mod contract;
mod cost;
mod deferred;
mod feed;
mod lost;
mod replicas;
mod stage;
mod timers;
