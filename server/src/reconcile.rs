//! The daily reconciliation: what the ledger says has moved on one day, beside the provider's own record of it.
//!
//! The two have different clocks, and an answer may come late. So both are read an hour beyond the day on either side, and
//! whoever had money moved within the day, by either record, is compared by all that moved within those hours.

use crate::{
    engine::Engine,
    journal::{Fault, Slice},
    provider::{Provider, Record},
};
use domain::{
    Row,
    clock::{self, day_begins},
    payment::{Due, provider_key},
};
use serde::Serialize;
use shared::{Kind, Millis, OrderId, Won, api::LedgerAccount};
use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
    sync::Arc,
};

/// How far beyond the day both are read: longer than any answer of a provider stays out.
const SLACK_MS: Millis = 3_600_000;
/// Rows of the ledger read at once.
const CHUNK: u64 = 1_000;
/// Movements of one day that are compared: a thousand orders a minute, all day. Whoever has more has a warehouse for it.
pub const MAX_MOVEMENTS: usize = 1_500_000;
/// Differences that are told; how many there are is told always.
const MAX_TOLD: usize = 1_000;

/// Movements of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// How much.
    pub won: Won,
}

/// One side of the books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// What came from customers.
    pub charges: Sum,
    /// What went back.
    pub refunds: Sum,
}

impl Side {
    fn add(&mut self, record: &Record) {
        let sum = if record.refund { &mut self.refunds } else { &mut self.charges };
        (sum.count, sum.won) = (sum.count + 1, sum.won + record.amount);
    }

    /// A refund of two charges is one movement here and two there, so only the money counts.
    fn agrees(&self, other: &Side) -> bool {
        self.charges.won == other.charges.won && self.refunds.won == other.refunds.won
    }
}

/// An order about which the two do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The order, or whatever else the provider has money under.
    pub order: String,
    /// What we believe.
    pub ledger: Side,
    /// What the provider says.
    pub provider: Side,
    /// True while a movement of the order is on its way: then the difference ends by itself.
    pub waits: bool,
    /// True when it does not, and the provider refuses a refund of the order: somebody must see to that one.
    pub refused: bool,
}

impl Difference {
    /// Whether what the provider has and the ledger has not is what is still due. What only the ledger has never is, and nor
    /// is what the provider refuses to give back: it is asked again, but nothing says that it will ever come.
    fn is_on_its_way(&self, due: &[Due]) -> bool {
        let comes = |due: &&Due, refund: bool| !due.refused && due.charge.is_none() == refund;
        let of = |refund: bool| due.iter().filter(|due| comes(due, refund)).map(|due| due.amount).sum::<Won>();
        let is_due = |here: &Sum, there: &Sum, due: Won| (Won::ZERO..=due).contains(&(there.won - here.won));
        is_due(&self.ledger.charges, &self.provider.charges, of(false)) && is_due(&self.ledger.refunds, &self.provider.refunds, of(true))
    }
}

/// The report of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// When the day begins, and when the next one does.
    pub from_ms: Millis,
    /// See above.
    pub until_ms: Millis,
    /// What the ledger has of that day, by our clock.
    pub ledger: Side,
    /// What the provider has of it, by its own.
    pub provider: Side,
    /// Orders that were compared.
    pub orders: usize,
    /// True when nobody differs, but for those whose money is on its way.
    pub agrees: bool,
    /// How many differ.
    pub differ: usize,
    /// Those who differ.
    pub differences: Vec<Difference>,
}

/// Why there is no report.
#[derive(Debug)]
pub enum NoReport {
    /// Our own books cannot be read.
    Fault(Fault),
    /// The provider's cannot.
    Provider(String),
    /// There are more movements than one report can hold.
    TooMany,
}

impl From<Fault> for NoReport {
    fn from(fault: Fault) -> Self {
        NoReport::Fault(fault)
    }
}

/// Compares a day, counted from 1970-01-01 in Korea.
///
/// # Errors
/// When either record cannot be read whole.
pub async fn report(engine: &Arc<Engine>, provider: &dyn Provider, day: i64) -> Result<Report, NoReport> {
    let hours = day_begins(day) - SLACK_MS..day_begins(day + 1) + SLACK_MS;
    // The provider first: what it has by now may be in the ledger a moment later, but not the other way round.
    let there = provider.records(hours.clone()).await.map_err(NoReport::Provider)?;
    let engine = engine.clone();
    // Reading a whole day takes a while: requests of this thread do not wait for it.
    let compared = tokio::task::spawn_blocking(move || with_ledger(&engine, day, hours, &there)).await;
    compared.map_err(|e| Fault(e.to_string()))?
}

