//! What users read of a rotation: why `Ready` waits, and until when. Pure.

use jiff::Timestamp;

use super::endpoint::opens;
use crate::api::conditions::{self, ConditionReason, ConditionType, Reason};
use crate::api::crd::{RotationPhase as Phase, RotationStatus, RotationStop, UNREPORTED_KEY};
use crate::api::text::utc;
use crate::observation::Observation;
use crate::replacement::course::Direction;
use crate::replacement::decision::Decision;
use crate::rollout::rotation::{is_overdue, is_soaking};

/// Why the rotation waits, as a reason for `Ready`. None while the rotation goes on.
pub(super) fn waiting(observation: &Observation, rotation: &RotationStatus, now: Timestamp) -> Option<ConditionReason> {
    let reason = match rotation.phase {
        Phase::RolledBack => {
            ConditionReason::new(Reason::RotationRolledBack, rolled_back(rotation, observation.course.direction))
        }
        Phase::Canary | Phase::RollingOut if rotation.stopped.is_some() => {
            ConditionReason::new(Reason::RotationPaused, paused(rotation))
        }
        Phase::Canary if is_soaking(rotation, &observation.resource.spec, now) => {
            ConditionReason::new(Reason::Soaking, soaking(rotation))
        }
        Phase::Staged | Phase::Canary | Phase::RollingOut => held(observation, rotation, now)?,
        Phase::Overlap | Phase::Completed | Phase::Superseded => return None,
    };
    Some(reason)
}

/// What a resource says that has to wait, or works, in one phase for longer than `progressDeadline`.
pub(super) fn overdue(rotation: &RotationStatus, before: &ConditionReason) -> ConditionReason {
    let (said, until) = (&before.message, until(rotation));
    let message = format!("{said} This has lasted longer than spec.rotation.progressDeadline, until {until}.");
    ConditionReason::new(Reason::RotationPaused, message)
}

/// The wait for the endpoint.
fn held(observation: &Observation, rotation: &RotationStatus, now: Timestamp) -> Option<ConditionReason> {
    let decision = observation.course.decision.filter(|decision| !decision.allows())?;
    let overdue = is_overdue(rotation, &observation.resource.spec, now);
    let Some(why) = why(observation, rotation) else {
        // A new process has not asked yet. What is stored is the last that is known.
        let stored = conditions::find(&observation.status_or_default().conditions, ConditionType::Ready);
        let stored = stored.filter(|ready| ready.reason == Reason::WaitingForEndpoint.as_str() && !overdue);
        let text = stored.map_or_else(|| awaited(rotation, "The endpoint was not asked yet."), |it| it.message.clone());
        return Some(ConditionReason::new(Reason::WaitingForEndpoint, text));
    };
    let (from, to) = (short(&rotation.from), short(&rotation.to));
    let reason = match decision {
        Decision::EndpointLacksKeys => Reason::EndpointLacksKey,
        _ => Reason::WaitingForEndpoint,
    };
    let text = match decision {
        Decision::EndpointLacksKeys => format!(
            "Clients fail: the endpoint opens neither key {from}, which the numbers hold, nor key {to}. Give the endpoint \
             the private key of {to}; the operator then uploads key {to} at once."
        ),
        Decision::AwaitSwap => format!(
            "Clients fail: the endpoint has given up key {from}, which the numbers hold. Key {to} is uploaded as soon as \
             every target opens it. {why}"
        ),
        _ if is_open(observation, rotation) => {
            awaited(rotation, "The endpoint opened the key when it was last asked, and is asked again now.")
        }
        _ if is_foreign(observation, rotation) => format!(
            "The numbers hold key {from}, which is not of this resource, and the endpoint does not open key {to}. If the \
             key was changed by hand, put the private key of {from} into the Secret. {why}"
        ),
        _ => awaited(rotation, &why),
    };
    let deadline = match reason {
        Reason::WaitingForEndpoint if !overdue => format!(" The resource is Stalled from {} on.", until(rotation)),
        _ => String::new(),
    };
    Some(ConditionReason::new(reason, text + &deadline))
}

fn awaited(rotation: &RotationStatus, why: &str) -> String {
    let (from, to) = (short(&rotation.from), short(&rotation.to));
    let numbers = match rotation.phase {
        Phase::Staged => "The numbers",
        _ => "The other numbers",
    };
    format!("{numbers} keep key {from} until every target of the endpoint opens key {to}. {why}")
}

