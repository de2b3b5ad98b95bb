//! What the clients share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Config;
use crate::report::Report;

/// What the clients share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) http: reqwest::Client,
    /// Mean pause of one client between two requests.
    pub(crate) pause: Duration,
    pub(crate) report: Report,
    targets: Mutex<Vec<String>>,
    stopped: watch::Receiver<bool>,
}

impl Shared {
    pub(crate) fn new(config: Config, http: reqwest::Client, pause: Duration, stopped: watch::Receiver<bool>) -> Self {
        let targets = Mutex::new(config.targets.clone());
        Self { config, http, pause, report: Report::default(), targets, stopped }
    }

    /// The endpoint's targets.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_targets(&self, urls: Vec<String>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = urls;
    }

    /// Waits. False once the traffic has stopped.
    pub(crate) async fn pause_for(&self, pause: Duration) -> bool {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            _ = stopped.wait_for(|stopped| *stopped) => false,
        }
    }
}
