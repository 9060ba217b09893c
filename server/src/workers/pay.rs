//! The payment worker: asks the provider for every charge and refund that is due, until it answers.

use super::{
    Worker, report,
    till::{Till, Way},
};
use crate::{
    breaker,
    engine::Engine,
    provider::{Answer, Ask, Part},
    traces::Open,
};
use domain::{
    Row,
    payment::{Due, provider_key},
};
use shared::{Event, Kind, Recorded, event::Position, order::Reason, payment};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};

/// Payments at the provider at once: a slow provider must not take all memory.
pub const AT_ONCE: usize = 256;

pub struct Pay {
    pub engine: Arc<Engine>,
    pub till: Arc<Till>,
    /// Who looks after charges that nobody waits for.
    pub unwanted: mpsc::Sender<Arc<str>>,
}

impl Worker for Pay {
    fn is_due(&self, recorded: &Recorded) -> bool {
        let is_due = matches!(&recorded.event, Event::Payment(payment::Event::Requested { .. } | payment::Event::RefundRequested { .. }));
        if is_due {
            self.till.earn();
        }
        is_due
    }

    fn shut(&self) -> Option<Duration> {
        self.till.shut()
    }

    fn changes(&self) -> Option<watch::Receiver<breaker::State>> {
        Some(self.till.changes())
    }

    async fn work(&self, key: &str, attempt: u32, mut cause: Option<Position>) -> bool {
        let mut is_found = attempt == 0 && cause.is_none();
        // A movement that became due while this payment was being worked on is seen here, or by the next look.
        loop {
            let Ok(stored) = self.engine.read(Kind::Payment, key) else { return false };
            let Some(row) = stored.map(|stored| stored.row) else { return true };
            // Once for each time that it is found on the list, however long it stays there for what else is due.
            if std::mem::take(&mut is_found) && !row.former_tags().is_empty() {
                self.engine.relist(Kind::Payment, key);
                let _ = self.unwanted.try_send(key.into());
            }
            let due = due(&row);
            if due.is_empty() {
                return true;
            }
            let mut all = true;
            for movement in due {
                // What else has become due has another cause. One movement that cannot be settled yet keeps no other waiting.
                all &= self.settle(key, &movement, attempt, cause.take()).await;
            }
            if !all {
                return false;
            }
        }
    }
}

fn due(row: &Row) -> Vec<Due> {
    if let Row::Payment(state) = row { state.due() } else { vec![] }
}

/// What is told of a refund that the provider refuses.
fn refused(due: &Due, reason: Reason, code: Option<payment::RefusalCode>) -> payment::Command {
    let Due { order, movement, refused, .. } = *due;
    if !refused {
        tracing::warn!(%order, movement, ?reason, ?code, "the provider refuses a refund; it will be asked again");
    }
    payment::Command::RefuseRefund { movement, reason, code }
}

impl Pay {
    fn is_still_due(&self, key: &str, movement: payment::Movement) -> bool {
        let stored = self.engine.read(Kind::Payment, key).ok().flatten();
        stored.is_some_and(|stored| due(&stored.row).iter().any(|due| due.movement == movement))
    }

    async fn settle(&self, key: &str, due: &Due, attempt: u32, cause: Option<Position>) -> bool {
        let Due { order, movement, amount, charge, means, ref parts, .. } = *due;
        let against = parts.iter().map(|part| Part { charge: provider_key(order, part.charge, 0), amount: part.amount }).collect();
        let ask = Ask { key: provider_key(order, movement, attempt), order, amount, means, extra: charge == Some(true), against };
        let what = if charge.is_some() { "provider charge" } else { "provider refund" };
        let span = Open::call(self.engine.traces.get(), what, order, cause);
        let way = if charge.is_some() { Way::Charge } else { Way::Refund };
        // Its order may end while it is looked up what became of it. A refund is wanted whatever happens.
        let is_wanted = || charge.is_none() || self.is_still_due(key, movement);
        let answer = self.till.ask(ask, way, is_wanted).await;
        if let Some(span) = span {
            span.ended(!matches!(answer, Some(Answer::Approved | Answer::Declined(_) | Answer::Refused(_))));
        }
        // What was not let through waits on the list; that is said once, by the till.
        let Some(answer) = answer else { return false };
        // A refund that is refused stays due: it is asked for again, and operators see it meanwhile.
        let is_settled = charge.is_some() || answer == Answer::Approved;
        let command = match (charge, answer) {
            (Some(_), Answer::Approved) => payment::Command::Approve { movement },
            (Some(_), Answer::Declined(reason)) => payment::Command::Decline { movement, reason },
            (None, Answer::Approved) => payment::Command::ConfirmRefund { movement },
            (None, Answer::Declined(reason)) => refused(due, reason, None),
            (None, Answer::Refused(code)) => refused(due, Reason::Declined, code),
            // A charge is not refused in such words.
            (Some(_), Answer::Refused(_)) | (_, Answer::Undecided | Answer::Unknown) => {
                tracing::warn!(%order, movement, "the provider has not answered; it will be asked again");
                return false;
            }
        };
        report(&self.engine, key, command).await && is_settled
    }
}
