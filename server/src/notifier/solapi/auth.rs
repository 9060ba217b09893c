//! The `Authorization` header: `HMAC-SHA256 apiKey=…, date=…, salt=…, signature=…`. SOLAPI refuses a signature that it has
//! seen within 15 minutes (`DuplicatedSignature`), so that every request has a salt of its own; the body is not signed.

use crate::traces::span::hex;
use aws_lc_rs::hmac;
use shared::Millis;

/// The hexadecimal HMAC-SHA256 of date and salt.
pub fn signature(secret: &str, date: &str, salt: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, format!("{date}{salt}").as_bytes()).as_ref())
}

/// The header's value; `None` for a time that is none.
pub fn header(key: &str, secret: &str, now_ms: Millis, salt: &str) -> Option<String> {
    let date = jiff::Timestamp::from_millisecond(now_ms).ok()?.to_string();
    let signature = signature(secret, &date, salt);
    Some(format!("HMAC-SHA256 apiKey={key}, date={date}, salt={salt}, signature={signature}"))
}
