//! Everything that is kept: events, rows, refused reactions, what is on its way, and what the provider says.

use super::{
    journals::{Fact, fact},
    place::{Place, Plant, Rows, sqlite},
};
use crate::{
    solapi::Taken,
    toss::book::{self, Line},
};
use serde_json::Value;
use shared::{Context, Kind, OrderId, Recorded};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

/// Lines of the servers' logs that are shown at most.
const MAX_COMPLAINTS: usize = 20;

/// A movement in the provider's journal.
pub struct Moved {
    /// The provider's key.
    pub key: String,
    /// Of which order.
    pub order: OrderId,
    /// Money that goes back.
    pub refund: bool,
    /// In won.
    pub amount: i64,
    /// Whether it moved.
    pub approved: bool,
}

/// An event in a journal.
pub struct Entry {
    /// The number of the row that it is in: that of the row's last event.
    pub row: u64,
    /// The partition that the row is in.
    pub partition: u16,
    /// The event.
    pub recorded: Recorded,
    /// What it says.
    pub fact: Fact,
}

/// Everything that is kept.
pub struct Books {
    /// Events by context, in the order of the journal.
    pub journals: BTreeMap<Context, Vec<Entry>>,
    /// Where in them an order's events are.
    of_order: HashMap<OrderId, Vec<(Context, usize)>>,
    /// Rows by kind and key, with their versions.
    pub rows: HashMap<(Kind, String), (u64, Value)>,
    /// Reactions that were refused, by context.
    pub parked: Vec<(Context, String)>,
    /// What is still on its way.
    pub unsettled: Vec<String>,
    /// What the provider says.
    pub moved: Vec<Moved>,
    /// What the company that sends texts says, if there was one.
    pub texts: Option<Vec<Taken>>,
    /// What the servers should never have written about themselves.
    pub complaints: Vec<String>,
}

impl Books {
    /// Reads everything, whether or not a server uses it.
    ///
    /// # Errors
    /// A database cannot be read, or holds what cannot be understood.
    pub fn read(plant: &Plant) -> Result<Self, String> {
        let mut books = Self {
            journals: BTreeMap::new(),
            of_order: HashMap::new(),
            rows: HashMap::new(),
            parked: vec![],
            unsettled: left(&standing(&plant.journal)?),
            moved: vec![],
            texts: plant.texts.as_deref().map(texts).transpose()?,
            complaints: complaints(plant),
        };
        for context in Context::ALL {
            books.context(context, &plant.journal).map_err(|e| format!("{}: {e}", context.name()))?;
        }
        for path in &plant.providers {
            books.moved.extend(provider(path)?);
        }
        Ok(books)
    }

    fn context(&mut self, context: Context, place: &Place) -> Result<(), Box<dyn std::error::Error>> {
        let [journal, rows, parked] = place.read(
            context,
            [
                "select partition, seq, body from journal order by partition, seq",
                "select kind, key, version, body from rows",
                "select body from parked",
            ],
        )?;
        let events = self.journals.entry(context).or_default();
        for row in journal {
            let [partition, seq, body] = cells(row)?;
            let (partition, row) = (partition.parse()?, seq.parse()?);
            let batch: Vec<Recorded> = serde_json::from_str(&body)?;
            for recorded in batch {
                let fact = fact(&recorded);
                if let Some(order) = fact.order {
                    self.of_order.entry(order).or_default().push((context, events.len()));
                }
                events.push(Entry { row, partition, recorded, fact });
            }
        }
        for row in rows {
            let [kind, key, version, body] = cells(row)?;
            let kind = Kind::parse(&kind).ok_or("a row of no kind")?;
            self.rows.insert((kind, key), (version.parse()?, serde_json::from_str(&body)?));
        }
        self.parked.extend(parked.into_iter().flatten().map(|body| (context, body)));
        Ok(())
    }

    /// An order's events, in the order of each journal.
    pub fn of(&self, order: OrderId) -> impl Iterator<Item = &Entry> {
        self.of_order.get(&order).into_iter().flatten().filter_map(|(context, index)| self.journals.get(context)?.get(*index))
    }

    /// All orders that any event tells of.
    pub fn orders(&self) -> impl Iterator<Item = OrderId> {
        self.of_order.keys().copied()
    }

    /// A row of an order.
    pub fn row(&self, kind: Kind, order: OrderId) -> Option<&Value> {
        self.rows.get(&(kind, order.to_string())).map(|(_, row)| row)
    }
}

fn cells<const N: usize>(row: Vec<String>) -> Result<[String; N], String> {
    row.try_into().map_err(|row: Vec<String>| format!("{} cells where {N} should be", row.len()))
}

