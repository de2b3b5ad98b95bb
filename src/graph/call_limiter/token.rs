//! The circuit breaker of one access token.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use waflows_core::meta::GraphError;

use super::hold::{Hold, HoldCause};

/// The first wait before a refused token is retried. Doubles with each refusal.
const FIRST_REFUSAL: Duration = Duration::from_secs(5 * 60);
/// The longest wait before a refused token is retried.
pub(super) const MAX_REFUSAL: Duration = Duration::from_secs(60 * 60);
/// How long after a success calls run in parallel. Under load every success extends this time. After a break one call,
/// the probe, goes first.
pub(super) const TRUST: Duration = Duration::from_secs(1);
/// How long after a success two probes may run at once, so that a hanging probe delays nobody.
pub(super) const HALF_TRUST: Duration = Duration::from_secs(30);
/// After this many probes without a result about the token, one more probe may run at once: hanging numbers must not
/// delay the other numbers for long.
pub(super) const INCONCLUSIVE_PER_STEP: u32 = 3;

/// The state of one access token.
pub(super) struct Token {
    pub(super) breaker_state: BreakerState,
    /// Probes in progress: calls whose answers will show whether the token is good.
    under_way: u32,
    /// Probes in a row without a result about the token.
    inconclusive: u32,
    /// Refusals in a row.
    refusals: u32,
    /// Wakes the waiting calls when a probe has ended.
    turn: Arc<Notify>,
    /// Limits the concurrent calls of this token.
    pub(super) share: Arc<Semaphore>,
}

#[derive(Default)]
pub(super) enum BreakerState {
    #[default]
    Unknown,
    Accepted {
        at: Instant,
    },
    Refused {
        at: Instant,
        hold: Hold,
    },
}

/// Whether the circuit breaker lets a call begin.
pub(super) enum Turn {
    Free,
    Ahead,
    After(OwnedNotified),
}

impl Token {
    pub(super) fn new(share: usize) -> Self {
        Self {
            breaker_state: BreakerState::Unknown,
            under_way: 0,
            inconclusive: 0,
            refusals: 0,
            turn: Arc::default(),
            share: Arc::new(Semaphore::new(share)),
        }
    }

    /// Whether calls may begin side by side.
    pub(super) fn is_trusted(&self, now: Instant) -> bool {
        matches!(self.breaker_state, BreakerState::Accepted { at } if now.duration_since(at) < TRUST)
    }

    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        let ahead = match self.breaker_state {
            _ if self.is_trusted(now) => return Turn::Free,
            BreakerState::Accepted { at } if now.duration_since(at) < HALF_TRUST => 2,
            BreakerState::Accepted { .. } | BreakerState::Unknown | BreakerState::Refused { .. } => 1,
        };
        if self.under_way >= ahead + self.inconclusive / INCONCLUSIVE_PER_STEP {
            // Created under the lock of the state, so that no wakeup is missed.
            return Turn::After(Arc::clone(&self.turn).notified_owned());
        }
        self.under_way += 1;
        Turn::Ahead
    }

    /// Ends a probe.
    pub(super) fn end_probe(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(super) fn wake(&self) {
        self.turn.notify_waiters();
    }

    /// Records that a call that began at `begun` succeeded: the token is good.
    pub(super) fn accept(&mut self, begun: Instant, now: Instant) {
        // A call that began before the refusal says nothing about the token after the refusal.
        if matches!(self.breaker_state, BreakerState::Refused { at, .. } if begun <= at) {
            return;
        }
        self.breaker_state = BreakerState::Accepted { at: now };
        self.inconclusive = 0;
        self.refusals = 0;
    }

    pub(super) fn learn_nothing(&mut self) {
        self.inconclusive = self.inconclusive.saturating_add(1);
    }

    pub(super) fn refuse(&mut self, error: &GraphError, wait_scale: f64, now: Instant) {
        // Concurrent calls count as one refusal.
        if !matches!(&self.breaker_state, BreakerState::Refused { hold, .. } if hold.until > now) {
            self.refusals = self.refusals.saturating_add(1);
        }
        let wait = FIRST_REFUSAL.saturating_mul(1 << self.refusals.saturating_sub(1).min(16)).min(MAX_REFUSAL);
        let cause = HoldCause::CredentialsRefused(Arc::new(error.clone()));
        self.inconclusive = 0;
        self.breaker_state =
            BreakerState::Refused { at: now, hold: Hold { cause, until: now + wait.mul_f64(wait_scale) } };
    }

    /// Whether the state can be removed without loss.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_used = self.under_way > 0 || Arc::strong_count(&self.share) > 1;
        !is_used
            && match &self.breaker_state {
                BreakerState::Unknown => true,
                BreakerState::Accepted { at } => now.duration_since(*at) >= HALF_TRUST,
                // Keep a refusal beyond its end: the next refusal doubles the wait.
                BreakerState::Refused { hold, .. } => now >= hold.until + MAX_REFUSAL,
            }
    }
}
