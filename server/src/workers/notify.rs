//! The notice workers: they write each notice in its reader's language and hand it to the ways, one after the other until
//! one has it. What must be told goes before mere progress; of that, only so much waits, and the rest is shed.

use super::{
    Worker,
    gate::Gate,
    line::{Line, Place},
    report,
};
use crate::{
    engine::{Engine, now_ms},
    identity::Access,
    metrics::Page,
    notifier::{Fault, Message, Notifier},
    traces::Open,
};
use domain::{
    Row,
    notification::{Preference, news, text},
};
use shared::{
    AccountId, Event, Kind, Recorded,
    event::Position,
    notice::{self, Notice, Omitted, Outcome, Way},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// Notices on their way at once, on each way.
pub const AT_ONCE: usize = 256;
/// Mandatory notices that wait for a way, each of about a kilobyte: those whose way is full must not keep those of another
/// way from theirs. More stay on their list.
pub const WAITING: usize = 4_096;
/// Notices of progress that wait: some seconds of what a way carries. One more is shed.
pub const ROOM: usize = 1_024;
/// Notices that are being shed at once, beside those that wait.
pub const SHEDDING: usize = 64;
/// Attempts after which a way that does not answer counts as one that failed, if there is another: the pauses between them
/// add up to about a minute.
const TRIES: u32 = 8;

/// Reasons for which notices were left out, as the metrics name them.
const REASONS: [(Omitted, &str); 4] =
    [(Omitted::Unwanted, "unwanted"), (Omitted::Shed, "shed"), (Omitted::Stale, "stale"), (Omitted::Unreachable, "unreachable")];
/// What becomes of notices, as the metrics name it.
const OUTCOMES: [(Outcome, &str); 4] =
    [(Outcome::Delivered, "delivered"), (Outcome::Replaced, "replaced"), (Outcome::Failed, "failed"), (Outcome::Unknown, "unknown")];

/// What is counted of notices.
#[derive(Debug, Default)]
pub struct Figures {
    sent: AtomicU64,
    skipped: [AtomicU64; 4],
    reported: [AtomicU64; 4],
    waiting: AtomicU64,
    most: AtomicU64,
}

impl Figures {
    /// How many were left out for this reason, since the start.
    pub fn skipped(&self, why: Omitted) -> u64 {
        REASONS.iter().zip(&self.skipped).filter(|((reason, _), _)| *reason == why).map(|(_, count)| count.load(Relaxed)).sum()
    }

    /// The most notices of progress that have waited at the same time.
    pub fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }

    /// Counts what a way has said of a notice that it had taken.
    pub(super) fn report(&self, outcome: Outcome) {
        for ((named, _), count) in OUTCOMES.iter().zip(&self.reported) {
            count.fetch_add(u64::from(*named == outcome), Relaxed);
        }
    }

    fn skip(&self, why: Omitted) {
        for ((reason, _), count) in REASONS.iter().zip(&self.skipped) {
            count.fetch_add(u64::from(*reason == why), Relaxed);
        }
    }

    /// Adds them to a page of metrics.
    pub fn write(&self, page: &mut Page) {
        page.family("baemin_notices_sent_total", "counter", "Notices that a way has taken.");
        page.sample("baemin_notices_sent_total", "", self.sent.load(Relaxed) as f64);
        page.family("baemin_notices_skipped_total", "counter", "Notices that were left out, by reason.");
        for ((_, reason), count) in REASONS.iter().zip(&self.skipped) {
            page.sample("baemin_notices_skipped_total", &format!("reason=\"{reason}\""), count.load(Relaxed) as f64);
        }
        page.family("baemin_notices_reported_total", "counter", "What ways have said later of notices that they had taken.");
        for ((_, outcome), count) in OUTCOMES.iter().zip(&self.reported) {
            page.sample("baemin_notices_reported_total", &format!("outcome=\"{outcome}\""), count.load(Relaxed) as f64);
        }
        page.family("baemin_notices_waiting", "gauge", "Notices of progress that wait for a way.");
        page.sample("baemin_notices_waiting", "", self.waiting.load(Relaxed) as f64);
    }
}

/// A way, and the gate before it: one that is full keeps nobody from another.
pub struct Lane {
    pub way: Arc<dyn Notifier>,
    pub gate: Arc<Gate>,
}

/// What became of a notice on one way.
pub(super) enum Handed {
    /// The way has it.
    Over,
    /// It is not news any more.
    Stale,
    /// Whether it is news cannot be known now.
    Unsure,
    /// This way will never take it, or does not lead to its reader.
    Refused,
    /// Nobody knows, or the way must be mended first.
    Broken,
}

/// A notice that waits.
struct Queued {
    told: Notice,
    wishes: Preference,
    /// The way that had taken it, and failed.
    failed: Option<Way>,
}

