//! The fourth step of a reconcile: computes the status, the events and the time of the next reconcile. Pure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{self, ConditionType, Reason};
use crate::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, Mode, NumberState, PhoneNumberStatus};
use crate::api::members;
use crate::number::{Criteria, Ownership, Reading, upload_reason};
use crate::observation::{NumberObservation, Observation};
use crate::rollout::canary::{Canary, canary_until};
use crate::rollout::outcome::Outcome;
use crate::rollout::progress::Progress;
use crate::rollout::rotation::{self, Outlook};
use crate::schedule::due::{self, Schedule, spec_digest, sync_request};
use crate::status::events::{self, Note};
use crate::status::{accounts, endpoint, number, ready, token};

/// The result of a reconcile.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The new status.
    pub status: FlowsEncryptionKeyStatus,
    /// The events to publish.
    pub notes: Vec<Note>,
    /// Time of the next reconcile, unless something changes before. None if nothing is due.
    pub next: Option<Timestamp>,
}

/// Computes the result of a reconcile.
pub fn summarize(observation: &Observation, outcomes: &[Outcome], progress: Progress, now: Timestamp) -> Summary {
    let before = observation.status().cloned().unwrap_or_default();
    let spec = &observation.resource.spec;
    let mut status = before.clone();
    status.observed_generation = observation.resource.metadata.generation;
    if spec.is_suspended() {
        status.suspended_since.get_or_insert(Time(now));
        status.conditions = ready::suspended(observation, &before, now);
        return finish(observation, &before, status, outcomes, now);
    }

    status.suspended_since = None;
    status.phone_numbers = numbers(observation, outcomes, now);
    status.token = token::status(observation);
    status.business_accounts = accounts::statuses(observation);
    let counted = || status.phone_numbers.iter().filter(|number| members::counts(number));
    status.last_successful_check_time = counted().filter_map(|number| number.last_read_time.as_ref()).min().cloned();
    let valid = counted().filter(|number| number.state == NumberState::Valid).count();
    status.valid = Some(format!("{valid}/{}", counted().count()));
    status.observed_spec_digest = Some(spec_digest(spec));
    status.previous_fingerprints = observation.previous_fingerprints();
    if let Some(key) = observation.key() {
        if observation.has_new_key() || status.public_key_since.is_none() {
            status.public_key_since = Some(Time(now));
        }
        status.public_key = Some(key.pem().to_owned());
        status.public_key_fingerprint = Some(key.fingerprint().to_string());
        status.short_fingerprint = Some(key.fingerprint().short());
    }
    if let Some(inputs) = &observation.inputs {
        status.observed_secrets.clone_from(&inputs.secrets);
    }
    if progress == Progress::Finished {
        // Only after the reconcile: a client that waits for this field waits for the result of its request.
        status.last_handled_sync_request = sync_request(&observation.resource);
        if asked_meta(observation) {
            status.last_check_time = Some(Time(now));
        }
    }
    status.rotation = rotation::concluded(observation, &status.phone_numbers, now);
    status.endpoint = endpoint::status(observation, &status);
    status.conditions = ready::conditions(observation, outcomes, &status, progress, now);
    finish(observation, &before, status, outcomes, now)
}

fn finish(
    observation: &Observation,
    before: &FlowsEncryptionKeyStatus,
    mut status: FlowsEncryptionKeyStatus,
    outcomes: &[Outcome],
    now: Timestamp,
) -> Summary {
    let next = next_reconcile(observation, &status, now);
    status.next_check_time = next.map(Time);
    let notes = events::notes(before, &status, outcomes);
    Summary { status, notes, next }
}

