//! One request and its parsed answer, without secrets.

use std::fmt::Write as _;
use std::time::SystemTime;

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use waflows_core::api::crd::MAX_SHORT_TEXT;
use waflows_core::api::text::truncate;
use waflows_core::meta::{ErrorClass, GraphError};

use super::answer::Answer;
use super::redact::Redactor;
use super::usage::{Usage, retry_after};
use super::wire::UnknownShape;

/// Limit of an answer, in bytes. Longer answers are cut. Documented answers have less than 2 KiB.
const MAX_ANSWER: usize = 64 * 1024;

/// The result of a request.
pub(super) struct Exchange<T> {
    pub(super) result: Result<T, GraphError>,
    /// HTTP status. None if there was no answer.
    pub(super) status: Option<u16>,
    pub(super) usage: Usage,
    pub(super) trace_id: Option<String>,
}

/// A body, and whether it was cut because of its length.
struct Body {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// Sends a request and reads the answer.
pub(super) async fn exchange<T>(
    request: RequestBuilder,
    redactor: &Redactor<'_>,
    decode: impl FnOnce(&[u8]) -> Result<T, UnknownShape>,
) -> Exchange<T> {
    match request.send().await {
        Ok(response) => receive(response, redactor, decode).await,
        Err(error) => {
            let result = Err(unanswered(&error, redactor));
            Exchange { result, status: None, usage: Usage::default(), trace_id: None }
        }
    }
}

/// Reads the body of an answer whose headers have arrived.
pub(super) async fn receive<T>(
    response: Response,
    redactor: &Redactor<'_>,
    decode: impl FnOnce(&[u8]) -> Result<T, UnknownShape>,
) -> Exchange<T> {
    let status = response.status();
    let usage = Usage::from_headers(response.headers());
    let trace_id = response
        .headers()
        .get("x-fb-trace-id")
        .and_then(|value| value.to_str().ok())
        .map(|text| truncate(&redactor.redact(text), MAX_SHORT_TEXT));
    let result = read(response, &usage, trace_id.as_deref(), redactor, decode).await;
    let result = result.map_err(|error| error.traced(trace_id.as_deref()));
    Exchange { result, status: Some(status.as_u16()), usage, trace_id }
}

async fn read<T>(
    response: Response,
    usage: &Usage,
    trace_id: Option<&str>,
    redactor: &Redactor<'_>,
    decode: impl FnOnce(&[u8]) -> Result<T, UnknownShape>,
) -> Result<T, GraphError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(redirected(status, response.headers(), redactor));
    }
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let Body { bytes, is_cut } = read_body(response).await.map_err(|error| unanswered(&error, redactor))?;
    if status.is_success() {
        if is_cut {
            let message = "the answer is longer than 64 KiB; something other than the Graph API may have sent it";
            return Err(GraphError::on_the_way(ErrorClass::Unexpected, Some(status.as_u16()), message));
        }
        if let Ok(value) = decode(&bytes) {
            return Ok(value);
        }
    }
    // The status still counts if the body was cut.
    let body = if is_cut { &[] } else { bytes.as_slice() };
    let answer = Answer { status: status.as_u16(), body, retry_after, usage, trace_id };
    Err(answer.error(redactor))
}

async fn read_body(mut response: Response) -> reqwest::Result<Body> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Ok(Body { bytes, is_cut: true });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body { bytes, is_cut: false })
}

/// The error for a redirect. The client follows no redirect, so that the token goes to no other host.
fn redirected(status: StatusCode, headers: &HeaderMap, redactor: &Redactor<'_>) -> GraphError {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok()).and_then(|text| Url::parse(text).ok());
    let place = location.as_ref().and_then(Url::host_str).map(|host| format!(" to {}", redactor.redact(host)));
    let message = format!(
        "check --graph-url and the proxy: the Graph API answered with a redirect{} (HTTP status {}), which is not followed",
        place.unwrap_or_default(),
        status.as_u16()
    );
    GraphError::on_the_way(ErrorClass::Unexpected, Some(status.as_u16()), &message)
}

/// Describes a failure without an answer. Leaves out the URL, because its query holds the app secret proof.
fn unanswered(error: &reqwest::Error, redactor: &Redactor<'_>) -> GraphError {
    // First, because a connection can also fail by a timeout.
    let what = if error.is_connect() {
        "no connection to the Graph API"
    } else if error.is_timeout() {
        "the Graph API did not answer in time"
    } else {
        "the connection to the Graph API broke"
    };
    let mut message = what.to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // Skip other reqwest errors among the sources: each would name the URL.
        if !cause.is::<reqwest::Error>() {
            // A write into a String cannot fail.
            let _ = write!(message, ": {cause}");
        }
        source = cause.source();
    }
    GraphError::on_the_way(ErrorClass::Transient, None, &redactor.redact(&message))
}
