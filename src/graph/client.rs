//! Calls to Meta: read a number's key, upload a key. `list.rs` has the list of an account's numbers.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder, Url};
use tracing::Instrument;
use waflows_core::meta::{ErrorClass, GraphError, Reported};
use waflows_key::PublicKey;

use super::call_limiter::{CallLimiter, Caller};
use super::config::{Config, ConfigError};
use super::credentials::Credentials;
use super::error::CallError;
use super::exchange::exchange;
use super::transport::Transport;
use super::wire;
use crate::metrics::{Metrics, Operation};
use crate::telemetry::spans;

/// Immediate retries of a GET after a failure that may be brief.
const READ_RETRIES: u32 = 2;
const READ_RETRY_DELAY: Duration = Duration::from_millis(200);

/// A client of the Graph API. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
    /// The base URL with the version.
    base: Arc<Url>,
    limiter: Arc<CallLimiter>,
    metrics: Arc<Metrics>,
}

impl Client {
    /// A client that connects when first used.
    ///
    /// Proxy variables of the environment are honoured, redirects are not followed.
    ///
    /// # Errors
    /// When the configuration is unusable.
    pub fn new(config: &Config, limiter: Arc<CallLimiter>, metrics: Arc<Metrics>) -> Result<Self, ConfigError> {
        let url = &config.base_url;
        if url.scheme() != "https" && !(config.allow_http && url.scheme() == "http") {
            return Err(ConfigError::NotHttps(without_password(url)));
        }
        let is_base = url.has_host() && url.query().is_none() && url.fragment().is_none();
        if !is_base || !url.username().is_empty() || url.password().is_some() {
            return Err(ConfigError::NotABase(without_password(url)));
        }
        let base = Arc::new(extended(url, &[&config.api_version]));
        let transport = Arc::new(Transport::new(config, limiter.wait_scale())?);
        Ok(Self { transport, base, limiter, metrics })
    }

    /// The rate limiter of this client's calls.
    pub fn limiter(&self) -> &CallLimiter {
        &self.limiter
    }

    /// Reads the key of the number. Failures of the connection and of Meta's servers are retried twice.
    ///
    /// # Errors
    /// If Meta refuses or does not answer, or a hold is in force.
    pub async fn read(&self, credentials: &Credentials, resource: &str, number: &str) -> Result<Reported, CallError> {
        let mut attempt = 0;
        loop {
            match self.read_once(credentials, resource, number).await {
                Err(CallError::Failed(error)) if self.retries(&error, &mut attempt).await => {}
                result => return result,
            }
        }
    }

    /// Whether a GET that failed is sent again, after the pause that belongs to it.
    pub(super) async fn retries(&self, error: &GraphError, attempt: &mut u32) -> bool {
        if error.class != ErrorClass::Transient || *attempt >= READ_RETRIES {
            return false;
        }
        *attempt += 1;
        // Jitter between half and all of the delay, so that callers that failed together do not retry together.
        let share = (0.5 + fastrand::f64() / 2.0) * f64::from(*attempt) * self.limiter.wait_scale();
        tokio::time::sleep(READ_RETRY_DELAY.mul_f64(share)).await;
        true
    }

