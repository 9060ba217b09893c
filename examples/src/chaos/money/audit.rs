//! What orders came to, compared to the won: the company's journal, the ledger, and what each order was to cost.

use crate::{
    chaos::asker::Asker,
    oracle::finding::{Class, Finding, Verdict},
    toss::book::{self, Line},
};
use shared::OrderId;
use std::{collections::BTreeMap, path::Path};

/// What becomes of an order's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It came, once.
    Paid,
    /// It came and went back, each once.
    Refunded,
    /// If it came at all, it went back, each once.
    RefundedIfPaid,
}

/// An order, and what it is to come to.
#[derive(Debug, Clone, Copy)]
pub struct Bill {
    /// Which.
    pub order: OrderId,
    /// What it costs.
    pub won: i64,
    /// What becomes of that.
    pub end: End,
}

/// An order's movements, each by itself.
#[derive(Debug, Default, PartialEq)]
pub struct Moved {
    /// What came, and when.
    pub came: Vec<(i64, i64)>,
    /// What went back.
    pub went: Vec<i64>,
    declined: usize,
}

impl Moved {
    fn held(&self) -> i64 {
        self.came.iter().map(|(won, _)| won).sum::<i64>() - self.went.iter().sum::<i64>()
    }
}

/// The journal by order. What is no order of ours keeps its own name.
pub fn moved(lines: &[Line]) -> BTreeMap<String, Moved> {
    let mut all: BTreeMap<String, Moved> = BTreeMap::new();
    let order_of = |key: &str| key.split_once('-').map_or(key, |(order, _)| order).to_owned();
    for line in lines {
        match line {
            Line::Captured { order_id, amount, at_ms, .. } => all.entry(order_of(order_id)).or_default().came.push((*amount, *at_ms)),
            Line::Cancelled { order_id, amount, .. } => all.entry(order_of(order_id)).or_default().went.push(*amount),
            Line::Declined { order_id, .. } => all.entry(order_of(order_id)).or_default().declined += 1,
            Line::Opened { .. } => {}
        }
    }
    all
}

/// Everything in which the journal differs from the bills.
pub fn compare(lines: &[Line], bills: &[Bill]) -> Vec<Finding> {
    let (mut moved, mut found) = (moved(lines), vec![]);
    for bill in bills {
        one(bill, &moved.remove(&bill.order.to_string()).unwrap_or_default(), &mut found);
    }
    for (order, moved) in moved {
        found.push(Class::Unexpected.of(format!("{order} has moved money, though nobody has a bill for it: {moved:?}")));
        if moved.held() != 0 {
            found.push(Finding::won(moved.held(), format!("the company holds {} won of {order}, which has no bill", moved.held())));
        }
    }
    found
}

fn one(bill: &Bill, moved: &Moved, found: &mut Vec<Finding>) {
    let Bill { order, won, end } = *bill;
    let (came, went) = (moved.came.len(), moved.went.len());
    if came > 1 {
        found.push(Class::Duplicated.of(format!("{order} was captured {came} times")));
    }
    if went > 1 {
        found.push(Class::Duplicated.of(format!("{order} was given back {went} times")));
    }
    if moved.declined > 0 {
        found.push(Class::Unexpected.of(format!("{order} was declined")));
    }
    if came == 0 && end != End::RefundedIfPaid {
        found.push(Class::Unfinished.of(format!("{order} was taken and never paid")));
    }
    match end {
        End::Paid if went > 0 => found.push(Class::Unexpected.of(format!("{order} was given back, though nobody had asked"))),
        End::Refunded | End::RefundedIfPaid if went < came => found.push(Class::Lost.of(format!("the refund of {order} is not there"))),
        _ => {}
    }
    let cost = if end == End::Paid { won } else { 0 };
    let is_right =
        moved.held() == cost && moved.came.iter().all(|(amount, _)| *amount == won) && moved.went.iter().all(|amount| *amount == won);
    if came > 0 && !is_right {
        found.push(Finding::won(moved.held() - cost, format!("{order} costs {cost} of {won}, and its money is {moved:?}")));
    }
}

