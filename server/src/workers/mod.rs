//! Workers: the only code that acts on the outside world. Each looks after a list of rows that are due, does what they
//! wait for, and answers with a command to its own context. What is due stays on the list until that command is durable,
//! so nothing is forgotten in a crash; and the outside world sees a name that repeats, so nothing is done twice.
//!
//! - [`rounds`], [`rows`]: which row is worked on when. [`pay`], [`unwanted`], [`notify`], [`outcomes`]: what is done with it.
//! - [`line`]: which notice of an order is told first. [`gate`]: how many at once.
//! - [`till`]: the breaker, the deadline and the budget before the payment provider. [`health`]: how it is while all wait.
//!   [`wish`]: what an operator wants of the breaker.

mod budget;
mod gate;
mod health;
mod line;
mod notify;
mod outcomes;
mod pay;
mod rounds;
mod rows;
pub mod till;
mod unwanted;
mod wish;

pub use notify::Figures;

use crate::{
    breaker,
    engine::{Engine, Order, now_ms},
    identity::Access,
    journal::Slice,
    notifier::Notifier,
    provider::Provider,
};
use domain::{
    notification,
    payment::{DUE, REFUSED, UNWANTED},
};
use shared::{Actor, Command, Kind, Recorded, Stamp, event::Position};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use till::Till;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use wish::Wish;

/// The first pause before the outside world is asked again, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The payment worker, for those who have to do with it.
pub struct Payments {
    /// What every call to the provider goes through.
    pub till: Arc<Till>,
    nudges: [mpsc::Sender<Arc<str>>; 2],
    wish: Mutex<Wish>,
}

impl Payments {
    /// Has a payment worked on now, if anything of it is due. With too many at once nothing is lost: it is on its list.
    pub fn nudge(&self, payment: &str) {
        for nudge in &self.nudges {
            let _ = nudge.try_send(payment.into());
        }
    }

    /// Does with the breaker what an operator wants, also after a restart; `None` lets it decide again.
    ///
    /// # Errors
    /// It cannot be kept, and nothing has changed.
    pub fn force(&self, forced: Option<breaker::Forced>, by: String) -> io::Result<()> {
        // Two operators at once: what is kept is what is so.
        let wish = self.wish.lock().unwrap_or_else(PoisonError::into_inner);
        wish.keep(forced.as_ref().map(|forced| (forced, &*by)))?;
        self.till.force(forced, by);
        Ok(())
    }
}

/// Starts the worker that asks for money, where payments are kept. In the folder is what an operator has wanted before.
///
/// # Errors
/// What was wanted cannot be read.
pub fn start_pay(
    engine: &Arc<Engine>,
    provider: Arc<dyn Provider>,
    data: &Path,
    stopping: &CancellationToken,
) -> Result<Arc<Payments>, String> {
    let (till, wish) = (Arc::new(Till::new(provider, breaker::Config::default())), Wish::of(data));
    if let Some((forced, by)) = wish.read()? {
        tracing::warn!(open = forced.open, reason = forced.reason, by, "the breaker before the payment provider is forced as before");
        till.force(Some(forced), by);
    }
    let figures = till.clone();
    engine.metrics.also(move |page| figures.measure(page));
    let list = |tag| (Kind::Payment, tag);
    count(engine, list(REFUSED), "baemin_refunds_refused", "Payments of which the provider refuses a refund.");
    count(engine, list(UNWANTED), "baemin_charges_unwanted", "Payments with a charge that nobody waits for, and that may yet come.");
    let unwanted = Arc::new(unwanted::Unwanted::new(engine.clone(), till.clone()));
    let unwanted = rounds::start(engine, list(UNWANTED), unwanted::AT_ONCE, unwanted, stopping);
    let pay = Arc::new(pay::Pay { engine: engine.clone(), till: till.clone(), unwanted: unwanted.clone() });
    let nudges = [rounds::start(engine, list(DUE), pay::AT_ONCE, pay, stopping), unwanted];
    let (watched, stopping) = (till.clone(), stopping.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = health::watch(&watched) => {}
            () = stopping.cancelled() => {}
        }
    });
    Ok(Arc::new(Payments { till, nudges, wish: Mutex::new(wish) }))
}

