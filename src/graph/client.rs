//! The two calls: read a number's key, upload a key.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder, Response, Url, redirect};

use super::error::{Answer, ErrorClass, GraphError};
use super::pacing::{Caller, Pacing};
use super::usage::{Usage, retry_after};
use super::wire::{self, Reported};
use super::{CallError, Credentials};
use crate::key::PublicKey;

/// Longer answers are cut: the documented ones have less than 2 KiB.
const MAX_ANSWER: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(8);
/// How often a GET is repeated at once after a failure that may be over in a moment.
const READ_RETRIES: u32 = 2;
const READ_RETRY_DELAY: Duration = Duration::from_millis(200);
const USER_AGENT: &str = concat!("waflows-operator/", env!("CARGO_PKG_VERSION"));

/// Where and how to call.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL, such as `https://graph.facebook.com`.
    pub base_url: Url,
    /// API version, such as `v25.0`.
    pub api_version: String,
    /// Whether `http` is allowed.
    pub allow_http: bool,
    /// PEM of further roots to trust, beside those of the platform.
    pub ca_bundle: Option<Vec<u8>>,
    /// Bound on a whole call. An upload must end before a lost lease can be taken by another replica.
    pub timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The scheme is not https.
    #[error("the Graph URL {0} is not https; tokens are only sent over TLS (tests may pass --allow-http-graph-url)")]
    NotHttps(Url),
    /// The URL cannot be a base.
    #[error("the Graph URL {0} has a query, a fragment, credentials or no host; give scheme, host and at most a path")]
    NotABase(Url),
    /// The CA bundle is not PEM.
    #[error("the CA bundle holds no certificates in PEM form")]
    CaBundle,
    /// TLS could not be set up.
    #[error("the HTTPS client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
}

/// A client of the Graph API. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<str>,
    pacing: Arc<Pacing>,
}

impl Client {
    /// A client that connects when first used.
    ///
    /// Proxy variables of the environment are honoured, redirects are not followed.
    ///
    /// # Errors
    /// When the configuration is unusable.
    pub fn new(config: &Config, pacing: Arc<Pacing>) -> Result<Self, ConfigError> {
        let url = &config.base_url;
        if url.scheme() != "https" && !(config.allow_http && url.scheme() == "http") {
            return Err(ConfigError::NotHttps(url.clone()));
        }
        let is_base = url.has_host() && url.query().is_none() && url.fragment().is_none();
        if !is_base || !url.username().is_empty() || url.password().is_some() {
            return Err(ConfigError::NotABase(url.clone()));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .https_only(!config.allow_http)
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
            .read_timeout(READ_TIMEOUT.min(config.timeout))
            .timeout(config.timeout)
            .pool_idle_timeout(Duration::from_secs(90));
        if let Some(pem) = &config.ca_bundle {
            let roots = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| ConfigError::CaBundle)?;
            if roots.is_empty() {
                return Err(ConfigError::CaBundle);
            }
            builder = builder.tls_certs_merge(roots);
        }
        let base = format!("{}/{}", url.as_str().trim_end_matches('/'), config.api_version).into();
        Ok(Self { http: builder.build()?, base, pacing })
    }

    /// What the number holds. Failures of the connection and of Meta's servers are retried twice.
    ///
    /// # Errors
    /// When Meta refuses, does not answer, or a pause is in force.
    pub async fn read(&self, credentials: &Credentials, resource: &str, number: &str) -> Result<Reported, CallError> {
        let mut attempt = 0;
        loop {
            match self.read_once(credentials, resource, number).await {
                Err(CallError::Failed(error)) if error.class == ErrorClass::Transient && attempt < READ_RETRIES => {
                    attempt += 1;
                    // Between half and all of the delay, so that callers that failed together do not return together.
                    tokio::time::sleep(READ_RETRY_DELAY.mul_f64((0.5 + fastrand::f64() / 2.0) * f64::from(attempt)))
                        .await;
                }
                result => return result,
            }
        }
    }

    async fn read_once(&self, credentials: &Credentials, resource: &str, number: &str) -> Result<Reported, CallError> {
        self.call(Method::GET, credentials, resource, number, |request| request, wire::read_answer).await
    }

