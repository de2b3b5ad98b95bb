//! The backoff before the next attempt. Pure.

use std::time::Duration;

/// All backoffs and waits of the operator. Tests shorten them by one factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waits {
    scale: f64,
}

/// An exponential backoff: doubles with every attempt.
#[derive(Debug, Clone, Copy)]
struct Doubling {
    first: Duration,
    most: Duration,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Most failures pass within seconds. While Meta is down, a call in five minutes for each number is little.
const AFTER_FAILURE: Doubling = Doubling { first: Duration::from_secs(5), most: Duration::from_secs(5 * 60) };
/// People expect the API server back within minutes. While it is down, a try ends before Meta is called. If it only refuses
/// the status, the numbers are read again.
const AFTER_OUTAGE: Doubling = Doubling { first: Duration::from_secs(5), most: MINUTE };
/// A person needs minutes at least to resolve a refusal, and may do so without a trace in the cluster.
const AFTER_REFUSAL: Doubling = Doubling { first: Duration::from_secs(5 * 60), most: HOUR };
/// Every upload replaces the key at Meta. A number that Meta does not sign needs a person, and not more uploads.
const AFTER_UPLOAD: Doubling = Doubling { first: MINUTE, most: Duration::from_secs(6 * 3600) };

impl Default for Waits {
    fn default() -> Self {
        Self { scale: 1.0 }
    }
}

impl Waits {
    /// All waits multiplied by `scale`; for tests.
    pub fn scaled(scale: f64) -> Self {
        Self { scale }
    }

    /// After the n-th transient failure in a row, or upload without an effect at Meta: 5 s doubling to 5 min.
    pub fn after_failure(&self, failures: i32) -> Duration {
        self.doubling(AFTER_FAILURE, failures)
    }

    /// After the n-th refusal in a row that only a person can resolve: 5 min doubling to 1 h.
    pub fn after_refusal(&self, failures: i32) -> Duration {
        self.doubling(AFTER_REFUSAL, failures)
    }

    /// After the n-th upload of a key that took effect but did not make the number Valid: 1 min doubling to 6 h.
    pub fn after_upload(&self, attempts: i32) -> Duration {
        self.doubling(AFTER_UPLOAD, attempts)
    }

    /// Before a number is read again after an upload with unknown result: the request may still be on its way.
    pub fn after_unknown_outcome(&self) -> Duration {
        self.of(MINUTE)
    }

    /// Before a rejected passphrase counts as wrong: key and passphrase may be changing together.
    pub fn passphrase_grace(&self) -> Duration {
        self.of(2 * SECOND)
    }

    /// Before each read back of an upload: the first is immediate, later ones wait longer, because Meta may lag.
    pub fn read_back(&self) -> impl Iterator<Item = Duration> + use<> {
        let waits = *self;
        [0, 250, 750, 2000].into_iter().map(move |millis| waits.of(Duration::from_millis(millis)))
    }

    /// Grace period: how long a number stays free after its owner has gone, before a resource with another key may take
    /// it.
    pub fn before_takeover(&self) -> Duration {
        self.of(MINUTE)
    }

    /// After the n-th reconcile in a row that failed because the API server did not answer: 5 s doubling to 1 min.
    /// Longer waits would not help an unreachable server.
    pub fn after_outage(&self, failures: i32) -> Duration {
        self.doubling(AFTER_OUTAGE, failures)
    }

    /// Between the two requests to a target that does not answer: a pod may have been replaced at this moment.
    pub fn before_second_probe(&self) -> Duration {
        self.of(SECOND)
    }

    /// Between two proofs of an endpoint during a rotation, so that a proof is fresh when the rotation can go on.
    pub fn between_proofs(&self) -> Duration {
        self.of(30 * SECOND)
    }

    /// How long a target must refuse a key until it counts as having lost the key. A rollback follows.
    pub fn before_key_is_lost(&self) -> Duration {
        self.of(2 * MINUTE)
    }

    fn doubling(&self, wait: Doubling, attempts: i32) -> Duration {
        let exponent = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
        self.of(wait.first.saturating_mul(1 << exponent).min(wait.most))
    }

    fn of(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.scale)
    }
}