/// Starts the worker that tells people, by these ways in their order, where notices are kept.
pub fn start_notify(engine: &Arc<Engine>, ways: Vec<Arc<dyn Notifier>>, access: &Access, stopping: &CancellationToken) {
    start_notify_with(engine, ways, access, (notify::ROOM, notify::AT_ONCE), stopping);
}

/// The same, with room for so many notices of progress that wait, and so many at once on each way; and says what is counted.
pub fn start_notify_with(
    engine: &Arc<Engine>,
    ways: Vec<Arc<dyn Notifier>>,
    access: &Access,
    (room, at_once): (usize, usize),
    stopping: &CancellationToken,
) -> Arc<Figures> {
    let figures = Arc::new(Figures::default());
    let lanes = ways.into_iter().map(|way| notify::Lane { way, gate: gate::Gate::new(at_once) }).collect();
    let (access, seats) = (access.clone(), Semaphore::new(room));
    let notify =
        notify::Notify { engine: engine.clone(), lanes, access, room: seats, figures: figures.clone(), line: line::Line::default() };
    let notify = Arc::new(notify);
    let shown = figures.clone();
    engine.metrics.also(move |page| shown.write(page));
    let list = |tag| (Kind::Notice, tag);
    count(engine, list(notification::REPORT), "baemin_notices_unreported", "Notices that a way has taken, and that may yet fail.");
    let mandatory = Arc::new(notify::Mandatory(notify.clone()));
    rounds::start(engine, list(notification::DUE), notify::WAITING, mandatory, stopping);
    let progress = Arc::new(notify::Progress(notify.clone()));
    rounds::start(engine, list(notification::PROGRESS), room + notify::SHEDDING, progress, stopping);
    rounds::start(engine, list(notification::REPORT), outcomes::AT_ONCE, Arc::new(outcomes::Outcomes(notify)), stopping);
    figures
}

/// Has the rows of a list counted in a figure.
fn count(engine: &Arc<Engine>, (kind, tag): (Kind, &'static str), name: &'static str, help: &'static str) {
    let watched = Arc::downgrade(engine);
    engine.metrics.also(move |page| {
        let count = Slice { offset: 0, limit: 0, newest_first: false };
        let list = |engine: Arc<Engine>| engine.list(kind, tag, count).ok();
        if let Some((_, rows)) = watched.upgrade().and_then(list) {
            page.family(name, "gauge", help);
            page.sample(name, "", rows as f64);
        }
    });
}

/// What a worker does with one row.
trait Worker: Send + Sync + 'static {
    /// Whether an event puts its row on the list.
    fn is_due(&self, recorded: &Recorded) -> bool;
    /// Hears of a batch's events all those of rows that this replica looks after, before it takes any of them.
    fn hears<'a>(&self, _: impl Iterator<Item = &'a Recorded>) {}
    /// How long a row that an event puts on the list is kept back before its first turn, if it is.
    fn keeps_back(&self, _: &Recorded) -> Option<Duration> {
        None
    }
    /// Does what the row waits for; `due` is the event that put it on the list, if it is known. False when it must be
    /// tried again.
    fn work(&self, key: &str, attempt: u32, due: Option<Position>) -> impl Future<Output = bool> + Send;
    /// How long nothing can be done for any row, if so: they stay on the list meanwhile.
    fn shut(&self) -> Option<Duration> {
        None
    }
    /// Tells when [`Worker::shut`] may have changed, for a worker that ever is.
    fn changes(&self) -> Option<watch::Receiver<breaker::State>> {
        None
    }
    /// The pause before a row is tried again, and how long it grows: each is twice the one before.
    fn pauses(&self) -> (Duration, Duration) {
        (PAUSE, MAX_PAUSE)
    }
}

/// Answers with a command to the worker's own context. False when that failed.
async fn report(engine: &Engine, stream: &str, command: impl Into<Command>) -> bool {
    let order = Order { stream: stream.into(), command: command.into(), stamp: Stamp { by: Actor::System, at_ms: now_ms() }, cause: None };
    match engine.dispatch(order, None).await {
        Ok(_) => true,
        Err(failure) => {
            tracing::warn!(stream, ?failure, "a worker's report was not taken; it will be sent again");
            false
        }
    }
}

#[cfg(test)]
mod tests;