/// Makes the times of transition tell when something last changed as people saw it: since `shown`, the status that was
/// last written, rather than since the one that a long reconcile began with.
pub fn with_transition_times(
    shown: Option<&FlowsEncryptionKeyStatus>,
    status: &mut FlowsEncryptionKeyStatus,
    now: Timestamp,
) {
    let nothing_yet = FlowsEncryptionKeyStatus::default();
    let shown = shown.unwrap_or(&nothing_yet);
    conditions::with_transition_times(&shown.conditions, &mut status.conditions, now);
    let by_id: HashMap<&str, &PhoneNumberStatus> =
        shown.phone_numbers.iter().map(|number| (number.phone_number_id.as_str(), number)).collect();
    for number in &mut status.phone_numbers {
        match by_id.get(number.phone_number_id.as_str()) {
            Some(shown) if shown.state != number.state => number.last_transition_time = Some(Time(now)),
            Some(shown) if shown.last_transition_time.is_some() => {
                number.last_transition_time.clone_from(&shown.last_transition_time);
            }
            // The number was never shown, or the status has no time.
            Some(_) | None => {}
        }
    }
}

fn asked_meta(observation: &Observation) -> bool {
    observation.refusal.is_some()
        || observation.accounts.iter().any(|account| account.listing.was_asked())
        || observation.numbers.iter().any(|number| number.reading.was_asked())
}

fn next_reconcile(observation: &Observation, status: &FlowsEncryptionKeyStatus, now: Timestamp) -> Option<Timestamp> {
    let key_loaded = conditions::find(&status.conditions, ConditionType::KeyLoaded);
    let is_rejected = key_loaded.is_some_and(|condition| condition.reason == Reason::PassphraseRejected.as_str());
    if is_rejected && !observation.resource.spec.is_suspended() {
        return Some(now + observation.waits.passphrase_grace());
    }
    let resource =
        FlowsEncryptionKey { status: Some(status.clone()), ..FlowsEncryptionKey::clone(&observation.resource) };
    match due::due(&resource, &status.observed_secrets, observation.interval, now) {
        Schedule::Now(_) => Some(now),
        Schedule::Later(next) => next.into_iter().chain(rotation_at(observation, resource, now)).min(),
    }
}

/// When the rotation needs a reconcile: at the end of its wait, or now where this reconcile made another step possible.
fn rotation_at(observation: &Observation, resource: FlowsEncryptionKey, now: Timestamp) -> Option<Timestamp> {
    resource.status.as_ref()?.rotation.as_ref()?;
    let outlook = Outlook::new(Arc::new(resource), observation.proof.clone(), observation.waits, now);
    if outlook.changes_rotation() { Some(now) } else { outlook.wait_ends() }
}

fn numbers(observation: &Observation, outcomes: &[Outcome], now: Timestamp) -> Vec<PhoneNumberStatus> {
    let criteria = Criteria { now, ..observation.criteria() };
    let by_id: HashMap<&str, &Outcome> =
        outcomes.iter().map(|outcome| (outcome.phone_number_id.as_str(), outcome)).collect();
    let mut numbers: Vec<_> = observation
        .numbers
        .iter()
        .map(|number| match by_id.get(number.before.phone_number_id.as_str()) {
            Some(outcome) => number.uploaded(&criteria, &outcome.upload, &outcome.after),
            None => number.as_read(&criteria),
        })
        .collect();
    schedule_uploads(observation, &criteria, &mut numbers);
    for (number, observed) in numbers.iter_mut().zip(&observation.numbers) {
        let outcome = by_id.get(number.phone_number_id.as_str()).copied();
        settle(observation, observed, outcome, &criteria, number);
    }
    numbers
}

