//! What people type on the command line, read into the words of `shared`. Every parser says what it wants, as a pair
//! `한국어 | English`, because a parser does not know its reader; [`say`] chooses the half.

use shared::{
    Contact, Count, Lang, OrderId, Point, Text,
    id::LETTERS,
    order::{Status, Wish},
    sealed::Phone,
    store::{Choice, Hours},
};
use std::time::Duration;

/// Fewer letters of an id are too easily meant for another one.
pub const MIN_PREFIX: usize = 4;

/// The reader's half of a pair; a text that is none speaks for itself.
pub fn say(pair: &str, lang: Lang) -> &str {
    pair.split_once(" | ").map_or(pair, |(ko, en)| lang.pick(ko, en).trim())
}

/// `후라이드`, `후라이드=2`, `양념=1:순살,치즈` or `양념:순살`.
pub fn wish(text: &str) -> Result<Wish, String> {
    let form = "예: '후라이드=2', '양념=1:순살,치즈' | NAME[=COUNT][:OPTION,OPTION], such as 'Fried=2'";
    let (head, options) = text.split_once(':').map_or((text, ""), |(head, options)| (head, options));
    let (item, quantity) = match head.split_once('=') {
        Some((item, quantity)) => (item, count::<1, 99>(quantity.trim())?),
        None => (head, count::<1, 99>("1")?),
    };
    let item = Text::new(item).map_err(|_| form)?;
    let options = options.split(',').map(str::trim).filter(|o| !o.is_empty()).map(self::text).collect::<Result<_, _>>()?;
    Ok(Wish { item, quantity, options })
}

/// `37.5,127.03`.
pub fn point(text: &str) -> Result<Point, String> {
    let form = "위도,경도로 써 주세요. 예: 37.4979,127.0276 | LAT,LNG in degrees is wanted, such as 37.4979,127.0276";
    let (lat, lng) = text.split_once(',').ok_or(form)?;
    let degrees = |part: &str| part.trim().parse::<f64>().map_err(|_| form.to_owned());
    Point::new(degrees(lat)?, degrees(lng)?).ok_or_else(|| form.into())
}

/// `90`, `90s`, `45m`, `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let form = || "30s, 45m, 1h30m처럼 써 주세요 | a time such as 30s, 45m or 1h30m is wanted".to_owned();
    let (mut seconds, mut number) = (0u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(form()),
        };
        let count: u64 = number.parse().map_err(|_| form())?;
        seconds = count.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(form)?;
        number.clear();
    }
    if !number.is_empty() {
        seconds += number.parse::<u64>().map_err(|_| form()).and_then(|n| if n < 1 << 40 { Ok(n) } else { Err(form()) })?;
    }
    if seconds == 0 { Err(form()) } else { Ok(Duration::from_secs(seconds)) }
}

/// `11:00-23:30`; a closing time before the opening time is on the next day.
pub fn hours(text: &str) -> Result<Hours, String> {
    let form = "11:00-23:30처럼 써 주세요 | hours such as 11:00-23:30 are wanted";
    let minute = |part: &str| -> Result<Count<0, 1439>, String> {
        let (hour, minute) = part.trim().split_once(':').ok_or(form)?;
        let (hour, minute): (u32, u32) = (hour.parse().map_err(|_| form)?, minute.parse().map_err(|_| form)?);
        if hour > 23 || minute > 59 {
            return Err(form.into());
        }
        Count::new(hour * 60 + minute).ok_or_else(|| form.into())
    };
    let (from, to) = text.split_once('-').ok_or(form)?;
    Ok(Hours { from_minute: minute(from)?, to_minute: minute(to)? })
}

/// `치즈=1000`: an option of a dish with its price.
pub fn choice(text: &str) -> Result<Choice, String> {
    let form = "'치즈=1000'처럼 써 주세요 | OPTION=WON is wanted, such as 'cheese=1000'";
    let (name, price) = text.rsplit_once('=').ok_or(form)?;
    Ok(Choice { name: self::text(name)?, price: count(price.trim())? })
}

/// A number within the limits of its type.
pub fn count<const MIN: u32, const MAX: u32>(text: &str) -> Result<Count<MIN, MAX>, String> {
    let number = text.replace(',', "").parse().ok().and_then(Count::new);
    number.ok_or_else(|| format!("{MIN}에서 {MAX}까지의 숫자를 써 주세요 | a whole number from {MIN} to {MAX} is wanted"))
}

/// A text within the limit of its type.
pub fn text<const MAX: usize>(text: &str) -> Result<Text<MAX>, String> {
    Text::new(text).map_err(|e| format!("1자에서 {MAX}자까지 한 줄로 써 주세요 | {e}"))
}

/// A phone number.
pub fn phone(text: &str) -> Result<Phone, String> {
    Phone::new(text).map_err(|e| format!("010-1234-5678처럼 써 주세요 | {e}"))
}

/// A status by its code or by what people read.
pub fn status(text: &str) -> Result<Status, String> {
    let wanted = text.trim().to_lowercase().replace(['-', ' '], "_");
    let all = Status::ALL;
    let found = all.into_iter().find(|s| s.code() == wanted || s.label(shared::Lang::Ko) == text.trim());
    found.ok_or_else(|| {
        let codes = all.map(Status::code).join(", ");
        format!("이 중에서 써 주세요: {codes} | one of these is wanted: {codes}")
    })
}

