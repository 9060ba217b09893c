//! What a committer does when others commit to the same journal: it shares the partitions with them, and takes in what
//! they have committed.

use super::{
    Committer, MAX_SLEEP,
    shelf::{MAX_PARKED, stream_of},
};
use crate::{
    bus::Bus,
    journal::{Fault, News, Share, Touched},
};
use std::time::{Duration, Instant};

/// How often the lease on this replica's partitions is renewed: a few times within the seconds after which it ends.
const SHARE_EVERY: Duration = Duration::from_secs(1);
/// How old the news may be that no other replica is there. A process that slept for longer asks again before it answers.
const ALONE_FOR: Duration = Duration::from_secs(2);
/// How often a replica that is not alone looks for what the others have committed: this is how much older than theirs
/// its answers to readers may be, unless a reader brings a consistency token.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Events of other replicas shown to this one's watchers in one go.
const MAX_SHOWN: usize = 1_000;

impl Committer {
    /// How long it may sleep while nothing arrives.
    pub(super) fn patience(&self) -> Duration {
        if !self.journal.is_shared() {
            MAX_SLEEP
        } else if self.is_alone() {
            SHARE_EVERY
        } else {
            LOOK_EVERY
        }
    }

    /// True when nobody else commits to this journal, as far as is known from a moment ago.
    pub(super) fn is_alone(&self) -> bool {
        !self.journal.is_shared() || (self.share.borrow().alone && self.shared_at.is_some_and(|at| at.elapsed() < ALONE_FOR))
    }

    /// Renews the lease when it is time. True when this replica's partitions are others than before.
    pub(super) fn renew(&mut self) -> bool {
        let every = if self.journal.is_shared() { SHARE_EVERY } else { Duration::MAX };
        if self.shared_at.is_some_and(|at| at.elapsed() < every) {
            return false;
        }
        let asked = Instant::now();
        match self.journal.share() {
            Ok(share) => {
                self.shared_at = Some(asked);
                self.share.send_if_modified(|before| {
                    let changed = *before != share;
                    before.clone_from(&share);
                    changed
                })
            }
            Err(fault) => {
                tracing::warn!(context = self.context.name(), %fault, "the lease was not renewed");
                false
            }
        }
    }

    /// Another replica may have parked events of the streams that are looked after here now.
    pub(super) fn look_for_held_up(&mut self) {
        match self.reader.parked(None, MAX_PARKED) {
            Ok(parked) => self.held_up.get_mut().extend(parked.iter().filter_map(|(_, parked)| stream_of(parked))),
            // One row that cannot be read must not stop a whole context.
            Err(fault) if self.journal.answered([0; 16]).is_ok() => {
                tracing::error!(context = self.context.name(), %fault, "a parked row cannot be read: streams that it holds up go on");
            }
            Err(fault) => {
                tracing::warn!(context = self.context.name(), %fault, "what is parked cannot be read; it is tried again");
                (self.shared_at, _) = (None, self.share.send_replace(Share::default()));
            }
        }
    }

    /// Takes in what other replicas have committed: forgets rows that changed, and shows the events to those who watch
    /// and work here.
    pub(super) fn take_news(&mut self) -> Result<(), Fault> {
        let News { heads, cursors, touched } = self.journal.refresh()?;
        match touched {
            Touched::Rows(rows) => rows.into_iter().for_each(|row| drop(self.cache.remove(&row))),
            Touched::All => self.cache.clear(),
        }
        // All of it is read before any of it counts as known: should the database fail in between, the next look begins here
        // again, and no watcher has missed an event.
        let mut news = vec![];
        for (partition, (&from, &head)) in self.core.heads().iter().zip(&heads).enumerate() {
            let mut at = from;
            while at < head {
                let mut events = self.reader.feed(partition as u16, at, MAX_SHOWN)?;
                // What was committed since then is shown with the next news.
                events.retain(|event| event.position.seq <= head);
                let Some(last) = events.last() else { break };
                at = last.position.seq;
                news.push((partition as u16, events));
            }
        }
        let mut cursors = cursors;
        // A cursor that moved in memory only stays where it is, unless another replica has gone beyond it.
        self.unwritten.retain(|place, seq| cursors.get(place).is_none_or(|written| written < seq));
        cursors.extend(&self.unwritten);
        self.core.refreshed(heads, cursors.clone());
        self.doubtful = false;
        self.tell_progress(&cursors);
        for (partition, events) in news {
            self.live.publish(&events);
            self.commits.publish(self.context, partition, events.into());
        }
        Ok(())
    }
}
