//! What must hold whatever happens.

use super::super::*;
use super::process::{LastAnswers, token};
use super::world::{World, key_of, uid};
use crate::store::object_key::ObjectKey;

/// An upload goes out only where the resource allows it, has a key, and is the one that owns the number.
pub(super) fn check_upload(world: &World, observation: &Observation, upload: &Upload) {
    let (resource, id) = (&observation.resource, &upload.phone_number_id);
    assert!(resource.spec.phone_number_ids.contains(id), "an upload to a number that is not listed: {upload:?}");
    assert!(may_upload(resource) && observation.key().is_some(), "an upload that is not allowed: {upload:?}");
    let ours = world.stages.iter().find(|stage| stage.resource.metadata.uid == resource.metadata.uid);
    let ours = ours.expect("uploads only for what exists");
    for other in world.stages.iter().filter(|other| uid(other) != uid(ours)) {
        let owns_before = claim(other, id).is_some_and(|theirs| claim(ours, id).is_none_or(|ours| theirs < ours));
        assert!(!owns_before, "{id} is of another resource: {ours:#?} {other:#?}");
    }
}

fn may_upload(resource: &FlowsEncryptionKey) -> bool {
    resource.spec.mode == Mode::Enforce && !resource.spec.is_suspended()
}

/// The stored claim to a number, as far as it counts. The least one owns the number.
fn claim(stage: &Stage, id: &str) -> Option<(Timestamp, Option<Timestamp>, ObjectKey)> {
    let status = stage.resource.status.as_ref()?;
    let has_key =
        find(&status.conditions, ConditionType::KeyLoaded).is_none_or(|condition| condition.status != "False");
    let is_listed = stage.resource.spec.phone_number_ids.iter().any(|listed| listed == id);
    let number = status.phone_numbers.iter().find(|number| number.phone_number_id == id)?;
    let may_own = is_listed && has_key && status.suspended_since.is_none() && may_upload(&stage.resource);
    let since = number.owned_since.as_ref().filter(|_| may_own)?.0;
    Some((since, stage.resource.metadata.creation_timestamp.as_ref().map(|time| time.0), key_of(stage)))
}

/// The conditions are what kstatus, `kubectl wait` and people rely on.
pub(super) fn check_conditions(before: &[Condition], status: &FlowsEncryptionKeyStatus, is_suspended: bool) {
    let conditions = &status.conditions;
    let types: Vec<_> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
    let ready = find(conditions, ConditionType::Ready).expect("Ready is always there");
    match (ready.status.as_str(), ready.reason.as_str()) {
        ("True", _) | ("Unknown", "Suspended") => assert_eq!(types, ["Ready", "KeyLoaded", "TokenAccepted"]),
        // kstatus takes the first of the two that it finds.
        (_, reason) => {
            assert!(
                matches!(types[..], ["Ready", "Reconciling" | "Stalled", "KeyLoaded", "TokenAccepted"]),
                "{types:?}"
            );
            assert_eq!((conditions[1].status.as_str(), conditions[1].reason.as_str()), ("True", reason));
        }
    }
    for condition in conditions {
        assert_eq!(condition.observed_generation, status.observed_generation, "{condition:?}");
        let same = before.iter().find(|b| b.type_ == condition.type_ && b.status == condition.status);
        if let Some(same) = same {
            assert_eq!(condition.last_transition_time, same.last_transition_time, "{condition:?}");
        }
    }
    let valid = status.phone_numbers.iter().filter(|number| number.state == NumberState::Valid).count();
    // While work is suspended the status stays as it is, whoever wrote it.
    if !is_suspended {
        assert_eq!(status.valid, Some(format!("{valid}/{}", status.phone_numbers.len())));
    }
}

/// A number's time of transition moves exactly when people see its state change.
pub(super) fn check_transitions(shown: &FlowsEncryptionKeyStatus, status: &FlowsEncryptionKeyStatus, now: Timestamp) {
    for number in &status.phone_numbers {
        let shown = shown.phone_numbers.iter().find(|shown| shown.phone_number_id == number.phone_number_id);
        match shown.filter(|shown| shown.state == number.state) {
            Some(shown) => assert_eq!(number.last_transition_time, shown.last_transition_time, "{number:?}"),
            None => assert_eq!(number.last_transition_time.as_ref().map(|t| t.0.as_second()), Some(now.as_second())),
        }
    }
}

/// Ready is True only where every number held the key when the resource last read it, and Meta has accepted the token.
pub(super) fn check_ready(stage: &Stage, answers: &LastAnswers) {
    let status = stage.status();
    let is_ready = stage.condition(ConditionType::Ready).is_some_and(|condition| condition.status == "True");
    if !is_ready
        || stage.resource.spec.is_suspended()
        || status.observed_generation != stage.resource.metadata.generation
    {
        return;
    }
    let token = token(&stage.resource.spec, &status.observed_secrets).expect("the token was read");
    assert!(answers.accepted.contains(&(uid(stage).to_owned(), token)), "Meta has not accepted the token: {stage:#?}");
    let ours = status.public_key_fingerprint.as_deref();
    for id in &stage.resource.spec.phone_number_ids {
        let (key, signature) = &answers.numbers[&(uid(stage).to_owned(), id.clone())];
        let holds_ours = key.map(fingerprint_text).as_deref() == ours && signature.as_deref() == Some("VALID");
        assert!(holds_ours, "Ready while number {id} showed {key:?} {signature:?}");
    }
}

/// Nothing is at fault any more: every number is Valid with the key of its one owner, and the status says so.
pub(super) fn check_rest(world: &World) {
    let mut owners = std::collections::HashMap::new();
    for stage in &world.stages {
        let ours = (0..10).find(|n| Some(fingerprint_text(*n)) == stage.status().public_key_fingerprint);
        let ours = ours.expect("a key was read");
        for number in &stage.status().phone_numbers {
            let (id, line) = (&number.phone_number_id, &world.meta.lines[&number.phone_number_id]);
            match number.state {
                NumberState::Conflict => continue,
                NumberState::Valid => assert!(line.is_valid(ours), "{number:#?} {line:#?}"),
                NumberState::Contested => assert!(!line.is_valid(ours), "{number:#?} {line:#?}"),
                _ => panic!("not at rest: {number:#?} {line:#?}"),
            }
            assert!(number.owned_since.is_some(), "{number:#?}");
            assert_eq!(owners.insert(id, uid(stage)), None, "two own {id}: {:#?}", world.stages);
        }
        let has = |state| stage.status().phone_numbers.iter().any(|number| number.state == state);
        let reasons = match (has(NumberState::Conflict), has(NumberState::Contested)) {
            (false, false) => vec!["AllNumbersValid"],
            (true, false) => vec!["NumberConflict"],
            (false, true) => vec!["NumberContested"],
            (true, true) => vec!["NumberConflict", "NumberContested"],
        };
        assert!(reasons.contains(&stage.ready()), "{} instead of {reasons:?}", stage.ready());
        assert_eq!(stage.status().observed_generation, stage.resource.metadata.generation);
    }
    let listed = world.stages.iter().flat_map(|stage| &stage.resource.spec.phone_number_ids);
    listed.for_each(|id| assert!(owners.contains_key(id), "nobody owns {id}: {:#?}", world.stages));
}
