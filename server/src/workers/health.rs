//! Asks how the payment provider is while its breaker lets nothing through, so that nobody who waits for money waits for the
//! end of a long pause as well.

use super::till::Till;
use std::time::Duration;
use tokio::time::sleep;

/// From an opening, or a check that went wrong, to the next check: about as many calls as a quiet evening has.
const PAUSE: Duration = Duration::from_secs(1);
/// From a good check to the next. A check that hangs for its second, a pause and twelve good ones together are four seconds:
/// whoever is well again is found to be so within five.
const SOON: Duration = Duration::from_millis(150);

/// Goes on for ever.
pub(super) async fn watch(till: &Till) {
    let mut changes = till.changes();
    loop {
        let mut pause = PAUSE;
        while till.wants_check() {
            sleep(pause).await;
            // The time may be over meanwhile: then a payment finds out.
            if !till.wants_check() {
                break;
            }
            pause = if till.check().await { SOON } else { PAUSE };
        }
        // The till itself holds the other end.
        if changes.changed().await.is_err() {
            return;
        }
    }
}
