//! The phases of a rotation: which one follows, and what it allows. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use waflows_key::PublicKey;

use super::facts::Facts;
use crate::api::crd::{
    FlowsEncryptionKeySpec, Gate, OnFailure, PhoneNumberStatus, Rotation, RotationPhase as Phase, RotationStatus,
    RotationStop,
};
use crate::observation::{NumberObservation, Observation};
use crate::replacement::course::{Course, Direction};
use crate::replacement::decision::Decision;
use crate::replacement::held::Held;

/// The course of the resource's rotation, from what this reconcile has learnt so far.
pub fn course(observation: &Observation) -> Course {
    let Some(facts) = Facts::of(observation) else {
        let status = observation.status().and_then(|status| status.rotation.clone());
        // A rotation ends with the fields that ask for it. A suspended resource keeps what it has.
        return Course { status: status.filter(|_| observation.resource.spec.is_suspended()), ..Course::default() };
    };
    let Some(rotation) = advanced(&facts) else {
        return Course { status: ended(&facts), ..Course::default() };
    };
    Course {
        direction: direction(&facts, &rotation),
        decision: Some(facts.decision(&rotation)),
        old_key: old_key(&facts, &rotation),
        status: Some(rotation),
    }
}

/// The rotation after the uploads of a reconcile. The key that the numbers should hold stays the same within a reconcile,
/// so that a rotation that fails goes back in the next one.
pub fn concluded(observation: &Observation, numbers: &[PhoneNumberStatus], now: Timestamp) -> Option<RotationStatus> {
    let course = &observation.course;
    let before = course.status.as_ref().filter(|rotation| !rotation.phase.is_over());
    let Some((facts, before)) = Facts::of(observation).zip(before) else { return course.status.clone() };
    let mut facts = facts.with_numbers(numbers);
    facts.now = now;
    let after = next(&facts, before.clone());
    let after = if after.phase.keeps_old_key() == before.phase.keeps_old_key() { after } else { before.clone() };
    Some(after)
}

/// The rotation of the resource's present key: the stored one, or a new one if a number holds another valid key.
pub(super) fn advanced(facts: &Facts<'_>) -> Option<RotationStatus> {
    let stored = facts.status.rotation.as_ref().filter(|stored| facts.to.is_written(&stored.to));
    let mut rotation = match stored.filter(|stored| !stored.phase.is_over()) {
        Some(stored) => stored.clone(),
        None => started(facts).filter(|_| facts.can_upload)?,
    };
    if let Some(public_key) = &facts.to_public_key {
        rotation.to_public_key = Some(public_key.clone());
    }
    Some(next(facts, rotation))
}

/// What remains of the stored rotation if the numbers need no other key.
fn ended(facts: &Facts<'_>) -> Option<RotationStatus> {
    let stored = facts.status.rotation.clone()?;
    if facts.to.is_written(&stored.to) || stored.phase == Phase::Superseded {
        return Some(stored);
    }
    let was_over = stored.phase == Phase::Completed;
    (!was_over).then(|| entered(stored, Phase::Superseded, facts.now))
}

/// A rotation from the key that the numbers hold. The key that the resource had is the old one, if some number holds it.
/// Numbers on which the resource may not work have no part in this: their key is somebody else's affair.
fn started(facts: &Facts<'_>) -> Option<RotationStatus> {
    let status = facts.status;
    let held = |key: &Option<String>| workable(facts).any(|number| number.key == *key);
    let former = status.rotation.as_ref();
    let known = [
        (status.public_key_fingerprint.clone(), status.public_key.clone()),
        (former.map(|it| it.from.clone()), former.and_then(|it| it.from_public_key.clone())),
    ];
    let (from, from_public_key) =
        known.into_iter().find(|(key, _)| key.is_some() && held(key)).or_else(|| most_held(facts))?;
    Some(RotationStatus {
        phase: Phase::Staged,
        from: from?,
        to: facts.to.to_string(),
        from_public_key,
        to_public_key: facts.to_public_key.clone(),
        started_time: Time(facts.now),
        phase_start_time: Time(facts.now),
        canary_valid_time: None,
        until: None,
        stopped: None,
        // What was asked before the rotation began says nothing about it.
        last_handled_proceed_request: facts.proceed_request.clone(),
        last_handled_abort_request: facts.abort_request.clone(),
    })
}

/// The valid key that most numbers hold, the first of several.
fn most_held(facts: &Facts<'_>) -> Option<(Option<String>, Option<String>)> {
    let count = |key: &Option<String>| workable(facts).filter(|number| number.key == *key).count();
    let mut others: Vec<_> = workable(facts).collect();
    others.sort_by_key(|number| std::cmp::Reverse(count(&number.key)));
    let most = others.first()?;
    Some((most.key.clone(), most.public_key.as_ref().map(|key| key.pem().to_owned())))
}

