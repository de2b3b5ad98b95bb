//! The client that sends probes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand_core::OsRng;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Certificate, ClientBuilder, Response, Url};
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};
use waflows_probe::{AskWith, MAX_ANSWER, Opener, Request, SigningSecret, TIME_LIMIT, UnusableKey, encode};

use super::obstacle::Obstacle;
use super::target::Target;
use crate::outbound;

/// A part of [`TIME_LIMIT`]. It separates dropped packets, for example by a NetworkPolicy, from a slow endpoint.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// The result of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The finding.
    pub finding: ProbeFinding,
    /// Why there was no answer. None if there was an answer, or if the answer took too long.
    pub obstacle: Option<Obstacle>,
    /// Time from the first packet to the last byte that was read.
    pub took: Duration,
}

/// A client for probes. Each probe has its own connection. So no probe goes to a replica because the last probe did.
#[derive(Debug, Clone)]
pub struct ProbeClient(reqwest::Client);

/// The reasons why a client for a target cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The host of the URL is an IP address, but not the address of the target.
    #[error("the URL and the address of the target differ")]
    OtherAddress,
    /// TLS could not be set up.
    #[error("the HTTPS client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
}

impl ProbeClient {
    /// A client that trusts these roots and the roots of the platform. It uses the proxy variables of the environment,
    /// and does not follow redirects.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(roots: Vec<Certificate>) -> reqwest::Result<Self> {
        Ok(Self(builder().tls_certs_merge(roots).build()?))
    }

    /// A client for one target. It connects to the address of the target, which was checked, and resolves no name. It
    /// trusts only these authorities, or the roots of the platform if there are none. It does not follow redirects.
    ///
    /// A pod is asked directly. A URL is asked through the proxy of the environment, if there is one: the proxy then
    /// resolves the name again, and its own rules decide where the request may go.
    ///
    /// # Errors
    /// If the URL has another IP address, or TLS cannot be set up.
    pub fn pinned(target: &Target, authorities: Vec<Certificate>) -> Result<Self, PinError> {
        let host = target.url.host_str().unwrap_or_default();
        // An IP address is not looked up, so it must be the right one already.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if literal.is_ok_and(|address| address != target.address.ip()) {
            return Err(PinError::OtherAddress);
        }
        let mut builder = builder().resolve(host, target.address);
        if target.is_pod() {
            builder = builder.no_proxy();
        }
        // The roots of the platform are read from the disk for every client.
        if !authorities.is_empty() || target.url.scheme() == "http" {
            builder = builder.tls_certs_only(authorities);
        }
        Ok(Self(builder.build()?))
    }

    /// Makes a health check, sends it once, and reads the answer.
    ///
    /// # Errors
    /// If the key cannot encrypt.
    pub async fn ask(&self, url: &Url, key: AskWith<'_>, secret: Option<&SigningSecret>) -> Result<Reply, UnusableKey> {
        let (request, opener) = encode(key, secret, &mut OsRng)?;
        let begun = Instant::now();
        let (finding, obstacle) = match self.exchange(url.clone(), &request, &opener).await {
            Ok(finding) => (finding, None),
            Err(error) => unanswered(&error),
        };
        Ok(Reply { finding, obstacle, took: begun.elapsed() })
    }

    async fn exchange(&self, url: Url, request: &Request, opener: &Opener) -> reqwest::Result<ProbeFinding> {
        let mut post = self.0.post(url).header(CONTENT_TYPE, "application/json").body(request.body().to_vec());
        if let Some(mut signature) = request.signature().and_then(|text| HeaderValue::from_str(text).ok()) {
            signature.set_sensitive(true);
            post = post.header(SIGNATURE, signature);
        }
        let response = post.send().await?;
        let status = response.status().as_u16();
        // The body of a refusal has no use, and may have any length.
        let body = if Opener::needs_body(status) { read(response).await? } else { Vec::new() };
        Ok(opener.decode(status, &body))
    }
}

fn builder() -> ClientBuilder {
    outbound::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIME_LIMIT).pool_max_idle_per_host(0)
}

/// The first [`MAX_ANSWER`] bytes of a body. Does not read the rest.
async fn read(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER {
        let Some(chunk) = response.chunk().await? else { break };
        body.extend(chunk.iter().take(MAX_ANSWER - body.len()));
    }
    Ok(body)
}

fn unanswered(error: &reqwest::Error) -> (ProbeFinding, Option<Obstacle>) {
    // `is_timeout` is also true for a timeout while connecting, which is an obstacle.
    if error.is_timeout() && !error.is_connect() {
        return (ProbeFinding::unanswered(ProbeOutcome::TimedOut), None);
    }
    (ProbeFinding::unanswered(ProbeOutcome::Unreachable), Some(Obstacle::of(error)))
}
