//! What is news: progress that something later has overtaken is not worth telling any more.

use shared::{Millis, notice::Topic};
use std::time::Duration;

/// What happened so lately is told, whatever has happened since: people read one after the other.
pub const FRESH_MS: Millis = 5_000;
/// How long it is kept back that an order waits for its payment. Nearly all are paid within the second that placing them
/// waits for that: two texts at once, in whichever order they arrive, would leave their reader in doubt.
pub const KEPT_BACK: Duration = Duration::from_secs(2);
/// Progress older than this is not news.
pub const STALE_MS: Millis = 10 * 60 * 1000;

/// How long a notice is kept back before it is told, if it is.
pub fn kept_back(topic: &Topic) -> Option<Duration> {
    matches!(topic, Topic::PendingPayment { .. }).then_some(KEPT_BACK)
}

/// The names of the notices of the same order, to the same reader, after which this topic says nothing new.
pub fn overtaken_by(topic: &Topic) -> &'static [&'static str] {
    static ENDS: [&str; 7] = ["cooking", "cooked", "delivered", "completed", "cancelled", "rejected", "cancel_refused"];
    match topic {
        // Whoever hears after the order has gone to the store that it waits for its payment believes that it is not paid.
        Topic::PendingPayment { .. } => &["placed", "payment_failed", "cancelled"],
        Topic::Accepted { .. } | Topic::ChangeRequested { .. } => &ENDS[..6],
        Topic::Cooking {} | Topic::Delayed { .. } | Topic::Overdue {} => &ENDS[1..5],
        Topic::Cooked {} | Topic::Picked {} | Topic::Released {} => &ENDS[2..5],
        Topic::CancelRequested {} => &ENDS[2..],
        _ => &[],
    }
}
