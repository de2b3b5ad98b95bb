//! All clients together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::config::Config;
use crate::error::StartError;
use crate::report::{Counts, Failure};
use crate::shared::Shared;

/// Meta gives up on an endpoint after this time.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Running clients. Dropping the traffic ends it at once, in the middle of requests.
pub struct Traffic {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Traffic {
    /// Starts the clients on the current tokio runtime.
    ///
    /// # Errors
    /// If there is nobody to ask, or the HTTP client cannot be set up.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let count = config.clients;
        let is_something = count > 0 && !config.numbers.is_empty() && !config.targets.is_empty();
        if !is_something || config.requests_per_second <= 0.0 {
            return Err(StartError::Nothing);
        }
        // An error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(TIME_LIMIT).build()?;
        #[expect(clippy::cast_precision_loss, reason = "there are not that many clients")]
        let pause = Duration::from_secs_f64(count as f64 / config.requests_per_second);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared::new(config, http, pause, stopped));
        let mut clients = JoinSet::new();
        for index in 0..count {
            clients.spawn(Client::new(index, Arc::clone(&shared)).run());
        }
        Ok(Self { shared, clients, stop })
    }

    /// The endpoint has these targets from now on. Requests that are under way go on.
    pub fn set_targets(&self, urls: Vec<String>) {
        self.shared.set_targets(urls);
    }

    /// What the clients saw so far.
    pub fn counts(&self) -> Counts {
        self.shared.report.counts()
    }

    /// The failures so far that a customer saw, the first 1000 of them.
    pub fn failures(&self) -> Vec<Failure> {
        self.shared.report.failures()
    }

    /// Whether every client has used every number at least once. Then each client that keeps keys has them all.
    pub fn is_warm(&self) -> bool {
        self.shared.report.warm() == self.shared.config.clients
    }

    /// Starts no more requests, and waits for those under way. The counts stay.
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        while self.clients.join_next().await.is_some() {}
    }
}
