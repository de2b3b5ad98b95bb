//! What a replica serves.

use std::future;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, Uri};

use crate::admin;
use crate::answer::answer;
use crate::control::Control;
use crate::flow::{Opened, is_signature};
use crate::journal::{Request, Signature};

/// One of the replicas, and the state behind all of them.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) control: Control,
    pub(crate) replica: usize,
}

/// Takes a POST at every path that is not the emulator's own.
pub(crate) fn router(edge: Edge) -> Router {
    let admin = admin::router(edge.control.clone());
    Router::new().route("/", post(serve)).route("/{*path}", post(serve)).with_state(edge).merge(admin)
}

async fn serve(State(edge): State<Edge>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let at = edge.control.begun().elapsed();
    // Decrypting takes a while: not under the lock.
    let (keys, app_secret, behaviour, marker) = {
        let mut world = edge.control.world();
        let (app_secret, marker) = (world.app_secret.clone(), world.marker.clone());
        let replica = &mut world.replicas[edge.replica];
        (replica.keys(Instant::now()).to_vec(), app_secret, replica.behaviour, marker)
    };
    let signature = match (header("x-hub-signature-256"), &app_secret) {
        (None, _) => Signature::Missing,
        (Some(value), Some(secret)) if is_signature(&value, &body, secret) => Signature::Right,
        (Some(_), _) => Signature::Other,
    };
    let opened = Opened::open(&body, &keys);
    let is_signed = app_secret.is_none() || signature == Signature::Right;
    let response = answer(behaviour, is_signed, &opened, &marker);
    edge.control.world().journal.note(Request {
        sequence: 0,
        at,
        replica: edge.replica,
        path: uri.to_string(),
        signature,
        opened_by: opened.as_ref().ok().map(|opened| opened.fingerprint.clone()),
        action: opened.as_ref().ok().and_then(|opened| opened.action().map(str::to_owned)),
        status: response.as_ref().map(|response| response.status().as_u16()),
        user_agent: header(USER_AGENT.as_str()),
    });
    match response {
        Some(response) => response,
        None => future::pending().await,
    }
}
