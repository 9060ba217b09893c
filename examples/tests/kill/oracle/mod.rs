//! The oracle: reads every database as a stranger would, and compares it with what the clients were told.
//!
//! It shares the words with the server, and none of its rules: what an order costs, how it may end and which events
//! belong to it are said here once more.

mod journals;
mod money;
mod notices;
mod orders;
pub mod planted;

use crate::story::Story;
use journals::{Fact, fact};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use shared::{Context, Kind, OrderId, Recorded};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// A movement in the provider's journal.
pub struct Moved {
    /// The provider's key.
    pub key: String,
    /// Of which order.
    pub order: OrderId,
    /// Money that goes back.
    pub refund: bool,
    /// In won.
    pub amount: i64,
    /// Whether it moved.
    pub approved: bool,
}

/// An event in a journal.
pub struct Entry {
    /// The number of the row that it is in: that of the row's last event.
    pub row: u64,
    /// The event.
    pub recorded: Recorded,
    /// What it says.
    pub fact: Fact,
}

/// Everything that is kept.
pub struct Books {
    /// Events by context, in the order of the journal.
    pub journals: BTreeMap<Context, Vec<Entry>>,
    /// Where in them an order's events are.
    of_order: HashMap<OrderId, Vec<(Context, usize)>>,
    /// Rows by kind and key.
    pub rows: HashMap<(Kind, String), Value>,
    /// Reactions that were refused, by context.
    pub parked: Vec<(Context, String)>,
    /// What is still on its way.
    pub unsettled: Vec<String>,
    /// What the provider says.
    pub moved: Vec<Moved>,
}

impl Books {
    /// Reads the files of a folder, whether or not a server uses them.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let mut books = Self {
            journals: BTreeMap::new(),
            of_order: HashMap::new(),
            rows: HashMap::new(),
            parked: vec![],
            unsettled: unsettled(folder)?,
            moved: vec![],
        };
        for context in Context::ALL {
            let path = folder.join(format!("{}.db", context.name()));
            books.context(context, &path).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let path = folder.join("provider.db");
        books.moved = provider(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(books)
    }

    fn context(&mut self, context: Context, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let connection = open(path)?;
        let events = self.journals.entry(context).or_default();
        let mut statement = connection.prepare("select seq, body from journal order by partition, seq")?;
        for row in statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))? {
            let (seq, body) = row?;
            let batch: Vec<Recorded> = serde_json::from_str(&body)?;
            for recorded in batch {
                let fact = fact(&recorded);
                if let Some(order) = fact.order {
                    self.of_order.entry(order).or_default().push((context, events.len()));
                }
                events.push(Entry { row: seq as u64, recorded, fact });
            }
        }
        let mut statement = connection.prepare("select kind, key, body from rows")?;
        for row in statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?)))? {
            let (kind, key, body) = row?;
            let kind = Kind::parse(&kind).ok_or("a row of no kind")?;
            self.rows.insert((kind, key), serde_json::from_str(&body)?);
        }
        let mut statement = connection.prepare("select body from parked")?;
        for body in statement.query_map([], |row| row.get(0))? {
            self.parked.push((context, body?));
        }
        Ok(())
    }

    /// An order's events, in the order of each journal.
    pub fn of(&self, order: OrderId) -> impl Iterator<Item = &Entry> {
        self.of_order.get(&order).into_iter().flatten().filter_map(|(context, index)| self.journals.get(context)?.get(*index))
    }

    /// A row of an order.
    pub fn row(&self, kind: Kind, order: OrderId) -> Option<&Value> {
        self.rows.get(&(kind, order.to_string()))
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    /// The server writes in short transactions.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// What is still on its way: events that a listener has not heard, and rows that a worker still looks after.
pub fn unsettled(folder: &Path) -> Result<Vec<String>, String> {
    let one = |context: Context| {
        let connection = open(&folder.join(format!("{}.db", context.name())))?;
        let head: i64 = connection.query_row("select coalesce(max(seq), 0) from journal", [], |row| row.get(0))?;
        let due: i64 = connection.query_row("select count(*) from tags where name = 'due'", [], |row| row.get(0))?;
        let mut statement = connection.prepare("select context, seq from cursors")?;
        let cursors = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<Vec<(String, i64)>>>()?;
        Ok((context, head, due, cursors))
    };
    let all: Vec<_> = Context::ALL.into_iter().map(one).collect::<rusqlite::Result<_>>().map_err(|e| e.to_string())?;
    let heads: HashMap<&str, i64> = all.iter().map(|(context, head, ..)| (context.name(), *head)).collect();
    let mut left = vec![];
    for (context, _, due, cursors) in &all {
        let listener = context.name();
        if *due > 0 {
            left.push(format!("{listener} has {due} rows to work on"));
        }
        let behind = cursors.iter().filter(|(source, seq)| heads.get(source.as_str()) != Some(seq));
        left.extend(
            behind.map(|(source, seq)| format!("{listener} has heard {seq} of {:?} events of {source}", heads.get(source.as_str()))),
        );
    }
    Ok(left)
}

fn provider(path: &Path) -> Result<Vec<Moved>, Box<dyn std::error::Error>> {
    let connection = open(path)?;
    let mut statement = connection.prepare("select key, order_id, kind, amount, outcome from movements")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get(3)?, row.get::<_, String>(4)?))
    })?;
    rows.map(|row| {
        let (key, order, kind, amount, outcome) = row?;
        let order = OrderId::parse(&order).ok_or("a movement of no order")?;
        Ok(Moved { key, order, refund: kind == "refund", amount, approved: outcome == "approved" })
    })
    .collect()
}

/// Everything that is wrong.
pub fn judge(books: &Books, stories: &[Story]) -> Vec<String> {
    let mut wrong = books.unsettled.clone();
    wrong.extend(books.parked.iter().map(|(context, body)| format!("{} has parked {body}", context.name())));
    wrong.extend(journals::judge(books));
    wrong.extend(orders::judge(books, stories));
    wrong.extend(money::judge(books, stories));
    wrong.extend(notices::judge(books, stories));
    wrong
}