/// How far a context is.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Which.
    pub context: Context,
    /// The last event of each partition.
    pub heads: HashMap<u16, u64>,
    /// Rows that its workers still look after.
    pub due: u64,
    /// What it has heard of others.
    pub heard: HashMap<(String, u16), u64>,
}

/// How far every context is.
///
/// # Errors
/// A database cannot be read.
pub fn standing(place: &Place) -> Result<Vec<Standing>, String> {
    let one = |context: Context| -> Result<Standing, String> {
        let [heads, due, cursors]: [Rows; 3] = place.read(
            context,
            [
                "select partition, max(seq) from journal group by partition",
                "select count(*) from tags where name in ('due', 'due:unwanted')",
                "select context, partition, seq from cursors",
            ],
        )?;
        let mut standing = Standing { context, heads: HashMap::new(), due: 0, heard: HashMap::new() };
        for row in heads {
            let [partition, seq] = cells(row)?;
            standing.heads.insert(number(&partition)? as u16, number(&seq)?);
        }
        for row in due {
            let [count] = cells(row)?;
            standing.due = number(&count)?;
        }
        for row in cursors {
            let [source, partition, seq] = cells(row)?;
            standing.heard.insert((source, number(&partition)? as u16), number(&seq)?);
        }
        Ok(standing)
    };
    Context::ALL.into_iter().map(one).collect()
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

/// Events that a context has not heard, of all that it listens to.
pub fn lag(all: &[Standing], listener: &Standing) -> u64 {
    let head = |source: &str, partition: u16| {
        let source = all.iter().find(|standing| standing.context.name() == source);
        source.and_then(|standing| standing.heads.get(&partition)).copied().unwrap_or(0)
    };
    listener.heard.iter().map(|((source, partition), seq)| head(source, *partition).abs_diff(*seq)).sum()
}

/// What is still on its way: events that a listener has not heard, and rows that a worker still looks after.
pub fn left(all: &[Standing]) -> Vec<String> {
    let mut left = vec![];
    for standing in all {
        let (listener, lag) = (standing.context.name(), lag(all, standing));
        if standing.due > 0 {
            left.push(format!("{listener} has {} rows to work on", standing.due));
        }
        if lag > 0 {
            left.push(format!("{listener} has {lag} events to hear"));
        }
    }
    left
}

/// What stands before the name of a refund in what a payment company keeps of it.
const REFUND: &str = "환불 ";

/// The provider's journal: a database, or the lines of a payment company in a process of its own. Of those, a refund has
/// its name in its reason; one that takes from two charges would be two movements here, and no order of ours has one.
fn provider(path: &Path) -> Result<Vec<Moved>, String> {
    if path.extension().is_some_and(|end| end == "journal") {
        return company(path);
    }
    let [rows] = sqlite(path, ["select key, order_id, kind, amount, outcome from movements"])?;
    rows.into_iter()
        .map(|row| {
            let [key, order, kind, amount, outcome] = cells(row)?;
            let order = OrderId::parse(&order).ok_or("a movement of no order")?;
            let amount = amount.parse().map_err(|_| format!("{key}: {amount} is no amount"))?;
            Ok(Moved { key, order, refund: kind == "refund", amount, approved: outcome == "approved" })
        })
        .collect()
}

fn company(path: &Path) -> Result<Vec<Moved>, String> {
    let moved = |key: &str, refund, amount| {
        let order =
            key.rsplit_once('-').and_then(|(order, _)| OrderId::parse(order)).ok_or_else(|| format!("{key}: a movement of no order"))?;
        Ok(Some(Moved { key: key.to_owned(), order, refund, amount, approved: true }))
    };
    let lines = book::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let all = lines.iter().map(|line| match line {
        Line::Captured { order_id, amount, .. } => moved(order_id, false, *amount),
        Line::Cancelled { reason, amount, .. } => moved(reason.strip_prefix(REFUND).unwrap_or(reason), true, *amount),
        Line::Opened { .. } | Line::Declined { .. } => Ok(None),
    });
    all.filter_map(Result::transpose).collect()
}

/// The journal of the company that sends texts: a line of JSON for each.
fn texts(path: &Path) -> Result<Vec<Taken>, String> {
    let named = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
    text.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|e| named(e.to_string()))
}

fn complaints(plant: &Plant) -> Vec<String> {
    let texts = plant.logs.iter().filter_map(|path| fs::read_to_string(path).ok());
    let bad = |line: &&str| plant.never_said.iter().any(|word| line.contains(word.as_str()));
    texts.flat_map(|text| text.lines().filter(bad).map(str::to_owned).collect::<Vec<_>>()).take(MAX_COMPLAINTS).collect()
}
