//! Histograms, and what counting costs.

use super::*;

#[test]
fn a_value_is_counted_once_where_it_belongs() {
    let histogram = Histogram::new(&SHARED);
    [1, 2, 3, 256, 257].into_iter().for_each(|value| histogram.observe(value));
    assert_eq!(histogram.count(), 5);
    let mut page = Page::default();
    histogram.write(&mut page, "x", "a=\"b\"", 1.0);
    let lines: Vec<&str> = page.0.lines().collect();
    let expected = [("1", 1), ("2", 2), ("4", 3), ("8", 3), ("16", 3), ("64", 3), ("128", 3), ("256", 4), ("+Inf", 5)];
    for (line, (bound, count)) in lines.iter().zip(expected) {
        assert_eq!(*line, format!("x_bucket{{a=\"b\",le=\"{bound}\"}} {count}"));
    }
    assert_eq!(lines[9..], ["x_sum{a=\"b\"} 519", "x_count{a=\"b\"} 5"]);
}

#[test]
fn the_oldest_wait_is_told_by_status() {
    let deadlines = Deadlines::default();
    assert_eq!(since("answer", deadlines.answer_ms + 7, &deadlines), Some(("placed", 7)));
    assert_eq!(since("widen", 7, &deadlines), None);
    // A word that no deadline has would never be found.
    assert!(WAITS.iter().all(|(deadline, status)| since(deadline.name(), 0, &deadlines).is_some_and(|(found, _)| found == *status)));
}

#[test]
fn counting_costs_next_to_nothing() {
    // The bound is for a quiet machine with optimised code; a loaded one may take ten times as long, a lock far longer.
    const MANY: u32 = 1_000_000;
    let meter = Meter::default();
    let began = std::time::Instant::now();
    (0..MANY).for_each(|n| meter.commanded(Duration::from_micros(u64::from(n % 20_000))));
    let each = began.elapsed() / MANY;
    assert!(each < Duration::from_nanos(1_000), "{each:?}");
    assert_eq!(meter.commands.count(), u64::from(MANY));
}
