//! The lease: which partitions this replica looks after. The database decides, by its own clock.

use crate::journal::Share;
use tokio_postgres::Row;

/// How long a replica that says nothing keeps its share, in seconds of the database's clock: it says something each second,
/// so a few of those may be lost; and what a dead one leaves is taken up within ten.
pub const LIFE_S: f64 = 5.0;

/// Says that this replica is alive, and asks for its share.
pub const SHARE: &str = "select * from share_1($1, make_interval(secs => $2), $3)";
/// Gives it back.
pub const LEAVE: &str = "select leave_1($1)";

/// Reads the database's decision.
pub fn share(row: &Row) -> Share {
    let mine: Vec<i32> = row.get(0);
    Share { partitions: mine.into_iter().map(|partition| partition as u16).collect(), alone: row.get(1) }
}
