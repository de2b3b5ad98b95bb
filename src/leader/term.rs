//! The permission of the leader to write, and its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Handle that says whether this process leads. Cheap to call and to clone.
#[derive(Debug, Clone)]
pub struct Leader {
    term: watch::Receiver<Option<Term>>,
}

/// One uninterrupted period of leadership. Work that began in one term must not continue in another.
#[derive(Debug, Clone)]
pub struct Term {
    /// End of the term. Each renewal extends it. None for a term without end.
    until: Arc<Mutex<Option<Instant>>>,
    lost: CancellationToken,
    /// Time at which the Lease was taken from a leader that had not released it.
    seized: Option<Instant>,
}

impl Leader {
    /// The leader of a process without leader election.
    pub fn alone() -> Self {
        Self { term: watch::channel(Some(Term::new(None, None))).1 }
    }

    pub(super) fn new(term: watch::Receiver<Option<Term>>) -> Self {
        Self { term }
    }

    /// Whether this process leads right now. False from the moment the renew deadline passed, even if this process did
    /// not run meanwhile.
    pub fn is_leader(&self) -> bool {
        self.term.borrow().as_ref().is_some_and(Term::is_current)
    }

    /// Waits until this process leads. Never returns if the election ended before.
    pub async fn acquired(&self) -> Term {
        let mut terms = self.term.clone();
        let current = |term: &Option<Term>| term.as_ref().is_some_and(Term::is_current);
        match terms.wait_for(current).await.as_deref() {
            Ok(Some(term)) => term.clone(),
            _ => std::future::pending().await,
        }
    }
}

impl Term {
    pub(super) fn new(until: Option<Instant>, seized: Option<Instant>) -> Self {
        Self { until: Arc::new(Mutex::new(until)), lost: CancellationToken::new(), seized }
    }

    pub(super) fn prolong(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Whether this process still leads in this term. Check this before every write.
    pub fn is_current(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.lost.is_cancelled() && until.is_none_or(|until| Instant::now() < until)
    }

    /// Whether the Lease was taken less than this long ago from a leader that vanished. Calls of the former leader may
    /// still arrive.
    pub fn was_seized_within(&self, time: Duration) -> bool {
        self.seized.is_some_and(|seized| seized.elapsed() < time)
    }

    /// Cancelled when the term ends. The clock may be ahead of it: see [`Term::is_current`].
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_an_election_the_process_always_leads() {
        let leader = Leader::alone();
        assert!(leader.is_leader());
        let term = leader.acquired().await;
        assert!(term.is_current() && !term.lost().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_by_the_clock_alone() {
        let begun = Instant::now();
        let term = Term::new(Some(begun + Duration::from_secs(10)), None);
        let (_sender, receiver) = watch::channel(Some(term.clone()));
        let leader = Leader::new(receiver);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(leader.is_leader());
        term.prolong(begun + Duration::from_secs(12));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(leader.is_leader() && term.is_current());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!leader.is_leader() && !term.is_current());
        assert!(!term.lost().is_cancelled(), "nobody had a chance to");
    }
}
