//! What is news: what something later has overtaken is not worth telling any more, nor is a question that was answered.

use shared::{
    Millis,
    notice::{Notice, Topic},
};
use std::time::Duration;

/// What happened so lately is told, whatever has happened since, unless it is kept back: people read one after the other.
pub const FRESH_MS: Millis = 5_000;
/// How long it is kept back that something is waited for: a payment, a cancel, a change. Nearly all is answered within a
/// second, and two texts at once would cost twice and say nothing that the second does not say.
pub const KEPT_BACK: Duration = Duration::from_secs(2);
/// Progress older than this is not news.
pub const STALE_MS: Millis = 10 * 60 * 1000;

/// How long a notice is kept back before it is told, if it is.
pub fn kept_back(topic: &Topic) -> Option<Duration> {
    use Topic::{CancelRequested, ChangeRequested, PendingPayment};
    matches!(topic, PendingPayment { .. } | CancelRequested {} | ChangeRequested { .. }).then_some(KEPT_BACK)
}

/// The keys of the notices that make one of this key old: of the same order, to the same reader.
pub fn overtaken_by(topic: &Topic, key: &str) -> Vec<String> {
    let mut parts = key.split('.');
    let (Some(order), Some(reader), Some(name), Some(channel)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return vec![];
    };
    let time = name.split_once('-').map(|(_, time)| time);
    let key = |later: &&str| match time.filter(|_| ANSWERS.contains(later)) {
        Some(time) => format!("{order}.{reader}.{later}-{time}.{channel}"),
        None => format!("{order}.{reader}.{later}.{channel}"),
    };
    later_than(topic).iter().map(key).collect()
}

/// Whose story a notice belongs to: the order and the reader in its key.
pub fn story(key: &str) -> &str {
    key.match_indices('.').nth(1).map_or(key, |(end, _)| &key[..end])
}

/// In which order notices of one story are told: as it happened. What follows from something has its time, and is told after
/// it: an order comes first, and thanks and money last.
pub fn rank(notice: &Notice) -> (Millis, u8) {
    let within = match notice.topic {
        Topic::PendingPayment { .. } | Topic::Placed { .. } | Topic::NewOrder { .. } => 0,
        Topic::Refunded { .. } | Topic::Thanks { .. } => 2,
        _ => 1,
    };
    (notice.at_ms, within)
}

/// The answers to a change, which have the time of their question in their key.
const ANSWERS: [&str; 2] = ["changed", "change_refused"];

/// The names of the notices after which this topic says nothing new.
fn later_than(topic: &Topic) -> &'static [&'static str] {
    static LATER: [&str; 9] =
        ["changed", "change_refused", "cooking", "cooked", "delivered", "completed", "cancelled", "rejected", "cancel_refused"];
    match topic {
        // Whoever hears after the order has gone to the store that it waits for its payment believes that it is not paid.
        Topic::PendingPayment { .. } => &["placed", "payment_failed", "cancelled"],
        Topic::ChangeRequested { .. } => &LATER[..8],
        Topic::Accepted { .. } => &LATER[2..8],
        Topic::Cooking {} | Topic::Delayed { .. } | Topic::Overdue {} => &LATER[3..8],
        Topic::Cooked {} | Topic::Picked {} | Topic::Released {} => &LATER[4..7],
        Topic::CancelRequested {} => &LATER[4..],
        _ => &[],
    }
}
