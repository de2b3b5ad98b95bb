//! The ceiling of requests per second.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Turns at even distances, first come, first served. What was not used is not saved up: no second sees a burst.
pub(super) struct Rate {
    period: Duration,
    next: Mutex<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self { period: Duration::from_secs(1) / per_second.get(), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn. A caller that gives up leaves its turn unused.
    pub(super) async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + self.period;
            at
        };
        sleep_until(at).await;
    }
}
