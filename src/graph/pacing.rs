//! When a call may be made: what earlier answers asked for, for the token, the business account, the number.
//!
//! Every resource goes through the same [`CallLimiter`], so that a refused token costs one call and not one per number.
//! [`book`] decides and is synchronous; `CallLimiter` waits where it says so, and holds the operator's own ceilings.
//! [`incidents`] says what the log tells of all this.

mod book;
mod incidents;
mod rate;
mod recent;
mod token;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use waflows_core::meta::{ErrorClass, GraphError, HoldScope};

use self::book::{Admission, LimiterState};
use self::incidents::{Call, Incidents};
use self::rate::Rate;
use super::credentials::CredentialsId;
use super::usage::Usage;

/// Ceilings over everything that this process sends, and the scale of its waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests begun per second, evenly spaced; none lifts the ceiling.
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests under way at once; none lifts the ceiling. One token gets at most three quarters of them.
    pub concurrency: Option<NonZeroU32>,
    /// Multiplies the waits that the operator chooses itself, not those that Meta names; 1 but in tests.
    pub wait_scale: f64,
}

/// Who calls, for which number.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The credentials in use.
    pub credentials: CredentialsId,
    /// Where they come from, in words: Secret and entry.
    pub token: &'a str,
    /// `namespace/name` of the resource.
    pub resource: &'a str,
    /// The phone number ID.
    pub phone_number_id: &'a str,
}

/// A call that was not made.
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    /// Why.
    pub cause: HoldCause,
    /// From when on it makes sense to try again.
    pub until: Instant,
}

/// Why a call was not made, with the answer that is the reason.
#[derive(Debug, Clone, PartialEq)]
pub enum HoldCause {
    /// The credentials were refused.
    CredentialsRefused(Arc<GraphError>),
    /// A rate limit is in force.
    RateLimited(Arc<GraphError>),
}

/// The pauses of one scope that are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// What they apply to.
    pub scope: HoldScope,
    /// How many there are.
    pub count: usize,
    /// The longest time until one of them ends.
    pub longest: Duration,
}

/// Shared by all calls of the process.
pub struct CallLimiter {
    book: Mutex<LimiterState>,
    incidents: Mutex<Incidents>,
    rate: Option<Rate>,
    slots: Option<Semaphore>,
    wait_scale: f64,
}

/// Permission for one call. Must be told what came of it with [`CallPermit::finish`]; dropped without, the call counts
/// as never made.
pub struct CallPermit<'a> {
    pacing: &'a CallLimiter,
    caller: Caller<'a>,
    begun: Instant,
    /// Whether others wait for what comes of this call.
    is_probe: bool,
    _slots: Option<(OwnedSemaphorePermit, SemaphorePermit<'a>)>,
}

impl CallLimiter {
    /// Pacing with nothing known yet.
    pub fn new(ceilings: Limits) -> Self {
        let slots = ceilings.concurrency.map(|n| n.get() as usize);
        // One slow token must leave slots to the others.
        let share = slots.map_or(Semaphore::MAX_PERMITS, |slots| (slots * 3 / 4).max(1));
        Self {
            book: Mutex::new(LimiterState::new(ceilings.wait_scale, share)),
            incidents: Mutex::new(Incidents::new(ceilings.wait_scale)),
            rate: ceilings.requests_per_second.map(Rate::new),
            slots: slots.map(Semaphore::new),
            wait_scale: ceilings.wait_scale,
        }
    }

    /// Waits for the turn of a call.
    ///
    /// # Errors
    /// The pause that is in force, at once: rounds end and come back, they do not sleep.
    pub async fn enter<'a>(&'a self, caller: Caller<'a>) -> Result<CallPermit<'a>, Hold> {
        loop {
            let mut pass = self.admit(caller).await?;
            // Slept through before a slot is taken: others can use it meanwhile.
            let delay = self.book().delay(&caller, Instant::now());
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            pass._slots = self.acquire_slots(caller.credentials).await;
            if let Some(rate) = &self.rate {
                rate.turn().await;
            }
            if pass.begin()? {
                return Ok(pass);
            }
        }
    }

