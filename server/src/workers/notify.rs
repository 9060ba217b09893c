//! The notice worker: writes each notice in its reader's language and hands it to the notifier, unless the reader wants
//! none of its kind.

use super::{Worker, report};
use crate::{
    engine::Engine,
    notifier::{Message, Notifier},
    traces::Open,
};
use domain::{
    Row,
    notification::{Preference, text},
};
use shared::{Event, Kind, Lang, Recorded, event::Position, notice};
use std::sync::Arc;

/// Notices on their way at once.
pub const AT_ONCE: usize = 256;

pub struct Notify {
    pub engine: Arc<Engine>,
    pub notifier: Arc<dyn Notifier>,
}

impl Worker for Notify {
    fn is_due(&self, recorded: &Recorded) -> bool {
        matches!(&recorded.event, Event::Notice(notice::Event::Queued { .. }))
    }

    async fn work(&self, key: &str, _: u32, due: Option<Position>) -> bool {
        let Ok(stored) = self.engine.read(Kind::Notice, key) else { return false };
        let Some(Row::Notice(Some(known))) = stored.as_ref().map(|stored| &*stored.row) else { return true };
        if known.status != notice::Status::Queued {
            return true;
        }
        let told = &known.notice;
        let Ok(wishes) = self.engine.read(Kind::Preference, &told.to.to_string()) else { return false };
        let wishes = match wishes.as_ref().map(|stored| &*stored.row) {
            Some(Row::Preference(preference)) => *preference,
            _ => Preference { lang: Lang::Ko, progress: true },
        };
        if !wishes.progress && !told.topic.is_mandatory() {
            return report(&self.engine, key, notice::Command::MarkSkipped {}).await;
        }
        let message = Message { key: key.to_owned(), to: told.to, lang: wishes.lang, text: text::say(told, wishes.lang) };
        let span = Open::call(self.engine.traces.get(), "notifier send", told.order, due);
        let sent = self.notifier.send(message).await;
        if let Some(span) = span {
            span.ended(sent.is_err());
        }
        if sent.is_err() {
            return false;
        }
        report(&self.engine, key, notice::Command::MarkSent {}).await
    }
}
