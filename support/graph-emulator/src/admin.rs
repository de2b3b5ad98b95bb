//! The emulator's own API below `/_emulator/`: what [`Control`] offers, as JSON.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::control::{Control, UnknownNumber};
use crate::faults::Fault;
use crate::keys::FOREIGN_PUBLIC_KEY;
use crate::list::ListSettings;
use crate::number::{NumberSettings, NumberSnapshot};
use crate::token::Token;

pub(crate) const PREFIX: &str = "/_emulator/";
/// Limit of a request's body, in bytes.
const MAX_BODY: usize = 1 << 20;

pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .nest("/_emulator", routes())
        .fallback(|| async { Refusal::not_found("there is no such resource below /_emulator/") })
        .layer(from_fn(read_whole))
        .with_state(control)
}

/// Reads the body before anything is answered, whether or not the answer depends on the body. A server that leaves a body unread
/// closes the connection, and a proxy that is still sending, such as the API server, reports a broken pipe.
async fn read_whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match to_bytes(body, MAX_BODY).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => Refusal(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")).into_response(),
    }
}

fn routes() -> Router<Control> {
    Router::new()
        .route("/state", get(state))
        .route("/config", get(config).patch(patch_config))
        .route("/ca.pem", get(ca_pem))
        .route("/tokens", get(tokens))
        .route("/tokens/{token}", get(token).put(put_token).delete(remove_token))
        .route("/tokens/{token}/expire", post(expire_token))
        .route("/apps/{id}", put(put_app))
        .route("/accounts/{id}", put(put_account))
        .route("/nodes/{id}", put(put_node))
        .route("/numbers", get(numbers))
        .route("/numbers/{id}", get(number).put(put_number).patch(patch_number).delete(remove_number))
        .route("/numbers/{id}/lose-signature", post(lose_signature))
        .route("/numbers/{id}/drop-key", post(drop_key))
        .route("/numbers/{id}/foreign-key", post(foreign_key))
        .route("/numbers/{id}/take-off", post(take_off))
        .route("/numbers/{id}/connect", post(connect))
        .route("/faults", get(faults).post(inject).delete(clear_faults))
        .route("/faults/{id}", delete(clear_fault))
        .route("/counters", get(counters).delete(reset_counters))
        .route("/counters/numbers", get(calls_by_id))
        .route("/counters/tokens", get(calls_by_token))
        .route("/calls", get(calls))
        .route("/uploads", get(uploads))
}

/// Why a request to this API was refused.
struct Refusal(StatusCode, String);