    async fn admit<'a>(&'a self, caller: Caller<'a>) -> Result<CallPermit<'a>, Hold> {
        loop {
            let now = Instant::now();
            // Scoped so that the lock is not held while waiting.
            let verdict = { self.book().admit(&caller, now) };
            match verdict {
                Admission::Go { is_probe } => {
                    return Ok(CallPermit { pacing: self, caller, begun: now, is_probe, _slots: None });
                }
                Admission::Stop(pause) => return Err(pause),
                Admission::Wait(turn) => turn.await,
            }
        }
    }

    /// First a slot of the token's own share, then one of all: a token that waits for its share stands in nobody's
    /// way. Both queues are first come, first served.
    async fn acquire_slots(&self, credentials: CredentialsId) -> Option<(OwnedSemaphorePermit, SemaphorePermit<'_>)> {
        let slots = self.slots.as_ref()?;
        let share = { self.book().share(credentials) };
        // Neither semaphore is ever closed, so both yield a permit.
        Some((share.acquire_owned().await.ok()?, slots.acquire().await.ok()?))
    }

    /// The refusal of these credentials that is in force, if one is: learnt without a call.
    pub fn refusal(&self, credentials: CredentialsId) -> Option<Hold> {
        self.book().refusal(credentials, Instant::now()).cloned()
    }

    /// What is paused now, by what the pauses apply to.
    pub fn paused(&self) -> [Paused; 4] {
        self.book().paused(Instant::now())
    }

    pub(super) fn wait_scale(&self) -> f64 {
        self.wait_scale
    }

    /// Tells the log what a call shows, where that is news.
    fn note(&self, call: &Call<'_>) {
        // As the book, consistent after every method.
        let lines = { self.incidents.lock().unwrap_or_else(PoisonError::into_inner).note(call) };
        lines.iter().for_each(incidents::Line::log);
    }

    fn book(&self) -> std::sync::MutexGuard<'_, LimiterState> {
        // The book is consistent after every method, even one that panicked.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallPermit<'_> {
    /// Begins the call, unless what was heard while it waited speaks against it. False where it has to line up again:
    /// nothing has shown lately that the token is good, and another call is about to.
    fn begin(&mut self) -> Result<bool, Hold> {
        let now = Instant::now();
        let mut book = self.pacing.book();
        self.begun = now;
        if self.is_probe {
            let pause = book.pause(&self.caller, now);
            drop(book);
            return pause.map_or(Ok(true), Err);
        }
        match book.admit(&self.caller, now) {
            Admission::Go { is_probe } => {
                self.is_probe = is_probe;
                Ok(true)
            }
            Admission::Wait(_) => Ok(false),
            Admission::Stop(pause) => Err(pause),
        }
    }

    /// Records what came of the call. Returns the pause that its failure brought about, if it did.
    pub(super) fn finish(mut self, error: Option<&GraphError>, usage: &Usage) -> Option<Hold> {
        let now = Instant::now();
        let pacing = self.pacing;
        let mut book = pacing.book();
        let is_probe = std::mem::take(&mut self.is_probe);
        book.record(&self.caller, is_probe, self.begun, error, usage, now);
        let pause = book.pause(&self.caller, now);
        let account = book.account(self.caller.phone_number_id);
        drop(book);
        let at = Timestamp::now();
        let until = pause.as_ref().map(|pause| at + pause.until.saturating_duration_since(now));
        let hold = pause.as_ref().map(|pause| &pause.cause).zip(until);
        pacing.note(&Call { caller: self.caller, account: account.as_deref(), error, hold, at });
        match &error?.class {
            ErrorClass::Token | ErrorClass::AppSecretProof | ErrorClass::RateLimited { .. } => pause,
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
            self.pacing.book().abandon_probe(self.caller.credentials);
        }
    }
}

#[cfg(test)]
mod tests;
