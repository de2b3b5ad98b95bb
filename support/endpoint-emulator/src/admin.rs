//! The emulator's own API below `/_emulator/`: what [`Control`] offers, as JSON.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::behaviour::Behaviour;
use crate::control::Control;
use crate::keys::KeyError;
use crate::replica::KeyChange;

pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/_emulator/state", get(state))
        .route("/_emulator/app-secret", put(set_app_secret).delete(clear_app_secret))
        .route("/_emulator/replicas/{replica}/keys", put(set_keys))
        .route("/_emulator/replicas/{replica}/behaviour", put(set_behaviour))
        .route("/_emulator/replicas/{replica}/restart", post(restart))
        .route("/_emulator/requests", get(requests).delete(clear_requests))
        .with_state(control)
}

/// Why a request to this API was refused.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self(StatusCode::BAD_REQUEST, format!("the body does not fit: {error}"))
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// Private keys in PEM, and when the replica has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: Vec<String>,
    #[serde(default)]
    change: KeyChange,
}

async fn state(State(control): State<Control>) -> Json<Value> {
    let replica = |n| json!({"keys": control.keys(n), "behaviour": control.world().replicas[n].behaviour});
    Json(json!({"replicas": (0..control.replicas()).map(replica).collect::<Vec<_>>()}))
}

async fn set_app_secret(State(control): State<Control>, body: String) -> StatusCode {
    control.set_app_secret(Some(body.trim()));
    StatusCode::NO_CONTENT
}

async fn clear_app_secret(State(control): State<Control>) -> StatusCode {
    control.set_app_secret(None);
    StatusCode::NO_CONTENT
}

async fn set_keys(
    State(control): State<Control>,
    Path(replica): Path<usize>,
    body: String,
) -> Result<StatusCode, Refusal> {
    check_replica(&control, replica)?;
    let Keys { keys, change } = serde_json::from_str(&body)?;
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    control.set_keys(replica, &keys, change)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_behaviour(
    State(control): State<Control>,
    Path(replica): Path<usize>,
    body: String,
) -> Result<StatusCode, Refusal> {
    check_replica(&control, replica)?;
    let behaviour: Behaviour = serde_json::from_str(&body)?;
    control.set_behaviour(replica, behaviour);
    Ok(StatusCode::NO_CONTENT)
}

async fn restart(State(control): State<Control>, Path(replica): Path<usize>) -> Result<StatusCode, Refusal> {
    check_replica(&control, replica)?;
    control.restart(replica);
    Ok(StatusCode::NO_CONTENT)
}

async fn requests(State(control): State<Control>) -> impl IntoResponse {
    Json(control.requests())
}

async fn clear_requests(State(control): State<Control>) -> StatusCode {
    control.clear_journal();
    StatusCode::NO_CONTENT
}

fn check_replica(control: &Control, replica: usize) -> Result<(), Refusal> {
    match control.replicas() {
        count if replica < count => Ok(()),
        count => Err(Refusal(StatusCode::NOT_FOUND, format!("there are replicas 0 to {}", count - 1))),
    }
}
