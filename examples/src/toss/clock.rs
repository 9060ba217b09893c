//! Time that can be moved forward, so that what expires in half an hour can be seen at once.

use std::{
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::SystemTime,
};

/// The machine's clock, and how far ahead of it this one is.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(self.ahead_ms.load(Relaxed))
    }

    /// Moves it forward.
    pub fn advance(&self, ms: u32) {
        self.ahead_ms.fetch_add(i64::from(ms), Relaxed);
    }
}
