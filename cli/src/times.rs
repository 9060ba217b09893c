//! Times as people read them, on Korean clocks. Machines get the milliseconds untouched.

use jiff::{
    Timestamp,
    civil::Date,
    tz::{self, TimeZone},
};
use shared::{Lang, Millis};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;

/// Now.
pub fn now_ms() -> Millis {
    Timestamp::now().as_millisecond()
}

fn seoul(at_ms: Millis) -> Option<jiff::Zoned> {
    Some(Timestamp::from_millisecond(at_ms).ok()?.to_zoned(TimeZone::fixed(tz::offset(9))))
}

/// `19:42:05`.
pub fn clock(at_ms: Millis) -> String {
    seoul(at_ms).map_or_else(|| "-".into(), |t| t.strftime("%H:%M:%S").to_string())
}

/// `19:42`, for what is expected or announced.
pub fn minute(at_ms: Millis) -> String {
    seoul(at_ms).map_or_else(|| "-".into(), |t| t.strftime("%H:%M").to_string())
}

/// `2026-11-21 19:42:05`.
pub fn full(at_ms: Millis) -> String {
    seoul(at_ms).map_or_else(|| "-".into(), |t| t.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// How long ago, as long as that is easier to read than a date.
pub fn ago(at_ms: Millis, now_ms: Millis, lang: Lang) -> String {
    match now_ms - at_ms {
        past if past < MINUTE => lang.pick("방금", "now").into(),
        past if past < HOUR => lang.pick(format!("{}분 전", past / MINUTE), format!("{} min ago", past / MINUTE)),
        past if past < 24 * HOUR => lang.pick(format!("{}시간 전", past / HOUR), format!("{} h ago", past / HOUR)),
        _ => seoul(at_ms).map_or_else(|| "-".into(), |t| t.strftime("%m-%d %H:%M").to_string()),
    }
}

/// A day of the Korean calendar, counted from 1970-01-01.
pub fn day(days: i64) -> String {
    jiff::Span::new()
        .try_days(days)
        .ok()
        .and_then(|span| Date::constant(1970, 1, 1).checked_add(span).ok())
        .map_or_else(|| "-".into(), |d| d.to_string())
}

/// `11:00` from minutes of the day.
pub fn of_day(minutes: u32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_korean() {
        assert_eq!((clock(0).as_str(), full(1_763_722_925_000).as_str()), ("09:00:00", "2025-11-21 20:02:05"));
        assert_eq!((day(0).as_str(), day(20_413).as_str()), ("1970-01-01", "2025-11-21"));
        assert_eq!((clock(i64::MAX).as_str(), day(i64::MAX).as_str(), of_day(150).as_str()), ("-", "-", "02:30"));
    }

    #[test]
    fn the_past_is_told_shortly() {
        let now = 1_763_722_925_000;
        let told: Vec<String> = [0, 5 * MINUTE, 3 * HOUR, 48 * HOUR].iter().map(|past| ago(now - past, now, Lang::Ko)).collect();
        assert_eq!(told, ["방금", "5분 전", "3시간 전", "11-19 20:02"]);
        assert_eq!(ago(now + 1, now, Lang::En), "now");
    }
}
