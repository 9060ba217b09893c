//! A subscription: brings the events of one partition of a source to a listening context, in order and without a gap.
//!
//! The bus is tried first; whatever it lost is fetched from the source's journal. The cursor lives with the listener and
//! moves in the transaction of the effects, so an event takes effect once, however often it is brought.

use super::{committer::Work, core::Heard};
use crate::{bus::Bus, journal::Fault, journal::Reader};
use shared::{Context, Recorded};
use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};
use tokio::sync::{broadcast::error::RecvError, oneshot};

/// Events brought at once: enough to share a commit, few enough to let people's commands in between.
const MAX_EVENTS: usize = 256;
/// The first pause after a fault, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// One subscription.
pub struct Listener {
    pub source: Context,
    pub partition: u16,
    pub cursor: u64,
    pub feed: Arc<dyn Reader>,
    pub bus: Arc<dyn Bus>,
    pub inbox: SyncSender<Work>,
}

impl Listener {
    /// Brings events until the listening context stops.
    pub async fn run(mut self) {
        let mut batches = self.bus.listen(self.source, self.partition);
        let mut behind = true;
        let mut pause = PAUSE;
        loop {
            let events = if behind {
                match self.feed.feed(self.partition, self.cursor, MAX_EVENTS) {
                    Ok(events) => events,
                    Err(fault) => {
                        tracing::warn!(source = self.source.name(), %fault, "the feed cannot be read");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(MAX_PAUSE);
                        continue;
                    }
                }
            } else {
                match batches.recv().await {
                    Ok(batch) => self.gather(&batch, &mut batches),
                    Err(RecvError::Lagged(_)) => {
                        behind = true;
                        continue;
                    }
                    Err(RecvError::Closed) => return,
                }
            };
            if events.is_empty() {
                behind = false;
                continue;
            }
            match self.hand_over(events).await {
                Some(Ok(Heard::UpTo(cursor))) => (self.cursor, pause) = (cursor, PAUSE),
                Some(Ok(Heard::Gap(cursor))) => (self.cursor, behind) = (cursor, true),
                Some(Err(_)) => {
                    tokio::time::sleep(pause).await;
                    (pause, behind) = ((pause * 2).min(MAX_PAUSE), true);
                }
                None => return,
            }
        }
    }

    /// The batch, and what else has arrived meanwhile.
    fn gather(&self, first: &[Arc<Recorded>], batches: &mut tokio::sync::broadcast::Receiver<crate::bus::Batch>) -> Vec<Arc<Recorded>> {
        let mut events: Vec<_> = first.iter().filter(|event| event.position.seq > self.cursor).cloned().collect();
        while events.len() < MAX_EVENTS {
            // A lag here shows as a gap at the committer, and is healed there.
            let Ok(batch) = batches.try_recv() else { break };
            events.extend(batch.iter().filter(|event| event.position.seq > self.cursor).cloned());
        }
        events
    }

    /// `None` when the listening context has stopped.
    async fn hand_over(&self, events: Vec<Arc<Recorded>>) -> Option<Result<Heard, Fault>> {
        let (reply, answer) = oneshot::channel();
        let mut work = Work::Hear { source: self.source, partition: self.partition, events, reply };
        loop {
            match self.inbox.try_send(work) {
                Ok(()) => return answer.await.ok(),
                Err(TrySendError::Full(same)) => work = same,
                Err(TrySendError::Disconnected(_)) => return None,
            }
            // People's commands fill the inbox: let them be worked off first.
            tokio::time::sleep(PAUSE).await;
        }
    }
}
