//! The rate limiter for calls to Meta: holds for tokens, business accounts, resources and numbers, from earlier
//! answers.
//!
//! All resources share one [`CallLimiter`], so a refused token costs one call, not one call for each number. [`state`]
//! decides and is synchronous. `CallLimiter` waits if [`state`] says so, and enforces the operator's own limits.
//! [`incidents`] decides what is logged.

mod hold;
mod incidents;
mod rate;
mod recent;
mod state;
mod token;

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use waflows_core::meta::{ErrorClass, GraphError};

pub use self::hold::{ActiveHolds, Caller, Hold, HoldCause};
use self::incidents::{Call, Incidents};
use self::rate::Rate;
use self::state::{Admission, LimiterState};
use super::credentials::{Credentials, CredentialsId};
use super::usage::Usage;

/// The limits for all requests of this process, and the scale of its waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests started per second, evenly spaced. None means no limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// Concurrent requests. None means no limit. One token gets at most three quarters of them.
    pub concurrency: Option<NonZeroU32>,
    /// Factor for the waits that the operator chooses, not for the waits that Meta names. 1 except in tests.
    pub wait_scale: f64,
}

/// The rate limiter that all calls of the process share.
pub struct CallLimiter {
    state: Mutex<LimiterState>,
    incidents: Mutex<Incidents>,
    rate: Option<Rate>,
    slots: Option<Semaphore>,
    wait_scale: f64,
}

/// Permission for one call. Record the result with [`CallPermit::finish`]. If the permit is dropped without it, the
/// call counts as never made.
pub struct CallPermit<'a> {
    limiter: &'a CallLimiter,
    caller: Caller<'a>,
    begun: Instant,
    /// Whether other calls wait for the result of this call.
    is_probe: bool,
    _slots: Option<(OwnedSemaphorePermit, SemaphorePermit<'a>)>,
}

impl CallLimiter {
    /// A limiter without any holds.
    pub fn new(limits: Limits) -> Self {
        let slots = limits.concurrency.map(|n| n.get() as usize);
        // One slow token must leave slots for the others.
        let share = slots.map_or(Semaphore::MAX_PERMITS, |slots| (slots * 3 / 4).max(1));
        Self {
            state: Mutex::new(LimiterState::new(limits.wait_scale, share)),
            incidents: Mutex::new(Incidents::new(limits.wait_scale)),
            rate: limits.requests_per_second.map(Rate::new),
            slots: slots.map(Semaphore::new),
            wait_scale: limits.wait_scale,
        }
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// The active hold, at once: a reconcile ends and is requeued; it does not sleep.
    pub async fn enter<'a>(&'a self, caller: Caller<'a>) -> Result<CallPermit<'a>, Hold> {
        loop {
            let mut permit = self.admit(caller).await?;
            // Sleep before a slot is taken, so that others can use the slot meanwhile.
            let delay = self.state().delay(&caller, Instant::now());
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            permit._slots = self.acquire_slots(caller.credentials).await;
            if let Some(rate) = &self.rate {
                rate.turn().await;
            }
            if permit.begin()? {
                return Ok(permit);
            }
        }
    }

    async fn admit<'a>(&'a self, caller: Caller<'a>) -> Result<CallPermit<'a>, Hold> {
        loop {
            let now = Instant::now();
            // Scoped so that the lock is not held while waiting.
            let admission = { self.state().admit(&caller, now) };
            match admission {
                Admission::Go { is_probe } => {
                    return Ok(CallPermit { limiter: self, caller, begun: now, is_probe, _slots: None });
                }
                Admission::Stop(hold) => return Err(hold),
                Admission::Wait(turn) => turn.await,
            }
        }
    }

    /// Takes a slot of the token's own share first, then a slot of the process. So a token that waits for its share
    /// does not block others. Both queues are first come, first served.
    async fn acquire_slots(&self, credentials: CredentialsId) -> Option<(OwnedSemaphorePermit, SemaphorePermit<'_>)> {
        let slots = self.slots.as_ref()?;
        let share = { self.state().share(credentials) };
        // Neither semaphore is ever closed, so both yield a permit.
        Some((share.acquire_owned().await.ok()?, slots.acquire().await.ok()?))
    }

    /// The active hold for refused credentials, if there is one. Makes no call.
    pub fn refusal(&self, credentials: CredentialsId) -> Option<Hold> {
        self.state().refusal(credentials, Instant::now()).cloned()
    }

    /// Whether calls of a resource may begin side by side: Meta has just accepted the token, and no known rate limit
    /// concerns the numbers, not even one that has ended.
    pub fn trusts<'a>(
        &self,
        credentials: &'a Credentials,
        resource: &'a str,
        mut numbers: impl Iterator<Item = &'a str>,
    ) -> bool {
        let (state, now) = (self.state(), Instant::now());
        let (token, credentials) = (credentials.origin(), credentials.id());
        numbers.all(|phone_number_id| state.trusts(&Caller { credentials, token, resource, phone_number_id }, now))
    }

    /// The active holds by scope.
    pub fn active_holds(&self) -> [ActiveHolds; 4] {
        self.state().active_holds(Instant::now())
    }

    pub(super) fn wait_scale(&self) -> f64 {
        self.wait_scale
    }

    /// Logs the start and the end of incidents that a call shows.
    fn note(&self, call: &Call<'_>) {
        // Like the state, consistent after every method, even after a panic.
        let lines = { self.incidents.lock().unwrap_or_else(PoisonError::into_inner).note(call) };
        lines.iter().for_each(incidents::Line::log);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, LimiterState> {
        // The state is consistent after every method, even one that panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallPermit<'_> {
    /// Begins the call, unless a hold began while it waited. Returns false if the call must wait again: no recent call
    /// shows that the token is good, and another call is testing the token.
    fn begin(&mut self) -> Result<bool, Hold> {
        let now = Instant::now();
        let mut state = self.limiter.state();
        self.begun = now;
        if self.is_probe {
            let hold = state.hold(&self.caller, now);
            drop(state);
            return hold.map_or(Ok(true), Err);
        }
        match state.admit(&self.caller, now) {
            Admission::Go { is_probe } => {
                self.is_probe = is_probe;
                Ok(true)
            }
            Admission::Wait(_) => Ok(false),
            Admission::Stop(hold) => Err(hold),
        }
    }

    /// Records the result of the call. Returns the hold that its failure caused, if any.
    pub(super) fn finish(mut self, error: Option<&GraphError>, usage: &Usage) -> Option<Hold> {
        let now = Instant::now();
        let limiter = self.limiter;
        let mut state = limiter.state();
        let is_probe = std::mem::take(&mut self.is_probe);
        state.record(&self.caller, is_probe, self.begun, error, usage, now);
        let hold = state.hold(&self.caller, now);
        let account = state.account(self.caller.phone_number_id);
        drop(state);
        let at = Timestamp::now();
        let until = hold.as_ref().map(|hold| at + hold.until.saturating_duration_since(now));
        let noted = hold.as_ref().map(|hold| &hold.cause).zip(until);
        limiter.note(&Call { caller: self.caller, account: account.as_deref(), error, hold: noted, at });
        match &error?.class {
            ErrorClass::Token | ErrorClass::AppSecretProof | ErrorClass::RateLimited { .. } => hold,
            ErrorClass::Permission
            | ErrorClass::UnknownId
            | ErrorClass::NotRegistered
            | ErrorClass::Invalid
            | ErrorClass::Policy
            | ErrorClass::Transient
            | ErrorClass::Unexpected => None,
        }
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.limiter.state().abandon_probe(self.caller.credentials);
        }
    }
}

#[cfg(test)]
mod tests;
