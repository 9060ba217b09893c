//! Damage that is planted into copies of what a run has left: an oracle that does not see it would see nothing.

use super::{
    books::Books,
    finding::Class,
    judge,
    log::Told,
    place::{Place, Plant},
};
use rusqlite::Connection;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is done to which file, and as what it must be seen.
const DAMAGE: [(&str, Class, &str, &str); 16] = [
    ("the last event is lost", Class::Lost, "order.db", "delete from journal where seq = (select max(seq) from journal)"),
    (
        "a journal has a gap",
        Class::Lost,
        "store.db",
        "delete from journal where seq = (select seq from journal order by seq limit 1 offset 9)",
    ),
    (
        "an acknowledged order is lost",
        Class::Lost,
        "order.db",
        "delete from rows where kind = 'order' and key = (select min(key) from rows where kind = 'order')",
    ),
    (
        "an order goes back",
        Class::Unexpected,
        "order.db",
        "update rows set body = replace(body, '\"status\":\"completed\",\"under\"', '\"status\":\"delivered\",\"under\"')
            where kind = 'order'",
    ),
    (
        "an order is paid and does not end",
        Class::Unfinished,
        "order.db",
        "update journal set body = replace(body, '\"type\":\"completed\"', '\"type\":\"delivered\"')",
    ),
    (
        "an event takes effect twice",
        Class::Duplicated,
        "rider.db",
        "insert into journal select partition, (select max(seq) from journal) + 1, body from journal where seq = (select max(seq) from journal)",
    ),
    (
        "the provider charges twice",
        Class::Won,
        "provider.db",
        "insert into movements select key || '-again', order_id, kind, amount, outcome, at_ms from movements where outcome = 'approved' limit 1",
    ),
    (
        "a refund never arrives",
        Class::Won,
        "provider.db",
        "delete from movements where key = (select min(key) from movements where kind = 'refund')",
    ),
    (
        "the ledger forgets",
        Class::Won,
        "payment.db",
        "delete from rows where kind = 'ledgerEntry' and key = (select max(key) from rows where kind = 'ledgerEntry')",
    ),
    (
        "a notice is not told",
        Class::Unfinished,
        "notification.db",
        "update rows set body = replace(body, '\"status\":\"sent\"', '\"status\":\"queued\"') where kind = 'notification'",
    ),
    (
        "a notice never was",
        Class::Lost,
        "notification.db",
        "delete from rows where kind = 'notification' and key like '%.customer.completed.inbox'",
    ),
    (
        "a notice is told twice",
        Class::Duplicated,
        "notification.db",
        "insert into rows select kind, replace(key, '.completed.', '.completed2.'), version, body from rows
            where kind = 'notification' and key like '%.customer.completed.inbox' limit 1",
    ),
    ("a reaction is refused", Class::Unexpected, "customer.db", "insert into parked (body) values ('{}')"),
    (
        "a row belongs to nobody",
        Class::Unexpected,
        "rider.db",
        "insert into rows select kind, 'ord_0000000000000000', version, body from rows where kind = 'delivery' limit 1",
    ),
    ("work is left lying", Class::Unfinished, "payment.db", "insert into tags values ('payment', 'due', 1, 'nobody')"),
    ("a charge is looked up for ever", Class::Unfinished, "payment.db", "insert into tags values ('payment', 'due:unwanted', 1, 'nobody')"),
];

/// Damage that is not seen, or seen as something else. The plant must be one of SQLite files that nobody uses.
///
/// # Errors
/// A copy cannot be made, or cannot be read at all.
pub fn unseen(plant: &Plant, copies: &Path, told: &Told) -> Result<Vec<String>, String> {
    let Place::Sqlite(folder) = &plant.journal else { return Err("only SQLite files can be damaged".into()) };
    let mut unseen = vec![];
    for (number, (name, class, file, sql)) in DAMAGE.into_iter().enumerate() {
        let copy = copies.join(number.to_string());
        let done = damaged(folder, &copy, file, sql).map_err(|e| format!("{name}: {e}"))?;
        let providers: Vec<PathBuf> = vec![copy.join("provider.db")];
        let verdict = judge(&Books::read(&Plant { journal: Place::Sqlite(copy), providers, ..plant.clone() })?, told);
        if done == 0 || verdict.count(class) == 0 {
            unseen.push(format!("the oracle does not see that {name} ({done} rows were damaged): {verdict}"));
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
