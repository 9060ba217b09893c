//! Who asks: the signature, its age, and whether it was used before.

use super::{Answer, error};
use aws_lc_rs::hmac;
use std::collections::HashMap;

/// A signature is believed for so long, and so long remembered, in milliseconds: 15 minutes either way.
pub const SKEW_MS: i64 = 15 * 60 * 1000;
/// How long a salt may be, in bytes.
const SALT: std::ops::RangeInclusive<usize> = 12..=64;

/// Signatures that were used, and until when each is remembered.
pub type Seen = HashMap<String, i64>;

/// Checks an `Authorization` header.
///
/// # Errors
/// The answer that SOLAPI gives.
pub fn check(header: Option<&str>, key: &str, secret: &str, now_ms: i64, seen: &mut Seen) -> Result<(), Answer> {
    let fields: HashMap<&str, &str> = header
        .and_then(|text| text.strip_prefix("HMAC-SHA256 "))
        .map(|text| text.split(',').filter_map(|field| field.trim().split_once('=')).collect())
        .unwrap_or_default();
    let field = |name: &str| fields.get(name).copied().ok_or_else(|| error(403, "InvalidAPIKey", "유효하지 않은 인증 정보입니다."));
    let (api_key, date, salt, signature) = (field("apiKey")?, field("date")?, field("salt")?, field("signature")?);
    if api_key != key {
        return Err(error(403, "InvalidAPIKey", "유효하지 않은 API Key입니다."));
    }
    let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), format!("{date}{salt}").as_bytes());
    let wanted: String = signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if !SALT.contains(&salt.len()) || wanted != signature {
        return Err(error(403, "SignatureDoesNotMatch", "생성한 Signature와 일치하지 않습니다."));
    }
    let at_ms = date.parse::<jiff::Timestamp>().map_or(i64::MIN, jiff::Timestamp::as_millisecond);
    if now_ms.abs_diff(at_ms) > SKEW_MS.unsigned_abs() {
        return Err(error(403, "RequestTimeTooSkewed", "요청 시간이 서버 시간과 15분 이상 차이납니다."));
    }
    if seen.insert(signature.to_owned(), now_ms + SKEW_MS).is_some_and(|until_ms| until_ms > now_ms) {
        return Err(error(403, "DuplicatedSignature", "같은 Signature가 15분 안에 다시 쓰였습니다."));
    }
    Ok(())
}