/// Compares everything: the journal with the bills, and the ledger with the journal, order by order and as a sum.
///
/// # Errors
/// One of them cannot be read.
pub async fn judge(journal: &Path, bills: &[Bill], operator: &mut Asker) -> Result<Verdict, String> {
    let lines = book::read(journal).map_err(|e| e.to_string())?;
    let mut verdict = Verdict { found: compare(&lines, bills), orders: bills.len(), acked: bills.len(), ..Verdict::default() };
    let (mut ledger, today) = (0, jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9))).date());
    // An evening that goes on past midnight is of two days.
    for date in [today.yesterday().map_err(|e| e.to_string())?, today] {
        let report = operator.get(&format!("/ops/payment/reconciliation?date={date}")).await?;
        let side = &report["ledger"];
        ledger += side["charges"]["won"].as_i64().unwrap_or(0) - side["refunds"]["won"].as_i64().unwrap_or(0);
        if report["agrees"] != true {
            verdict.found.push(Finding::won(0, format!("{} orders of {date} differ: {}", report["differ"], report["differences"][0])));
        }
    }
    let held: i64 = moved(&lines).values().map(Moved::held).sum();
    if ledger != held {
        verdict.found.push(Finding::won(ledger - held, format!("the ledger has {ledger} won, the company {held}")));
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::id::Bits;

    fn bill(n: u8, end: End) -> Bill {
        Bill { order: OrderId(Bits([n; 10])), won: 21_000, end }
    }

    fn captured(n: u8, amount: i64) -> Line {
        let order_id = format!("{}-1", bill(n, End::Paid).order);
        Line::Captured { at_ms: 1, payment_key: format!("pay-{n}"), order_id, amount }
    }

    fn cancelled(n: u8, amount: i64) -> Line {
        let order_id = format!("{}-1", bill(n, End::Paid).order);
        Line::Cancelled { at_ms: 2, payment_key: format!("pay-{n}"), order_id, amount, reason: String::new() }
    }

    fn verdict(lines: &[Line], end: End) -> Vec<(Class, u64)> {
        compare(lines, &[bill(1, end)]).into_iter().map(|finding| (finding.class, finding.won)).collect()
    }

    #[test]
    fn what_is_right_is_not_found() {
        assert_eq!(verdict(&[captured(1, 21_000)], End::Paid), []);
        assert_eq!(verdict(&[captured(1, 21_000), cancelled(1, 21_000)], End::Refunded), []);
        assert_eq!(verdict(&[captured(1, 21_000), cancelled(1, 21_000)], End::RefundedIfPaid), []);
        assert_eq!(verdict(&[], End::RefundedIfPaid), []);
    }

    #[test]
    fn each_error_is_found() {
        let (charge, back) = (captured(1, 21_000), cancelled(1, 21_000));
        let twice = [charge.clone(), charge.clone()];
        assert_eq!(verdict(&twice, End::Paid), [(Class::Duplicated, 0), (Class::Won, 21_000)]);
        assert_eq!(verdict(&[], End::Paid), [(Class::Unfinished, 0)]);
        assert_eq!(verdict(&[captured(1, 18_000)], End::Paid), [(Class::Won, 3_000)]);
        assert_eq!(verdict(&[charge.clone(), back.clone()], End::Paid), [(Class::Unexpected, 0), (Class::Won, 21_000)]);
        for end in [End::Refunded, End::RefundedIfPaid] {
            assert_eq!(verdict(std::slice::from_ref(&charge), end), [(Class::Lost, 0), (Class::Won, 21_000)]);
            let again = [charge.clone(), back.clone(), back.clone()];
            assert_eq!(verdict(&again, end), [(Class::Duplicated, 0), (Class::Won, 21_000)]);
            assert_eq!(verdict(&[charge.clone(), cancelled(1, 20_999)], end), [(Class::Won, 1)]);
        }
        let stranger = [captured(1, 21_000), captured(2, 5)];
        assert_eq!(verdict(&stranger, End::Paid), [(Class::Unexpected, 0), (Class::Won, 5)]);
    }
}
