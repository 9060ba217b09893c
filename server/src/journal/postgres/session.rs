//! One connection: how it is made, how long everything on it may take, and how long to wait before the next try.

use super::schema_name;
use crate::{
    journal::{Fault, PostgresPlace},
    random::part_of,
};
use shared::Context;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls, Row, Statement, types::ToSql};

/// How long connecting may take: on a network that works it takes milliseconds.
const CONNECT: Duration = Duration::from_secs(3);
/// How long the server may work on a statement. The longest is a page of the feed, in milliseconds.
const STATEMENT: Duration = Duration::from_secs(5);
/// How long to wait for a statement's answer: longer than the server may work, so that it is the server that gives up.
const ANSWER: Duration = Duration::from_secs(7);
/// How long a statement may wait for a lock: a commit waits for at most one commit of each other replica.
const LOCK: Duration = Duration::from_secs(3);
/// How long the server lets a transaction stay open without work: nothing here ever pauses within one.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);
/// The longest wait after the first failure to connect; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// The longest wait after any failure to connect, so that a database that is back is soon used.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// Every statement of the journal goes by a key. A session keeps its plans, and one made while the tables were small would
/// read them whole for each commit long after they have grown.
const BY_KEY: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off";

/// A connection with its statements.
pub struct Session {
    client: Client,
    statements: Vec<Statement>,
}

/// Why a statement gave nothing.
pub struct Trouble {
    pub fault: Fault,
    /// True when the connection is of no more use, and it is not known how the statement ended. Otherwise the server has
    /// refused it, and it has changed nothing.
    pub broken: bool,
}

impl Session {
    async fn connect(place: &PostgresPlace, context: Context, sql: &[&str]) -> Result<Self, Fault> {
        let client = connect(place, context).await?;
        let preparing = futures_util::future::try_join_all(sql.iter().map(|sql| client.prepare(sql)));
        let statements = answer(preparing).await?;
        Ok(Self { client, statements })
    }

    /// The rows that a statement gives.
    pub async fn query(&self, statement: usize, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Trouble> {
        match timeout(ANSWER, self.client.query(&self.statements[statement], parameters)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                // Whoever ends a connection may do so after a commit; any other error ends the transaction alone.
                let broken = error.as_db_error().is_none_or(|said| said.severity() != "ERROR");
                Err(Trouble { fault: error.into(), broken })
            }
            Err(_) => Err(Trouble { fault: late(ANSWER), broken: true }),
        }
    }
}

/// A place for a connection, which is made when it is needed.
#[derive(Default)]
pub struct Connection {
    session: Option<Arc<Session>>,
    backoff: Backoff,
}

impl Connection {
    /// The connection, made anew if need be. Whoever is not patient is refused while it is too early for another try.
    pub async fn get(&mut self, place: &PostgresPlace, context: Context, sql: &[&str], patient: bool) -> Result<Arc<Session>, Fault> {
        if let Some(session) = self.session.as_ref().filter(|session| !session.client.is_closed()) {
            return Ok(session.clone());
        }
        self.session = None;
        let wait = self.backoff.left();
        if !patient && !wait.is_zero() {
            return Err(Fault("postgres: cannot be reached".into()));
        }
        tokio::time::sleep(wait).await;
        match Session::connect(place, context, sql).await {
            Ok(session) => {
                self.backoff = Backoff::default();
                Ok(self.session.insert(Arc::new(session)).clone())
            }
            Err(fault) => {
                self.backoff.failed();
                Err(fault)
            }
        }
    }

    /// Forgets a connection that is of no more use.
    pub fn forget(&mut self, broken: &Arc<Session>) {
        if self.session.as_ref().is_some_and(|session| Arc::ptr_eq(session, broken)) {
            self.session = None;
        }
    }
}

/// Connects, with the limits of every session of the journal.
pub async fn connect(place: &PostgresPlace, context: Context) -> Result<Client, Fault> {
    let mut config = place.config.clone();
    let schema = schema_name(context);
    let given = config.get_options().unwrap_or_default().to_owned();
    let (statement, lock, idle) = (STATEMENT.as_millis(), LOCK.as_millis(), IDLE_IN_TRANSACTION.as_millis());
    // Later options win: what is given in the URL cannot weaken these.
    config.options(format!(
        "{given} -c search_path={schema} -c synchronous_commit=on -c statement_timeout={statement} -c lock_timeout={lock} \
         -c idle_in_transaction_session_timeout={idle} -c jit=off -c client_encoding=UTF8 {BY_KEY}"
    ));
    config.application_name(&schema).connect_timeout(CONNECT).tcp_user_timeout(ANSWER);
    let (client, connection) = within(CONNECT, config.connect(NoTls)).await??;
    // Ends with the client; what went wrong is told to whoever waits for an answer.
    tokio::spawn(connection);
    Ok(client)
}

/// An answer in time, or a fault.
pub async fn answer<T, E: Into<Fault>>(work: impl Future<Output = Result<T, E>>) -> Result<T, Fault> {
    within(ANSWER, work).await?.map_err(Into::into)
}

/// What is done within a limit, or a fault.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Fault> {
    timeout(limit, work).await.map_err(|_| late(limit))
}

fn late(limit: Duration) -> Fault {
    Fault(format!("postgres: no answer within {} s", limit.as_secs()))
}

/// When to try again: full jitter, so that replicas do not come back all at once.
#[derive(Default)]
struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    fn left(&self) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn failed(&mut self) {
        let most = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10)).min(MAX_BACKOFF);
        self.failures += 1;
        self.until = Some(Instant::now() + part_of(most));
    }
}
