//! What is news: progress that something later has overtaken is not worth telling any more.

use shared::{Millis, notice::Topic};

/// What happened so lately is told, whatever has happened since: people read one after the other.
pub const FRESH_MS: Millis = 5_000;
/// How long it is kept back that an order waits for its payment. Nearly all are paid within the second that placing them
/// waits for that: two texts at once, in whichever order they arrive, would leave their reader in doubt.
pub const KEPT_BACK_MS: Millis = 2_000;
/// Progress older than this is not news.
pub const STALE_MS: Millis = 10 * 60 * 1000;

/// How old a notice must be before it is told.
pub fn kept_back_ms(topic: &Topic) -> Millis {
    if matches!(topic, Topic::PendingPayment { .. }) { KEPT_BACK_MS } else { 0 }
}

/// How old a notice must be to be left out for something later.
pub fn fresh_ms(topic: &Topic) -> Millis {
    if kept_back_ms(topic) > 0 { 0 } else { FRESH_MS }
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
