//! Who calls Meta, and why a call has to wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waflows_core::meta::{GraphError, HoldScope};

use crate::graph::credentials::CredentialsId;

/// The caller: credentials, resource and number.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The credentials in use.
    pub credentials: CredentialsId,
    /// Origin of the credentials, for the log: Secret and entry.
    pub token: &'a str,
    /// `namespace/name` of the resource.
    pub resource: &'a str,
    /// The phone number ID.
    pub phone_number_id: &'a str,
}

/// A hold: a call was not made, and the next one must wait.
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    /// The reason.
    pub cause: HoldCause,
    /// End of the hold: earliest time of the next attempt.
    pub until: Instant,
}

/// The reason for a hold, with Meta's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum HoldCause {
    /// Meta refused the credentials.
    CredentialsRefused(Arc<GraphError>),
    /// A rate limit is in force.
    RateLimited(Arc<GraphError>),
}

/// The active holds of one scope, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveHolds {
    /// The scope.
    pub scope: HoldScope,
    /// The number of holds.
    pub count: usize,
    /// Time until the last of these holds ends.
    pub longest: Duration,
}
