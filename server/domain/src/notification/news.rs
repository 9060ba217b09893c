//! What is news: progress that something later has overtaken is not worth telling any more.

use shared::{Millis, notice::Topic};
use std::time::Duration;

/// What happened so lately is told, whatever has happened since: people read one after the other.
pub const FRESH_MS: Millis = 5_000;
/// How long it is kept back that something is waited for. Nearly all is answered within the second that whoever asks waits
/// for that: two texts at once, in whichever order they arrive, would leave their reader in doubt.
pub const KEPT_BACK: Duration = Duration::from_secs(2);
/// Progress older than this is not news.
pub const STALE_MS: Millis = 10 * 60 * 1000;

/// How long a notice is kept back before it is told, if it is.
pub fn kept_back(topic: &Topic) -> Option<Duration> {
    use Topic::{CancelRequested, ChangeRequested, PendingPayment};
    matches!(topic, PendingPayment { .. } | CancelRequested {} | ChangeRequested { .. }).then_some(KEPT_BACK)
}

/// Whether something later may make a topic old.
pub fn can_be_overtaken(topic: &Topic) -> bool {
    !overtaken_by(topic).is_empty()
}

/// Whether a notice of this key says nothing new any more, after notices of these keys.
pub fn is_overtaken<'a>(topic: &Topic, key: &str, later: impl IntoIterator<Item = &'a str>) -> bool {
    let (by, about) = (overtaken_by(topic), about(key));
    later.into_iter().any(|later| self::about(later) == about && by.contains(&name(later)))
}

/// The names of the notices of the same order, to the same reader, after which this topic says nothing new.
fn overtaken_by(topic: &Topic) -> &'static [&'static str] {
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

/// The order and the reader of a key, as the policy writes it: `ORDER.READER.NAME.CHANNEL`.
fn about(key: &str) -> Option<(&str, &str)> {
    let mut parts = key.split('.');
    Some((parts.next()?, parts.next()?))
}

/// The name in a key. What an order may hear more than once has its time after it.
fn name(key: &str) -> &str {
    let name = key.split('.').nth(2).unwrap_or_default();
    name.split_once('-').map_or(name, |(name, _)| name)
}
