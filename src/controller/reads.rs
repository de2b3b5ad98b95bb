//! Asks Meta what a number holds, and which numbers an account has.

use std::sync::Arc;

use jiff::Timestamp;
use waflows_core::meta::GraphError;
use waflows_core::number::Reading;
use waflows_core::observation::{AccountListing, NumberReading};

use super::fence::WriteFence;
use crate::graph::{self, CallError, Credentials, Hold, HoldCause};

/// Who asks: the credentials, and the resource by whose name the calls are limited.
#[derive(Clone)]
pub struct Caller {
    /// What authenticates the calls.
    pub credentials: Arc<Credentials>,
    /// `namespace/name`.
    pub resource: String,
}

/// Reads one number, unless the fence is revoked before Meta answers, or there are no credentials.
pub async fn read_number(
    graph: graph::Reader,
    caller: Option<Arc<Caller>>,
    fence: &WriteFence,
    position: usize,
    phone_number_id: String,
) -> NumberReading {
    let answer = match caller.as_deref() {
        Some(Caller { credentials, resource }) => fence.run(graph.read(credentials, resource, &phone_number_id)).await,
        None => None,
    };
    let (reading, refusal) = answer.map_or((Reading::NotAsked, None), reading_of);
    NumberReading { position, reading, refusal }
}

/// Lists the numbers of one account, unless the fence is revoked before the list is complete, or there are no credentials.
pub async fn list_account(
    graph: graph::Reader,
    caller: Option<Arc<Caller>>,
    fence: &WriteFence,
    position: usize,
    account: String,
) -> AccountListing {
    let answer = match caller.as_deref() {
        Some(Caller { credentials, resource }) => fence.run(graph.list_numbers(credentials, resource, &account)).await,
        None => None,
    };
    let (listing, refusal) = answer.map_or((Reading::NotAsked, None), reading_of);
    AccountListing { position, listing, refusal }
}

/// What an answer tells: of the number or account, and of the credentials where they are refused.
pub(super) fn reading_of<T>(answer: Result<T, CallError>) -> (Reading<T>, Option<GraphError>) {
    let at = Timestamp::now();
    match answer {
        Ok(reported) => (Reading::Answered { reported, at }, None),
        Err(CallError::Failed(error)) => (Reading::Failed { error, at }, None),
        Err(CallError::Withdrawn) => (Reading::NotAsked, None),
        Err(CallError::Held(hold)) => {
            let (limit, refusal) = cause_of(&hold);
            (Reading::Held { limit, until: end_of(&hold) }, refusal)
        }
    }
}

/// Why calls have to wait: a rate limit, or a refusal of the credentials.
pub(super) fn cause_of(hold: &Hold) -> (Option<GraphError>, Option<GraphError>) {
    match &hold.cause {
        HoldCause::RateLimited(limit) => (Some((**limit).clone()), None),
        HoldCause::CredentialsRefused(error) => (None, Some((**error).clone())),
    }
}

/// The end of a hold, by the clock of the status.
pub(super) fn end_of(hold: &Hold) -> Timestamp {
    Timestamp::now() + hold.until.saturating_duration_since(tokio::time::Instant::now())
}
