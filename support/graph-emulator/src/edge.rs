//! The Graph edges over HTTP: from a request to a call, from its outcome to an answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, Response, Version};

use crate::answer;
use crate::control::Control;
use crate::error::GraphError;
use crate::exchange::Exchange;
use crate::faults::UploadEffect;
use crate::journal::Caller;
use crate::link::Link;
use crate::list;
use crate::wire::{Envelope, KEY_FIELD};
use crate::world::{GraphCall, Parameters};

const NEWEST_VERSION: &str = "v25.0";
/// A key's form has about 500 bytes.
const FORM_LIMIT: usize = 64 * 1024;

/// Answers one request to anything but the emulator's own API.
pub(crate) async fn serve(control: &Control, link: &Arc<Link>, request: Request<Body>) -> Response<Body> {
    let in_flight = control.gauges().enter();
    let (parts, body) = request.into_parts();
    let target = match Target::parse(parts.uri.path(), &parts.method) {
        Ok(target) => target,
        Err(error) => {
            control.gauges().unrouted();
            return envelope(control, NEWEST_VERSION).error(&error).map(Body::from);
        }
    };
    if parameter(parts.uri.query().unwrap_or_default(), "access_token").is_some() {
        control.gauges().token_in_url();
    }
    let call = target.call(&parts, body).await;
    let admission = control.world().admit(&call, &caller(&parts, link));
    if !admission.latency.is_zero() {
        tokio::time::sleep(admission.latency).await;
    }
    let exchange = Exchange {
        control: control.clone(),
        link: Arc::clone(link),
        envelope: envelope(control, target.version),
        edge_url: edge_url(control, &parts),
        call: Arc::new(call),
        sequence: admission.sequence,
    };
    let response = match admission.fault {
        None => exchange.ordinary(&UploadEffect::Lands).map(Body::from),
        Some(fault) => answer::faulty(&exchange, fault, in_flight).await,
    };
    let status = response.status().as_u16();
    control.world().journal.answered(admission.sequence, status);
    response
}

/// What a path and a method mean.
struct Target<'a> {
    version: &'a str,
    id: &'a str,
    edge: Edge,
}

enum Edge {
    Read,
    Upload,
    List,
    Inspect,
}

impl<'a> Target<'a> {
    fn parse(path: &'a str, method: &Method) -> Result<Self, GraphError> {
        let unknown = || GraphError::unknown_path(path);
        let mut segments = path.strip_prefix('/').unwrap_or_default().split('/');
        let (version, id, edge) = match (segments.next(), segments.next(), segments.next(), segments.next()) {
            (Some(version), Some(id @ "debug_token"), None, None) if is_version(version) && method == Method::GET => {
                return Ok(Self { version, id, edge: Edge::Inspect });
            }
            (Some(version), Some(id), Some(edge), None) => (version, id, edge),
            _ => return Err(unknown()),
        };
        if !is_version(version) {
            return Err(unknown());
        }
        let edge = match (edge, method) {
            ("whatsapp_business_encryption", &Method::GET) => Edge::Read,
            ("whatsapp_business_encryption", &Method::POST) => Edge::Upload,
            ("phone_numbers", &Method::GET) => Edge::List,
            ("whatsapp_business_encryption" | "phone_numbers", method) => {
                return Err(GraphError::unsupported(method, id));
            }
            _ => return Err(unknown()),
        };
        if !is_numeric(id) {
            return Err(GraphError::unknown_alias(id));
        }
        Ok(Self { version, id, edge })
    }

    async fn call(&self, parts: &Parts, body: Body) -> GraphCall {
        let query = parts.uri.query().unwrap_or_default();
        let parameters = match self.edge {
            Edge::Read => Parameters::Read { fields: parameter(query, "fields") },
            Edge::Upload => Parameters::Upload { public_key: public_key(&parts.headers, body).await },
            Edge::List => Parameters::List(list::Parameters::new(
                parameter(query, "limit").as_deref(),
                parameter(query, "after").as_deref(),
                parameter(query, "fields"),
            )),
            Edge::Inspect => Parameters::Inspect { token: parameter(query, "input_token") },
        };
        GraphCall {
            id: self.id.to_owned(),
            token: bearer(&parts.headers),
            proof: parameter(query, "appsecret_proof"),
            parameters,
        }
    }
}

/// `v`, digits, a dot, digits.
fn is_version(segment: &str) -> bool {
    let numbers = segment.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    numbers.is_some_and(|(major, minor)| is_numeric(major) && is_numeric(minor))
}

fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parameter(query: &str, name: &str) -> Option<String> {
    if query.is_empty() {
        return None;
    }
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(AUTHORIZATION)?.as_bytes());
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

/// The text of the only form field, as strictly as a client should be tested.
async fn public_key(headers: &HeaderMap, body: Body) -> Result<String, GraphError> {
    let refuse = |message| Err(GraphError::invalid_parameter(message));
    let Ok(form) = to_bytes(body, FORM_LIMIT).await else {
        return refuse("The body is too large or ended early.");
    };
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    if essence.map(str::trim) != Some("application/x-www-form-urlencoded") {
        return refuse("The body must be application/x-www-form-urlencoded.");
    }
    let mut fields = form_urlencoded::parse(&form);
    match (fields.next(), fields.next()) {
        (Some((name, text)), None) if name == KEY_FIELD => Ok(text.into_owned()),
        _ => refuse("The body must have the field business_public_key once, and no other."),
    }
}

fn caller(parts: &Parts, link: &Link) -> Caller {
    let user_agent = parts.headers.get(USER_AGENT);
    Caller {
        user_agent: user_agent.and_then(|value| value.to_str().ok()).map(str::to_owned),
        http_version: match parts.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        },
        connection: link.id(),
    }
}

fn envelope(control: &Control, version: &str) -> Envelope {
    Envelope { trace_id: control.gauges().trace_id(), version: version.to_owned() }
}

/// The called URL without query, for links to further pages.
fn edge_url(control: &Control, parts: &Parts) -> String {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
    let scheme = control.scheme();
    format!("{scheme}://{}{}", host.unwrap_or_default(), parts.uri.path())
}
