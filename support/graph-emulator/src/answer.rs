//! Answers that went wrong.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::{Response, StatusCode};

use crate::action::{FaultAction, RateLimit, Usage};
use crate::exchange::Exchange;
use crate::faults::{Fault, UploadEffect};
use crate::journal::InFlight;
use crate::link::Link;
use crate::wire::Envelope;

/// What the headers of an answer take at least: over HTTP/2 two frames' headers.
const LEAST_HEADERS: u64 = 18;

const PADDING: Bytes = Bytes::from_static(&[b' '; 64 * 1024]);

/// Answers one call as its fault wants it.
pub(crate) async fn faulty(exchange: &Exchange, fault: Fault, in_flight: InFlight) -> Response<Body> {
    let effect = fault.upload_effect();
    if let UploadEffect::LandsAfter(delay) = effect {
        land_later(exchange, delay);
    }
    if !fault.action.uses_ordinary_answer() && effect != UploadEffect::Lost {
        exchange.ordinary(&effect);
    }
    let ordinary = || exchange.ordinary(&effect);
    let envelope = &exchange.envelope;
    match fault.action {
        FaultAction::Ordinary => ordinary().map(Body::from),
        FaultAction::Delay(delay) => {
            let response = ordinary();
            tokio::time::sleep(delay).await;
            response.map(Body::from)
        }
        FaultAction::Usage(usage) => with_usage(ordinary(), &usage, exchange).map(Body::from),
        FaultAction::Headers(headers) => with_headers(ordinary(), headers).map(Body::from),
        FaultAction::SlowBody { piece, pause } => {
            ordinary().map(|body| Body::from_stream(slow(body, piece, pause, in_flight)))
        }
        FaultAction::Answer { status, headers, body } => {
            with_headers(envelope.answer(code(status), body), headers).map(Body::from)
        }
        FaultAction::GraphError(error) => envelope.error(&error).map(Body::from),
        FaultAction::RateLimit(limit) => rate_limited(exchange, &limit).map(Body::from),
        FaultAction::ProxyError { status } => proxy_error(code(status)).map(Body::from),
        FaultAction::Redirect { status, location } => {
            let headers = vec![(LOCATION.to_string(), location)];
            with_headers(envelope.answer(code(status), ""), headers).map(Body::from)
        }
        FaultAction::ResetBeforeAnswer => reset(&exchange.link).await,
        FaultAction::ResetMidBody => {
            let link = Arc::clone(&exchange.link);
            sized(ordinary()).map(|body| Body::from_stream(half(body, link, in_flight)))
        }
        FaultAction::Hang => pending().await,
        FaultAction::OversizedBody { bytes } => padded(envelope, Some(bytes), in_flight),
        FaultAction::EndlessBody => padded(envelope, None, in_flight),
    }
}

/// The upload happens even if its caller is long gone.
fn land_later(exchange: &Exchange, delay: Duration) {
    let control = exchange.control.clone();
    let (call, sequence) = (Arc::clone(&exchange.call), exchange.sequence);
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        // Nobody waits for the answer any more.
        let _ = control.world().process(&call, sequence, &UploadEffect::Lands);
    });
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn with_headers(mut response: Response<Bytes>, headers: Vec<(String, String)>) -> Response<Bytes> {
    for (name, value) in headers {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn with_usage(response: Response<Bytes>, usage: &Usage, exchange: &Exchange) -> Response<Bytes> {
    let waba_id = exchange.control.world().waba_of(&exchange.call.id);
    with_headers(response, usage.headers(&waba_id))
}

fn rate_limited(exchange: &Exchange, limit: &RateLimit) -> Response<Bytes> {
    let response = with_usage(exchange.envelope.error(&limit.error()), &limit.usage, exchange);
    let retry_after = limit.retry_after.map(|after| (RETRY_AFTER.to_string(), after.value()));
    with_headers(response, retry_after.into_iter().collect())
}

fn proxy_error(status: StatusCode) -> Response<Bytes> {
    let page = format!(
        "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1>\
         </center>\r\n<hr><center>proxy</center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = Response::new(page.into());
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}

fn sized(mut response: Response<Bytes>) -> Response<Bytes> {
    let length = response.body().len().into();
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

async fn reset<T>(link: &Link) -> T {
    link.sever();
    pending().await
}

/// The first half of a body. The connection ends once this half and the headers went out.
fn half(body: Bytes, link: Arc<Link>, in_flight: InFlight) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let first_half = body.slice(..body.len() / 2);
    let enough = link.written() + first_half.len() as u64 + LEAST_HEADERS;
    let start = (Some(first_half), link, in_flight);
    stream::unfold(start, move |(rest, link, in_flight)| async move {
        if let Some(bytes) = rest {
            return Some((Ok(bytes), (None, link, in_flight)));
        }
        link.wait_written(enough).await;
        reset(&link).await
    })
}

fn slow(
    body: Bytes,
    piece: usize,
    pause: Duration,
    in_flight: InFlight,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let piece = piece.max(1);
    stream::unfold((body, in_flight), move |(mut rest, in_flight)| async move {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.split_to(piece.min(rest.len()));
        tokio::time::sleep(pause).await;
        Some((Ok(bytes), (rest, in_flight)))
    })
}

fn padded(envelope: &Envelope, bytes: Option<u64>, in_flight: InFlight) -> Response<Body> {
    let mut response = envelope.answer(StatusCode::OK, "");
    if let Some(bytes) = bytes {
        response.headers_mut().insert(CONTENT_LENGTH, bytes.into());
    }
    response.map(|_| Body::from_stream(padding(bytes, in_flight)))
}

/// Blanks: valid JSON may begin with any number of them. Without end if `left` is `None`.
fn padding(left: Option<u64>, in_flight: InFlight) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((left, in_flight), |(left, in_flight)| async move {
        let most = PADDING.len();
        let now = left.map_or(most, |left| usize::try_from(left).map_or(most, |left| left.min(most)));
        if now == 0 {
            return None;
        }
        // Lets other connections work: nothing else here ever waits.
        tokio::task::yield_now().await;
        let left = left.map(|left| left - now as u64);
        Some((Ok(PADDING.slice(..now)), (left, in_flight)))
    })
}