    /// Puts the key on the number. Never repeated here: whoever retries must read first.
    ///
    /// # Errors
    /// When Meta refuses, does not answer, or a pause is in force.
    pub async fn upload(
        &self,
        credentials: &Credentials,
        resource: &str,
        number: &str,
        key: &PublicKey,
    ) -> Result<(), CallError> {
        let form = [("business_public_key", key.pem())];
        let took = self
            .call(Method::POST, credentials, resource, number, |request| request.form(&form), wire::upload_succeeded)
            .await?;
        if took {
            return Ok(());
        }
        let message = "Meta answered that the upload was not successful";
        Err(CallError::Failed(GraphError::on_the_way(ErrorClass::Transient, Some(200), message)))
    }

    async fn call<T>(
        &self,
        method: Method,
        credentials: &Credentials,
        resource: &str,
        number: &str,
        with_body: impl FnOnce(RequestBuilder) -> RequestBuilder,
        decode: fn(&[u8]) -> Result<T, wire::UnknownShape>,
    ) -> Result<T, CallError> {
        let caller = Caller { credentials: credentials.id(), resource, phone_number_id: number };
        let pass = self.pacing.enter(caller).await.map_err(CallError::Paused)?;
        let request = with_body(self.request(method.clone(), credentials, number));
        let begun = Instant::now();
        let (result, usage) = exchange(request, credentials, decode).await;
        let error = result.as_ref().err();
        tracing::debug!(
            method = method.as_str(),
            phone_number_id = number,
            status = error.map_or(Some(200), |e| e.http_status),
            outcome = error.map_or("ok", |e| e.class.as_str()),
            trace_id = error.and_then(|e| e.trace_id.as_deref()),
            duration_ms = begun.elapsed().as_millis(),
            "called the Graph API"
        );
        match pass.finish(error, &usage) {
            Some(pause) => Err(CallError::Paused(pause)),
            None => result.map_err(CallError::Failed),
        }
    }

    fn request(&self, method: Method, credentials: &Credentials, number: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}/{number}/whatsapp_business_encryption", self.base));
        if let Some(authorization) = credentials.authorization() {
            request = request.header(AUTHORIZATION, authorization);
        }
        match credentials.proof() {
            Some(proof) => request.query(&[("appsecret_proof", proof)]),
            None => request,
        }
    }
}

async fn exchange<T>(
    request: RequestBuilder,
    credentials: &Credentials,
    decode: fn(&[u8]) -> Result<T, wire::UnknownShape>,
) -> (Result<T, GraphError>, Usage) {
    let redactor = credentials.redactor();
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return (Err(unanswered(&error)), Usage::default()),
    };
    let status = response.status();
    let usage = Usage::from_headers(response.headers());
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let trace_id = response.headers().get("x-fb-trace-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
    if status.is_redirection() {
        let message = format!(
            "the Graph API answered with a redirect (HTTP status {status}), which is not followed; check --graph-url and the proxy"
        );
        return (Err(GraphError::on_the_way(ErrorClass::Unexpected, Some(status.as_u16()), &message)), usage);
    }
    let body = match read_body(response).await {
        Ok(body) => body,
        Err(error) => return (Err(error), usage),
    };
    let decoded = if status.is_success() { decode(&body).ok() } else { None };
    let result = decoded.ok_or_else(|| {
        let answer =
            Answer { status: status.as_u16(), body: &body, retry_after, usage: &usage, trace_id: trace_id.as_deref() };
        GraphError::from_answer(&answer, &redactor)
    });
    (result, usage)
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, GraphError> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            let message = "the answer is longer than 64 KiB; something other than the Graph API may have sent it";
            return Err(GraphError::on_the_way(ErrorClass::Unexpected, Some(status), message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Describes a failure without an answer. The URL is left out: its query holds the app secret proof.
fn unanswered(error: &reqwest::Error) -> GraphError {
    let what = if error.is_timeout() {
        "the Graph API did not answer in time"
    } else if error.is_connect() {
        "no connection to the Graph API"
    } else {
        "the connection to the Graph API broke"
    };
    let mut message = what.to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // A failed write into a String cannot happen.
        let _ = write!(message, ": {cause}");
        source = cause.source();
    }
    GraphError::on_the_way(ErrorClass::Transient, None, &message)
}
