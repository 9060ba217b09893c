//! Errors that somebody could make, made on purpose: a simulation that does not find them proves nothing.

use super::{SEEDS, run, story::Story};
use domain::fault::{Fault, plant};

/// Takes the error out again, also when a test fails.
struct Planted;

impl Drop for Planted {
    fn drop(&mut self) {
        plant(None);
    }
}

/// The runs with this error break a promise before the seeds run out.
fn check(fault: Fault) {
    let _planted = Planted;
    plant(Some(fault));
    let found = (0..SEEDS).find_map(|seed| run(seed, Story::Silent).0.err().map(|broken| (seed, broken)));
    let (seed, broken) = found.unwrap_or_else(|| panic!("{fault:?} was not found in {SEEDS} seeds"));
    println!("{fault:?} is found at seed {seed}: {broken}");
}

#[test]
fn a_forgotten_early_undo_is_found() {
    check(Fault::ForgetEarlyUndo);
}

#[test]
fn an_order_that_cancels_itself_is_found() {
    check(Fault::OrderDecidesCancel);
}

#[test]
fn a_message_handled_twice_is_found() {
    check(Fault::DropDedupe);
}

#[test]
fn a_charge_under_a_new_key_is_found() {
    check(Fault::PayTwiceOnRetry);
}

#[test]
fn a_kitchen_that_counts_accepted_tickets_only_is_found() {
    check(Fault::SkipWaitingTickets);
}

#[test]
fn a_timer_that_stays_is_found() {
    check(Fault::TimerFiresTwice);
}

#[test]
fn no_fault_is_left_out() {
    // Each has its test above: a new fault does not compile here until it has one, too.
    for fault in Fault::ALL {
        match fault {
            Fault::ForgetEarlyUndo
            | Fault::OrderDecidesCancel
            | Fault::DropDedupe
            | Fault::PayTwiceOnRetry
            | Fault::SkipWaitingTickets
            | Fault::TimerFiresTwice => {}
        }
    }
}
