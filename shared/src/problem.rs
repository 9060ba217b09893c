//! How the edge says no: RFC 9457 problems with a stable code, in the caller's language.

use crate::{Lang, Refusal};
use serde::{Deserialize, Serialize};

/// The media type of a problem (RFC 9457, section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Problem {
    /// A reference for the kind of problem: `urn:baemin:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status again.
    pub status: u16,
    /// The stable word for machines.
    pub code: String,
    /// What happened.
    pub title: String,
    /// Which part of the request, or which figure, when there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do next.
    pub hint: String,
}

/// What the edge itself refuses, before or instead of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// No token, or one that is not ours.
    Unauthenticated,
    /// The token's time is over, or it was taken back.
    TokenExpired,
    /// Name and password do not belong together.
    WrongPassword,
    /// Logged in, but not in a role for this.
    Forbidden,
    /// No such route, or no such thing.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// No media type that we speak.
    NotAcceptable,
    /// A body that is not JSON.
    UnsupportedMediaType,
    /// A body that cannot be read.
    InvalidBody,
    /// A parameter or header that cannot be read.
    InvalidParameter,
    /// A body beyond the limit.
    TooLarge,
    /// The account's name is somebody else's.
    NameTaken,
    /// The idempotency key came with another body before.
    KeyReused,
    /// The same key is being worked on.
    InFlight,
    /// Too many at once or in a row.
    TooManyRequests,
    /// Infrastructure is away or full; the request had no effect, or its key will tell.
    Unavailable,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 16] = {
        use Code::*;
        [
            Unauthenticated,
            TokenExpired,
            WrongPassword,
            Forbidden,
            NotFound,
            MethodNotAllowed,
            NotAcceptable,
            UnsupportedMediaType,
            InvalidBody,
            InvalidParameter,
            TooLarge,
            NameTaken,
            KeyReused,
            InFlight,
            TooManyRequests,
            Unavailable,
        ]
    };

    /// The status and the word.
    pub fn parts(self) -> (u16, &'static str) {
        match self {
            Code::Unauthenticated => (401, "unauthenticated"),
            Code::TokenExpired => (401, "token_expired"),
            Code::WrongPassword => (401, "wrong_password"),
            Code::Forbidden => (403, "forbidden"),
            Code::NotFound => (404, "not_found"),
            Code::MethodNotAllowed => (405, "method_not_allowed"),
            Code::NotAcceptable => (406, "not_acceptable"),
            Code::UnsupportedMediaType => (415, "unsupported_media_type"),
            Code::InvalidBody => (400, "invalid_body"),
            Code::InvalidParameter => (400, "invalid_parameter"),
            Code::TooLarge => (413, "too_large"),
            Code::NameTaken => (409, "name_taken"),
            Code::KeyReused => (422, "key_reused"),
            Code::InFlight => (409, "in_flight"),
            Code::TooManyRequests => (429, "too_many_requests"),
            Code::Unavailable => (503, "unavailable"),
        }
    }

    /// What happened, and what to do next.
    pub fn say(self, lang: Lang) -> (&'static str, &'static str) {
        let (ko, en) = match self {
            Code::Unauthenticated => {
                (("로그인이 필요해요", "로그인해 주세요: baemin login"), ("You are not logged in.", "Log in: baemin login"))
            }
            Code::TokenExpired => (
                ("로그인 시간이 지났어요", "다시 로그인해 주세요: baemin login"),
                ("Your login has expired.", "Refresh the token, or log in again: baemin login"),
            ),
            Code::WrongPassword => {
                (("이름이나 비밀번호가 맞지 않아요", "다시 확인해 주세요"), ("Name or password is wrong.", "Check both and try again."))
            }
            Code::Forbidden => (
                ("이 역할로는 할 수 없어요", "다른 프로필로 해 주세요: baemin profile use NAME"),
                ("Not in your role.", "Use another profile: baemin profile use NAME"),
            ),
            Code::NotFound => {
                (("찾을 수 없어요", "번호를 확인해 주세요"), ("There is no such thing here.", "Check the id; a list shows what is yours."))
            }
            Code::MethodNotAllowed => {
                (("그 방법으로는 할 수 없어요", "Allow 머리글을 확인해 주세요"), ("Not with this method.", "See the Allow header."))
            }
            Code::NotAcceptable => (
                ("요청한 형식으로는 답할 수 없어요", "application/hal+json으로 요청해 주세요"),
                ("None of the asked media types can be given.", "Ask for application/hal+json."),
            ),
            Code::UnsupportedMediaType => (
                ("JSON이 아니에요", "Content-Type: application/json으로 보내 주세요"),
                ("The body is not JSON.", "Send Content-Type: application/json."),
            ),
            Code::InvalidBody => (
                ("요청 내용을 읽을 수 없어요", "detail을 확인하고 고쳐 주세요"),
                ("The body cannot be read.", "Correct what the detail names."),
            ),
            Code::InvalidParameter => (
                ("요청 값을 읽을 수 없어요", "detail을 확인하고 고쳐 주세요"),
                ("A parameter cannot be read.", "Correct what the detail names."),
            ),
            Code::TooLarge => (("요청이 너무 커요", "64 KiB 아래로 줄여 주세요"), ("The body is too large.", "Stay below 64 KiB.")),
            Code::NameTaken => (("이미 쓰는 이름이에요", "다른 이름을 골라 주세요"), ("That name is taken.", "Choose another name.")),
            Code::KeyReused => (
                ("같은 키로 다른 요청을 보냈어요", "새 Idempotency-Key를 써 주세요"),
                ("This idempotency key came with another body.", "Use a new key for a new request."),
            ),
            Code::InFlight => (
                ("같은 요청을 처리하고 있어요", "잠시 뒤에 다시 보내 주세요"),
                ("The same request is being worked on.", "Send it again in a moment."),
            ),
            Code::TooManyRequests => {
                (("요청이 너무 많아요", "Retry-After만큼 기다려 주세요"), ("Too many requests.", "Wait as Retry-After says."))
            }
            Code::Unavailable => (
                ("잠시 사용할 수 없어요", "같은 요청을 다시 보내 주세요. 두 번 처리되지 않아요"),
                ("Not available for a moment.", "Send the same request again; it will not take effect twice."),
            ),
        };
        lang.pick(ko, en)
    }
}

impl Problem {
    /// Says an edge's no.
    pub fn new(code: Code, lang: Lang, detail: Option<String>) -> Self {
        let ((status, word), (title, hint)) = (code.parts(), code.say(lang));
        Self { kind: format!("urn:baemin:problem:{word}"), status, code: word.into(), title: title.into(), detail, hint: hint.into() }
    }

    /// Says a rule's no.
    pub fn refused(refusal: &Refusal, lang: Lang) -> Self {
        let code = refusal.code();
        Self {
            kind: format!("urn:baemin:problem:{code}"),
            status: refusal.http_status(),
            code: code.into(),
            title: refusal.say(lang),
            detail: None,
            hint: refusal.hint(lang).into(),
        }
    }
}
