//! Where journals are kept, read as tables: SQLite files or PostgreSQL schemas. All that the oracle needs is the same
//! SQL in both, and every cell is read as text.

use rusqlite::{Connection, OpenFlags, types::ValueRef};
use serde::{Deserialize, Serialize};
use shared::Context;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// How long a writer may hold a file: the server writes in short transactions.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks whether rows are where they belong. A server that is not busy puts them there at once, and
/// after half a second at the latest.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Rows of text.
pub type Rows = Vec<Vec<String>>;

/// Where journals are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// A folder of files.
    Sqlite(PathBuf),
    /// A database, with a schema for each context.
    Postgres(String),
}

/// What a run leaves behind, and where: the file `plant.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plant {
    /// The journals: `sqlite:FOLDER` or `postgres://…`.
    pub journal: Place,
    /// The provider's journals, one for each process that runs a simulator.
    pub providers: Vec<PathBuf>,
    /// The journal of the company that sends texts, if there was one.
    #[serde(default)]
    pub texts: Option<PathBuf>,
    /// What the servers wrote about themselves.
    pub logs: Vec<PathBuf>,
    /// Words that none of their lines may hold.
    pub never_said: Vec<String>,
}

impl Place {
    /// Reads `sqlite:FOLDER` or `postgres://…`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("sqlite:") {
            Some(dir) => Ok(Place::Sqlite(dir.into())),
            None if text.starts_with("postgres://") => Ok(Place::Postgres(text.into())),
            None => Err("a journal is at sqlite:FOLDER or at postgres://…".into()),
        }
    }

    /// Answers to several queries about one context, all as of one moment.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn read<const N: usize>(&self, context: Context, queries: [&str; N]) -> Result<[Rows; N], String> {
        let named = |why: String| format!("{}: {why}", context.name());
        match self {
            Place::Sqlite(dir) => sqlite(&dir.join(format!("{}.db", context.name())), queries).map_err(named),
            // Asked on a thread of its own, because the caller may be inside a runtime.
            Place::Postgres(url) => std::thread::scope(|scope| {
                let asked = scope.spawn(|| postgres(url, context, queries)).join();
                asked.unwrap_or_else(|_| Err("the thread that asked PostgreSQL panicked".into())).map_err(named)
            }),
        }
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        match place {
            Place::Sqlite(dir) => format!("sqlite:{}", dir.display()),
            Place::Postgres(url) => url,
        }
    }
}

/// Answers from a file, whether or not a server uses it. Those about rows and lists are given once the server has put off
/// none of them.
///
/// # Errors
/// The file cannot be read, or rows are put off and stay so.
pub fn sqlite<const N: usize>(path: &Path, queries: [&str; N]) -> Result<[Rows; N], String> {
    let named = |e: rusqlite::Error| format!("{}: {e}", path.display());
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(named)?;
    connection.busy_timeout(PATIENCE).map_err(named)?;
    let is_of_rows = queries.iter().any(|query| query.contains("from rows") || query.contains("from tags"));
    let give_up = Instant::now() + PATIENCE;
    let mut ask = || -> rusqlite::Result<Option<[Rows; N]>> {
        let tx = connection.transaction()?;
        if is_of_rows && tx.prepare("select 1 from redo")?.exists([])? {
            return Ok(None);
        }
        let mut answers = [(); N].map(|()| vec![]);
        for (query, answer) in queries.into_iter().zip(&mut answers) {
            let mut statement = tx.prepare(query)?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                answer.push((0..columns).map(|i| row.get_ref(i).map(text)).collect::<Result<_, _>>()?);
            }
        }
        Ok(Some(answers))
    };
    loop {
        match ask().map_err(named)? {
            Some(answers) => return Ok(answers),
            None if Instant::now() < give_up => std::thread::sleep(LOOK_EVERY),
            None => return Err(format!("{}: rows are put off: a server must be started on it once", path.display())),
        }
    }
}

fn text(value: ValueRef) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Null => String::new(),
    }
}

fn postgres<const N: usize>(url: &str, context: Context, queries: [&str; N]) -> Result<[Rows; N], String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        let begin = format!("set search_path to baemin_{}; begin isolation level repeatable read read only", context.name());
        client.batch_execute(&begin).await.map_err(|e| e.to_string())?;
        let mut answers = [(); N].map(|()| vec![]);
        for (query, answer) in queries.into_iter().zip(&mut answers) {
            for message in client.simple_query(query).await.map_err(|e| e.to_string())? {
                if let SimpleQueryMessage::Row(row) = message {
                    answer.push((0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect());
                }
            }
        }
        Ok(answers)
    })
}
