//! A charge: look it up, open a payment window if there is nothing, capture.

use super::{
    Answer, Ask, Found, Seen, Toss,
    errors::{Class, IN_FLIGHT, class, is_decided},
    seen,
    wire::{Checkout, Confirm, Payment, Reply, is_order_id},
};
use shared::{Won, order::Reason};

/// The smallest amount over there.
const SMALLEST: Won = Won(1);

impl Toss {
    pub(super) async fn take(&self, ask: &Ask) -> Answer {
        if ask.amount < SMALLEST {
            return Answer::Declined(Reason::Declined);
        }
        if !is_order_id(&ask.key) {
            self.complain(&ask.key, "a charge needs a key of 6 to 64 letters, digits, _ and -");
            return Answer::Undecided;
        }
        match self.find(&ask.key).await {
            Found::Nothing => self.begin(ask).await,
            Found::Payment(payment) => match self.seen(ask, &payment) {
                Seen::Captured => Answer::Approved,
                // An end without money is believed when the capture under our key says so too: another attempt of ours
                // may have opened a window of its own, and only the key is common to both.
                Seen::Open(payment_key) | Seen::Over(_, payment_key) => self.capture(ask, &payment_key).await,
                Seen::Strange => Answer::Undecided,
            },
            other @ (Found::Strange | Found::Unclear) => other.answer(),
        }
    }

    /// What a charge of this key has come to. An open window has come to nothing yet, whether its capture was never asked for,
    /// failed, or is still on its way: asked for again under the one key of all attempts, it goes on. Nor is an end without
    /// money believed here: another attempt of ours may have opened a window of its own, and of both only one is shown.
    pub(super) async fn charged(&self, key: &str) -> Option<Answer> {
        match self.find(key).await {
            Found::Nothing => None,
            Found::Payment(payment) => match seen(&payment, key, Won(payment.total_amount)) {
                Seen::Captured => Some(Answer::Approved),
                Seen::Open(_) | Seen::Over(..) => None,
                Seen::Strange => {
                    self.complain(key, "the payment over there is not understood");
                    Some(Answer::Undecided)
                }
            },
            other @ (Found::Strange | Found::Unclear) => Some(other.answer()),
        }
    }

    fn seen(&self, ask: &Ask, payment: &Payment) -> Seen {
        let seen = seen(payment, &ask.key, ask.amount);
        if seen == Seen::Strange {
            self.complain(&ask.key, "the payment over there is not the one that was asked for, or not understood");
        }
        seen
    }

    async fn begin(&self, ask: &Ask) -> Answer {
        let checkout = Checkout { order_id: &ask.key, amount: ask.amount, card: ask.means, extra: ask.extra };
        match self.caller.checkout(&checkout).await {
            Some(payment_key) => self.capture(ask, &payment_key).await,
            None => Answer::Unknown,
        }
    }

    async fn capture(&self, ask: &Ask, payment_key: &str) -> Answer {
        let confirm = Confirm { payment_key, order_id: &ask.key, amount: ask.amount };
        let tries = self.spent.get(&ask.key).unwrap_or(0);
        match self.caller.confirm(&confirm, tries).await {
            Reply::Good(payment) => match self.seen(ask, &payment) {
                Seen::Captured => Answer::Approved,
                Seen::Over(reason, _) => Answer::Declined(reason),
                Seen::Open(_) | Seen::Strange => Answer::Undecided,
            },
            Reply::Refused { code, .. } if code == IN_FLIGHT => Answer::Undecided,
            Reply::Refused { status, code } => {
                let answer = self.refused(ask, status, &code).await;
                // What the provider has decided it repeats under this key, also once it would say otherwise.
                if answer == Answer::Undecided && is_decided(status) {
                    self.spent.insert(ask.key.clone(), tries + 1);
                }
                answer
            }
            Reply::Unclear(_) => Answer::Unknown,
        }
    }

    async fn refused(&self, ask: &Ask, status: u16, code: &str) -> Answer {
        let is_expired = match class(status, code) {
            Class::Declined => return Answer::Declined(Reason::Declined),
            Class::OurFault => {
                self.complain("capture", code);
                false
            }
            Class::Expired => true,
            Class::Unknown | Class::RefusedRefund => false,
        };
        self.after(ask, is_expired, if is_decided(status) { Answer::Undecided } else { Answer::Unknown }).await
    }

    /// Looks again after an error that does not tell what became of the money.
    async fn after(&self, ask: &Ask, is_expired: bool, otherwise: Answer) -> Answer {
        match self.find(&ask.key).await {
            Found::Payment(payment) => match self.seen(ask, &payment) {
                Seen::Captured => Answer::Approved,
                Seen::Over(reason, _) => Answer::Declined(reason),
                Seen::Open(_) if is_expired => Answer::Declined(Reason::NotPaid),
                Seen::Open(_) | Seen::Strange => otherwise,
            },
            Found::Nothing if is_expired => Answer::Declined(Reason::NotPaid),
            Found::Nothing => otherwise,
            other @ (Found::Strange | Found::Unclear) => other.answer(),
        }
    }
}
