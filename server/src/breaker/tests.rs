//! Tables for the paths that people care about, and long random walks for what must always hold.

use super::{Breaker, Config, Forced, Refused, State};

/// `calls` calls at one moment, of which `failed` fail and `slow` are slow.
fn calls(breaker: &mut Breaker, now: u64, calls: u32, failed: u32, slow: u32) {
    for n in 0..calls {
        let Ok(permit) = breaker.admit(now) else { return };
        let took = if n < slow { 1_001 } else { 1_000 };
        breaker.done(permit, n < failed, took, now, 0);
    }
}

#[test]
fn it_opens_at_half_of_at_least_twenty() {
    for (all, failed, slow, open) in [
        (19, 19, 0, false),
        (20, 9, 0, false),
        (20, 10, 0, true),
        (20, 20, 0, true),
        (100, 0, 49, false),
        (20, 0, 9, false),
        (20, 0, 10, true),
    ] {
        let mut breaker = Breaker::new(Config::default());
        // Good ones first, so that the share is reached by the last call and not by chance on the way.
        calls(&mut breaker, 0, all - failed.max(slow), 0, 0);
        calls(&mut breaker, 0, failed.max(slow), failed, slow);
        assert_eq!(breaker.state(0) == State::Open, open, "{all} calls, {failed} failed, {slow} slow");
    }
}

#[test]
fn calls_are_forgotten_after_the_window() {
    let mut breaker = Breaker::new(Config::default());
    calls(&mut breaker, 500, 19, 19, 0);
    calls(&mut breaker, 10_500, 19, 19, 0);
    assert_eq!(breaker.state(10_500), State::Closed);
    calls(&mut breaker, 19_999, 1, 1, 0);
    assert_eq!(breaker.state(19_999), State::Open);
}

#[test]
fn it_probes_and_closes_or_waits_longer_each_time() {
    let config = Config { jitter_percent: 0, ..Config::default() };
    let mut breaker = Breaker::new(config);
    calls(&mut breaker, 0, 20, 20, 0);
    let mut now = 0;
    for wait in [5_000, 10_000, 20_000, 30_000, 30_000] {
        assert_eq!(breaker.admit(now).unwrap_err(), Refused { retry_ms: wait });
        assert_eq!(breaker.admit(now + wait - 1).unwrap_err(), Refused { retry_ms: 1 });
        now += wait;
        assert_eq!(breaker.state(now), State::HalfOpen);
        let permit = breaker.admit(now).unwrap();
        breaker.done(permit, true, 1, now, 0);
        assert_eq!(breaker.state(now), State::Open);
    }
    now += 30_000;
    let probes: Vec<_> = (0..3).map(|_| breaker.admit(now).unwrap()).collect();
    assert!(breaker.admit(now).is_err(), "a fourth probe");
    probes.into_iter().for_each(|permit| breaker.done(permit, false, 1, now, 0));
    assert_eq!(breaker.state(now), State::Closed);
    // Closed again, it starts from the shortest wait.
    calls(&mut breaker, now, 20, 20, 0);
    assert_eq!(breaker.admit(now).unwrap_err(), Refused { retry_ms: 5_000 });
}

#[test]
fn a_slow_probe_is_no_good_probe_and_one_given_up_makes_room() {
    let mut breaker = Breaker::new(Config { jitter_percent: 0, ..Config::default() });
    calls(&mut breaker, 0, 20, 20, 0);
    let probes: Vec<_> = (0..3).map(|_| breaker.admit(5_000).unwrap()).collect();
    for permit in probes {
        breaker.cancel(permit);
    }
    let permit = breaker.admit(5_000).unwrap();
    breaker.done(permit, false, 1_001, 5_000, 0);
    assert_eq!(breaker.state(5_000), State::Open);
}

/// Health checks at one moment, all good or all bad.
fn checks(breaker: &mut Breaker, now: u64, count: u32, are_good: bool) {
    (0..count).for_each(|_| breaker.checked(are_good, now));
}

