//! Every answer that is not a success, as an RFC 9457 problem. A rule's no is shown, a fault is logged and hidden.

use crate::{engine::Failure, journal::Fault};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use shared::{
    Lang, Refusal,
    problem::{Code, MEDIA_TYPE, Problem},
};

/// What went wrong with a request, before it is put in words.
#[derive(Debug)]
pub enum Trouble {
    /// The edge's no, with what exactly.
    Edge(Code, Option<String>),
    /// A rule's no.
    Rule(Refusal),
    /// Infrastructure: logged where it is turned into an answer.
    Fault(String),
    /// Come again in so many seconds.
    Later(Code, u64),
}

impl From<Code> for Trouble {
    fn from(code: Code) -> Self {
        Trouble::Edge(code, None)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Trouble::Rule(refusal)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Trouble::Fault(fault.0)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Trouble::Rule(refusal),
            Failure::Fault(fault) => Trouble::Fault(fault.0),
            // The first request under this key is on its way to the disk: its answer will be there in a moment.
            Failure::Repeated => Trouble::Later(Code::InFlight, RETRY_AFTER_S),
        }
    }
}

/// Seconds after which a client may come again when the infrastructure was away.
const RETRY_AFTER_S: u64 = 1;

impl Trouble {
    /// Says it in a language.
    pub fn answer(self, lang: Lang) -> Response {
        let (problem, retry_s) = match self {
            Trouble::Edge(code, detail) => (Problem::new(code, lang, detail.map(|detail| printable(&detail))), None),
            Trouble::Rule(refusal) => (Problem::refused(&refusal, lang), None),
            Trouble::Later(code, seconds) => (Problem::new(code, lang, None), Some(seconds)),
            Trouble::Fault(fault) => {
                tracing::error!(fault, "a request could not be served");
                (Problem::new(Code::Unavailable, lang, None), Some(RETRY_AFTER_S))
            }
        };
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if let Some(seconds) = retry_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == 401 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What a client sent may come back in a detail; control characters do not.
fn printable(text: &str) -> String {
    const LONGEST: usize = 300;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