/// The numbers that hold another valid key than the new one, and can get the new one.
fn workable<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Held> {
    facts.others().filter(|number| number.is_workable)
}

/// The rotation in the phase that the facts lead to.
fn next(facts: &Facts<'_>, rotation: RotationStatus) -> RotationStatus {
    if !facts.can_upload {
        return rotation;
    }
    let mut rotation = obey(facts, rotation);
    while let Some(phase) = next_phase(facts, &mut rotation) {
        rotation = entered(rotation, phase, facts.now);
    }
    rotation.until = until(facts, &rotation);
    rotation
}

/// The next phase, if the present one is over. A phase leads to a later one, except for `Overlap`, so that this ends.
fn next_phase(facts: &Facts<'_>, rotation: &mut RotationStatus) -> Option<Phase> {
    if let Some(stop) = failure(facts, rotation) {
        rotation.stopped = Some(stop);
        return (facts.on_failure == OnFailure::Rollback && facts.may_go_back(rotation)).then_some(Phase::RolledBack);
    }
    let is_running = rotation.stopped.is_none();
    let has_others = || workable(facts).next().is_some();
    match rotation.phase {
        Phase::Staged => (is_running && facts.decision(rotation).allows()).then_some(Phase::Canary),
        Phase::Canary => {
            if facts.has_valid() {
                rotation.canary_valid_time.get_or_insert(Time(facts.now));
            } else if !facts.has_new() {
                // The first number has left the resource, or holds another key.
                rotation.canary_valid_time = None;
            }
            (is_running && is_soaked(facts, rotation) && facts.decision(rotation).allows()).then_some(Phase::RollingOut)
        }
        Phase::RollingOut => (!has_others() && !facts.has_hidden_numbers()).then_some(Phase::Overlap),
        Phase::Overlap if has_others() => Some(Phase::RollingOut),
        Phase::Overlap => {
            let end = rotation.phase_start_time.0 + facts.overlap;
            let is_without_old_key = !facts.has_old(rotation) && !facts.has_hidden_numbers();
            (end <= facts.now && is_without_old_key && facts.serves_without_old_key(end)).then_some(Phase::Completed)
        }
        Phase::Completed | Phase::RolledBack | Phase::Superseded => None,
    }
}

/// Why the rotation must not go on, if it is under way. A rotation that stopped before stays stopped.
fn failure(facts: &Facts<'_>, rotation: &RotationStatus) -> Option<RotationStop> {
    let is_under_way = matches!(rotation.phase, Phase::Canary | Phase::RollingOut);
    if !is_under_way || rotation.stopped == Some(RotationStop::Aborted) {
        return None;
    }
    let has_failed = !facts.has_valid() && facts.numbers.iter().any(|number| number.has_failed);
    if has_failed {
        Some(RotationStop::CanaryNotValid)
    } else if facts.has_lost_key() && facts.has_new() {
        Some(RotationStop::EndpointLostKey)
    } else {
        rotation.stopped
    }
}

/// Whether a number has held the new key for long enough. Where clients fail with the old key, there is no soak.
fn is_soaked(facts: &Facts<'_>, rotation: &RotationStatus) -> bool {
    let is_cure = facts.decision(rotation) == Decision::FastForward;
    let since = rotation.canary_valid_time.as_ref().filter(|_| facts.has_valid());
    since.is_some_and(|since| is_cure || since.0 + facts.soak <= facts.now)
}

/// Does what a person asked for since the last reconcile.
fn obey(facts: &Facts<'_>, mut rotation: RotationStatus) -> RotationStatus {
    let is_new = |request: &Option<String>, handled: &Option<String>| request.is_some() && request != handled;
    let proceeds = is_new(&facts.proceed_request, &rotation.last_handled_proceed_request);
    let aborts = is_new(&facts.abort_request, &rotation.last_handled_abort_request);
    rotation.last_handled_proceed_request = facts.proceed_request.clone().or(rotation.last_handled_proceed_request);
    rotation.last_handled_abort_request = facts.abort_request.clone().or(rotation.last_handled_abort_request);
    if aborts && rotation.phase != Phase::RolledBack {
        rotation.stopped = Some(RotationStop::Aborted);
        return entered(rotation, Phase::RolledBack, facts.now);
    }
    if !proceeds {
        return rotation;
    }
    rotation.stopped = None;
    match rotation.phase {
        Phase::RolledBack => return entered(rotation, Phase::Staged, facts.now),
        Phase::Canary if facts.has_valid() => rotation.canary_valid_time = Some(Time(facts.now - facts.soak)),
        Phase::Overlap => rotation.phase_start_time = Time(facts.now - facts.overlap),
        _ => rotation.phase_start_time = Time(facts.now),
    }
    rotation
}

