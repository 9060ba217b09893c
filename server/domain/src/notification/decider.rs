//! What may happen to a notice.

use super::text;
use crate::{Decider, Tag, tag};
use serde::{Deserialize, Serialize};
use shared::{
    Actor, Kind, Lang, Refusal, Stamp,
    api::NoticeShown,
    notice::{Command, Event, Notice, Status},
};

/// The notice aggregate.
pub struct Notices;

/// The list of notices that no channel has taken yet.
pub const DUE: &str = "due";

/// Nothing, or a notice.
pub type State = Option<Box<Known>>;

/// A notice that was queued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The notice itself.
    pub notice: Notice,
    /// Where it stands.
    pub status: Status,
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
            (Some(Known { notice, status: Status::Queued }), Command::MarkSent {}) => {
                vec![Event::Sent { order: notice.order, to: notice.to, at_ms }]
            }
            (Some(Known { notice, status: Status::Queued }), Command::MarkSkipped {}) => {
                vec![Event::Skipped { order: notice.order, to: notice.to, at_ms }]
            }
            // Told once is told.
            _ => vec![],
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        let status = match event {
            Event::Queued { notice } => return Some(Box::new(Known { notice: notice.clone(), status: Status::Queued })),
            Event::Sent { .. } => Status::Sent,
            Event::Skipped { .. } => Status::Skipped,
        };
        state.map(|known| Box::new(Known { status, ..*known }))
    }

    fn obeys(_: &State, _: &Command, _: &Actor) -> bool {
        false
    }

    fn show(state: &State, actor: &Actor) -> Option<NoticeShown> {
        let Known { notice, status } = state.as_deref()?;
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
        let Some(Known { notice, status }) = state.as_deref() else { return vec![] };
        match status {
            Status::Queued => vec![tag(format!("inbox:{}", notice.to), notice.at_ms), tag(DUE, notice.at_ms)],
            Status::Sent => vec![tag(format!("inbox:{}", notice.to), notice.at_ms)],
            Status::Skipped => vec![],
        }
    }

    fn verbs() -> Vec<Command> {
        vec![]
    }
}
