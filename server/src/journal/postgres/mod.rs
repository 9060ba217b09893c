//! The journal in PostgreSQL: a schema for each context, shared by any number of replicas.
//!
//! A context's commits are serialised by one counter, the version in its `head` row. A commit is a single call of a
//! function in the database, so it is one round trip and one transaction: the function moves the version on from the one
//! that the commit was decided on, or changes nothing at all. The row's lock orders the commits, so sequence numbers have
//! no gap, and what is visible in the feed never has something appear before it later.
//!
//! There is no TLS: the database must be on this machine, on a private network, or behind a local proxy.

mod columns;
mod lease;
mod reader;
mod schema;
mod session;
mod writer;

pub use reader::PostgresReader;
pub use writer::PostgresJournal;

use super::{Fault, PostgresPlace};
use shared::Context;
use std::error::Error;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

/// The name of a context's schema.
pub fn schema_name(context: Context) -> String {
    format!("baemin_{}", context.name())
}

/// Opens, and if need be creates or migrates, the schema of a context.
///
/// # Errors
/// A fault when the database cannot be reached, does not flush what it acknowledges, or holds a newer schema.
pub fn open(place: &PostgresPlace, context: Context, partitions: u16) -> Result<(PostgresJournal, PostgresReader), Fault> {
    let journal = PostgresJournal::open(place, context, partitions)?;
    let reader = PostgresReader::open(place, context)?;
    Ok((journal, reader))
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => Fault(format!("postgres: {} ({})", said.message(), said.code().code())),
            None => match error.source() {
                Some(source) => Fault(format!("postgres: {error}: {source}")),
                None => Fault(format!("postgres: {error}")),
            },
        }
    }
}

/// A runtime of the journal's own. It is never waited for when it is dropped, because that may happen anywhere.
struct Own(Option<Runtime>);

impl Own {
    /// Runs on the thread that calls, and only while it calls: for the committer, which is alone on its thread.
    fn on_caller() -> Result<Self, Fault> {
        Self::build(&mut Builder::new_current_thread())
    }

    /// Runs on a thread of its own: for readers, who call from everywhere.
    fn on_thread() -> Result<Self, Fault> {
        Self::build(Builder::new_multi_thread().worker_threads(1).thread_name("journal-reader"))
    }

    fn build(builder: &mut Builder) -> Result<Self, Fault> {
        let runtime = builder.enable_all().build().map_err(|e| Fault(format!("a runtime cannot be started: {e}")))?;
        Ok(Self(Some(runtime)))
    }

    /// Blocks until it is done, wherever it is called: other tasks of a runtime with several threads go on meanwhile.
    fn wait<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let Some(runtime) = &self.0 else { unreachable!("only dropping takes the runtime") };
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Err(_) => runtime.block_on(work),
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| runtime.block_on(work)),
            Ok(_) => std::thread::scope(|scope| match scope.spawn(|| runtime.block_on(work)).join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