fn with_ledger(engine: &Engine, day: i64, hours: Range<Millis>, there: &[Record]) -> Result<Report, NoReport> {
    let here = ledger(engine, hours)?;
    if there.len().max(here.len()) > MAX_MOVEMENTS {
        return Err(NoReport::TooMany);
    }
    let mut report = compare(day, &here, there);
    for difference in &mut report.differences {
        let Some(stored) = engine.read(Kind::Payment, &difference.order)? else { continue };
        if let Row::Payment(state) = &*stored.row {
            // What nobody waits for any more may come, and then goes back.
            difference.waits = difference.is_on_its_way(&[state.due(), state.unwanted()].concat());
            difference.refused = !difference.waits && state.refused().is_some();
        }
    }
    report.differ = report.differences.len();
    report.agrees = report.differences.iter().all(|difference| difference.waits);
    report.differences.truncate(MAX_TOLD);
    Ok(report)
}

/// What the ledger has of these hours. It is listed by time, and the first row of them is found by halving.
fn ledger(engine: &Engine, hours: Range<Millis>) -> Result<Vec<Record>, Fault> {
    let page = |offset, limit| engine.list(Kind::LedgerEntry, "all", Slice { offset, limit, newest_first: false });
    let (mut first, mut end) = (0, page(0, 0)?.1);
    while first < end {
        let middle = first + (end - first) / 2;
        let is_before = page(middle, 1)?.0.iter().filter_map(|(_, stored)| entry(&stored.row)).any(|entry| entry.at_ms < hours.start);
        (first, end) = if is_before { (middle + 1, end) } else { (first, middle) };
    }
    let (mut records, mut seen) = (vec![], HashSet::new());
    loop {
        let (rows, _) = page(first, CHUNK)?;
        first += rows.len() as u64;
        let found = rows.iter().filter_map(|(_, stored)| entry(&stored.row)).take_while(|entry| entry.at_ms < hours.end);
        // A row that comes late moves those behind it, so that one may come twice.
        records.extend(found.filter(|entry| seen.insert(entry.key.clone())));
        let is_last = rows.last().and_then(|(_, stored)| entry(&stored.row)).is_none_or(|entry| entry.at_ms >= hours.end);
        if is_last || records.len() > MAX_MOVEMENTS {
            return Ok(records);
        }
    }
}

fn entry(row: &Row) -> Option<Record> {
    let Row::LedgerEntry(entry) = row else { return None };
    let key = provider_key(entry.order, entry.movement, 0);
    Some(Record { key, refund: entry.credit == LedgerAccount::Provider, amount: entry.amount, at_ms: entry.at_ms })
}

/// The order of a movement, or its whole name when that is none of ours.
fn order_of(key: &str) -> String {
    let order = key.rsplit_once('-').and_then(|(order, _)| OrderId::parse(order));
    order.map_or_else(|| key.to_owned(), |order| order.to_string())
}

