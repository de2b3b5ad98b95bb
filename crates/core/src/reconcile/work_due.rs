//! What calls for a reconcile: the resource and its Secrets, numbers without an owner, and a new proof of the endpoint.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::claim_numbers::{Unowned, unowned_numbers};
use crate::api::crd::{FlowsEncryptionKey, ObservedSecret};
use crate::proof::EndpointProof;
use crate::queue::Urgency;
use crate::rollout::rotation::Outlook;
use crate::schedule::backoff::Waits;
use crate::schedule::due::{Schedule, Work, due};
use crate::status::endpoint;
use crate::store::object_key::ObjectKey;
use crate::store::store::Store;

/// What there is to do for a resource now, or when there will be something. `secrets` are the versions of its Secrets.
pub fn work_due(
    store: &Store,
    resource: &FlowsEncryptionKey,
    secrets: &[ObservedSecret],
    interval: Duration,
    now: Timestamp,
) -> Schedule {
    let unowned = unowned_numbers(store, resource, &ObjectKey::of(&resource.metadata), now);
    with_unowned(due(resource, secrets, interval, now), unowned)
}

/// Adds the numbers that nobody owns any more to what the status calls for.
fn with_unowned(schedule: Schedule, unowned: Unowned) -> Schedule {
    match schedule {
        Schedule::Later(next) if unowned.free.is_empty() => {
            Schedule::Later([next, unowned.next].into_iter().flatten().min())
        }
        Schedule::Later(_) => Schedule::Now(Work { inputs: true, numbers: unowned.free, ..Work::default() }),
        Schedule::Now(mut work) => {
            work.inputs |= !unowned.free.is_empty();
            work.numbers.extend(unowned.free);
            Schedule::Now(work)
        }
    }
}

/// Adds what a rotation and a new proof of the endpoint call for.
pub fn with_rotation(
    schedule: Schedule,
    resource: &Arc<FlowsEncryptionKey>,
    proof: Option<&Arc<EndpointProof>>,
    waits: Waits,
    now: Timestamp,
) -> Schedule {
    let next = match schedule {
        Schedule::Later(next) if resource.spec.has_rotations() => next,
        Schedule::Later(_) | Schedule::Now(_) => return schedule,
    };
    let outlook = Outlook::new(Arc::clone(resource), proof.cloned(), waits, now);
    if outlook.may_go_on() {
        return Schedule::Now(Work::everything(resource));
    }
    if outlook.is_newly_overdue() || proof.is_some_and(|proof| endpoint::changes_status(resource, proof)) {
        return Schedule::Now(Work::default());
    }
    Schedule::Later(next.into_iter().chain(outlook.wait_ends()).min())
}

/// How urgent a reconcile is after a new proof. None if the proof says what the one before says, and a rotation
/// neither goes on nor becomes overdue.
pub fn urgency_after_proof(
    resource: Arc<FlowsEncryptionKey>,
    earlier: Option<&EndpointProof>,
    proof: &Arc<EndpointProof>,
    waits: Waits,
    now: Timestamp,
) -> Option<Urgency> {
    let is_new = earlier.is_none_or(|earlier| !earlier.agrees_with(proof));
    let is_rotating = resource.status.as_ref().is_some_and(|status| status.rotation_under_way().is_some());
    if is_new && is_rotating && !proof.is_complete() {
        // The uploads of a running reconcile rest on an earlier proof. A change cancels the reconcile.
        return Some(Urgency::Changed);
    }
    let is_called_for = || {
        let outlook = Outlook::new(resource, Some(Arc::clone(proof)), waits, now);
        outlook.may_go_on() || outlook.is_newly_overdue()
    };
    (is_new || is_called_for()).then_some(Urgency::Due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_nobody_owns_any_more_are_looked_at_beside_what_is_due() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let numbers = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let free = |ids: &[&str], next| Unowned { free: numbers(ids), next };
        let due = |inputs, ids: &[&str], reset_backoff| {
            Schedule::Now(Work { inputs, numbers: numbers(ids), reset_backoff, ..Work::default() })
        };
        let table = [
            (Schedule::Later(None), free(&[], None), Schedule::Later(None)),
            (Schedule::Later(Some(at(9))), free(&[], Some(at(5))), Schedule::Later(Some(at(5)))),
            (Schedule::Later(Some(at(9))), free(&["1"], Some(at(5))), due(true, &["1"], false)),
            (due(false, &[], false), free(&["1"], None), due(true, &["1"], false)),
            (due(true, &["2"], true), free(&["1"], Some(at(5))), due(true, &["2", "1"], true)),
            (due(false, &[], true), free(&[], None), due(false, &[], true)),
        ];
        for (due, unowned, expected) in table {
            assert_eq!(with_unowned(due, unowned), expected);
        }
    }
}
