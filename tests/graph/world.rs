//! What a test works with: an emulator of Meta and a client of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use graph_emulator::{Config, Emulator, FOREIGN_PUBLIC_KEY, Fault, FaultAction, appsecret_proof};
use harness::{TOKEN, emulator, tls};
use tempfile::NamedTempFile;
use waflows_core::meta::{ErrorClass, GraphError, Reported};
use waflows_key::PublicKey;
use waflows_operator::graph::call_limiter::Limits;
use waflows_operator::graph::{self, AccessToken, AppSecret, CallError, CallLimiter, Client, Credentials, HoldCause};

pub(crate) const APP_SECRET: &str = "0123456789abcdef-app-secret";
pub(crate) const NUMBER: &str = "106540352242922";
pub(crate) const RESOURCE: &str = "messaging/storefront";

/// An emulator that knows [`TOKEN`] and [`NUMBER`], and a client.
pub(crate) struct Graph {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    /// The CA bundle that the client reads, where the emulator speaks TLS.
    pub(crate) ca: NamedTempFile,
}

impl Graph {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default(), |_| {}).await
    }

    /// An emulator and a client of certain configurations.
    pub(crate) async fn with(emulator: Config, change: impl FnOnce(&mut graph::Config)) -> Self {
        Self::limited(emulator, change, unlimited()).await
    }

    pub(crate) async fn limited(emulator: Config, change: impl FnOnce(&mut graph::Config), limits: Limits) -> Self {
        let emulator = emulator::start(emulator, &[NUMBER]).await;
        let mut config = config(emulator.base_url());
        let ca = NamedTempFile::new().unwrap();
        config.ca_bundle = emulator.ca_pem().map(|pem| {
            std::fs::write(&ca, pem).unwrap();
            ca.path().to_owned()
        });
        change(&mut config);
        Self { client: client(&config, limits), emulator, credentials: credentials(TOKEN), ca }
    }

    /// With a fault that is in force from the start.
    pub(crate) async fn faulty(fault: Fault) -> Self {
        let graph = Self::start().await;
        graph.emulator.inject(fault);
        graph
    }

    pub(crate) async fn read(&self) -> Result<Reported, CallError> {
        self.client.read(&self.credentials, RESOURCE, NUMBER).await
    }

    pub(crate) async fn upload(&self) -> Result<(), CallError> {
        self.client.upload(&self.credentials, RESOURCE, NUMBER, &key(), || true).await
    }

    pub(crate) fn reads(&self) -> u64 {
        self.emulator.counters().calls.reads
    }

    pub(crate) fn uploads(&self) -> u64 {
        self.emulator.counters().calls.uploads
    }
}

pub(crate) fn unlimited() -> Limits {
    Limits { requests_per_second: None, concurrency: None, wait_scale: 0.01 }
}

pub(crate) fn limits(per_second: u32, concurrency: u32) -> Limits {
    Limits {
        requests_per_second: NonZeroU32::new(per_second),
        concurrency: NonZeroU32::new(concurrency),
        ..unlimited()
    }
}

pub(crate) fn config(base_url: &str) -> graph::Config {
    tls::install_provider();
    graph::Config {
        base_url: base_url.parse().unwrap(),
        api_version: "v25.0".into(),
        allow_http: true,
        ca_bundle: None,
        timeout: Duration::from_secs(10),
    }
}

pub(crate) fn client(config: &graph::Config, limits: Limits) -> Client {
    Client::new(config, Arc::new(CallLimiter::new(limits)), Arc::default()).unwrap()
}

/// A time-out that a test can wait for.
pub(crate) fn impatient(config: &mut graph::Config) {
    config.timeout = Duration::from_millis(300);
}

pub(crate) fn credentials(token: &str) -> Credentials {
    Credentials::new(AccessToken::new(token.as_bytes()).unwrap(), None)
}

pub(crate) fn proven_credentials(token: &str) -> Credentials {
    let secret = AppSecret::new(APP_SECRET.as_bytes()).unwrap();
    Credentials::new(AccessToken::new(token.as_bytes()).unwrap(), Some(&secret))
}

pub(crate) fn proof() -> String {
    appsecret_proof(TOKEN, APP_SECRET)
}

/// The key that the tests upload.
pub(crate) fn key() -> PublicKey {
    PublicKey::from_public_key(FOREIGN_PUBLIC_KEY).unwrap()
}

/// The answer with this status and body.
pub(crate) fn answer(status: u16, body: impl Into<String>) -> Fault {
    Fault::new(FaultAction::Answer { status, headers: Vec::new(), body: body.into() })
}

/// The error that a call ended in, whether it stops further calls or not.
#[track_caller]
pub(crate) fn error_of<T: std::fmt::Debug>(result: Result<T, CallError>) -> GraphError {
    match result.unwrap_err() {
        CallError::Failed(error) => error,
        CallError::Withdrawn => panic!("withdrawn"),
        CallError::Held(hold) => match hold.cause {
            HoldCause::CredentialsRefused(error) | HoldCause::RateLimited(error) => (*error).clone(),
        },
    }
}

#[track_caller]
pub(crate) fn class_of<T: std::fmt::Debug>(result: Result<T, CallError>) -> ErrorClass {
    error_of(result).class
}

/// Waits for something at the emulator, looking again and again.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let looked = tokio::time::timeout(Duration::from_secs(30), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    looked.await.expect("it comes true");
}