fn compare(day: i64, here: &[Record], there: &[Record]) -> Report {
    let (mut ledger, mut provider) = (Side::default(), Side::default());
    let mut orders: BTreeMap<String, (Side, Side, bool)> = BTreeMap::new();
    for record in here {
        let (own, _, within) = orders.entry(order_of(&record.key)).or_default();
        own.add(record);
        if clock::day(record.at_ms) == day {
            *within = true;
            ledger.add(record);
        }
    }
    for record in there {
        let (_, theirs, within) = orders.entry(order_of(&record.key)).or_default();
        theirs.add(record);
        if clock::day(record.at_ms) == day {
            *within = true;
            provider.add(record);
        }
    }
    orders.retain(|_, (_, _, within)| *within);
    let compared = orders.len();
    let differ = orders.into_iter().filter(|(_, (own, theirs, _))| !own.agrees(theirs));
    let differences: Vec<_> =
        differ.map(|(order, (ledger, provider, _))| Difference { order, ledger, provider, waits: false, refused: false }).collect();
    Report {
        from_ms: day_begins(day),
        until_ms: day_begins(day + 1),
        ledger,
        provider,
        orders: compared,
        agrees: differences.is_empty(),
        differ: differences.len(),
        differences,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 20_000;

    fn record(key: &str, refund: bool, won: i64, at_ms: Millis) -> Record {
        Record { key: key.into(), refund, amount: Won(won), at_ms: day_begins(DAY) + at_ms }
    }

    fn order(n: u8) -> String {
        OrderId(shared::id::Bits([n; 10])).to_string()
    }

    fn differences(here: &[Record], there: &[Record]) -> Vec<(String, i64, i64)> {
        let net = |side: &Side| side.charges.won.0 - side.refunds.won.0;
        compare(DAY, here, there).differences.iter().map(|d| (d.order.clone(), net(&d.ledger), net(&d.provider))).collect()
    }

    #[test]
    fn what_differs_is_found_and_nothing_else() {
        let (a, b) = (order(1), order(2));
        let (a1, a2, b1) = (format!("{a}-1"), format!("{a}-2"), format!("{b}-1"));
        let both = [record(&a1, false, 10, 5), record(&a2, true, 4, 9), record(&b1, false, 7, 5)];
        assert_eq!(differences(&both, &both), []);
        assert_eq!(differences(&both[..2], &both), [(b.clone(), 0, 7)], "only the provider has it");
        assert_eq!(differences(&both, &both[1..]), [(a.clone(), 6, -4)], "only the ledger has it");
        let less = [record(&a1, false, 10, 5), record(&a2, true, 3, 9), record(&b1, false, 7, 5)];
        assert_eq!(differences(&both, &less), [(a.clone(), 6, 7)]);
        let twice = [both.as_slice(), &both[..1]].concat();
        assert_eq!(differences(&both, &twice), [(a.clone(), 6, 16)]);
        // A charge is not made good by a refund of the same sum.
        let swapped = [record(&b1, true, 7, 5)];
        assert_eq!(differences(&[], &swapped), [(b.clone(), 0, -7)]);
        assert_eq!(differences(&[], &[record("somebody-else", false, 5, 5)]), [("somebody-else".into(), 0, 5)]);
        let said = compare(DAY, &both, &both);
        let side = |charges: (u64, i64), refunds: (u64, i64)| Side {
            charges: Sum { count: charges.0, won: Won(charges.1) },
            refunds: Sum { count: refunds.0, won: Won(refunds.1) },
        };
        assert_eq!((said.ledger, said.provider, said.orders), (side((2, 17), (1, 4)), side((2, 17), (1, 4)), 2));
    }

    #[test]
    fn a_difference_waits_for_what_is_due_and_for_nothing_else() {
        let a = order(1);
        let (a1, a2) = (format!("{a}-1"), format!("{a}-2"));
        let (charged, back) = (record(&a1, false, 10, 5), record(&a2, true, 4, 9));
        let due = |won, charge: Option<bool>| Due {
            order: OrderId(shared::id::Bits([1; 10])),
            movement: 1,
            amount: Won(won),
            charge,
            means: shared::order::Means::Card,
            parts: vec![],
            refused: false,
        };
        let waits = |here: &[Record], there: &[Record], due: &[Due]| compare(DAY, here, there).differences[0].is_on_its_way(due);
        assert!(waits(&[], &[charged.clone()], &[due(10, Some(false))]));
        assert!(waits(&[charged.clone()], &[charged.clone(), back.clone()], &[due(4, None)]));
        // What the provider refuses to give back is not on its way, whoever gave the same amount back by hand.
        let refused = Due { refused: true, ..due(4, None) };
        assert!(!waits(&[charged.clone()], &[charged.clone(), back.clone()], &[refused.clone()]));
        assert!(waits(&[charged.clone()], &[charged.clone(), back.clone()], &[refused, due(4, None)]));
        for (here, there, due) in [
            // Nothing is due, or less, or the other way.
            (vec![], vec![charged.clone()], vec![]),
            (vec![], vec![charged.clone()], vec![due(9, Some(false))]),
            (vec![], vec![charged.clone()], vec![due(10, None)]),
            // What only the ledger has does not come by waiting, whatever else is due.
            (vec![charged.clone()], vec![], vec![due(10, Some(false))]),
            (vec![charged.clone(), back.clone()], vec![charged.clone()], vec![due(4, None)]),
        ] {
            assert!(!waits(&here, &there, &due), "{here:?} {there:?} {due:?}");
        }
    }

    #[test]
    fn parts_of_a_refund_are_one() {
        let a = order(1);
        let key = |n| format!("{a}-{n}");
        let charges = [record(&key(1), false, 10, 5), record(&key(2), false, 5, 6)];
        let here = [charges.as_slice(), &[record(&key(3), true, 12, 9)]].concat();
        // The provider books a refund under the charge that it takes from.
        let there = [charges.as_slice(), &[record(&key(2), true, 5, 9), record(&key(1), true, 7, 9)]].concat();
        assert_eq!(differences(&here, &there), []);
    }

    #[test]
    fn midnight_is_no_difference() {
        let a = order(1);
        let key = format!("{a}-1");
        let day_ms = day_begins(DAY + 1) - day_begins(DAY);
        for (here, there) in [(day_ms - 1, day_ms + 1), (-1, 1), (1, -1)] {
            assert_eq!(differences(&[record(&key, false, 10, here)], &[record(&key, false, 10, there)]), []);
        }
        // What is not of the day is not told, even if it differs.
        assert_eq!(differences(&[record(&key, false, 10, -1)], &[]), []);
        assert_eq!(differences(&[record(&key, false, 10, day_ms)], &[]), []);
    }
}
