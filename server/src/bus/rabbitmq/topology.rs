//! What must be there at the broker, as data: declared again with every session, printed, and compared by tests.

use super::session::{Trouble, within};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use shared::Context;
use std::fmt;

/// Where contexts tell what happened.
pub const EVENTS: &str = "baemin.events";
/// Where messages go that cannot be read, and the queue that keeps them.
pub const PARKED: &str = "baemin.parked";
/// Where the publisher knocks. Nothing is bound to it.
pub const PROBE: &str = "baemin.probe";
/// Attempts to deliver one message. Brokers before 4.0 would try for ever.
const DELIVERIES: i64 = 20;
/// Messages that wait for a listener. One that is farther behind reads the feed, which is quicker than a long queue.
const MAX_WAITING: i64 = 50_000;
/// And their bytes, because messages differ in size: what a small broker can hold for every listener at once.
const MAX_WAITING_BYTES: i64 = 64 * 1024 * 1024;
/// Unreadable messages that are kept for an operator: enough to see a pattern. The oldest go first.
const MAX_PARKED: i64 = 10_000;

/// An argument of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A word.
    Word(&'static str),
    /// A number.
    Number(i64),
    /// Yes.
    Flag(bool),
}

/// One thing at the broker. Everything is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Takes messages and passes them on.
    Exchange { name: &'static str, kind: &'static str },
    /// Keeps messages.
    Queue { name: String, arguments: Vec<(&'static str, Argument)> },
    /// Leads from an exchange to a queue.
    Binding { exchange: &'static str, queue: String, key: String },
    /// A binding that must not be there, such as one that an older version left behind.
    NoBinding { exchange: &'static str, queue: String, key: String },
}

/// What everybody needs.
pub fn common() -> Vec<Item> {
    vec![
        Item::Exchange { name: EVENTS, kind: "topic" },
        Item::Exchange { name: PROBE, kind: "fanout" },
        Item::Exchange { name: PARKED, kind: "fanout" },
        Item::Queue {
            name: PARKED.into(),
            arguments: vec![("x-queue-type", Argument::Word("quorum")), ("x-max-length", Argument::Number(MAX_PARKED))],
        },
        Item::Binding { exchange: PARKED, queue: PARKED.into(), key: String::new() },
    ]
}

/// What one listener needs for one partition of its sources.
pub fn ears(listener: Context, sources: &[Context], partition: u16) -> Vec<Item> {
    let name = queue(listener, partition);
    let arguments = vec![
        ("x-queue-type", Argument::Word("quorum")),
        ("x-single-active-consumer", Argument::Flag(true)),
        ("x-delivery-limit", Argument::Number(DELIVERIES)),
        ("x-dead-letter-exchange", Argument::Word(PARKED)),
        ("x-dead-letter-strategy", Argument::Word("at-least-once")),
        // Dead letters are kept at least once only by queues that refuse instead of forgetting.
        ("x-overflow", Argument::Word("reject-publish")),
        ("x-max-length", Argument::Number(MAX_WAITING)),
        ("x-max-length-bytes", Argument::Number(MAX_WAITING_BYTES)),
    ];
    let binding = |source: Context| {
        let (exchange, queue, key) = (EVENTS, name.clone(), format!("{}.{partition}.#", source.name()));
        if sources.contains(&source) { Item::Binding { exchange, queue, key } } else { Item::NoBinding { exchange, queue, key } }
    };
    let bindings: Vec<_> = Context::ALL.into_iter().map(binding).collect();
    [Item::Queue { name, arguments }].into_iter().chain(bindings).collect()
}

/// The queue of a listener.
pub fn queue(listener: Context, partition: u16) -> String {
    format!("baemin.{}.{partition}", listener.name())
}

/// Makes sure that everything is there, as it is written here.
///
/// # Errors
/// What the broker has is something else, and its sentence says what; or it cannot be asked.
pub async fn declare(channel: &Channel, items: &[Item]) -> Result<(), Trouble> {
    for item in items {
        let done = within("a declaration", one(channel, item)).await;
        done.map_err(|trouble| Trouble::Topology { item: item.to_string(), because: Box::new(trouble) })?;
    }
    Ok(())
}

async fn one(channel: &Channel, item: &Item) -> lapin::Result<()> {
    match item {
        Item::Exchange { name, kind } => {
            let kind = if *kind == "topic" { ExchangeKind::Topic } else { ExchangeKind::Fanout };
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare((*name).into(), kind, options, FieldTable::default()).await
        }
        Item::Queue { name, arguments } => {
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(name.as_str().into(), options, table(arguments)).await.map(|_| ())
        }
        Item::Binding { exchange, queue, key } => {
            let names = (queue.as_str().into(), (*exchange).into(), key.as_str().into());
            channel.queue_bind(names.0, names.1, names.2, QueueBindOptions::default(), FieldTable::default()).await
        }
        Item::NoBinding { exchange, queue, key } => {
            channel.queue_unbind(queue.as_str().into(), (*exchange).into(), key.as_str().into(), FieldTable::default()).await
        }
    }
}

fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in arguments {
        let value = match argument {
            Argument::Word(word) => AMQPValue::LongString((*word).into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
            Argument::Flag(flag) => AMQPValue::Boolean(*flag),
        };
        table.insert((*name).into(), value);
    }
    table
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::Word(word) => f.write_str(word),
            Argument::Number(number) => number.fmt(f),
            Argument::Flag(flag) => flag.fmt(f),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Exchange { name, kind } => write!(f, "exchange {name} ({kind})"),
            Item::Queue { name, arguments } => {
                write!(f, "queue {name}")?;
                arguments.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
            Item::Binding { exchange, queue, key } => write!(f, "binding {exchange} -> {queue} ({key})"),
            Item::NoBinding { exchange, queue, key } => write!(f, "no binding {exchange} -> {queue} ({key})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_at_the_broker_is_known() {
        let shown: Vec<_> = common().iter().chain(&ears(Context::Order, &[Context::Rider], 3)).map(ToString::to_string).collect();
        let wanted = [
            "exchange baemin.events (topic)",
            "exchange baemin.probe (fanout)",
            "exchange baemin.parked (fanout)",
            "queue baemin.parked x-queue-type=quorum x-max-length=10000",
            "binding baemin.parked -> baemin.parked ()",
            "queue baemin.order.3 x-queue-type=quorum x-single-active-consumer=true x-delivery-limit=20 \
             x-dead-letter-exchange=baemin.parked x-dead-letter-strategy=at-least-once x-overflow=reject-publish x-max-length=50000 \
             x-max-length-bytes=67108864",
            "no binding baemin.events -> baemin.order.3 (order.3.#)",
            "no binding baemin.events -> baemin.order.3 (payment.3.#)",
            "no binding baemin.events -> baemin.order.3 (store.3.#)",
            "binding baemin.events -> baemin.order.3 (rider.3.#)",
            "no binding baemin.events -> baemin.order.3 (customer.3.#)",
            "no binding baemin.events -> baemin.order.3 (notification.3.#)",
        ];
        assert_eq!(shown, wanted);
    }
}
