//! Retries of a watch: the backoff, and the detection that the watch is open.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::health::{Health, Sight};
use crate::metrics::Watched;

/// Backoff before the second attempt. Doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(800);
/// The longest backoff while the API server answers: a failure of only the watch may end at any time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The backoff while the API server does not answer, because attempts would fail. Ends when the API server answers.
const PAUSE_OUT_OF_CONTACT: Duration = Duration::from_secs(30);
/// Two failures further apart than this are not in a row, so the backoff starts again.
const IN_A_ROW: Duration = Duration::from_secs(120);

/// The attempts of one watch.
pub(super) struct Attempts<'a> {
    health: &'a Health,
    returns: watch::Receiver<()>,
    failures: u32,
    last: Option<Instant>,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(health: &'a Health) -> Self {
        Self { health, returns: health.returns(), failures: 0, last: None }
    }

    /// Waits after a failure, until the next attempt.
    pub(super) async fn pause(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() > IN_A_ROW) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        let pause = if self.health.is_in_contact() { pause_after(self.failures) } else { PAUSE_OUT_OF_CONTACT };
        // Jitter between half and all of it, so that watches that failed together do not retry together.
        let pause = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
        tokio::select! {
            () = sleep(pause) => {}
            () = self.contact_returned() => self.failures = 0,
        }
        self.last = Some(Instant::now());
    }

    /// Completes when the API server answers again after an outage.
    pub(super) async fn contact_returned(&mut self) {
        if self.returns.changed().await.is_err() {
            // The task that requests `/version` has ended.
            std::future::pending::<()>().await;
        }
    }
}

fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE)
}

/// A client for one watch. The answer to its request shows that the watch is open, because an open watch is silent
/// while nothing changes.
pub(super) fn attentive(client: &Client, watched: Watched, sight: &Arc<Sight>) -> Client {
    let (inner, sight) = (client.clone(), Arc::clone(sight));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, sight) = (inner.clone(), Arc::clone(&sight));
        async move {
            let is_watch = request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
            let response = client.send(request).await?;
            if response.status().is_success() {
                if !is_watch {
                    sight.hear();
                } else if sight.opened() {
                    tracing::info!(what = watched.as_str(), "the watch is open again");
                }
            }
            Ok::<_, kube::Error>(response)
        }
    });
    Client::new(service, client.default_namespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = [1, 2, 3, 4, 40, u32::MAX].map(|failures| pause_after(failures).as_millis());
        assert_eq!(pauses, [800, 1600, 3200, 5000, 5000, 5000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_at_its_time_at_the_latest() {
        let health = Health::new(1.0);
        let mut attempts = Attempts::new(&health);
        for _ in 0..20 {
            let begun = Instant::now();
            attempts.pause().await;
            assert!((FIRST_PAUSE / 2..=LONGEST_PAUSE).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        }
    }
}