    /// Like [`read`](Self::read), but without retries, for callers that retry themselves.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_once(
        &self,
        credentials: &Credentials,
        resource: &str,
        number: &str,
    ) -> Result<Reported, CallError> {
        let edge = Edge::of_key(Operation::Read, number);
        let reported = self.call(&edge, credentials, resource, Some, wire::read_answer).await?;
        Ok(redacted(reported, credentials))
    }

    /// Uploads the key to the number. Never retries: a caller must read the number before another upload.
    ///
    /// `may_begin` is called right before the request is sent, because the call may have waited for a permit.
    ///
    /// # Errors
    /// If Meta refuses or does not answer, a hold is in force, or `may_begin` returned false.
    pub async fn upload(
        &self,
        credentials: &Credentials,
        resource: &str,
        number: &str,
        key: &PublicKey,
        may_begin: impl FnOnce() -> bool,
    ) -> Result<(), CallError> {
        let form = [("business_public_key", key.pem())];
        let prepare = |request: RequestBuilder| may_begin().then(|| request.form(&form));
        let edge = Edge::of_key(Operation::Upload, number);
        let took = self.call(&edge, credentials, resource, prepare, wire::upload_succeeded).await?;
        if took {
            return Ok(());
        }
        let message = "Meta answered that the upload was not successful";
        Err(CallError::Failed(GraphError::on_the_way(ErrorClass::Transient, Some(200), message)))
    }

    pub(super) async fn call<T>(
        &self,
        edge: &Edge<'_>,
        credentials: &Credentials,
        resource: &str,
        prepare: impl FnOnce(RequestBuilder) -> Option<RequestBuilder>,
        decode: fn(&[u8]) -> Result<T, wire::UnknownShape>,
    ) -> Result<T, CallError> {
        let caller =
            Caller { credentials: credentials.id(), token: credentials.origin(), resource, phone_number_id: edge.id };
        let permit = self.limiter.enter(caller).await.map_err(CallError::Held)?;
        let segments = if edge.name.is_empty() { &[edge.id][..] } else { &[edge.id, edge.name] };
        let url = extended(&self.base, segments);
        let path = url.path().to_owned();
        let method = match edge.operation {
            Operation::Read | Operation::List | Operation::Inspect => Method::GET,
            Operation::Upload => Method::POST,
        };
        let request = self.request(method.clone(), url, credentials);
        let request = if edge.query.is_empty() { request } else { request.query(edge.query) };
        let request = prepare(request).ok_or(CallError::Withdrawn)?;
        let timer = self.metrics.request(edge.operation);
        let span = spans::call(edge.operation, self.base.host_str().unwrap_or_default(), edge.id);
        let exchanged = exchange(request, &credentials.redactor(), decode).instrument(span.clone()).await;
        let error = exchanged.result.as_ref().err();
        spans::record_answer(&span, exchanged.status, exchanged.trace_id.as_deref(), error);
        tracing::debug!(
            method = method.as_str(),
            path,
            resource,
            status = exchanged.status,
            outcome = error.map_or("ok", |error| error.class.as_str()),
            trace_id = exchanged.trace_id.as_deref(),
            duration_ms = timer.elapsed().as_millis(),
            "called the Graph API"
        );
        timer.end(error);
        if edge.operation == Operation::Inspect && !error.is_some_and(GraphError::is_rate_limit) {
            // Work on numbers must not depend on what an inspection tells.
            return exchanged.result.map_err(CallError::Failed);
        }
        match permit.finish(error, &exchanged.usage) {
            Some(hold) => Err(CallError::Held(hold)),
            None => exchanged.result.map_err(CallError::Failed),
        }
    }

    fn request(&self, method: Method, url: Url, credentials: &Credentials) -> RequestBuilder {
        let mut request = self.transport.client().request(method, url);
        if let Some(authorization) = credentials.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        match credentials.proof() {
            Some(proof) => request.query(&[("appsecret_proof", proof)]),
            None => request,
        }
    }
}

/// An edge of the API, and the parameters of a call to it.
pub(super) struct Edge<'a> {
    pub(super) operation: Operation,
    /// The phone number ID, or the ID of the account.
    pub(super) id: &'a str,
    /// Empty for an edge without an object, whose name is in `id`.
    pub(super) name: &'static str,
    /// The query, without the app secret proof.
    pub(super) query: &'a [(&'a str, &'a str)],
}

impl<'a> Edge<'a> {
    /// The key of a number.
    fn of_key(operation: Operation, number: &'a str) -> Self {
        Self { operation, id: number, name: "whatsapp_business_encryption", query: &[] }
    }
}

/// Removes credentials from an answer: any text of an answer may repeat parts of the request.
pub(super) fn redacted(mut reported: Reported, credentials: &Credentials) -> Reported {
    reported.signature_status = reported.signature_status.map(|status| credentials.redactor().redact(&status));
    reported
}

/// The URL with additional path segments, each escaped.
fn extended(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Fails only for URLs that cannot be a base. A URL with a host can.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

fn without_password(url: &Url) -> Url {
    let mut url = url.clone();
    // Fails only for URLs without a host, which have no password.
    let _ = url.set_password(None);
    url
}
