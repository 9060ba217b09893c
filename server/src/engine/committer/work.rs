//! What a committer is asked, and what it answers.

use crate::{
    engine::{
        core::{Done, Failure, Heard, Mend, Mended, Order, Swapped},
        rebuild::Built,
    },
    journal::{Answer, Fault},
};
use shared::{Context, Kind, Recorded};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The name of a row in the cache.
pub type RowKey = (Kind, Arc<str>);

/// What a committer can be asked.
pub enum Work {
    /// Decide a command.
    Command { order: Box<Order>, answer: Option<Answer>, reply: oneshot::Sender<Result<Done, Failure>> },
    /// Handle events of another context.
    Hear { source: Context, partition: u16, events: Vec<Arc<Recorded>>, reply: oneshot::Sender<Result<Heard, Fault>> },
    /// Do again, or drop, what was parked.
    Mend { id: i64, mend: Mend, reply: oneshot::Sender<Result<Mended, Failure>> },
    /// Compare rows of a view that were built anew with the live ones.
    Swap { built: Built, reply: oneshot::Sender<Result<Swapped, Fault>> },
    /// Complete an idempotency record.
    Answer(Answer),
    /// Keep a row in memory that readers ask for. Only the committer fills the cache, so it never holds an older row.
    Warm(RowKey),
    /// List a row anew that an older version may have listed otherwise.
    Relist(RowKey),
    /// A reader waits for what other replicas have committed.
    Look(oneshot::Sender<()>),
    /// Finish what came before, and end.
    Stop,
}

impl Work {
    /// True when somebody waits for the answer, or for the end.
    pub(super) fn is_urgent(&self) -> bool {
        match self {
            Work::Command { order, .. } => order.stamp.by != shared::Actor::System,
            Work::Stop | Work::Mend { .. } | Work::Look(_) => true,
            Work::Hear { .. } | Work::Swap { .. } | Work::Answer(_) | Work::Warm(_) | Work::Relist(_) => false,
        }
    }
}

/// What became of one piece of work.
pub(super) enum Outcome {
    Command(Result<Done, Failure>),
    Heard(Result<Heard, Fault>),
    Mended(Result<Mended, Failure>),
    Swapped(Result<Swapped, Fault>),
    /// Nobody waits.
    Done,
}

pub(super) fn answer_all(work: Vec<Work>, outcomes: Vec<Outcome>) {
    // A caller that went away needs no answer; what was decided stays.
    for (work, outcome) in work.into_iter().zip(outcomes) {
        match (work, outcome) {
            (Work::Command { reply, .. }, Outcome::Command(done)) => drop(reply.send(done)),
            (Work::Hear { reply, .. }, Outcome::Heard(heard)) => drop(reply.send(heard)),
            (Work::Look(reply), Outcome::Done) => drop(reply.send(())),
            (Work::Mend { reply, .. }, Outcome::Mended(mended)) => drop(reply.send(mended)),
            (Work::Swap { reply, .. }, Outcome::Swapped(swapped)) => drop(reply.send(swapped)),
            _ => {}
        }
    }
}

pub(super) fn refuse_all(work: Vec<Work>, fault: &Fault) {
    for work in work {
        match work {
            Work::Command { reply, .. } => drop(reply.send(Err(Failure::Fault(fault.clone())))),
            Work::Hear { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Work::Mend { reply, .. } => drop(reply.send(Err(Failure::Fault(fault.clone())))),
            Work::Swap { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Work::Answer(_) | Work::Warm(_) | Work::Relist(_) | Work::Look(_) | Work::Stop => {}
        }
    }
}
