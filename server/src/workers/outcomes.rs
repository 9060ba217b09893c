//! The worker that asks what became of notices: a way may take one, and say only later that it never arrived. What failed
//! waits for the next way again.

use super::{Worker, notify::Notify, report};
use crate::engine::now_ms;
use domain::{Row, notification::Known};
use shared::{
    Event, Kind, Millis, Recorded,
    event::Position,
    notice::{self, Outcome},
};
use std::sync::Arc;

/// Questions at once: nobody waits for the answers, and each is a request of ours to the way.
pub const AT_ONCE: usize = 8;
/// The first attempt that asks, 6 seconds after the way has taken it, and the last of the first minutes: texts arrive
/// within seconds, and the pauses between attempts grow to half a minute.
const FIRST: u32 = 5;
const LAST: u32 = 10;
/// After that it is asked with each so-many-th attempt, every ten minutes.
const EVERY: u32 = 20;
/// Whatever has not been said by then never will be: an 알림톡 that nobody has seen fails after 72 hours.
const PATIENCE_MS: Millis = 73 * 60 * 60 * 1000;

/// Looks after what a way has taken, and may yet fail.
pub struct Outcomes(pub Arc<Notify>);

impl Worker for Outcomes {
    fn is_due(&self, recorded: &Recorded) -> bool {
        matches!(&recorded.event, Event::Notice(notice::Event::Sent { way: Some(way), .. }) if way.reports())
    }

    async fn work(&self, key: &str, attempt: u32, _: Option<Position>) -> bool {
        let Ok(stored) = self.0.engine.read(Kind::Notice, key) else { return false };
        let known = match stored.as_ref().map(|stored| &*stored.row) {
            Some(Row::Notice(Some(known))) if known.awaits_report() => known,
            _ => return true,
        };
        let sent_at_ms = known.sent_at_ms.unwrap_or(known.notice.at_ms);
        let said = if is_turn(attempt) { self.ask(key, known, sent_at_ms).await } else { None };
        match said.or_else(|| (now_ms() - sent_at_ms > PATIENCE_MS).then_some(Outcome::Unknown)) {
            Some(outcome) => self.settle(key, outcome).await,
            None => false,
        }
    }
}

impl Outcomes {
    /// What the way says, if it says anything by now.
    async fn ask(&self, key: &str, known: &Known, sent_at_ms: Millis) -> Option<Outcome> {
        let lane = self.0.lanes.iter().find(|lane| Some(lane.way.way()) == known.way);
        // Nobody can be asked any more.
        let Some(lane) = lane else { return Some(Outcome::Unknown) };
        let wishes = self.0.wishes(known.notice.to).ok()?;
        let message = self.0.message(lane, key, &known.notice, &wishes).ok()?;
        lane.way.outcome(message, sent_at_ms).await.ok().flatten()
    }

    async fn settle(&self, key: &str, outcome: Outcome) -> bool {
        let done = report(&self.0.engine, key, notice::Command::Report { outcome }).await;
        if done {
            self.0.figures.report(outcome);
        }
        done
    }
}

fn is_turn(attempt: u32) -> bool {
    (FIRST..=LAST).contains(&attempt) || (attempt > LAST && attempt.is_multiple_of(EVERY))
}
