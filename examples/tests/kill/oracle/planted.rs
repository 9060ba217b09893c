//! Damage that is planted into copies of the databases: an oracle that does not see it would see nothing.

use super::{Books, judge};
use crate::story::Story;
use rusqlite::Connection;
use std::{fs, path::Path};

/// What is done to which file.
const DAMAGE: [(&str, &str, &str); 10] = [
    ("an event is lost", "order.db", "delete from journal where seq = (select max(seq) from journal)"),
    ("an order is lost", "order.db", "delete from rows where kind = 'order' and key = (select min(key) from rows where kind = 'order')"),
    (
        "an order goes back",
        "order.db",
        "update rows set body = replace(body, '\"status\":\"completed\",\"under\"', '\"status\":\"delivered\",\"under\"')
            where kind = 'order'",
    ),
    (
        "an event takes effect twice",
        "rider.db",
        "insert into journal select partition, (select max(seq) from journal) + 1, body from journal where seq = (select max(seq) from journal)",
    ),
    (
        "the provider charges twice",
        "provider.db",
        "insert into movements select key || '-again', order_id, kind, amount, outcome, at_ms from movements where outcome = 'approved' limit 1",
    ),
    ("a refund never arrives", "provider.db", "delete from movements where key = (select min(key) from movements where kind = 'refund')"),
    (
        "the ledger forgets",
        "payment.db",
        "delete from rows where kind = 'ledgerEntry' and key = (select max(key) from rows where kind = 'ledgerEntry')",
    ),
    (
        "a notice is not told",
        "notification.db",
        "update rows set body = replace(body, '\"status\":\"sent\"', '\"status\":\"queued\"') where kind = 'notification'",
    ),
    ("a notice never was", "notification.db", "delete from rows where kind = 'notification' and key like '%.customer.completed.inbox'"),
    ("a reaction is refused", "customer.db", "insert into parked (body) values ('{}')"),
];

/// Damage that is not seen.
pub fn unseen(folder: &Path, copies: &Path, stories: &[Story]) -> Result<Vec<String>, String> {
    let mut unseen = vec![];
    for (number, (name, file, sql)) in DAMAGE.into_iter().enumerate() {
        let copy = copies.join(number.to_string());
        let done = damaged(folder, &copy, file, sql).map_err(|e| format!("{name}: {e}"))?;
        if done == 0 || judge(&Books::read(&copy)?, stories).is_empty() {
            unseen.push(format!("the oracle does not see that {name} ({done} rows were damaged)"));
        }
    }
    Ok(unseen)
}

fn damaged(folder: &Path, copy: &Path, file: &str, sql: &str) -> Result<usize, Box<dyn std::error::Error>> {
    fs::create_dir_all(copy)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".db") || name.ends_with(".db-wal") {
            fs::copy(&path, copy.join(&name))?;
        }
    }
    Ok(Connection::open(copy.join(file))?.execute(sql, [])?)
}
