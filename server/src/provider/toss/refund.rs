//! A refund: for each charge that it takes from, look whether it is there already, and ask for it if it is not.

use super::{
    Answer, Ask, Found, Seen, Toss,
    errors::{Class, NOT_FOUND, class, is_decided},
    seen,
    wire::{Cancel, Payment, Reply},
};
use crate::provider::Part;
use shared::{
    Text, Won,
    payment::{REFUND_REASON, refund_reason},
};

/// What operators read where the provider has no word for it.
const NO_CHARGES: &str = "no_charges";
const ANOTHER_AMOUNT: &str = "another_amount";

/// Whether the money of one charge went back.
#[derive(Debug, PartialEq)]
enum Gone {
    Yes,
    No,
    /// Under this refund's name, but another amount.
    Otherwise,
}

impl Toss {
    pub(super) async fn give_back(&self, ask: &Ask) -> Answer {
        let known: Won = ask.against.iter().map(|part| part.amount).sum();
        if ask.amount < Won(1) || known != ask.amount {
            return self.refuse(ask, NO_CHARGES, "it is not known which charges it goes against");
        }
        let mut answer = Answer::Approved;
        for part in &ask.against {
            // What can go back goes back, whatever becomes of the other parts.
            answer = worse(answer, self.part(ask, part).await);
        }
        answer
    }

    async fn part(&self, ask: &Ask, part: &Part) -> Answer {
        let payment = match self.find(&part.charge).await {
            Found::Payment(payment) => payment,
            Found::Nothing => return self.refuse(ask, NOT_FOUND, "the provider does not know the charge"),
            other @ (Found::Strange | Found::Unclear) => return other.answer(),
        };
        // Its own total is compared with itself: what the charge was is the payment context's to know.
        if seen(&payment, &part.charge, Won(payment.total_amount)) != Seen::Captured {
            self.complain(&ask.key, "a charge that shall be given back is not captured over there, or not understood");
            return Answer::Undecided;
        }
        match gone(&payment, &ask.key, part.amount) {
            Gone::Yes => Answer::Approved,
            _ if is_all_back(&payment, ask, part.amount) => {
                tracing::warn!(
                    refund = ask.key,
                    charge = part.charge,
                    "somebody else gave all of the charge back; nothing is left to ask for"
                );
                Answer::Approved
            }
            Gone::Otherwise => self.refuse(ask, ANOTHER_AMOUNT, "another amount went back in its name"),
            Gone::No => self.cancel(ask, part, &payment).await,
        }
    }

    async fn cancel(&self, ask: &Ask, part: &Part, payment: &Payment) -> Answer {
        // The one field of ours that the provider keeps.
        let reason = refund_reason(&ask.key);
        let is_whole = part.amount.0 == payment.total_amount && part.amount.0 == payment.balance_amount;
        let balance = Won(payment.balance_amount);
        let cancel = Cancel { cancel_reason: &reason, cancel_amount: (!is_whole).then_some(part.amount), refundable_amount: balance };
        // An error is repeated under the same key for fifteen days, so what was refused at one balance needs another key at
        // another. The lock makes that safe: at most one of them meets the balance that it names.
        let about = format!("{}:{}", ask.key, part.charge);
        let tries = self.spent.get(&about).unwrap_or(0);
        let key = format!("{about}:{}:{tries}", balance.0);
        match self.caller.cancel(&payment.payment_key, &key, &cancel).await {
            Reply::Good(after) if is_same(&after, payment) && gone(&after, &ask.key, part.amount) == Gone::Yes => Answer::Approved,
            Reply::Good(_) => {
                self.complain(&ask.key, "a refund was answered with something else");
                Answer::Undecided
            }
            Reply::Refused { status, code } => {
                let answer = self.verify(ask, part, payment, (status, &code)).await;
                // What the provider has decided it repeats, also once an operator has mended what it was about; what it has
                // not it does not.
                if answer != Answer::Approved && is_decided(status) {
                    self.spent.insert(about, tries + 1);
                }
                answer
            }
            Reply::Unclear(_) => Answer::Unknown,
        }
    }

    /// Looks again after an error: the provider may answer with one to a repeat of what it did.
    async fn verify(&self, ask: &Ask, part: &Part, before: &Payment, (status, code): (u16, &str)) -> Answer {
        let reply = self.caller.by_key(&before.payment_key).await;
        let Found::Payment(now) = self.found(reply, |now| is_same(now, before)) else { return Answer::Unknown };
        let undecided = if is_decided(status) { Answer::Undecided } else { Answer::Unknown };
        match (gone(&now, &ask.key, part.amount), class(status, code)) {
            (Gone::Yes, _) => Answer::Approved,
            (Gone::Otherwise, _) => self.refuse(ask, ANOTHER_AMOUNT, "another amount went back in its name"),
            (Gone::No, Class::RefusedRefund) => self.refuse(ask, code, code),
            (Gone::No, _) if now.balance_amount < part.amount.0 => self.refuse(ask, code, "less is left of the charge than shall go back"),
            (Gone::No, Class::OurFault) => {
                self.complain("refund", code);
                undecided
            }
            (Gone::No, Class::Declined | Class::Expired | Class::Unknown) => undecided,
        }
    }

    fn refuse(&self, ask: &Ask, code: &str, why: &str) -> Answer {
        self.complain(&ask.key, why);
        Answer::Refused(Text::new(code).ok())
    }
}

/// Whether two answers tell of the same payment, captured both times.
fn is_same(now: &Payment, before: &Payment) -> bool {
    let is_captured = seen(now, &before.order_id, Won(before.total_amount)) == Seen::Captured;
    is_captured && now.payment_key == before.payment_key && now.balance_amount <= before.balance_amount
}

/// Whether a refund of this key is among those of a payment.
fn gone(payment: &Payment, key: &str, amount: Won) -> Gone {
    let reason = refund_reason(key);
    let mut ours = payment.cancels.iter().flatten().filter(|cancel| cancel.cancel_reason == reason);
    match (ours.next(), ours.next()) {
        (None, _) => Gone::No,
        (Some(one), None) if one.cancel_amount == amount.0 => Gone::Yes,
        _ => Gone::Otherwise,
    }
}

/// Whether all of a charge went back, and this refund with it: what went under its own name is no more than it wants, and what
/// the order's other refunds have not named is no less. Nothing more can go back then, and the customer has it all, whoever gave
/// it. Several refunds may be told so: they never take more of a charge than it was, and so no more than went.
fn is_all_back(payment: &Payment, ask: &Ask, amount: Won) -> bool {
    let (reason, of_order) = (refund_reason(&ask.key), format!("{REFUND_REASON}{}-", ask.order));
    let (mut own, mut others, mut strange) = (0, 0, 0);
    for cancel in payment.cancels.iter().flatten() {
        let sum = match &cancel.cancel_reason {
            said if *said == reason => &mut own,
            said if said.starts_with(&of_order) => &mut others,
            _ => &mut strange,
        };
        // Whatever is said there must not end the program.
        *sum += i128::from(cancel.cancel_amount.max(0));
    }
    let (amount, total) = (i128::from(amount.0), i128::from(payment.total_amount));
    payment.balance_amount == 0 && own + others + strange == total && (own..=own + strange).contains(&amount)
}

/// What two parts of a refund come to: not known before refused, refused before done.
fn worse(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Answer::Unknown, _) | (_, Answer::Unknown) => Answer::Unknown,
        (Answer::Undecided, _) | (_, Answer::Undecided) => Answer::Undecided,
        (Answer::Approved, Answer::Approved) => Answer::Approved,
        (Answer::Approved, refused) | (refused, _) => refused,
    }
}
