//! The HTTPS client and its trusted certificate authorities.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::{Config, ConfigError};
use crate::outbound;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(4);
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Interval of HTTP/2 pings on a silent connection with calls in progress. If a ping gets no answer, the next call
/// opens a new connection. Without pings, calls would time out on a dead connection one after another.
const PING_INTERVAL: Duration = Duration::from_secs(3);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the CA bundle is checked for changes, while there are calls. The kubelet updates a changed ConfigMap
/// within a minute or two, so this adds little.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Creates the client, and creates it again when the CA bundle has changed.
pub(super) struct Transport {
    config: Config,
    look_interval: Duration,
    state: Mutex<State>,
}

struct State {
    client: reqwest::Client,
    /// The last content of the bundle, valid or not, or the read error.
    bundle: Result<Vec<u8>, String>,
    looked: Instant,
}

impl Transport {
    /// # Errors
    /// If the bundle is invalid, or TLS cannot be set up.
    pub(super) fn new(config: &Config, wait_scale: f64) -> Result<Self, ConfigError> {
        let bundle = config.ca_bundle.as_deref().map_or_else(|| Ok(Vec::new()), read);
        let client = build(config, &bundle)?;
        let state = Mutex::new(State { client, bundle, looked: Instant::now() });
        Ok(Self { config: config.clone(), look_interval: LOOK_INTERVAL.mul_f64(wait_scale), state })
    }

    /// The current client. Calls in progress keep their client.
    pub(super) fn client(&self) -> reqwest::Client {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.config.ca_bundle
            && state.looked.elapsed() >= self.look_interval
        {
            state.looked = Instant::now();
            self.look(path, &mut state);
        }
        state.client.clone()
    }

    /// Checks the bundle. If the new bundle is invalid, the client keeps the last valid certificate authorities.
    fn look(&self, path: &Path, state: &mut State) {
        let bundle = read(path);
        if bundle == state.bundle {
            return;
        }
        match build(&self.config, &bundle) {
            Ok(client) => {
                state.client = client;
                tracing::info!(path = %path.display(), "the CA bundle has changed and was read again");
            }
            Err(error) => {
                tracing::warn!(%error, "the CA bundle has changed and cannot be used: the one before stays in force");
            }
        }
        state.bundle = bundle;
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| error.to_string())
}

fn build(config: &Config, bundle: &Result<Vec<u8>, String>) -> Result<reqwest::Client, ConfigError> {
    let mut builder = outbound::builder()
        .https_only(!config.allow_http)
        .connect_timeout(CONNECT_TIMEOUT.min(config.timeout))
        .read_timeout(READ_TIMEOUT.min(config.timeout))
        .timeout(config.timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT);
    if let Some(path) = &config.ca_bundle {
        builder = builder.tls_certs_merge(roots(path, bundle)?);
    }
    Ok(builder.build()?)
}

fn roots(path: &Path, bundle: &Result<Vec<u8>, String>) -> Result<Vec<reqwest::Certificate>, ConfigError> {
    let unusable = |trouble: &str| ConfigError::CaBundle { path: path.to_owned(), trouble: trouble.to_owned() };
    let pem = bundle.as_ref().map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    outbound::roots(pem).ok_or_else(|| unusable("holds no certificates in PEM form"))
}
