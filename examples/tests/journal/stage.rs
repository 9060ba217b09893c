//! Places to keep a journal in, and things to keep in it.

use examples::servers::postgres::Postgres;
use server::journal::{self, Commit, Journal, Place, Put, Reader, Stored, Timer};
use shared::{Command, Context, Event, Kind, OrderId, Recorded, customer, event::Position};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The context whose journal is tested.
pub const CONTEXT: Context = Context::Customer;

pub type Both = (Box<dyn Journal>, Arc<dyn Reader>);

/// A place of one's own for a journal.
pub struct Stage {
    pub place: Place,
    dir: Option<TempDir>,
}

impl Stage {
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { place: Place::Sqlite(dir.path().into()), dir: Some(dir) }
    }

    /// A database of its own on a server.
    pub fn postgres(server: &Postgres) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("stage_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        sql(&server.url(), &format!("create database {name}"));
        Self { place: Place::parse(&on(server, &name)).unwrap(), dir: None }
    }

    pub fn open(&self, partitions: u16) -> Both {
        journal::open(&self.place, CONTEXT, partitions).unwrap()
    }

    /// Does something behind the journal's back.
    pub fn sql(&self, text: &str) -> Vec<Vec<String>> {
        match &self.place {
            Place::Sqlite(dir) => {
                let connection = rusqlite::Connection::open(dir.join(format!("{}.db", CONTEXT.name()))).unwrap();
                let mut statement = connection.prepare(text).unwrap();
                let width = statement.column_count();
                let mut rows = statement.query([]).unwrap();
                let mut found = vec![];
                while let Some(row) = rows.next().unwrap() {
                    let shown = |i| match row.get_ref(i).unwrap() {
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8(text.into()).unwrap(),
                        other => format!("{other:?}"),
                    };
                    found.push((0..width).map(shown).collect());
                }
                found
            }
            Place::Postgres(place) => run(async {
                let (client, connection) = place.config.connect(NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute(&format!("set search_path = baemin_{}", CONTEXT.name())).await.unwrap();
                rows(&client, text).await
            }),
        }
    }

    pub fn is_sqlite(&self) -> bool {
        self.dir.is_some()
    }
}

pub fn on(server: &Postgres, database: &str) -> String {
    server.url().replace("/postgres?", "?").trim_end_matches("/postgres").to_owned() + "/" + database
}

/// Runs on a runtime that is there for this alone, because journals are called from threads without one.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

pub fn sql(url: &str, text: &str) -> Vec<Vec<String>> {
    run(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        rows(&client, text).await
    })
}

async fn rows(client: &Client, text: &str) -> Vec<Vec<String>> {
    let said = client.simple_query(text).await.unwrap();
    let rows = said.into_iter().filter_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
    rows.map(|row| (0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect()).collect()
}

/// The n-th event of a partition, of a stream that does not matter.
pub fn event(partition: u16, seq: u64) -> Arc<Recorded> {
    let (customer, order) = (shared::CustomerId::parse("cus_0000000000000001").unwrap(), order(seq));
    let event = customer::Event::Promoted { customer, order, grade: Default::default(), at_ms: seq as i64 };
    Arc::new(Recorded {
        position: Position { context: CONTEXT, partition, seq },
        stream: customer.to_string(),
        version: seq,
        at_ms: seq as i64,
        by: None,
        cause: None,
        event: Event::Customer(event),
    })
}

pub fn order(number: u64) -> OrderId {
    let letters: String = format!("{number:016}");
    OrderId::parse(&format!("ord_{letters}")).unwrap()
}

/// The events of a partition after one and up to another.
pub fn events(partition: u16, after: u64, upto: u64) -> Vec<Arc<Recorded>> {
    (after + 1..=upto).map(|seq| event(partition, seq)).collect()
}

pub fn appends(events: Vec<Arc<Recorded>>) -> Commit {
    Commit { events, ..Commit::default() }
}

/// A row whose value is its version.
pub fn put(key: &str, version: u64) -> Put {
    let row = Arc::new(domain::Row::empty(Kind::Customer).unwrap());
    Put { kind: Kind::Customer, key: key.into(), stored: Stored { row, version }, tags_gone: vec![], tags_new: vec![] }
}

pub fn puts(rows: Vec<Put>) -> Commit {
    Commit { rows, ..Commit::default() }
}

pub fn timer(stream: &str, name: &'static str, due_ms: i64) -> Timer {
    let command = Command::Customer(customer::Command::Count { order: order(due_ms as u64) });
    Timer { stream: stream.into(), name, due_ms, command, cause: None }
}

/// Waits for something to become so.
pub fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn server() -> (Postgres, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Postgres::start(dir.path()).unwrap(), dir)
}