/// What the workers share.
pub struct Notify {
    pub engine: Arc<Engine>,
    pub lanes: Vec<Lane>,
    pub access: Access,
    pub room: Semaphore,
    pub figures: Arc<Figures>,
    /// In which order those of one order are told.
    pub line: Line,
}

/// Looks after what must be told.
pub struct Mandatory(pub Arc<Notify>);

/// Looks after mere progress.
pub struct Progress(pub Arc<Notify>);

impl Worker for Mandatory {
    fn is_due(&self, recorded: &Recorded) -> bool {
        match &recorded.event {
            Event::Notice(notice::Event::Queued { notice }) => notice.topic.is_mandatory(),
            // Only what must be told is asked about, and told again.
            Event::Notice(notice::Event::Reported { outcome, .. }) => *outcome == Outcome::Failed,
            _ => false,
        }
    }

    fn hears<'a>(&self, events: impl Iterator<Item = &'a Recorded>) {
        self.0.hear(events);
    }

    fn keeps_back(&self, recorded: &Recorded) -> Option<Duration> {
        kept_back(recorded)
    }

    async fn work(&self, key: &str, attempt: u32, due: Option<Position>) -> bool {
        let place = self.0.line.place(key);
        match self.0.news(key).await {
            Ok(queued) => self.0.tell(place, key, &queued, attempt, due).await,
            Err(done) => done,
        }
    }
}

impl Worker for Progress {
    fn is_due(&self, recorded: &Recorded) -> bool {
        matches!(&recorded.event, Event::Notice(notice::Event::Queued { notice }) if !notice.topic.is_mandatory())
    }

    fn hears<'a>(&self, events: impl Iterator<Item = &'a Recorded>) {
        self.0.hear(events);
    }

    fn keeps_back(&self, recorded: &Recorded) -> Option<Duration> {
        kept_back(recorded)
    }

    async fn work(&self, key: &str, attempt: u32, due: Option<Position>) -> bool {
        let place = self.0.line.place(key);
        let queued = match self.0.news(key).await {
            Ok(queued) => queued,
            Err(done) => return done,
        };
        if !queued.wishes.progress {
            return self.0.skip(key, Omitted::Unwanted).await;
        }
        // What may have been handed over already is not left out any more: it waits for its turn.
        let seat = if attempt == 0 { self.0.room.try_acquire().ok() } else { self.0.room.acquire().await.ok() };
        let Some(_seat) = seat else { return self.0.skip(key, Omitted::Shed).await };
        let figures = &self.0.figures;
        figures.most.fetch_max(figures.waiting.fetch_add(1, Relaxed) + 1, Relaxed);
        let done = self.0.tell(place, key, &queued, attempt, due).await;
        figures.waiting.fetch_sub(1, Relaxed);
        done
    }
}

/// The notice that an event has queued, if it has.
fn notice_of(recorded: &Recorded) -> Option<&Notice> {
    match &recorded.event {
        Event::Notice(notice::Event::Queued { notice }) => Some(notice),
        _ => None,
    }
}

/// How long that is kept back, if it is.
fn kept_back(recorded: &Recorded) -> Option<Duration> {
    news::kept_back(&notice_of(recorded)?.topic)
}

