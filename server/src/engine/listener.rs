//! A subscription: brings the events of one partition of a source to a listening context, in order and without a gap.
//!
//! The bus is tried first; whatever it lost is fetched from the source's journal. The cursor lives with the listener and
//! moves in the transaction of the effects, so an event takes effect once, however often it is brought.

use super::{committer::Work, core::Heard, feeds::Feeds};
use crate::{bus::Batch, journal::Fault};
use shared::{Context, Recorded};
use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        oneshot,
    },
    time::{sleep, timeout},
};

/// Events brought at once: enough to share a commit, few enough to let people's commands in between.
const MAX_EVENTS: usize = 256;
/// The first pause after a fault, and the longest.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How long a silent bus is believed. A last message that was lost shows in nothing that comes after it.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One subscription.
pub struct Listener {
    pub source: Context,
    pub partition: u16,
    pub cursor: u64,
    pub feeds: Feeds,
    pub batches: Receiver<Batch>,
    pub inbox: SyncSender<Work>,
}

impl Listener {
    /// Brings events until the listening context stops.
    pub async fn run(mut self) {
        let mut behind = true;
        let mut pause = PAUSE;
        let mut failing = false;
        loop {
            let gathered = !behind;
            let events = if behind {
                match self.feeds.read(self.source, self.partition, self.cursor, MAX_EVENTS).await {
                    Ok(events) => events,
                    Err(fault) => {
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(source = self.source.name(), %fault, "the feed cannot be read; it is tried again");
                        }
                        sleep(pause).await;
                        pause = (pause * 2).min(MAX_PAUSE);
                        continue;
                    }
                }
            } else {
                match timeout(LOOK_AGAIN, self.batches.recv()).await {
                    Ok(Ok(batch)) if !batch.is_empty() => self.gather(&batch, &mut behind),
                    Ok(Err(RecvError::Closed)) => return,
                    // The bus has lost something, or may have.
                    Ok(Ok(_) | Err(RecvError::Lagged(_))) | Err(_) => {
                        behind = true;
                        continue;
                    }
                }
            };
            failing = false;
            if events.is_empty() {
                // Nothing new in a batch says nothing about a hint that came with it.
                (behind, pause) = (behind && gathered, PAUSE);
                continue;
            }
            match self.hand_over(events).await {
                Some(Ok(Heard::UpTo(cursor))) => (self.cursor, pause) = (cursor, PAUSE),
                Some(Ok(Heard::Gap(cursor))) => (self.cursor, behind) = (cursor, true),
                Some(Err(_)) => {
                    sleep(pause).await;
                    (pause, behind) = ((pause * 2).min(MAX_PAUSE), true);
                }
                None => return,
            }
        }
    }

    /// The batch, and what else has arrived meanwhile; a hint among it is kept.
    fn gather(&mut self, first: &[Arc<Recorded>], behind: &mut bool) -> Vec<Arc<Recorded>> {
        let mut events: Vec<_> = first.iter().filter(|event| event.position.seq > self.cursor).cloned().collect();
        while events.len() < MAX_EVENTS {
            // A lag here shows as a gap at the committer, and is healed there.
            let Ok(batch) = self.batches.try_recv() else { break };
            *behind |= batch.is_empty();
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
            sleep(PAUSE).await;
        }
    }
}