/// Sets the time of the next upload of each number that still needs the key.
fn schedule_uploads(observation: &Observation, criteria: &Criteria, numbers: &mut [PhoneNumberStatus]) {
    if criteria.mode != Mode::Enforce || observation.key().is_none() {
        return;
    }
    let canary = Canary::of(numbers.iter(), criteria);
    for (number, observed) in numbers.iter_mut().zip(&observation.numbers) {
        let is_allowed = observation.course.allows(number, criteria);
        let is_uncontested = observed.ownership == Ownership::Uncontested;
        let waits = is_uncontested && is_allowed && upload_reason(number, criteria).is_some();
        if waits && number.next_attempt_time.is_none() {
            let is_held = canary_until(number, criteria).is_none();
            let at = match canary {
                // The canary's end is unknown: the waiting number is handled at its next check.
                Canary::Pending { until } if is_held && until <= criteria.now => continue,
                Canary::Pending { until } if is_held => until,
                Canary::Pending { .. } | Canary::Passed | Canary::Open => criteria.upload_allowed_at(number),
            };
            // If the next check is earlier, keep the check: the number may recover by itself.
            let check = number.last_read_time.as_ref().map(|time| time.0 + criteria.interval);
            number.next_attempt_time =
                Some(at.max(criteria.now)).filter(|at| check.is_none_or(|check| *at < check)).map(Time);
        }
    }
}

/// Sets the fields that depend on the state: ownership, message, transition time.
fn settle(
    observation: &Observation,
    observed: &NumberObservation,
    outcome: Option<&Outcome>,
    criteria: &Criteria,
    number: &mut PhoneNumberStatus,
) {
    if criteria.is_stale(number)
        && !matches!(number.state, NumberState::Conflict | NumberState::Refused | NumberState::Unregistered)
    {
        number.state = NumberState::Unreachable;
    }
    if is_forbidden(observation) && matches!(observed.reading, Reading::NotAsked) {
        // A changed RBAC permission sends no event, so retry now and then.
        number.next_attempt_time = Some(Time(criteria.now + criteria.waits.after_refusal(1)));
    }
    if let Ownership::Vacant { until } = observed.ownership {
        number.next_attempt_time = Some(Time(until));
    }
    if observation.was_skipped(observed) {
        // The next reconcile begins with this number.
        number.next_attempt_time = Some(Time(criteria.now));
    }
    let owns = match number.state {
        NumberState::Conflict | NumberState::Refused | NumberState::Unregistered => false,
        _ if criteria.mode == Mode::Observe || has_bad_key(observation) => false,
        _ => number.owned_since.is_some() || matches!(observed.reading, Reading::Answered { .. }),
    };
    if owns {
        number.owned_since.get_or_insert(Time(criteria.now));
    } else {
        number.owned_since = None;
    }
    if number.state != observed.before.state || number.last_transition_time.is_none() {
        number.last_transition_time = Some(Time(criteria.now));
    }
    if number.next_attempt_time.is_none() && matches!(observed.ownership, Ownership::Other { .. }) {
        number.next_attempt_time = handover_until(number, criteria).map(Time);
    }
    number.message = number::message(number, observed, outcome, criteria);
}

/// End of a possible handover from another resource. The number holds the expected key, so a GitOps tool may be
/// renaming the resource. A minute is enough to delete the old resource.
fn handover_until(number: &PhoneNumberStatus, criteria: &Criteria) -> Option<Timestamp> {
    let may_be_renamed =
        number.state == NumberState::Conflict && number.error.is_none() && criteria.is_in_place(number);
    let since = number.last_transition_time.as_ref().filter(|_| may_be_renamed)?.0;
    Some(since + criteria.waits.before_takeover()).filter(|until| *until > criteria.now)
}

/// Whether the resource has no usable key. Then it owns no number, and does not block other resources.
fn has_bad_key(observation: &Observation) -> bool {
    observation.inputs.as_ref().is_some_and(|inputs| inputs.key.is_err())
}

fn is_forbidden(observation: &Observation) -> bool {
    let forbidden = |why: &conditions::ConditionReason| why.reason == Reason::SecretForbidden;
    observation.inputs.as_ref().is_some_and(|inputs| {
        inputs.key.as_ref().is_err_and(forbidden) || inputs.credentials.as_ref().is_err_and(forbidden)
    })
}

/// The shortest time between two reconciles of an unchanged resource: a fault in the schedule must not cause a flood of
/// calls.
pub const MIN_PAUSE: Duration = Duration::from_millis(100);
