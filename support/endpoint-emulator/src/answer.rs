//! What a request is answered.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use crate::behaviour::Behaviour;
use crate::flow::{Opened, Unreadable};

const MARKER: HeaderName = HeaderName::from_static("x-marker");
const UNDECRYPTABLE: u16 = 421;
const SIGNATURE_REFUSED: u16 = 432;

/// The right answer to an opened request (Meta's guide "Implementing endpoints for Flows").
fn payload(opened: &Opened) -> Value {
    match opened.action() {
        Some("ping") => json!({"data": {"status": "active"}}),
        _ if opened.payload["data"]["error"].is_string() => json!({"data": {"acknowledged": true}}),
        _ => json!({"screen": "SUCCESS", "data": {}}),
    }
}

/// The answer, and its status for the journal; none where there is no answer.
pub(crate) fn answer(
    behaviour: Behaviour,
    is_signed: bool,
    opened: &Result<Opened, Unreadable>,
    marker: &str,
) -> Option<Response> {
    let status = |code| plain(code, format!("{marker} {code}"), marker);
    let right = |opened: &Opened| opened.seal(&payload(opened));
    match (behaviour, opened) {
        (Behaviour::Silent, _) => return None,
        (Behaviour::Status(code), _) => return Some(status(code)),
        (Behaviour::Redirect, _) => return Some(redirect(marker)),
        (Behaviour::Page, _) => return Some(page(marker)),
        (Behaviour::Endless, _) => return Some(endless(marker)),
        (Behaviour::Broken, _) => return Some(broken(marker)),
        _ => {}
    }
    let opened = match opened {
        _ if !is_signed => return Some(status(SIGNATURE_REFUSED)),
        Err(Unreadable::Malformed) => return Some(status(400)),
        Err(Unreadable::Undecryptable) => {
            let code = if let Behaviour::Undecryptable(code) = behaviour { code } else { UNDECRYPTABLE };
            return Some(status(code));
        }
        Ok(opened) => opened,
    };
    let body = match behaviour {
        Behaviour::LineEnd => right(opened) + "\r\n",
        Behaviour::Quoted => format!("\"{}\"", right(opened)),
        Behaviour::Clear => json!({"data": {"status": "active", "marker": marker}}).to_string(),
        Behaviour::IvNotFlipped => opened.seal_unflipped(&payload(opened)),
        Behaviour::OtherAesKey => opened.seal_otherwise(&payload(opened)),
        Behaviour::OtherPayload => opened.seal(&json!({"data": {"acknowledged": true, "marker": marker}})),
        Behaviour::Dripping => return Some(dripping(&right(opened), marker)),
        _ => right(opened),
    };
    Some(plain(200, body, marker))
}

fn plain(code: u16, body: impl Into<Body>, marker: &str) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(marker) = HeaderValue::from_str(marker) {
        response.headers_mut().insert(MARKER, marker);
    }
    response
}

fn redirect(marker: &str) -> Response {
    let mut response = plain(308, marker.to_owned(), marker);
    if let Ok(place) = HeaderValue::from_str(&format!("/elsewhere/{marker}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

fn page(marker: &str) -> Response {
    plain(200, format!("<!doctype html><title>Sign in {marker}</title>"), marker)
}

/// 4 KiB after 4 KiB.
fn endless(marker: &str) -> Response {
    let piece = Bytes::from("QUJD".repeat(1024));
    plain(200, Body::from_stream(stream::repeat(Ok::<_, Infallible>(piece))), marker)
}

fn broken(marker: &str) -> Response {
    let pieces = [Ok(Bytes::from("QUJD")), Err(std::io::Error::other("broken off"))];
    plain(200, Body::from_stream(stream::iter(pieces)), marker)
}

fn dripping(body: &str, marker: &str) -> Response {
    let bytes = body.bytes().map(|byte| Bytes::from(vec![byte])).collect::<Vec<_>>();
    let slowly = stream::iter(bytes).then(|byte| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, Infallible>(byte)
    });
    plain(200, Body::from_stream(slowly), marker)
}
