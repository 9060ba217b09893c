//! How an answer looks on its way back: as it is, or as a provider on a bad day would send it.

use super::{answers::Answer, faults::Kind};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response,
    body::{Bytes, Frame},
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use std::{fmt, time::Duration};

/// What is added to an answer to make it huge.
const HUGE: usize = 2 * 1024 * 1024;
/// The header in which a request is named, and which comes back with its answer.
pub const IDEMPOTENCY: &str = "idempotency-key";
/// What answers are, when all is well.
pub const JSON: &str = "application/json";

/// The connection is closed without an answer, or in the middle of one.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Cut>;

/// An answer as it is.
pub fn whole(answer: &Answer, content_type: &'static str, key: Option<&str>) -> Response<Body> {
    let body = Full::new(answer.body.clone()).map_err(|never| match never {}).boxed_unsync();
    respond(answer.status, content_type, key, body)
}

fn respond(status: u16, content_type: &'static str, key: Option<&str>, body: Body) -> Response<Body> {
    let builder = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    let builder = key.into_iter().fold(builder, |builder, key| builder.header(IDEMPOTENCY, key));
    // A key that came in a header fits into one.
    builder.body(body).unwrap_or_default_body()
}

/// What goes wrong on the way back.
pub async fn disfigured(answer: Answer, fault: Option<(Kind, u64)>, key: Option<String>) -> Result<Response<Body>, Cut> {
    let key = key.as_deref();
    let Some((kind, ms)) = fault else { return Ok(whole(&answer, JSON, key)) };
    Ok(match kind {
        Kind::ResetAfter => return Err(Cut),
        Kind::ErrorAfter => whole(&Answer::error("FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING"), JSON, key),
        Kind::Truncated => {
            let half = answer.body.slice(..answer.body.len() / 2);
            let parts = stream::iter([Ok(Frame::data(half)), Err(Cut)]);
            let mut response = respond(answer.status, JSON, key, StreamBody::new(parts).boxed_unsync());
            response.headers_mut().insert(CONTENT_LENGTH, answer.body.len().into());
            response
        }
        Kind::Trickle => {
            let body = answer.body.clone();
            let pause = Duration::from_millis(ms);
            let bytes = stream::iter(0..body.len()).then(move |n| {
                let byte = body.slice(n..=n);
                async move {
                    tokio::time::sleep(pause).await;
                    Ok(Frame::data(byte))
                }
            });
            respond(answer.status, JSON, key, StreamBody::new(bytes).boxed_unsync())
        }
        Kind::Huge => {
            let mut body = answer.body.to_vec();
            body.resize(body.len() + HUGE, b' ');
            whole(&Answer { body: body.into(), ..answer }, JSON, key)
        }
        Kind::WrongType => whole(&answer, "text/plain", key),
        Kind::UnknownCode => whole(&Answer::error("NOBODY_KNOWS_THIS"), JSON, key),
        Kind::Html => {
            let body = "<!doctype html><title>점검 중</title><p>DONE".into();
            whole(&Answer { status: 200, body }, "text/html", key)
        }
        Kind::UnknownEnum => {
            let text = String::from_utf8_lossy(&answer.body);
            let text = ["DONE", "PARTIAL_CANCELED", "CANCELED"].iter().fold(text.into_owned(), |text, status| {
                text.replace(&format!("\"status\":\"{status}\""), "\"status\":\"SETTLED_ELSEWHERE\"")
            });
            whole(&Answer { body: text.into(), ..answer }, JSON, key)
        }
        Kind::Hang | Kind::Latency | Kind::ResetBefore | Kind::ErrorBefore => whole(&answer, JSON, key),
    })
}

/// A response that cannot be built is an empty fault.
trait OrFault {
    fn unwrap_or_default_body(self) -> Response<Body>;
}

impl OrFault for Result<Response<Body>, hyper::http::Error> {
    fn unwrap_or_default_body(self) -> Response<Body> {
        self.unwrap_or_else(|_| {
            let mut empty = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
            *empty.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
            empty
        })
    }
}
