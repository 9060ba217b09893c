//! A session with the broker, and its supervisor: built from nothing, and torn down whole at the first sign of trouble.
//!
//! The client library's own recovery stays off: it forgets settings, stops after some attempts, and was seen to hang.

use super::Counters;
use crate::{bus::RabbitPlace, random::part_of};
use lapin::{Connection, ConnectionProperties};
use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// Between beats. Shorter ones take a busy broker for a dead one.
const HEARTBEAT_S: u16 = 10;
/// Every wait for the broker ends here, because the library waits for ever while a connection is blocked.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Between the looks whether the broker still answers.
pub const WATCH: Duration = Duration::from_millis(750);
/// The pauses before a session is built again: a random part of a bound that doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A session that lives longer was a good one: what the broker refuses, it refuses in a few milliseconds.
const GOOD: Duration = Duration::from_millis(250);

/// What ends a session.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The library or the broker says so.
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    /// No answer.
    #[error("{0} took too long")]
    Late(&'static str),
    /// A stream of the broker's ended.
    #[error("{0} ended")]
    Ended(&'static str),
    /// Something could not be declared.
    #[error("{item} cannot be had: {because}")]
    Topology { item: String, because: Box<Trouble> },
    /// Not the broker's fault.
    #[error("a bug: {0}")]
    Bug(&'static str),
}

/// What a session is for.
pub trait Role: Send + 'static {
    /// In names and logs.
    const NAME: &'static str;

    /// Works on a new connection until something fails.
    fn run(&mut self, connection: &Connection) -> impl Future<Output = Result<Infallible, Trouble>> + Send;
}

/// Waits for the broker, but not for ever.
///
/// # Errors
/// The broker's, or that it took too long.
pub async fn within<T>(what: &'static str, work: impl Future<Output = lapin::Result<T>>) -> Result<T, Trouble> {
    Ok(timeout(DEADLINE, work).await.map_err(|_| Trouble::Late(what))??)
}

/// Builds session after session, for as long as the process lives.
pub async fn supervise<R: Role>(mut role: R, place: RabbitPlace, counters: Arc<Counters>) {
    let mut bound = FIRST_PAUSE;
    loop {
        let trouble = match connect::<R>(&place).await {
            Ok(connection) => {
                counters.sessions.fetch_add(1, Relaxed);
                let begun = Instant::now();
                let Err(trouble) = role.run(&connection).await;
                if begun.elapsed() > GOOD {
                    bound = FIRST_PAUSE;
                }
                // A connection in trouble may not hear that it is closed: nobody waits for it.
                tokio::spawn(async move { within("closing", connection.close(200, "again".into())).await });
                trouble
            }
            Err(trouble) => trouble,
        };
        counters.say(R::NAME, &trouble);
        sleep(part_of(bound)).await;
        bound = (bound * 2).min(LAST_PAUSE);
    }
}

async fn connect<R: Role>(place: &RabbitPlace) -> Result<Connection, Trouble> {
    let mut uri = place.uri();
    uri.query.heartbeat = Some(HEARTBEAT_S);
    let properties = ConnectionProperties::default().with_connection_name(format!("baemin {}", R::NAME).into());
    within("connecting", Connection::connect_uri(uri, properties)).await
}
