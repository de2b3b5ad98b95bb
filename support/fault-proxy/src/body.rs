//! Answers on their way to the operator.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures::stream;
use tokio::sync::watch;

use crate::fault::{Action, Call, Fault};
use crate::relay::{Open, Relay};

type Changes = watch::Receiver<Option<Arc<Fault>>>;

/// The headers to pass on: all but those of the connection.
pub(crate) fn headers(of: &HeaderMap) -> HeaderMap {
    let mut headers = of.clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    headers
}

pub(crate) fn response(status: StatusCode, headers: &HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers.clone();
    response
}

fn cut() -> io::Result<Bytes> {
    Err(io::ErrorKind::ConnectionReset.into())
}

/// Half of a body, then nothing; a reset once the fault is lifted.
pub(crate) fn stalled(bytes: Bytes, changes: Changes, open: Open) -> Body {
    let half = bytes.slice(..bytes.len() / 2);
    Body::from_stream(stream::unfold((Some(half), open), move |(half, open)| {
        let mut changes = changes.clone();
        async move {
            if half.is_some() {
                return half.map(|half| (Ok(half), (None, open)));
            }
            let _ = changes.wait_for(Option::is_none).await;
            Some((cut(), (None, open)))
        }
    }))
}

/// A body byte by byte, but in no more than a hundred pieces.
pub(crate) fn dripping(bytes: Bytes, pause: Duration, open: Open) -> Body {
    let pieces: VecDeque<_> = pieces(&bytes);
    Body::from_stream(stream::unfold((pieces, open), move |(mut pieces, open)| async move {
        let piece = pieces.pop_front()?;
        tokio::time::sleep(pause).await;
        Some((io::Result::Ok(piece), (pieces, open)))
    }))
}

fn pieces(bytes: &Bytes) -> VecDeque<Bytes> {
    let size = (bytes.len() / 100).max(1);
    bytes.chunks(size).map(|piece| bytes.slice_ref(piece)).collect()
}

/// A watch, as long as it lasts.
pub(crate) fn follow(relay: Arc<Relay>, call: Call, upstream: reqwest::Response, open: Open) -> Body {
    let changes = relay.changes();
    let watch = Watch { relay, call, upstream, changes, has_lost: false, dripping: VecDeque::new(), _open: open };
    Body::from_stream(stream::unfold(watch, async |mut watch| Some((watch.next().await?, watch))))
}

struct Watch {
    relay: Arc<Relay>,
    call: Call,
    upstream: reqwest::Response,
    changes: Changes,
    /// Whether the operator has lost something for good.
    has_lost: bool,
    dripping: VecDeque<Bytes>,
    _open: Open,
}

impl Watch {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            self.changes.mark_unchanged();
            let fault = self.relay.fault_of(&self.call);
            match fault.as_ref().map(|fault| &fault.action) {
                None | Some(Action::Answer { .. }) if self.has_lost => return Some(cut()),
                Some(action) if action.cuts_watches() => {
                    self.relay.note();
                    return Some(cut());
                }
                Some(action) if action.holds_watches() => {
                    self.relay.note();
                    let _ = self.changes.changed().await;
                }
                Some(action) if action.silences_watches() => {
                    if matches!(action, Action::LoseEvents) && !self.has_lost {
                        self.relay.note_loss(&self.call.path);
                    }
                    self.has_lost = true;
                    if self.chunk().await?.is_some() {
                        self.relay.note();
                    }
                }
                Some(Action::Drip(pause)) => {
                    if let Some(piece) = self.dripping.pop_front() {
                        tokio::time::sleep(*pause).await;
                        return Some(Ok(piece));
                    }
                    if let Some(chunk) = self.chunk().await? {
                        self.relay.note();
                        self.dripping = pieces(&chunk);
                    }
                }
                action => {
                    // The rest of an event that was sent in pieces.
                    if let Some(piece) = self.dripping.pop_front() {
                        return Some(Ok(piece));
                    }
                    let Some(chunk) = self.chunk().await? else { continue };
                    if let Some(Action::Delay(pause)) = action {
                        self.relay.note();
                        tokio::time::sleep(*pause).await;
                    }
                    return Some(Ok(chunk));
                }
            }
        }
    }

    /// The next bytes from the API server. `Some(None)` if a fault was set or lifted meanwhile. None at the end.
    async fn chunk(&mut self) -> Option<Option<Bytes>> {
        tokio::select! {
            chunk = self.upstream.chunk() => chunk.ok().flatten().map(Some),
            _ = self.changes.changed() => Some(None),
        }
    }
}
