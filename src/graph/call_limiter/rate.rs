//! The limit of requests per second: a leaky bucket (generic cell rate algorithm).

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How far ahead calls may start: the few calls of a single resource in a row do not wait for one another.
const ADVANCE: Duration = Duration::from_millis(100);

/// Evenly spaced calls, first come, first served. A burst may have the calls of a tenth of a second. The spacing is
/// wide enough that no second has more calls than the limit, even with a burst.
pub(super) struct Rate {
    period: Duration,
    next: Mutex<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        let period = (Duration::from_secs(1) + ADVANCE) / per_second.get();
        Self { period, next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn. If a caller stops waiting, its turn is lost.
    pub(super) async fn turn(&self) {
        let at = {
            let now = Instant::now();
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(now);
            *next = at + self.period;
            at.checked_sub(ADVANCE).map_or(now, |at| at.max(now))
        };
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_calls_of_one_resource_do_not_wait_for_one_another() {
        let rate = Rate::new(NonZeroU32::new(50).unwrap());
        let begun = Instant::now();
        for _ in 0..5 {
            rate.turn().await;
        }
        assert!(begun.elapsed().is_zero());
        rate.turn().await;
        assert!(!begun.elapsed().is_zero());
    }
}
