//! Planted faults: errors that somebody could make, compiled in by the feature `planted-faults` and switched on one at a
//! time by the simulation, which must find each of them. Without the feature every question answers no at compile time.

/// An error to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A withdrawal of a ticket that has not come yet is forgotten.
    ForgetEarlyUndo,
    /// The order cancels itself without asking the store.
    OrderDecidesCancel,
    /// A message that was handled before is handled again.
    DropDedupe,
    /// A repeated charge goes out under a new key.
    PayTwiceOnRetry,
    /// Tickets that wait for an answer do not count against the capacity.
    SkipWaitingTickets,
    /// A timer stays after it fired.
    TimerFiresTwice,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 6] = [
        Fault::ForgetEarlyUndo,
        Fault::OrderDecidesCancel,
        Fault::DropDedupe,
        Fault::PayTwiceOnRetry,
        Fault::SkipWaitingTickets,
        Fault::TimerFiresTwice,
    ];
}

#[cfg(feature = "planted-faults")]
mod switch {
    use super::Fault;
    use std::cell::Cell;

    thread_local! { static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) }; }

    /// Switches one fault on for this thread, or all off.
    pub fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
    }

    /// True when this fault is on.
    pub fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }
}

#[cfg(feature = "planted-faults")]
pub use switch::{plant, planted};

/// True when this fault is on: never, without the feature.
#[cfg(not(feature = "planted-faults"))]
pub const fn planted(_: Fault) -> bool {
    false
}
