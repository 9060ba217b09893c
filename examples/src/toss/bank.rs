//! What may happen to a payment: the graph of its states, what is left of it, and when it expires.

use super::book::{Book, Line};
use std::{collections::HashMap, io, path::Path};

/// How long a customer may take to finish the window, and a merchant to ask for the capture after it.
pub const CONFIRM_MS: i64 = 10 * 60_000;

/// Where a payment stands. `READY`, an unfinished window, is not here: the window stand-in finishes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Finished by the customer, and not captured.
    InProgress,
    /// Captured.
    Done,
    /// Some of it went back; all of it, when the last won went in parts.
    PartialCanceled,
    /// All of it went back at once.
    Canceled,
    /// Declined.
    Aborted,
    /// Not captured in time.
    Expired,
}

impl Status {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Status::InProgress => "IN_PROGRESS",
            Status::Done => "DONE",
            Status::PartialCanceled => "PARTIAL_CANCELED",
            Status::Canceled => "CANCELED",
            Status::Aborted => "ABORTED",
            Status::Expired => "EXPIRED",
        }
    }

    fn has_money(self) -> bool {
        matches!(self, Status::Done | Status::PartialCanceled | Status::Canceled)
    }
}

/// Money that went back.
#[derive(Debug, Clone)]
pub struct Cancel {
    pub amount: i64,
    pub reason: String,
    pub left: i64,
    pub at_ms: i64,
}

/// A payment.
#[derive(Debug, Clone)]
pub struct Payment {
    pub key: String,
    pub order_id: String,
    pub amount: i64,
    pub balance: i64,
    pub card: String,
    pub extra: bool,
    pub status: Status,
    pub requested_ms: i64,
    pub approved_ms: Option<i64>,
    pub cancels: Vec<Cancel>,
}

impl Payment {
    fn at(mut self, now_ms: i64) -> Self {
        if self.status == Status::InProgress && now_ms - self.requested_ms > CONFIRM_MS {
            self.status = Status::Expired;
        }
        self
    }

    fn is_declined(&self) -> bool {
        self.card == "declined_card" || self.card == "once_card" && self.extra
    }
}

/// What is asked back.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Why.
    pub reason: String,
    /// How much; all that is left without one.
    pub amount: Option<i64>,
    /// What must be left before it.
    pub refundable: Option<i64>,
}

/// Why not: a code of the provider's. [`super::answers`] knows its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct No(pub &'static str);

/// A movement of money.
#[derive(Debug, Clone)]
pub struct Moved<'a> {
    /// Of which payment.
    pub payment: &'a Payment,
    /// Which of its movements: 0 is the capture.
    pub number: usize,
    /// How much.
    pub amount: i64,
    /// When.
    pub at_ms: i64,
}

/// All payments.
pub struct Bank {
    book: Book,
    payments: HashMap<String, Payment>,
    by_order: HashMap<String, Vec<String>>,
}

