//! The worker that asks what became of charges that nobody waits for any more, since their order was cancelled or has
//! expired, or the kitchen went on without the difference. They are not asked for: whoever was told that it is over would
//! find it on his card. What was asked for before may still come, for a while; then it goes straight back.

use super::{Worker, report, rows::KNOWN, till::Till};
use crate::{breaker, engine::Engine, provider::Answer};
use domain::{
    Row,
    payment::{Due, provider_key},
};
use quick_cache::sync::Cache;
use shared::{Event, Kind, OrderId, Recorded, event::Position, order::Reason, payment};
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

/// Questions at once: nobody waits for the answers.
pub const AT_ONCE: usize = 8;
/// Between two questions about one charge, first and at most: about ten in the quarter of an hour that a charge may be late.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4 * 60));

pub struct Unwanted {
    engine: Arc<Engine>,
    till: Arc<Till>,
    /// Since when the provider says that there is nothing. Whatever is forgotten here, or with the process, waits longer.
    nothing: Cache<String, Instant>,
}

impl Unwanted {
    pub fn new(engine: Arc<Engine>, till: Arc<Till>) -> Self {
        Self { engine, till, nothing: Cache::new(KNOWN) }
    }

    /// What became of a charge. `None` when that is not known yet.
    async fn fate(&self, key: &str) -> Option<Answer> {
        match self.till.fate(key).await? {
            Some(Answer::Undecided | Answer::Unknown | Answer::Refused(_)) => None,
            Some(answer) => Some(answer),
            // It is believed once it was said for as long as anything may be late: an answer of just after an outage says
            // little about what was asked before.
            None => {
                let now = Instant::now();
                let since = self.nothing.get(key).unwrap_or(now);
                self.nothing.insert(key.to_owned(), since);
                let late = Duration::from_millis(u64::try_from(self.engine.deadlines().late_ms).unwrap_or(0));
                (now.duration_since(since) > late).then_some(Answer::Declined(Reason::NotPaid))
            }
        }
    }

    async fn settle(&self, order: OrderId, movement: payment::Movement) -> bool {
        let key = provider_key(order, movement, 0);
        let command = match self.fate(&key).await {
            Some(Answer::Approved) => payment::Command::Approve { movement },
            Some(Answer::Declined(reason)) => payment::Command::Decline { movement, reason },
            Some(Answer::Undecided | Answer::Unknown | Answer::Refused(_)) | None => return false,
        };
        let is_settled = report(&self.engine, &order.to_string(), command).await;
        if is_settled {
            self.nothing.remove(&key);
            self.till.forget(&key);
        }
        is_settled
    }

    /// Looks at a charge that has come to nothing; false when that cannot be done now.
    async fn look_once_more(&self, order: OrderId, movement: payment::Movement) -> bool {
        match self.till.fate(&provider_key(order, movement, 0)).await {
            Some(Some(Answer::Approved)) => {
                tracing::warn!(%order, movement, "a charge came after nobody looked for it any more; it goes back");
                report(&self.engine, &order.to_string(), payment::Command::Approve { movement }).await
            }
            Some(Some(Answer::Declined(_)) | None) => true,
            Some(Some(Answer::Undecided | Answer::Unknown | Answer::Refused(_))) | None => false,
        }
    }
}

impl Worker for Unwanted {
    fn is_due(&self, recorded: &Recorded) -> bool {
        use payment::Event as E;
        // Of most there is no charge on its way, which is seen at once.
        matches!(&recorded.event, Event::Payment(E::Voided { .. } | E::RefundRequested { reason: Some(_), .. } | E::AdjustFailed { .. }))
    }

    fn shut(&self) -> Option<Duration> {
        self.till.shut()
    }

    fn changes(&self) -> Option<watch::Receiver<breaker::State>> {
        Some(self.till.changes())
    }

    fn pauses(&self) -> (Duration, Duration) {
        PAUSES
    }

    async fn work(&self, key: &str, _: u32, event: Option<Position>) -> bool {
        let Ok(stored) = self.engine.read(Kind::Payment, key) else { return false };
        let Some(Row::Payment(state)) = stored.as_ref().map(|stored| &*stored.row) else { return true };
        let (unwanted, mut all) = (state.unwanted(), true);
        for Due { order, movement, .. } in &unwanted {
            all &= self.settle(*order, *movement).await;
        }
        // It is on no list, so somebody has pointed at it: the provider, most likely, at money that has come after all.
        if unwanted.is_empty() && event.is_none() {
            for Due { order, movement, .. } in state.over() {
                all &= self.look_once_more(order, movement).await;
            }
        }
        all
    }
}