impl Notify {
    /// Notices stand in line. What is kept back does not yet: what comes meanwhile is its answer.
    fn hear<'a>(&self, events: impl Iterator<Item = &'a Recorded>) {
        let mut queued = events.filter_map(|recorded| Some((recorded, notice_of(recorded)?))).peekable();
        let Some(partition) = queued.peek().map(|(recorded, _)| recorded.position.partition) else { return };
        let queued = queued.filter(|(_, notice)| news::kept_back(&notice.topic).is_none());
        self.line.join(partition, queued.map(|(recorded, notice)| (recorded.position.seq, &*recorded.stream, notice)));
    }

    /// A notice that waits, and that is news; or else whether it is settled.
    async fn news(&self, key: &str) -> Result<Queued, bool> {
        let queued = match self.queued(key) {
            Ok(Some(queued)) => queued,
            Ok(None) => return Err(true),
            Err(()) => return Err(false),
        };
        match self.is_stale(key, &queued.told) {
            Ok(false) => Ok(queued),
            Ok(true) => Err(self.skip(key, Omitted::Stale).await),
            Err(()) => Err(false),
        }
    }

    /// A notice, if it waits.
    fn queued(&self, key: &str) -> Result<Option<Queued>, ()> {
        let stored = self.engine.read(Kind::Notice, key).map_err(|_| ())?;
        let Some(Row::Notice(Some(known))) = stored.as_ref().map(|stored| &*stored.row) else { return Ok(None) };
        if known.status != notice::Status::Queued {
            return Ok(None);
        }
        Ok(Some(Queued { told: known.notice.clone(), wishes: self.wishes(known.notice.to)?, failed: known.way }))
    }

    /// A reader's wishes.
    pub(super) fn wishes(&self, to: AccountId) -> Result<Preference, ()> {
        let wishes = self.engine.read(Kind::Preference, &to.to_string()).map_err(|_| ())?;
        Ok(match wishes.as_ref().map(|stored| &*stored.row) {
            Some(Row::Preference(preference)) => preference.clone(),
            _ => Preference::default(),
        })
    }

    /// Tries the ways in their order, once those before it were told. False when it must be tried again.
    async fn tell(&self, place: Place<'_>, key: &str, queued: &Queued, attempt: u32, due: Option<Position>) -> bool {
        let Queued { told, wishes, failed } = queued;
        place.turn(told).await;
        let mut is_broken = false;
        for lane in self.lanes.iter().filter(|lane| Some(lane.way.way()) != *failed) {
            let handed = match self.message(lane, key, told, wishes) {
                // What was not heard of just now, in this process, may have been handed over before.
                Ok(message) => self.hand_over(lane, Message { again: attempt > 0 || due.is_none(), ..message }, told, due).await,
                Err(no) => no,
            };
            match handed {
                Handed::Over => {
                    // The next one need not wait until this is written down.
                    drop(place);
                    return self.sent(key, lane.way.way()).await;
                }
                Handed::Unsure => return false,
                Handed::Stale => return self.skip(key, Omitted::Stale).await,
                Handed::Refused => {}
                // The next way is for what fails finally; whichever still may take it is tried again.
                Handed::Broken if attempt < TRIES => return false,
                Handed::Broken => is_broken = true,
            }
        }
        !is_broken && self.skip(key, Omitted::Unreachable).await
    }

    /// A notice in words, as this way wants it.
    pub(super) fn message(&self, lane: &Lane, key: &str, told: &Notice, wishes: &Preference) -> Result<Message, Handed> {
        let phone = match (lane.way.wants_phone(), &wishes.contact) {
            (false, _) => None,
            (true, None) => return Err(Handed::Refused),
            (true, Some(sealed)) => match self.access.unseal(sealed) {
                Ok(Some(contact)) => Some(contact.phone),
                Ok(None) => return Err(Handed::Refused),
                // That a key cannot be had now does not mean that somebody has no phone.
                Err(_) => return Err(Handed::Broken),
            },
        };
        let (to, order, at_ms, lang) = (told.to, told.order, told.at_ms, wishes.lang);
        // Only what goes to a phone has to be approved.
        let alimtalk = phone.as_ref().and_then(|_| text::alimtalk(told, lang));
        let text = text::say(told, lang);
        Ok(Message { key: key.to_owned(), to, lang, text, alimtalk, order, at_ms, phone, again: false })
    }

    /// Hands a notice over when its turn comes, as often as the way is full.
    async fn hand_over(&self, lane: &Lane, mut message: Message, told: &Notice, due: Option<Position>) -> Handed {
        let is_mandatory = told.topic.is_mandatory();
        loop {
            let _turn = lane.gate.turn(is_mandatory).await;
            match self.is_stale(&message.key, told) {
                Ok(false) => {}
                Ok(true) => return Handed::Stale,
                // A text that went out cannot be taken back.
                Err(()) => return Handed::Unsure,
            }
            let span = Open::call(self.engine.traces.get(), "notifier send", told.order, due);
            let sent = lane.way.send(message.clone()).await;
            if let Some(span) = span {
                span.ended(sent.is_err());
            }
            match sent {
                Ok(()) => {
                    lane.gate.open();
                    return Handed::Over;
                }
                Err(Fault::Refused) => return Handed::Refused,
                Err(Fault::Broken) => return Handed::Broken,
                Err(Fault::Full) => lane.gate.close(),
            }
            message.again = true;
        }
    }

    async fn sent(&self, key: &str, way: Way) -> bool {
        let done = report(&self.engine, key, notice::Command::MarkSent { way: Some(way) }).await;
        self.figures.sent.fetch_add(u64::from(done), Relaxed);
        done
    }

    async fn skip(&self, key: &str, why: Omitted) -> bool {
        let done = report(&self.engine, key, notice::Command::MarkSkipped { why: Some(why) }).await;
        if done {
            self.figures.skip(why);
        }
        done
    }

    /// Whether something later has overtaken it, or it is progress too old to be news.
    fn is_stale(&self, key: &str, told: &Notice) -> Result<bool, ()> {
        let age_ms = now_ms() - told.at_ms;
        if age_ms < news::FRESH_MS && news::kept_back(&told.topic).is_none() {
            return Ok(false);
        }
        if age_ms > news::STALE_MS && !told.topic.is_mandatory() {
            return Ok(true);
        }
        for later in news::overtaken_by(&told.topic, key) {
            if self.engine.read(Kind::Notice, &later).map_err(|_| ())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
