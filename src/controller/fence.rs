//! The permission to continue a reconcile (a fencing token). Revoked by a newer change, a shutdown, or the loss of the
//! Lease.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::leader::Term;

/// The permission to continue a reconcile. A reconcile asks for the permission before every write.
#[derive(Debug, Clone)]
pub struct WriteFence {
    reconcile: CancellationToken,
    term: Term,
}

impl WriteFence {
    /// The permission for one reconcile, within a term of leading.
    pub fn new(reconcile: CancellationToken, term: Term) -> Self {
        Self { reconcile, term }
    }

    /// The permission for what outlives the reconcile. Only the end of the term revokes it.
    pub fn of_term(&self) -> Self {
        Self { reconcile: self.term.lost().clone(), term: self.term.clone() }
    }

    /// Whether something new may begin.
    ///
    /// Asks the clock as well: a process that was paused may find itself in the middle of a reconcile long after its term.
    pub fn is_valid(&self) -> bool {
        !self.reconcile.is_cancelled() && self.term.is_current()
    }

    /// Whether this process may still write at all, if only to finish.
    pub fn is_leading(&self) -> bool {
        self.term.is_current()
    }

    /// Whether requests of a former leader, which vanished less than this long ago, may still arrive at Meta.
    pub fn may_be_crossed(&self, within: Duration) -> bool {
        self.term.was_seized_within(within)
    }

    /// Runs a future until the fence is revoked. None where it was.
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        if !self.is_valid() {
            return None;
        }
        self.reconcile.run_until_cancelled(future).await
    }
}
