//! The HTTPS client, and whom it trusts.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Config, ConfigError};
use crate::outbound;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(4);
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// An HTTP/2 connection with calls under way on which nothing is heard for this long is asked for a sign of life. Where
/// it gives none the next call gets a new connection; without this, calls would time out on it one after another.
const PING_INTERVAL: Duration = Duration::from_secs(3);
const PING_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the CA bundle is looked at, where there are calls. The kubelet brings a changed ConfigMap within a minute or
/// two, so this adds little.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Makes the client, and makes it anew when the CA bundle has changed.
pub(super) struct Transport {
    config: Config,
    look_interval: Duration,
    state: Mutex<State>,
}

struct State {
    client: reqwest::Client,
    /// The bundle as it was seen last, usable or not, or why it could not be read.
    bundle: Result<Vec<u8>, String>,
    looked: Instant,
}

impl Transport {
    /// # Errors
    /// When the bundle cannot be used, or TLS cannot be set up.
    pub(super) fn new(config: &Config, wait_scale: f64) -> Result<Self, ConfigError> {
        let bundle = config.ca_bundle.as_deref().map_or_else(|| Ok(Vec::new()), read);
        let client = build(config, &bundle)?;
        let state = Mutex::new(State { client, bundle, looked: Instant::now() });
        Ok(Self { config: config.clone(), look_interval: LOOK_INTERVAL.mul_f64(wait_scale), state })
    }

    /// The client of now. Calls under way go on with the one that they have.
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

    /// A bundle that cannot be used leaves the client as it is: the roots that it trusts are better than none.
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
