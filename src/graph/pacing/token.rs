//! What is known of a token.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use waflows_core::meta::GraphError;

use super::{Hold, HoldCause};

/// A refused token is tried again after this, doubling.
const FIRST_REFUSAL: Duration = Duration::from_secs(5 * 60);
/// The longest wait between two tries of a refused token.
pub(super) const MAX_REFUSAL: Duration = Duration::from_secs(60 * 60);
/// For how long after a success calls go in parallel. Under load every success opens the way for the next calls; after
/// a break one call goes ahead of the others.
pub(super) const TRUST: Duration = Duration::from_secs(1);
/// For how long after a success two calls may be ahead of the others, so that one that hangs delays nobody.
pub(super) const HALF_TRUST: Duration = Duration::from_secs(30);
/// After so many first calls that showed nothing of the token, one more may be ahead of the others: numbers that
/// hang must not hold back the rest for long.
pub(super) const INCONCLUSIVE_PER_STEP: u32 = 3;

/// What is known of a token.
pub(super) struct Token {
    pub(super) breaker_state: BreakerState,
    /// Calls ahead of the others, whose answers will show whether the token is good.
    under_way: u32,
    /// How many of those in a row showed nothing.
    inconclusive: u32,
    /// Refusals in a row.
    refusals: u32,
    /// Tells those who wait that something is known.
    turn: Arc<Notify>,
    /// What one token may have under way.
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
        pause: Hold,
    },
}

/// Whether a call may go as far as the token is concerned.
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

    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        let ahead = match self.breaker_state {
            BreakerState::Accepted { at } if now.duration_since(at) < TRUST => return Turn::Free,
            BreakerState::Accepted { at } if now.duration_since(at) < HALF_TRUST => 2,
            BreakerState::Accepted { .. } | BreakerState::Unknown | BreakerState::Refused { .. } => 1,
        };
        if self.under_way >= ahead + self.inconclusive / INCONCLUSIVE_PER_STEP {
            // Made under the lock of the book: from here on no wakeup is missed.
            return Turn::After(Arc::clone(&self.turn).notified_owned());
        }
        self.under_way += 1;
        Turn::Ahead
    }

    /// A call that was ahead of the others is over.
    pub(super) fn end_probe(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(super) fn wake(&self) {
        self.turn.notify_waiters();
    }

    /// A call that was begun at this time has shown that the token is good.
    pub(super) fn accept(&mut self, begun: Instant, now: Instant) {
        // Calls that were under way when the token was refused show nothing of what it is worth since.
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
        // Calls that were under way together count as one refusal.
        if !matches!(&self.breaker_state, BreakerState::Refused { pause, .. } if pause.until > now) {
            self.refusals = self.refusals.saturating_add(1);
        }
        let wait = FIRST_REFUSAL.saturating_mul(1 << self.refusals.saturating_sub(1).min(16)).min(MAX_REFUSAL);
        let cause = HoldCause::CredentialsRefused(Arc::new(error.clone()));
        self.inconclusive = 0;
        self.breaker_state =
            BreakerState::Refused { at: now, pause: Hold { cause, until: now + wait.mul_f64(wait_scale) } };
    }

    /// Whether it can be forgotten without loss.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let is_used = self.under_way > 0 || Arc::strong_count(&self.share) > 1;
        !is_used
            && match &self.breaker_state {
                BreakerState::Unknown => true,
                BreakerState::Accepted { at } => now.duration_since(*at) >= HALF_TRUST,
                // Kept beyond its end: the next refusal doubles the wait.
                BreakerState::Refused { pause, .. } => now >= pause.until + MAX_REFUSAL,
            }
    }
}
