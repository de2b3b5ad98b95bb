//! Sends probes.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Certificate, Response, Url};
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};
use waflows_probe::{MAX_ANSWER, Opener, Request, TIME_LIMIT};

use super::obstacle::Obstacle;
use crate::outbound;

/// Within the whole time: what drops packets, such as a NetworkPolicy, is thus told from an endpoint that is slow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// What came of one probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// What was found.
    pub finding: ProbeFinding,
    /// Why there was no answer; none where there was one, or where it only took too long.
    pub obstacle: Option<Obstacle>,
    /// From the first packet to the last byte that was looked at.
    pub took: Duration,
}

/// A client for probes. Each gets a connection of its own, so that none goes to a replica because the last one did.
#[derive(Debug, Clone)]
pub struct ProbeClient(reqwest::Client);

impl ProbeClient {
    /// A client that trusts these roots beside those of the platform. Proxy variables of the environment are honoured,
    /// redirects are not followed.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(roots: Vec<Certificate>) -> reqwest::Result<Self> {
        let builder = outbound::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIME_LIMIT)
            .pool_max_idle_per_host(0)
            .tls_certs_merge(roots);
        Ok(Self(builder.build()?))
    }

    /// Sends a request and reads the answer to it, once.
    pub async fn ask(&self, url: Url, request: &Request, opener: &Opener) -> Reply {
        let begun = Instant::now();
        let (finding, obstacle) = match self.exchange(url, request, opener).await {
            Ok(finding) => (finding, None),
            Err(error) => unanswered(&error),
        };
        Reply { finding, obstacle, took: begun.elapsed() }
    }

    async fn exchange(&self, url: Url, request: &Request, opener: &Opener) -> reqwest::Result<ProbeFinding> {
        let mut post = self.0.post(url).header(CONTENT_TYPE, "application/json").body(request.body().to_vec());
        if let Some(mut signature) = request.signature().and_then(|text| HeaderValue::from_str(text).ok()) {
            signature.set_sensitive(true);
            post = post.header(SIGNATURE, signature);
        }
        let response = post.send().await?;
        let status = response.status().as_u16();
        // What a refusal says is of no use, and may be of any length.
        let body = if Opener::needs_body(status) { read(response).await? } else { Vec::new() };
        Ok(opener.decode(status, &body))
    }
}

/// The first [`MAX_ANSWER`] bytes of a body. The rest is never asked for.
async fn read(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < MAX_ANSWER {
        let Some(chunk) = response.chunk().await? else { break };
        body.extend(chunk.iter().take(MAX_ANSWER - body.len()));
    }
    Ok(body)
}

fn unanswered(error: &reqwest::Error) -> (ProbeFinding, Option<Obstacle>) {
    // First, since a connection can fail by a time-out, too.
    if error.is_timeout() && !error.is_connect() {
        return (ProbeFinding::unanswered(ProbeOutcome::TimedOut), None);
    }
    (ProbeFinding::unanswered(ProbeOutcome::Unreachable), Some(Obstacle::of(error)))
}
