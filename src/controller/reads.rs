//! Asks Meta what the numbers hold.

use std::sync::Arc;

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use waflows_core::meta::{GraphError, Reported};
use waflows_core::number::Reading;
use waflows_core::observation::{NumberReading, Observation};

use super::fence::WriteFence;
use crate::graph::{self, CallError, Credentials, Hold, HoldCause};

/// Calls for one resource under way at once.
pub const PARALLEL_CALLS: usize = 8;

/// Reads the numbers that the agenda asks for.
///
/// The first call goes alone, the others in parallel: what refuses the first would refuse all. Once the fence is
/// revoked, the numbers that are left are not asked.
pub fn readings<'a>(
    observation: &Observation,
    credentials: Credentials,
    graph: &'a graph::Reader,
    fence: &'a WriteFence,
) -> impl Stream<Item = NumberReading> + use<'a> {
    let due: Vec<_> = observation
        .numbers
        .iter()
        .enumerate()
        .map(|(position, number)| (position, number.before.phone_number_id.clone()))
        .filter(|(_, id)| observation.agenda.numbers.contains(id))
        .collect();
    let of = Arc::new((credentials, observation.resource_name()));
    // Futures do nothing before they are polled.
    let mut calls = due.into_iter().map(move |(position, id)| {
        let of = Arc::clone(&of);
        async move {
            let (reading, refusal) = read_number(&of.0, &of.1, &id, graph, fence).await;
            NumberReading { position, reading, refusal }
        }
    });
    let first = futures::stream::iter(calls.next()).buffered(1);
    first.chain(futures::stream::iter(calls).buffer_unordered(PARALLEL_CALLS))
}

/// Reads one number, unless the fence is revoked: what was learnt, and the refusal of the credentials if that was the
/// answer.
async fn read_number(
    credentials: &Credentials,
    resource: &str,
    id: &str,
    graph: &graph::Reader,
    fence: &WriteFence,
) -> (Reading, Option<GraphError>) {
    match fence.run(graph.read(credentials, resource, id)).await {
        Some(answer) => reading_of(answer),
        None => (Reading::NotAsked, None),
    }
}

/// What an answer tells: of the number, and of the credentials where they are refused.
pub(super) fn reading_of(answer: Result<Reported, CallError>) -> (Reading, Option<GraphError>) {
    let at = Timestamp::now();
    match answer {
        Ok(reported) => (Reading::Answered { reported, at }, None),
        Err(CallError::Failed(error)) => (Reading::Failed { error, at }, None),
        Err(CallError::Withdrawn) => (Reading::NotAsked, None),
        Err(CallError::Paused(pause)) => {
            let (limit, refusal) = cause_of(&pause);
            (Reading::Paused { limit, until: end_of(&pause) }, refusal)
        }
    }
}

/// Why calls have to wait: a rate limit, or a refusal of the credentials.
pub(super) fn cause_of(pause: &Hold) -> (Option<GraphError>, Option<GraphError>) {
    match &pause.cause {
        HoldCause::RateLimited(limit) => (Some((**limit).clone()), None),
        HoldCause::CredentialsRefused(error) => (None, Some((**error).clone())),
    }
}

/// The end of a pause, by the clock of the status.
pub(super) fn end_of(pause: &Hold) -> Timestamp {
    Timestamp::now() + pause.until.saturating_duration_since(tokio::time::Instant::now())
}