#[test]
fn good_checks_in_a_row_let_it_probe_before_its_time() {
    let mut breaker = Breaker::new(Config { jitter_percent: 0, ..Config::default() });
    assert!(!breaker.wants_check(0), "nothing is wrong");
    calls(&mut breaker, 0, 20, 20, 0);
    assert!(breaker.wants_check(0));
    checks(&mut breaker, 10, 11, true);
    checks(&mut breaker, 10, 1, false);
    checks(&mut breaker, 10, 11, true);
    assert_eq!(breaker.state(10), State::Open, "twelve, but not in a row");
    checks(&mut breaker, 10, 1, true);
    assert_eq!((breaker.state(10), breaker.shut_ms(10), breaker.wants_check(10)), (State::HalfOpen, None, false));
    let probes: Vec<_> = (0..3).map(|_| breaker.admit(10).unwrap()).collect();
    assert!(breaker.admit(10).is_err(), "a fourth probe");
    probes.into_iter().for_each(|permit| breaker.done(permit, false, 1, 10, 0));
    assert_eq!(breaker.state(10), State::Closed);
    // Checks that arrive late change nothing.
    checks(&mut breaker, 10, 100, true);
    assert_eq!(breaker.state(10), State::Closed);
}

#[test]
fn checks_that_were_wrong_are_not_believed_the_next_time() {
    let mut breaker = Breaker::new(Config { jitter_percent: 0, ..Config::default() });
    calls(&mut breaker, 0, 20, 20, 0);
    checks(&mut breaker, 1_000, 12, true);
    let permit = breaker.admit(1_000).unwrap();
    breaker.done(permit, true, 1, 1_000, 0);
    assert_eq!((breaker.shut_ms(1_000), breaker.wants_check(1_000)), (Some(10_000), false));
    checks(&mut breaker, 1_000, 100, true);
    assert_eq!(breaker.admit(10_999).unwrap_err(), Refused { retry_ms: 1 });
    // Its time is over, the probe was bad again: now they may be right.
    let permit = breaker.admit(11_000).unwrap();
    breaker.done(permit, true, 1, 11_000, 0);
    assert!(breaker.wants_check(11_000));
    checks(&mut breaker, 11_000, 12, true);
    assert_eq!(breaker.state(11_000), State::HalfOpen);
}

#[test]
fn checks_have_no_say_against_an_operator() {
    let mut breaker = Breaker::new(Config::default());
    breaker.force(Some(Forced { open: true, reason: "a drill".into() }));
    assert!(!breaker.wants_check(0));
    checks(&mut breaker, 0, 100, true);
    assert_eq!(breaker.state(0), State::ForcedOpen);
}

#[test]
fn calls_of_an_earlier_state_say_nothing() {
    let mut breaker = Breaker::new(Config { jitter_percent: 0, ..Config::default() });
    let late: Vec<_> = (0..5).map(|_| breaker.admit(0).unwrap()).collect();
    calls(&mut breaker, 0, 20, 20, 0);
    let probe = breaker.admit(5_000).unwrap();
    for permit in late {
        breaker.done(permit, true, 1, 5_000, 0);
    }
    assert_eq!(breaker.state(5_000), State::HalfOpen);
    breaker.done(probe, false, 1, 5_000, 0);
}

#[test]
fn an_operator_is_obeyed() {
    let mut breaker = Breaker::new(Config::default());
    breaker.force(Some(Forced { open: true, reason: "the disk is being changed".into() }));
    assert!(breaker.admit(0).is_err());
    assert_eq!(breaker.state(u64::MAX), State::ForcedOpen);
    breaker.force(Some(Forced { open: false, reason: "a false alarm".into() }));
    calls(&mut breaker, 0, 1_000, 1_000, 0);
    assert_eq!((breaker.state(0), breaker.forced().unwrap().reason.as_str()), (State::ForcedClosed, "a false alarm"));
    breaker.force(None);
    assert_eq!(breaker.state(0), State::Closed);
}

/// xorshift64*: the walks are the same on every machine.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