/// What the endpoint does with the new key. None if it was not asked with this key.
fn why(observation: &Observation, rotation: &RotationStatus) -> Option<String> {
    let to = rotation.to.parse().ok()?;
    let proof = observation.proof.as_deref().filter(|proof| proof.is_about(to))?;
    Some(opens(proof, to).message)
}

/// Whether the last proof allows the replacement, and is too old to count.
fn is_open(observation: &Observation, rotation: &RotationStatus) -> bool {
    let proof = observation.proof.as_deref().zip(rotation.to.parse().ok());
    proof.is_some_and(|(proof, to)| proof.tally(to).is_open())
}

fn is_foreign(observation: &Observation, rotation: &RotationStatus) -> bool {
    rotation.phase == Phase::Staged
        && rotation.from_public_key.is_some()
        && observation.course.old_key.is_none()
        && !observation.is_own(&rotation.from)
}

fn soaking(rotation: &RotationStatus) -> String {
    let until = until(rotation);
    let (from, to) = (short(&rotation.from), short(&rotation.to));
    format!("Key {to} is valid on the first number. The others keep key {from} until {until}, the end of the soak.")
}

fn paused(rotation: &RotationStatus) -> String {
    format!(
        "{} Some numbers may hold key {}, others key {}. Mend the cause and set the annotation \
         waflows.dev/proceed-requested-at, or waflows.dev/abort-requested-at to go back.",
        stopped(rotation),
        short(&rotation.to),
        short(&rotation.from)
    )
}

fn rolled_back(rotation: &RotationStatus, direction: Direction) -> String {
    let from = short(&rotation.from);
    let numbers = match direction {
        _ if rotation.from_public_key.is_none() => "No number gets another key: the old one is not known.".to_owned(),
        Direction::Back => format!("The numbers have key {from} again, or get it now."),
        _ => format!("A number gets key {from} back once every target of the endpoint opens that key."),
    };
    format!(
        "{} {numbers} Mend the cause and set the annotation waflows.dev/proceed-requested-at, or put another key into the \
         Secret.",
        stopped(rotation)
    )
}

/// The end of the present wait, for people.
fn until(rotation: &RotationStatus) -> String {
    rotation.until.as_ref().map(|until| utc(until.0)).unwrap_or_default()
}

/// Why nothing goes on by itself.
fn stopped(rotation: &RotationStatus) -> String {
    let to = short(&rotation.to);
    match rotation.stopped {
        Some(RotationStop::CanaryNotValid) => format!(
            "Key {to} was uploaded to the first number three times, and Meta does not show the key as VALID; check that \
             the number is registered with the Cloud API."
        ),
        Some(RotationStop::EndpointLostKey) => {
            format!("A target of the endpoint opened key {to}, and has refused the key for more than two minutes.")
        }
        Some(RotationStop::Aborted) | None => format!("A person stopped the rotation to key {to}."),
    }
}

/// What `Ready` says of the old key after a rotation. Empty if nothing is to be said.
pub(super) fn old_key(observation: &Observation, rotation: &RotationStatus, now: Timestamp) -> String {
    let Some(until) = rotation.overlap_end() else {
        return String::new();
    };
    let from = short(&rotation.from);
    let proof = observation.proof.as_deref();
    let recovers = proof.and_then(|proof| proof.recovers_clients());
    match recovers {
        _ if until.0 > now => {
            format!(
                " The endpoint must keep the private key of {from} until {}: clients may still use it.",
                utc(until.0)
            )
        }
        Some(false) => format!(
            " The endpoint must keep the private key of {from}: it does not answer HTTP 421 to a key that it lacks, so \
             that clients with the old key would not find the new one."
        ),
        Some(true) | None => format!(" The endpoint must keep the private key of {from} for now."),
    }
}

/// The start of a fingerprint, for people: `sha256:` and twelve hex digits.
pub(super) fn short(fingerprint: &str) -> &str {
    match fingerprint {
        UNREPORTED_KEY => "(not shown by Meta)",
        _ => fingerprint.get(..19).unwrap_or(fingerprint),
    }
}