/// Which order somebody means.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderArg {
    /// Its whole id.
    Id(OrderId),
    /// The beginning of its id, without `ord_`.
    Prefix(String),
    /// The newest one.
    Last,
}

/// An order's id, its beginning, or `last`.
pub fn order(text: &str) -> Result<OrderArg, String> {
    if text == "last" {
        return Ok(OrderArg::Last);
    }
    let lower = text.trim().to_ascii_lowercase();
    let letters = lower.strip_prefix(OrderId::PREFIX).unwrap_or(&lower);
    if let Some(id) = OrderId::parse(&format!("{}{letters}", OrderId::PREFIX)) {
        return Ok(OrderArg::Id(id));
    }
    if !(MIN_PREFIX..LETTERS).contains(&letters.len()) || !letters.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(format!(
            "주문 번호, 앞 {MIN_PREFIX}글자 이상, 또는 last를 써 주세요 | an order id, its first {MIN_PREFIX} letters or more, or 'last' is wanted"
        ));
    }
    Ok(OrderArg::Prefix(letters.into()))
}

/// Puts a contact together; what is missing comes from `known`.
pub fn contact(
    known: Option<Contact>,
    phone: Option<Phone>,
    address: Option<Text<200>>,
    at: Option<Point>,
) -> Result<Contact, Vec<&'static str>> {
    let phone = phone.or_else(|| known.as_ref().map(|c| c.phone.clone()));
    let address = address.or_else(|| known.as_ref().map(|c| c.address.clone()));
    let at = at.or_else(|| known.as_ref().map(|c| c.at));
    match (phone, address, at) {
        (Some(phone), Some(address), Some(at)) => Ok(Contact { phone, address, at }),
        (phone, address, at) => {
            let missing = [(phone.is_none(), "--phone"), (address.is_none(), "--address"), (at.is_none(), "--at")];
            Err(missing.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, flag)| flag).collect())
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may end here")]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_with_count_and_options() {
        for (text, item, quantity, options) in [
            ("후라이드", "후라이드", 1, vec![]),
            ("후라이드=2", "후라이드", 2, vec![]),
            (" 양념 = 1 : 순살, 치즈 ", "양념", 1, vec!["순살", "치즈"]),
            ("양념:순살", "양념", 1, vec!["순살"]),
        ] {
            let wish = wish(text).unwrap();
            assert_eq!((&*wish.item, wish.quantity.get()), (item, quantity), "{text}");
            assert_eq!(wish.options.iter().map(|o| &**o).collect::<Vec<_>>(), options, "{text}");
        }
        for bad in ["", "=2", "콜라=0", "콜라=100", "콜라=x", "콜라="] {
            assert!(wish(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_complaint_is_a_pair() {
        let complaints = [
            wish("=1").unwrap_err(),
            wish("콜라=0").unwrap_err(),
            wish("콜라:\u{0}").unwrap_err(),
            point("x").unwrap_err(),
            duration("x").unwrap_err(),
            hours("x").unwrap_err(),
            choice("x").unwrap_err(),
            choice("x=y").unwrap_err(),
            phone("1").unwrap_err(),
            status("x").unwrap_err(),
            order("x").unwrap_err(),
            text::<5>("").unwrap_err(),
        ];
        for complaint in complaints {
            assert_ne!(say(&complaint, Lang::Ko), say(&complaint, Lang::En), "{complaint}");
        }
    }

    #[test]
    fn places_have_limits() {
        assert_eq!(point("37.5, 127.03"), Ok(Point { lat: 37.5, lng: 127.03 }));
        for bad in ["", "37.5", "91,0", "0,181", "a,b", "NaN,1", "inf,0"] {
            assert!(point(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_add_up() {
        for (text, seconds) in [("90", 90), ("30s", 30), ("45m", 2700), ("1h30m", 5400), ("1m5", 65)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "0", "m", "5d", "-1", "1.5h", "99999999999999999999s", "99999999999999999999"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hours_are_minutes_of_the_day() {
        let open = hours("11:00-02:30").unwrap();
        assert_eq!((open.from_minute.get(), open.to_minute.get()), (660, 150));
        for bad in ["", "11-23", "24:00-25:00", "11:60-12:00", "11:00"] {
            assert!(hours(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_order_is_named_by_id_beginning_or_last() {
        let id = OrderId::parse("ord_0123456789abcdef").unwrap();
        assert_eq!(order("ord_0123456789abcdef"), Ok(OrderArg::Id(id)));
        assert_eq!(order("0123456789ABCDEF"), Ok(OrderArg::Id(id)));
        assert_eq!(order("ord_0123"), Ok(OrderArg::Prefix("0123".into())));
        assert_eq!(order("last"), Ok(OrderArg::Last));
        for bad in ["", "ord_012", "012", "ord_", "0123456789abcdefg", "주문번호", "sto_0123456789abcdef"] {
            assert!(order(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_is_named_by_code_or_label() {
        assert_eq!(status("배달완료"), Ok(Status::Delivered));
        assert_eq!(status("Payment-Failed"), Ok(Status::PaymentFailed));
        assert!(status("done").is_err());
    }

    #[test]
    fn a_contact_says_what_is_missing() {
        assert_eq!(contact(None, Some(Phone::new("010-1234-5678").unwrap()), None, None).unwrap_err(), ["--address", "--at"]);
    }
}