#[test]
fn whatever_happens_it_neither_sticks_nor_floods() {
    for start in 1..=200u64 {
        let (mut seed, mut now, mut out) = (start, 0, vec![]);
        let config = Config::default();
        let mut breaker = Breaker::new(config.clone());
        for _ in 0..2_000 {
            now += next(&mut seed) % 800;
            let half_open = breaker.state(now) == State::HalfOpen;
            match breaker.admit(now) {
                Ok(permit) => out.push(permit),
                Err(refused) => assert!(refused.retry_ms >= 1 && refused.retry_ms <= config.max_open_ms, "{refused:?}"),
            }
            if half_open && let super::Phase::HalfOpen { out, good, .. } = &breaker.phase {
                assert!(*out + *good <= config.probes);
            }
            if next(&mut seed).is_multiple_of(8) {
                checks(&mut breaker, now, 8, true);
            }
            let (which, fate) = (next(&mut seed), next(&mut seed));
            if !out.is_empty() && !fate.is_multiple_of(3) {
                let permit = out.swap_remove(which as usize % out.len());
                let random = next(&mut seed);
                match fate % 5 {
                    0 => breaker.cancel(permit),
                    n => breaker.done(permit, n < 3, next(&mut seed) % 2_000, now, random),
                }
            }
        }
        // All that is out comes back, time passes, everything is good: it closes.
        out.into_iter().for_each(|permit| breaker.cancel(permit));
        now += config.max_open_ms;
        for _ in 0..config.probes {
            if let Ok(permit) = breaker.admit(now) {
                breaker.done(permit, false, 1, now, 0);
            }
        }
        assert_eq!(breaker.state(now), State::Closed, "seed {start}");
    }
}

#[test]
fn a_call_that_is_late_counts_once_and_at_once() {
    let mut breaker = Breaker::new(Config::default());
    let mut permits: Vec<_> = (0..30).map(|_| breaker.admit(0).unwrap()).collect();
    for (n, permit) in permits.iter_mut().enumerate() {
        assert_eq!(breaker.state(1_000), if n < 20 { State::Closed } else { State::Open }, "{n} are late");
        breaker.late(permit, 1_000, 0);
        breaker.late(permit, 1_000, 0);
    }
    // Two in five hang and one in ten fails: only together are they too many, and only when the last one is given up.
    let mut breaker = Breaker::new(Config::default());
    calls(&mut breaker, 0, 12, 2, 0);
    for n in 0..8 {
        let mut permit = breaker.admit(0).unwrap();
        breaker.late(&mut permit, 1_000, 0);
        assert_eq!(breaker.state(1_000), State::Closed);
        breaker.done(permit, true, 3_000, 1_000, 0);
        assert_eq!(breaker.state(1_000) == State::Open, n == 7, "{n}");
    }
    // A probe that is late is no good one, and nobody waits for its end.
    let mut probe = breaker.admit(9_000).unwrap();
    breaker.late(&mut probe, 10_001, 0);
    assert_eq!(breaker.state(10_001), State::Open);
}

#[test]
fn how_long_it_is_shut_is_what_the_next_call_would_hear() {
    let mut breaker = Breaker::new(Config { jitter_percent: 0, ..Config::default() });
    assert_eq!(breaker.shut_ms(0), None);
    calls(&mut breaker, 0, 20, 20, 0);
    assert_eq!((breaker.shut_ms(0), breaker.shut_ms(4_999), breaker.shut_ms(5_000)), (Some(5_000), Some(1), None));
    let probes: Vec<_> = (0..3).map(|_| breaker.admit(5_000).unwrap()).collect();
    assert_eq!(breaker.shut_ms(5_000), Some(1_000));
    probes.into_iter().for_each(|permit| breaker.done(permit, false, 1, 5_000, 0));
    assert_eq!(breaker.shut_ms(5_000), None);
    calls(&mut breaker, 5_000, 7, 2, 1);
    assert_eq!(breaker.counts(5_000), super::Counts { calls: 7, failed: 2, slow: 1 });
    breaker.force(Some(Forced { open: true, reason: "x".into() }));
    assert!(breaker.shut_ms(5_000).is_some());
}
