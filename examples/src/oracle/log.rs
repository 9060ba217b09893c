//! The clients' own log: a line of JSON for each request, durable before it is sent, and for each answer, durable before
//! it counts.

use super::{
    finding::Class,
    story::{Plan, Said, Story},
};
use serde::{Deserialize, Serialize};
use shared::{AccountId, Millis, OrderId};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// The verb of the request that makes an order.
pub const PLACE: &str = "place";

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// A request that is about to be sent, for the first time or again.
    Asked {
        /// Names the command: a repeat of it has the same number.
        n: u64,
        /// What is asked.
        verb: String,
        /// The idempotency key, of a request that has one.
        key: Option<String>,
        /// Of which order, unless it is to be made.
        order: Option<OrderId>,
        /// What is meant with the order.
        plan: Plan,
        /// Whose order.
        customer: AccountId,
        /// When.
        at_ms: Millis,
    },
    /// An answer that will not be asked for again.
    Answered {
        /// Which command.
        n: u64,
        /// The answer's status.
        status: u16,
        /// The problem's code, of a refusal.
        code: String,
        /// The order that was made.
        order: Option<OrderId>,
        /// When.
        at_ms: Millis,
    },
    /// No answer, or one that says "come again": the command is asked again.
    Unanswered {
        /// Which command.
        n: u64,
        /// Why.
        why: String,
        /// When.
        at_ms: Millis,
    },
    /// Something that a client saw and that is wrong.
    Saw {
        /// Of which sort.
        class: Class,
        /// What.
        what: String,
    },
}

/// What a log tells.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The orders.
    pub stories: Vec<Story>,
    /// What clients saw that is wrong.
    pub saw: Vec<(Class, String)>,
    /// Commands that were asked.
    pub asked: usize,
    /// Commands that were answered.
    pub answered: usize,
    /// Commands that were acknowledged.
    pub acked: usize,
    /// Commands that were acknowledged after they had been asked more than once.
    pub recovered: usize,
}

/// A command in the making.
struct Command {
    verb: String,
    key: Option<String>,
    order: Option<OrderId>,
    plan: Plan,
    customer: AccountId,
    tries: u32,
    answer: Option<(u16, String)>,
}

impl Told {
    /// Reads a log.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is none. The last line may have been cut short.
    pub fn read(path: &Path) -> Result<Self, String> {
        let named = |why: String| format!("{}: {why}", path.display());
        let file = File::open(path).map_err(|e| named(e.to_string()))?;
        let lines: Vec<String> = BufReader::new(file).lines().collect::<Result<_, _>>().map_err(|e| named(e.to_string()))?;
        let mut parsed = vec![];
        for (number, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(line) => parsed.push(line),
                Err(_) if number + 1 == lines.len() => {}
                Err(e) => return Err(named(format!("line {}: {e}", number + 1))),
            }
        }
        Self::of(parsed).map_err(named)
    }

    /// Makes sense of the lines.
    ///
    /// # Errors
    /// An answer to something that nobody asked.
    pub fn of(lines: Vec<Line>) -> Result<Self, String> {
        let (mut commands, mut told): (BTreeMap<u64, Command>, Told) = (BTreeMap::new(), Told::default());
        for line in lines {
            match line {
                Line::Asked { n, verb, key, order, plan, customer, .. } => {
                    let new = || Command { verb, key, order, plan, customer, tries: 0, answer: None };
                    commands.entry(n).or_insert_with(new).tries += 1;
                }
                Line::Answered { n, status, code, order, .. } => {
                    let command = commands.get_mut(&n).ok_or_else(|| format!("{n} was answered and never asked"))?;
                    command.answer = Some((status, code));
                    command.order = command.order.or(order);
                }
                Line::Unanswered { .. } => {}
                Line::Saw { class, what } => told.saw.push((class, what)),
            }
        }
        commands.into_values().for_each(|command| told.take(command));
        Ok(told)
    }

    /// Numbers grow with time, so an order is placed before anything else is asked of it.
    fn take(&mut self, command: Command) {
        let Command { verb, key, order, plan, customer, tries, answer } = command;
        let good = answer.as_ref().is_some_and(|(status, _)| (200..300).contains(status));
        self.asked += 1;
        self.answered += usize::from(answer.is_some());
        self.acked += usize::from(good);
        self.recovered += usize::from(good && tries > 1);
        if verb == PLACE {
            let key = key.unwrap_or_default();
            return self.stories.push(Story { plan, key, customer, order: order.filter(|_| good), tries, said: vec![] });
        }
        let (status, code) = answer.unwrap_or_default();
        let code = if good { String::new() } else { code };
        if let Some(story) = self.stories.iter_mut().rev().find(|story| order.is_some() && story.order == order) {
            story.said.push(Said { verb, status, code, tries });
        } else {
            self.saw.push((Class::Unexpected, format!("{verb} was asked of {order:?}, which no client had placed")));
        }
    }
}
