//! What the clients saw.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Failures that are kept one by one. Later ones are only counted.
const KEPT_FAILURES: usize = 1000;

/// What the clients saw so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests of customers. A second try belongs to the same request.
    pub requests: u64,
    /// Answers 421.
    pub wrong_key: u64,
    /// Requests that succeeded at the second try, with the key that the Graph API gave.
    pub refreshed: u64,
    /// Requests that failed for the customer.
    pub failures: u64,
}

/// A request that failed for the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When the request began.
    pub began: Instant,
    /// When it had failed.
    pub ended: Instant,
    /// The client, counted from 0.
    pub client: usize,
    /// The phone number ID.
    pub number: String,
    /// The target of the last try. None if no request was sent.
    pub target: Option<String>,
    /// Fingerprint of the key of the last try. None if the client had no key.
    pub key: Option<String>,
    /// Why.
    pub cause: Cause,
}

/// Why a request failed for the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The Graph API shows no VALID key for the number, and the client has none that the endpoint opens.
    NoKey,
    /// 421 a second time, with the key that the Graph API gave after the first.
    WrongKey,
    /// Another HTTP status than 200 and 421.
    Status(u16),
    /// No connection, or no whole answer within 10 s.
    Unreachable,
    /// 200, and no answer to this request: encrypted otherwise, or without a screen.
    Unreadable,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, number, cause, .. } = self;
        let target = self.target.as_deref().unwrap_or("no target");
        let key = self.key.as_deref().unwrap_or("no key");
        write!(f, "client {client}, number {number}, {target}, {key}: {cause:?}")
    }
}

/// What is counted while the clients run.
#[derive(Debug, Default)]
pub(crate) struct Report(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    failures: Vec<Failure>,
    /// Clients that have used every number at least once.
    warm: usize,
}

impl Report {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new request, unless there were `limit` of them already. Returns whether the request may be made.
    pub(crate) fn begin(&self, limit: u64) -> bool {
        let counts = &mut self.state().counts;
        let is_allowed = counts.requests < limit;
        counts.requests += u64::from(is_allowed);
        is_allowed
    }

    pub(crate) fn wrong_key(&self) {
        self.state().counts.wrong_key += 1;
    }

    pub(crate) fn refreshed(&self) {
        self.state().counts.refreshed += 1;
    }

    pub(crate) fn failed(&self, failure: Failure) {
        let mut state = self.state();
        state.counts.failures += 1;
        if state.failures.len() < KEPT_FAILURES {
            state.failures.push(failure);
        }
    }

    pub(crate) fn warmed_up(&self) {
        self.state().warm += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.state().failures.clone()
    }

    pub(crate) fn warm(&self) -> usize {
        self.state().warm
    }
}
