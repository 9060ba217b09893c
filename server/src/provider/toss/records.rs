//! The provider's own books (<https://docs.tosspayments.com/reference#거래>): read page by page, whole or not at all, since a
//! record with a hole in it would say that money is missing.

use super::{
    Toss,
    client::PAGE,
    wire::{Reply, Status, Transaction},
};
use crate::provider::Record;
use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
use shared::{Millis, Won};
use std::ops::Range;

/// Times over there are those of Korea, written without an offset.
const KOREA: Offset = Offset::constant(9);
/// Pages of one report: more than a day of a million and a half movements.
const MAX_PAGES: usize = 4_000;
/// A page that does not come is asked for so often.
const TRIES: usize = 3;

impl Toss {
    pub(super) async fn transactions(&self, time: Range<Millis>) -> Result<Vec<Record>, String> {
        // Its end belongs to it over there.
        let (from, until) = (moment(time.start), moment(time.end - 1));
        let (mut records, mut after) = (vec![], None);
        for _ in 0..MAX_PAGES {
            let page = self.page(&from, &until, after.as_deref()).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|last| last.transaction_key.clone());
            for transaction in page {
                records.extend(record(transaction)?);
            }
            if is_last {
                return Ok(records);
            }
        }
        Err("it has more transactions of that day than can be read".into())
    }

    async fn page(&self, from: &str, until: &str, after: Option<&str>) -> Result<Vec<Transaction>, String> {
        let mut why = String::new();
        for _ in 0..TRIES {
            why = match self.caller.transactions(from, until, after).await {
                Reply::Good(page) => return Ok(page),
                Reply::Refused { code, .. } => code,
                Reply::Unclear(why) => why.into(),
            };
        }
        Err(why)
    }
}

/// Money that moved; nothing, when none did. What is not understood is never left out.
fn record(transaction: Transaction) -> Result<Option<Record>, String> {
    let Transaction { transaction_key: name, order_id: key, status, transaction_at, currency, amount } = transaction;
    let refund = match status {
        Status::Done => false,
        // An older version of the interface writes what went back as less than nothing.
        Status::Canceled | Status::PartialCanceled => true,
        Status::Ready | Status::InProgress | Status::WaitingForDeposit | Status::Aborted | Status::Expired => return Ok(None),
        Status::Unknown(status) => return Err(format!("the transaction {name} has the status {status}, which is not known here")),
    };
    let at_ms = transaction_at.parse::<Timestamp>().map_err(|_| format!("the time of the transaction {name} cannot be read"))?;
    if currency != "KRW" {
        return Err(format!("the transaction {name} is not in won"));
    }
    Ok(Some(Record { key, refund, amount: Won(amount.abs()), at_ms: at_ms.as_millisecond() }))
}

fn moment(at_ms: Millis) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned(TimeZone::fixed(KOREA)).strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}
