//! What may happen to a notice.

use super::text;
use crate::{Decider, Tag, tag};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Lang, Millis, Refusal, Stamp,
    api::NoticeShown,
    notice::{Command, Event, Notice, Omitted, Outcome, Status, Way},
};

/// The notice aggregate.
pub struct Notices;

/// The list of notices that no channel has taken yet and that must be told whatever happens. An older version kept all of
/// them there.
pub const DUE: &str = "due";
/// Those of mere progress, which are left out when too much waits.
pub const PROGRESS: &str = "due:progress";
/// Those that a way has taken without saying yet whether they arrive. Only what must be told is asked about.
pub const REPORT: &str = "due:report";
/// Every list of notices that wait to be told.
pub const LISTS: [&str; 2] = [DUE, PROGRESS];

/// Nothing, or a notice.
pub type State = Option<Box<Known>>;

/// A notice that was queued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The notice itself.
    pub notice: Notice,
    /// Where it stands.
    pub status: Status,
    /// The last way that has taken it, if one has.
    #[serde(default)]
    pub way: Option<Way>,
    /// When that was.
    #[serde(default)]
    pub sent_at_ms: Option<Millis>,
    /// What that way has said of it since.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Why it was left out, if it was.
    #[serde(default)]
    pub why: Option<Omitted>,
}

impl Known {
    /// Whether its way has yet to say what became of it.
    pub fn awaits_report(&self) -> bool {
        let may_fail = self.way.is_some_and(Way::reports) && self.notice.topic.is_mandatory();
        self.status == Status::Sent && self.outcome.is_none() && may_fail
    }
}

impl Decider for Notices {
    const KIND: Kind = Kind::Notice;
    type State = State;
    type Command = Command;
    type Event = Event;
    type Shown = NoticeShown;

    fn decide(state: &State, command: &Command, stamp: &Stamp) -> Result<Vec<Event>, Refusal> {
        let at_ms = stamp.at_ms;
        Ok(match (state.as_deref(), command) {
            (None, Command::Queue { notice }) => vec![Event::Queued { notice: notice.clone() }],
            (Some(Known { notice, status: Status::Queued, .. }), Command::MarkSent { way }) => {
                vec![Event::Sent { order: notice.order, to: notice.to, way: *way, at_ms }]
            }
            (Some(Known { notice, status: Status::Queued, .. }), Command::MarkSkipped { why }) => {
                vec![Event::Skipped { order: notice.order, to: notice.to, why: *why, at_ms }]
            }
            (Some(known), Command::Report { outcome }) if known.awaits_report() => {
                vec![Event::Reported { order: known.notice.order, to: known.notice.to, outcome: *outcome, at_ms }]
            }
            // Told once is told.
            _ => vec![],
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::Queued { notice } => {
                let (notice, status) = (notice.clone(), Status::Queued);
                Some(Box::new(Known { notice, status, way: None, sent_at_ms: None, outcome: None, why: None }))
            }
            Event::Sent { way, at_ms, .. } => {
                state.map(|known| Box::new(Known { status: Status::Sent, way: *way, sent_at_ms: Some(*at_ms), outcome: None, ..*known }))
            }
            Event::Reported { outcome, .. } => state.map(|known| {
                let status = if *outcome == Outcome::Failed { Status::Queued } else { known.status };
                Box::new(Known { status, outcome: Some(*outcome), ..*known })
            }),
            Event::Skipped { why, .. } => state.map(|known| Box::new(Known { status: Status::Skipped, why: *why, ..*known })),
        }
    }

    fn obeys(_: &State, _: &Command, _: &Actor) -> bool {
        false
    }

    fn show(state: &State, actor: &Actor) -> Option<NoticeShown> {
        let Known { notice, status, .. } = state.as_deref()?;
        // The edge writes the text again in the reader's language; here it is in the language of the house.
        actor.owns(notice.to).then(|| NoticeShown {
            order: notice.order,
            topic: notice.topic.clone(),
            text: text::say(notice, Lang::Ko),
            status: *status,
            at_ms: notice.at_ms,
        })
    }

    fn tags(state: &State) -> Vec<Tag> {
        let Some(known) = state.as_deref() else { return vec![] };
        let Known { notice, status, why, sent_at_ms, .. } = known;
        let inbox = || tag(format!("inbox:{}", notice.to), notice.at_ms);
        match (status, why) {
            (Status::Queued, _) => {
                let list = if notice.topic.is_mandatory() { DUE } else { PROGRESS };
                vec![inbox(), tag(list, notice.at_ms)]
            }
            (Status::Sent, _) if known.awaits_report() => vec![inbox(), tag(REPORT, sent_at_ms.unwrap_or(notice.at_ms))],
            // The inbox is a way that always leads somewhere, and what is no news any more is still a part of the story.
            (Status::Sent, _) | (Status::Skipped, Some(Omitted::Unreachable | Omitted::Stale)) => vec![inbox()],
            (Status::Skipped, _) => vec![],
        }
    }

    fn verbs() -> Vec<Command> {
        vec![]
    }
}