impl Refusal {
    fn not_found(message: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, message.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<UnknownNumber> for Refusal {
    fn from(error: UnknownNumber) -> Self {
        Self::not_found(error.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self(StatusCode::BAD_REQUEST, format!("the body does not fit: {error}"))
    }
}

type Answer<T> = Result<Json<T>, Refusal>;

async fn state(State(control): State<Control>) -> Json<Value> {
    Json(json!({
        "base_url": control.base_url(),
        "config": control.config(),
        "counters": control.counters(),
        "faults": control.faults(),
        "numbers": control.numbers().len(),
        "tokens": control.tokens().len(),
    }))
}

async fn config(State(control): State<Control>) -> impl IntoResponse {
    Json(control.config())
}

async fn patch_config(State(control): State<Control>, body: String) -> Answer<impl Serialize> {
    let changed = merged(&control.config(), &body)?;
    control.update_config(|config| *config = changed);
    Ok(Json(control.config()))
}

async fn ca_pem(State(control): State<Control>) -> Result<String, Refusal> {
    let pem = control.ca_pem().map(str::to_owned);
    pem.ok_or_else(|| Refusal::not_found("this emulator serves without TLS: there is no CA"))
}

async fn tokens(State(control): State<Control>) -> impl IntoResponse {
    Json(control.tokens())
}

async fn token(State(control): State<Control>, Path(name): Path<String>) -> Answer<Token> {
    let token = control.tokens().remove(&name);
    token.map(Json).ok_or_else(|| Refusal::not_found("there is no such token"))
}

async fn put_token(State(control): State<Control>, Path(name): Path<String>, body: String) -> Answer<Token> {
    let token: Token = parsed(&body)?;
    control.set_token(&name, token.clone());
    Ok(Json(token))
}

async fn expire_token(State(control): State<Control>, Path(name): Path<String>) -> StatusCode {
    control.expire_token(&name);
    StatusCode::NO_CONTENT
}

async fn remove_token(State(control): State<Control>, Path(name): Path<String>) -> StatusCode {
    found(control.remove_token(&name))
}

async fn numbers(State(control): State<Control>) -> impl IntoResponse {
    Json(control.numbers())
}

async fn number(State(control): State<Control>, Path(id): Path<String>) -> Answer<NumberSnapshot> {
    let number = control.number(&id);
    Ok(Json(number.ok_or(UnknownNumber(id))?))
}

async fn put_number(State(control): State<Control>, Path(id): Path<String>, body: String) -> Answer<NumberSnapshot> {
    Ok(Json(control.set_number(&id, parsed(&body)?)))
}

async fn patch_number(State(control): State<Control>, Path(id): Path<String>, body: String) -> Answer<NumberSnapshot> {
    let number = control.number(&id).ok_or_else(|| UnknownNumber(id.clone()))?;
    let changed: NumberSettings = merged(&number.settings, &body)?;
    Ok(Json(control.update_number(&id, |settings| *settings = changed)?))
}

async fn remove_number(State(control): State<Control>, Path(id): Path<String>) -> StatusCode {
    found(control.remove_number(&id))
}

async fn lose_signature(State(control): State<Control>, Path(id): Path<String>) -> Answer<NumberSnapshot> {
    Ok(Json(control.lose_signature(&id)?))
}

async fn drop_key(State(control): State<Control>, Path(id): Path<String>) -> Answer<NumberSnapshot> {
    Ok(Json(control.drop_key(&id)?))
}

/// The body is the key in PEM; without one the built-in foreign key is set.
async fn foreign_key(State(control): State<Control>, Path(id): Path<String>, body: String) -> Answer<NumberSnapshot> {
    let public_key = if body.is_empty() { FOREIGN_PUBLIC_KEY } else { &body };
    Ok(Json(control.set_foreign_key(&id, public_key)?))
}

async fn take_off(State(control): State<Control>, Path(id): Path<String>) -> Answer<NumberSnapshot> {
    Ok(Json(control.take_off(&id)?))
}

async fn connect(State(control): State<Control>, Path(id): Path<String>) -> Answer<NumberSnapshot> {
    Ok(Json(control.connect(&id)?))
}

/// The body is the app's secret.
async fn put_app(State(control): State<Control>, Path(id): Path<String>, body: String) -> StatusCode {
    control.set_app(&id, &body);
    StatusCode::NO_CONTENT
}

async fn put_account(State(control): State<Control>, Path(id): Path<String>, body: String) -> Answer<ListSettings> {
    let settings: ListSettings = parsed(&body)?;
    control.add_account(&id);
    control.set_list(&id, settings.clone());
    Ok(Json(settings))
}

/// The body is the type of the object.
async fn put_node(State(control): State<Control>, Path(id): Path<String>, body: String) -> StatusCode {
    control.set_node(&id, &body);
    StatusCode::NO_CONTENT
}

async fn faults(State(control): State<Control>) -> impl IntoResponse {
    Json(control.faults())
}

async fn inject(State(control): State<Control>, body: String) -> Answer<Value> {
    let fault: Fault = serde_json::from_str(&body)?;
    Ok(Json(json!({ "id": control.inject(fault) })))
}

async fn clear_fault(State(control): State<Control>, Path(id): Path<u64>) -> StatusCode {
    found(control.clear_fault(id))
}

async fn clear_faults(State(control): State<Control>) -> StatusCode {
    control.clear_faults();
    StatusCode::NO_CONTENT
}

async fn counters(State(control): State<Control>) -> impl IntoResponse {
    Json(control.counters())
}

async fn calls_by_id(State(control): State<Control>) -> impl IntoResponse {
    Json(control.calls_by_id())
}

async fn calls_by_token(State(control): State<Control>) -> impl IntoResponse {
    Json(control.calls_by_token())
}

async fn calls(State(control): State<Control>) -> impl IntoResponse {
    Json(control.calls())
}

async fn uploads(State(control): State<Control>) -> impl IntoResponse {
    Json(control.uploads())
}

async fn reset_counters(State(control): State<Control>) -> StatusCode {
    control.reset_counters();
    StatusCode::NO_CONTENT
}

fn found(found: bool) -> StatusCode {
    if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

/// Reads a body whatever its content type, for short `curl` commands; none means all defaults.
fn parsed<T: DeserializeOwned + Default>(body: &str) -> Result<T, Refusal> {
    if body.trim().is_empty() {
        return Ok(T::default());
    }
    Ok(serde_json::from_str(body)?)
}

/// Applies a JSON merge patch (RFC 7396).
fn merged<T: Serialize + DeserializeOwned>(current: &T, patch: &str) -> Result<T, Refusal> {
    let mut value = serde_json::to_value(current)?;
    merge(&mut value, serde_json::from_str(patch)?);
    Ok(serde_json::from_value(value)?)
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    if let Value::Object(target) = target {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(&name);
            } else {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}
