//! The table of idempotency keys. A key is one for an API key, a method and a path; the body is not compared. Errors of the
//! asker are kept like successes; faults of the provider are not.

use super::answers::Answer;
use std::collections::HashMap;

/// How long an answer is kept.
const KEPT_MS: i64 = 15 * 24 * 3_600_000;
/// The longest key.
pub const MAX_LENGTH: usize = 300;

/// Names one request: key, API key, method and path.
pub type Name = (String, String, String, String);

enum Entry {
    Running,
    Done(Answer, i64),
}

/// What to do with a request.
pub enum Turn {
    /// It is the first: do it, then say so.
    New,
    /// It is being done.
    Running,
    /// It was answered so.
    Done(Answer),
}

/// All keys.
#[derive(Default)]
pub struct Keys(HashMap<Name, Entry>);

impl Keys {
    /// A request begins.
    pub fn begin(&mut self, name: &Name, now_ms: i64) -> Turn {
        match self.0.get(name) {
            Some(Entry::Running) => return Turn::Running,
            Some(Entry::Done(answer, at_ms)) if now_ms - at_ms <= KEPT_MS => return Turn::Done(answer.clone()),
            _ => {}
        }
        self.0.insert(name.clone(), Entry::Running);
        Turn::New
    }

    /// A request was answered; without an answer that is kept, the next one is the first again.
    pub fn end(&mut self, name: &Name, answer: Option<&Answer>, now_ms: i64) {
        match answer.filter(|answer| answer.status < 500) {
            Some(answer) => self.0.insert(name.clone(), Entry::Done(answer.clone(), now_ms)),
            None => self.0.remove(name),
        };
    }
}
