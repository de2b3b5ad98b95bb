//! Waiting for what must happen. The caller says what was expected if it does not happen.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Nothing is expected to take this long.
pub const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// Looks again and again until something is there. `None` if it does not come within [`PATIENCE`].
pub async fn look<T>(look: impl AsyncFn() -> Option<T>) -> Option<T> {
    let looked = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(POLL).await;
        }
    });
    looked.await.ok()
}

/// Looks again and again until a condition holds. False if it does not hold within [`PATIENCE`].
pub async fn until(condition: impl Fn() -> bool) -> bool {
    let looked = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(POLL).await;
        }
    });
    looked.await.is_ok()
}

/// The same in a thread that may sleep.
pub fn blocking_until(patience: Duration, condition: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > patience {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}