fn entered(mut rotation: RotationStatus, phase: Phase, now: Timestamp) -> RotationStatus {
    (rotation.phase, rotation.phase_start_time, rotation.until) = (phase, Time(now), None);
    match phase {
        Phase::Staged | Phase::RolledBack => rotation.canary_valid_time = None,
        Phase::Completed | Phase::Superseded => {
            (rotation.from_public_key, rotation.to_public_key, rotation.stopped) = (None, None, None);
        }
        Phase::Overlap => rotation.stopped = None,
        Phase::Canary | Phase::RollingOut => {}
    }
    rotation
}

/// When the present wait ends.
fn until(facts: &Facts<'_>, rotation: &RotationStatus) -> Option<Time> {
    let soak_end = soak_end(rotation, facts.soak).filter(|end| rotation.stopped.is_none() && *end > facts.now);
    let until = match rotation.phase {
        Phase::Overlap => Some(rotation.phase_start_time.0 + facts.overlap),
        _ => soak_end.or_else(|| deadline(rotation, facts.soak, facts.progress_deadline)),
    };
    until.map(Time)
}

/// When the first number has held the new key for long enough. None before the number is valid.
fn soak_end(rotation: &RotationStatus, soak: Duration) -> Option<Timestamp> {
    let since = rotation.canary_valid_time.as_ref().filter(|_| rotation.phase == Phase::Canary)?;
    Some(since.0 + soak)
}

/// When the present phase has lasted too long; a soak does not count. None where a phase may last for ever.
fn deadline(rotation: &RotationStatus, soak: Duration, progress_deadline: Duration) -> Option<Timestamp> {
    let has_deadline = matches!(rotation.phase, Phase::Staged | Phase::Canary | Phase::RollingOut);
    let begun = rotation.phase_start_time.0;
    let begun = soak_end(rotation, soak).map_or(begun, |end| end.max(begun));
    has_deadline.then(|| begun + progress_deadline)
}

pub(super) fn direction(facts: &Facts<'_>, rotation: &RotationStatus) -> Direction {
    let decision = facts.decision(rotation);
    match rotation.phase {
        Phase::RolledBack if facts.may_go_back(rotation) => Direction::Back,
        Phase::RolledBack | Phase::Staged => Direction::Hold,
        _ if rotation.stopped.is_some() || !decision.allows() => Direction::Hold,
        Phase::Canary if rotation.canary_valid_time.is_some() => Direction::Hold,
        Phase::Canary if !facts.soak.is_zero() && decision != Decision::FastForward => Direction::OneNumber,
        Phase::Canary | Phase::RollingOut | Phase::Overlap | Phase::Completed | Phase::Superseded => Direction::Forward,
    }
}

/// The old key, while the numbers should hold it: no number has the new key yet, or the rotation was taken back. A number
/// that loses its signature then gets the key that the endpoint opens.
fn old_key(facts: &Facts<'_>, rotation: &RotationStatus) -> Option<PublicKey> {
    let is_staged = rotation.phase == Phase::Staged && facts.is_own(&rotation.from) && !facts.has_new();
    let is_wanted = is_staged || rotation.phase == Phase::RolledBack;
    let public_key = rotation.from_public_key.as_deref().filter(|_| is_wanted)?;
    PublicKey::from_public_key(public_key).ok()
}

/// Whether the phase has lasted longer than `progressDeadline`, which begins at the end of a soak.
pub fn is_overdue(rotation: &RotationStatus, spec: &FlowsEncryptionKeySpec, now: Timestamp) -> bool {
    let policy = spec.rotation.clone().unwrap_or_default();
    deadline(rotation, policy.soak(), policy.progress_deadline()).is_some_and(|deadline| deadline <= now)
}

/// Whether the first number holds the new key, and the others wait for the end of the soak.
pub fn is_soaking(rotation: &RotationStatus, spec: &FlowsEncryptionKeySpec, now: Timestamp) -> bool {
    let soak = spec.rotation.as_ref().map(Rotation::soak).unwrap_or_default();
    soak_end(rotation, soak).is_some_and(|end| end > now)
}

/// Whether the upload would replace a valid key, so that every target of the endpoint must open the new one at that moment.
pub fn needs_proof(observation: &Observation, phone_number_id: &str) -> bool {
    let spec = &observation.resource.spec;
    let criteria = observation.criteria();
    let replaces = |number: &NumberObservation| {
        let status = number.as_read(&criteria);
        status.is_signed() && !criteria.is_in_place(&status)
    };
    spec.gate() == Some(Gate::Required) && observation.number(phone_number_id).is_some_and(replaces)
}
