//! The worker that asks what became of notices: a way may take one, and say only later that it never arrived. What failed
//! waits for the next way again.

use super::{
    Worker,
    notify::{Handed, Notify},
    report,
};
use crate::engine::now_ms;
use domain::{Row, notification::Known};
use shared::{
    Event, Kind, Millis, Recorded,
    event::Position,
    notice::{self, Outcome},
};
use std::{sync::Arc, time::Duration};

/// Questions at once: nobody waits for the answers, and each is a request of ours to the way.
pub const AT_ONCE: usize = 8;
/// From the moment that the way has taken it to the first question, since texts arrive within seconds; and between two at
/// most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(10 * 60));
/// What has not been said by then is not asked about any more: nobody waits for an order so long, and to hear of it by
/// another way would be no news.
const PATIENCE_MS: Millis = 60 * 60 * 1000;

/// Looks after what a way has taken, and may yet fail.
pub struct Outcomes(pub Arc<Notify>);

impl Worker for Outcomes {
    fn is_due(&self, recorded: &Recorded) -> bool {
        matches!(&recorded.event, Event::Notice(notice::Event::Sent { way: Some(way), .. }) if way.reports())
    }

    fn pauses(&self) -> (Duration, Duration) {
        PAUSES
    }

    async fn work(&self, key: &str, attempt: u32, _: Option<Position>) -> bool {
        let Ok(stored) = self.0.engine.read(Kind::Notice, key) else { return false };
        let known = match stored.as_ref().map(|stored| &*stored.row) {
            Some(Row::Notice(Some(known))) if known.awaits_report() => known,
            _ => return true,
        };
        // It was taken just now.
        if attempt == 0 {
            return false;
        }
        let is_late = now_ms() - known.sent_at_ms.unwrap_or(known.notice.at_ms) > PATIENCE_MS;
        match self.ask(key, known).await.or(is_late.then_some(Outcome::Unknown)) {
            Some(outcome) => self.settle(key, outcome).await,
            None => false,
        }
    }
}

impl Outcomes {
    /// What the way says, if it says anything by now.
    async fn ask(&self, key: &str, known: &Known) -> Option<Outcome> {
        let lane = self.0.lanes.iter().find(|lane| Some(lane.way.way()) == known.way);
        // Nobody can be asked any more.
        let Some(lane) = lane else { return Some(Outcome::Unknown) };
        let wishes = self.0.wishes(known.notice.to).ok()?;
        match self.0.message(lane, key, &known.notice, &wishes) {
            Ok(message) => lane.way.outcome(message).await.ok().flatten(),
            // Whoever has no phone any more is not looked for.
            Err(Handed::Refused) => Some(Outcome::Unknown),
            Err(_) => None,
        }
    }

    async fn settle(&self, key: &str, outcome: Outcome) -> bool {
        let done = report(&self.0.engine, key, notice::Command::Report { outcome }).await;
        if done {
            self.0.figures.report(outcome);
        }
        done
    }
}