impl Bank {
    /// Opens the journal, and knows again what it says.
    ///
    /// # Errors
    /// The journal cannot be used.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (book, lines) = Book::open(path)?;
        let mut bank = Self { book, payments: HashMap::new(), by_order: HashMap::new() };
        lines.into_iter().for_each(|line| bank.apply(line));
        Ok(bank)
    }

    /// A customer finishes the window: the start of a payment.
    pub fn opened(&mut self, order_id: String, amount: i64, card: String, extra: bool, at_ms: i64) -> Result<Payment, No> {
        let payment_key = format!("tsim{at_ms}{:08}", self.payments.len());
        self.commit(Line::Opened { at_ms, payment_key, order_id, amount, card, extra }, at_ms)
    }

    /// A payment by its key.
    pub fn by_key(&self, key: &str, now_ms: i64) -> Result<Payment, No> {
        self.payments.get(key).cloned().map(|payment| payment.at(now_ms)).ok_or(No("NOT_FOUND_PAYMENT"))
    }

    /// The payment of an order: the one with money, or else the newest.
    pub fn by_order(&self, order_id: &str, now_ms: i64) -> Result<Payment, No> {
        let keys = self.by_order.get(order_id).ok_or(No("NOT_FOUND_PAYMENT"))?;
        let key = keys.iter().find(|key| self.payments[*key].status.has_money()).or(keys.last());
        self.by_key(key.ok_or(No("NOT_FOUND_PAYMENT"))?, now_ms)
    }

    /// The card of a payment that may be captured.
    pub fn card(&self, key: &str) -> Option<&str> {
        self.payments.get(key).filter(|payment| payment.status == Status::InProgress).map(|payment| &*payment.card)
    }

    /// Captures.
    pub fn confirm(&mut self, key: &str, order_id: &str, amount: i64, at_ms: i64) -> Result<Payment, No> {
        let payment = self.by_key(key, at_ms)?;
        if payment.order_id != order_id || payment.amount != amount {
            return Err(No("INVALID_REQUEST"));
        }
        match payment.status {
            Status::Expired => return Err(No("NOT_FOUND_PAYMENT_SESSION")),
            Status::InProgress => {}
            _ => return Err(No("ALREADY_PROCESSED_PAYMENT")),
        }
        if self.by_order[order_id].iter().any(|key| self.payments[key].status.has_money()) {
            return Err(No("DUPLICATED_ORDER_ID"));
        }
        let (payment_key, order_id) = (key.to_owned(), order_id.to_owned());
        if payment.is_declined() {
            self.commit(Line::Declined { at_ms, payment_key, order_id }, at_ms)?;
            return Err(No("REJECT_CARD_PAYMENT"));
        }
        self.commit(Line::Captured { at_ms, payment_key, order_id, amount }, at_ms)
    }

    /// Gives back.
    pub fn cancel(&mut self, key: &str, wish: Wish, at_ms: i64) -> Result<Payment, No> {
        let payment = self.by_key(key, at_ms)?;
        match payment.status {
            Status::Done | Status::PartialCanceled => {}
            Status::Canceled => return Err(No("ALREADY_CANCELED_PAYMENT")),
            _ => return Err(No("NOT_CANCELABLE_PAYMENT")),
        }
        if wish.refundable.is_some_and(|left| left != payment.balance) {
            return Err(No("NOT_MATCHES_REFUNDABLE_AMOUNT"));
        }
        let amount = wish.amount.unwrap_or(payment.balance);
        if amount < 1 || amount > payment.balance {
            return Err(No("NOT_CANCELABLE_AMOUNT"));
        }
        let (payment_key, order_id) = (key.to_owned(), payment.order_id);
        self.commit(Line::Cancelled { at_ms, payment_key, order_id, amount, reason: wish.reason }, at_ms)
    }

    /// What came in over all, and what went back.
    pub fn totals(&self) -> (i64, i64) {
        let came = self.payments.values().filter(|payment| payment.status.has_money());
        came.fold((0, 0), |(came, went), payment| (came + payment.amount, went + payment.amount - payment.balance))
    }

    /// What has moved from one moment to another, that one too, in its order.
    pub fn moved(&self, from_ms: i64, until_ms: i64) -> Vec<Moved<'_>> {
        let mut moved = vec![];
        for payment in self.payments.values() {
            let capture = payment.approved_ms.map(|at_ms| (payment.amount, at_ms));
            let all = capture.into_iter().chain(payment.cancels.iter().map(|cancel| (cancel.amount, cancel.at_ms)));
            moved.extend(all.enumerate().map(|(number, (amount, at_ms))| Moved { payment, number, amount, at_ms }));
        }
        moved.retain(|moved| (from_ms..=until_ms).contains(&moved.at_ms));
        moved.sort_by(|a, b| (a.at_ms, &a.payment.key, a.number).cmp(&(b.at_ms, &b.payment.key, b.number)));
        moved
    }

    fn commit(&mut self, line: Line, now_ms: i64) -> Result<Payment, No> {
        let key = line.payment_key().to_owned();
        self.book.write(&line).map_err(|_| No("FAILED_INTERNAL_SYSTEM_PROCESSING"))?;
        self.apply(line);
        self.by_key(&key, now_ms)
    }

    fn apply(&mut self, line: Line) {
        match line {
            Line::Opened { at_ms, payment_key: key, order_id, amount, card, extra } => {
                self.by_order.entry(order_id.clone()).or_default().push(key.clone());
                let (status, cancels) = (Status::InProgress, vec![]);
                let (requested_ms, approved_ms) = (at_ms, None);
                let payment = Payment {
                    key: key.clone(),
                    order_id,
                    amount,
                    balance: amount,
                    card,
                    extra,
                    status,
                    requested_ms,
                    approved_ms,
                    cancels,
                };
                self.payments.insert(key, payment);
            }
            Line::Captured { at_ms, payment_key, .. } => self.change(&payment_key, |payment| {
                (payment.status, payment.approved_ms) = (Status::Done, Some(at_ms));
            }),
            Line::Declined { payment_key, .. } => self.change(&payment_key, |payment| payment.status = Status::Aborted),
            Line::Cancelled { at_ms, payment_key, amount, reason, .. } => self.change(&payment_key, |payment| {
                payment.balance -= amount;
                // Only what goes back in one piece is `CANCELED`: the last of several parts leaves `PARTIAL_CANCELED`.
                payment.status = if amount == payment.amount { Status::Canceled } else { Status::PartialCanceled };
                payment.cancels.push(Cancel { amount, reason, left: payment.balance, at_ms });
            }),
        }
    }

    fn change(&mut self, key: &str, change: impl FnOnce(&mut Payment)) {
        if let Some(payment) = self.payments.get_mut(key) {
            change(payment);
        }
    }
}
