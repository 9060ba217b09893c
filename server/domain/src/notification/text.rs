//! What a notice says, in both languages: its template, with what stands in the places of its variables.

use super::templates::{self as t, Template, place};
use crate::clock;
use shared::{Lang, Millis, Text, Won, notice::Notice, notice::Topic};

/// Dishes that a notice names; of more it tells the number, because a text message has its limits.
const NAMED: usize = 3;

/// Variables by their places.
pub type Variables = Vec<(&'static str, String)>;

/// The text of a notice in a language.
pub fn say(notice: &Notice, lang: Lang) -> String {
    let (template, mut variables) = topic(&notice.topic, lang);
    variables.extend(notice.store_name.as_ref().map(|name| (place::STORE, name.to_string())));
    let text = fill(&template.text(lang), &variables);
    match &notice.store_name {
        // It is about a store all the same.
        Some(name) if !template.of_store => format!("[{name}] {text}"),
        None if template.of_store => text.replacen(&format!("[{}] ", place::STORE), "", 1),
        _ => text,
    }
}

/// A notice as 알림톡 has approved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alimtalk {
    /// The name of the template.
    pub template: &'static str,
    /// The template with its variables filled in.
    pub text: String,
    /// The variables.
    pub variables: Variables,
}

/// The text of a notice as 알림톡 has approved it, unless it lacks what its template needs.
pub fn alimtalk(notice: &Notice, lang: Lang) -> Option<Alimtalk> {
    let (template, mut variables) = topic(&notice.topic, lang);
    if template.of_store != notice.store_name.is_some() {
        return None;
    }
    variables.extend(notice.store_name.as_ref().map(|name| (place::STORE, name.to_string())));
    variables.push((place::ORDER, notice.order.to_string()));
    Some(Alimtalk { template: template.name, text: fill(&template.alimtalk(lang), &variables), variables })
}

/// Fills variables in, in one pass: a value is never taken for the place of another one.
fn fill(template: &str, variables: &Variables) -> String {
    let (mut text, mut rest) = (String::with_capacity(template.len() * 2), template);
    while let Some(start) = rest.find("#{") {
        let (before, from) = rest.split_at(start);
        text.push_str(before);
        match variables.iter().find(|(place, _)| from.starts_with(place)) {
            Some((place, value)) => {
                text.push_str(value);
                rest = &from[place.len()..];
            }
            None => {
                text.push_str("#{");
                rest = &from[2..];
            }
        }
    }
    text + rest
}

fn topic(topic: &Topic, lang: Lang) -> (Template, Variables) {
    use Topic as T;
    let total = |won: &Won| (place::TOTAL, won.to_string());
    let refund = |won: &Won| (place::REFUND, won.to_string());
    let eta = |at_ms: &Millis| (place::ETA, hour(*at_ms));
    let because = |reason: &shared::order::Reason| (place::REASON, reason.say(lang));
    match topic {
        T::PendingPayment { total: won } => (t::PENDING_PAYMENT, vec![total(won)]),
        T::Placed { total: won } => (t::PLACED, vec![total(won)]),
        T::NewOrder { total: won } => (t::NEW_ORDER, vec![total(won)]),
        T::PaymentFailed { reason } => (t::PAYMENT_FAILED, vec![because(reason)]),
        T::Accepted { eta_ms } => (t::ACCEPTED, vec![eta(eta_ms)]),
        T::Delayed { minutes, eta_ms } => (t::DELAYED, vec![(place::MINUTES, minutes.to_string()), eta(eta_ms)]),
        T::Rejected { reason, refund: won } => (t::REJECTED, vec![because(reason), refund(won)]),
        T::Cooking {} => (t::COOKING, vec![]),
        T::Cooked {} => (t::COOKED, vec![]),
        T::Picked {} => (t::PICKED, vec![]),
        T::Released {} => (t::RELEASED, vec![]),
        T::Delivered {} => (t::DELIVERED, vec![]),
        T::Completed {} => (t::COMPLETED, vec![]),
        T::Thanks { words } => (t::THANKS, vec![(place::WORDS, words.to_string())]),
        T::CancelRequested {} => (t::CANCEL_REQUESTED, vec![]),
        T::CancelRefused {} => (t::CANCEL_REFUSED, vec![]),
        // What was never paid does not go back.
        T::Cancelled { reason, refund: Won(0) } => (t::CANCELLED_UNPAID, vec![because(reason)]),
        T::Cancelled { reason, refund: won } => (t::CANCELLED, vec![because(reason), refund(won)]),
        T::Withdrawn { reason } => (t::WITHDRAWN, vec![because(reason)]),
        T::ChangeRequested { total: won } => (t::CHANGE_REQUESTED, vec![total(won)]),
        T::Changed { total: won, difference } => match difference.0 {
            1.. => (t::CHANGED_DEARER, vec![total(won), (place::EXTRA, difference.to_string())]),
            0 => (t::CHANGED, vec![total(won)]),
            _ => (t::CHANGED_CHEAPER, vec![total(won), refund(&Won(-difference.0))]),
        },
        T::OrderChanged { total: won } => (t::ORDER_CHANGED, vec![total(won)]),
        T::ChangeRefused { reason } => (t::CHANGE_REFUSED, vec![because(reason)]),
        T::OfferMade { without, refund: back, total: won } => {
            (t::OFFER_MADE, vec![(place::DISHES, names(without, lang)), refund(back), total(won)])
        }
        T::OfferAccepted { total: won } => (t::OFFER_ACCEPTED, vec![total(won)]),
        T::OfferDeclined {} => (t::OFFER_DECLINED, vec![]),
        T::Refunded { amount } => (t::REFUNDED, vec![refund(amount)]),
        T::Overdue {} => (t::OVERDUE, vec![]),
        T::Promoted { grade } => (t::PROMOTED, vec![(place::GRADE, grade.label(lang).to_string())]),
        T::Reviewed { stars } => (t::REVIEWED, vec![(place::STARS, stars.to_string())]),
    }
}

/// Some dishes, and how many more.
fn names(dishes: &[Text<60>], lang: Lang) -> String {
    let first = dishes.iter().take(NAMED).map(|name| &**name).collect::<Vec<_>>().join(", ");
    match dishes.len().saturating_sub(NAMED) {
        0 => first,
        more => lang.pick(format!("{first} 외 {more}개"), format!("{first} and {more} more")),
    }
}

/// The hour and minute in Korea, where the food is.
fn hour(at_ms: Millis) -> String {
    let minute = clock::minute(at_ms);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
