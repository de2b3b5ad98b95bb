//! The `message` of a number: what to know or do, and Meta's last answer. Pure.

use crate::api::crd::{MAX_NUMBER_TEXT, Mode, NumberError, NumberState, PhoneNumberStatus};
use crate::api::text::{capitalized, clock, date_and_clock, truncate};
use crate::meta::{GraphError, brief};
use crate::number::{Criteria, Ownership, Reading, UPLOADS_BEFORE_STALLED, has_failed_upload, is_rate_limit};
use crate::observation::NumberObservation;
use crate::rollout::outcome::Outcome;

/// Longest part of a connection failure in a message, in bytes. The number's `error` has more.
const MAX_CAUSE: usize = 120;

/// The message for a number in its new state.
pub fn for_number(
    number: &PhoneNumberStatus,
    observed: &NumberObservation,
    outcome: Option<&Outcome>,
    criteria: &Criteria,
) -> String {
    let drift = |what| drift(what, number, criteria);
    let text = match number.state {
        NumberState::Valid if number.key_fingerprint.is_none() => {
            "Meta reports a valid signature but not the key itself; this key was the last one uploaded.".to_owned()
        }
        NumberState::Valid | NumberState::Pending => String::new(),
        NumberState::Unregistered => {
            "The number is not connected to the Cloud API, so that it holds no key; the operator looks again at each check."
                .to_owned()
        }
        NumberState::Foreign | NumberState::Unreported if criteria.keeps_foreign_key(number) => {
            "The number holds a valid key of somebody else, which stays: to replace it, list the number in phoneNumberIds, or set adopt: All for its account."
                .to_owned()
        }
        NumberState::Mismatch => drift("Meta has lost its signature over the key"),
        NumberState::Missing => drift("The number holds no key"),
        NumberState::Outdated => drift("The number holds an earlier key"),
        NumberState::Foreign => drift("The number holds a key that is not of this resource"),
        NumberState::Unreported => format!(
            "Meta reports the signature status {:?}, which does not tell whether the number holds this key.",
            number.signature_status.as_deref().unwrap_or_default()
        ),
        NumberState::Conflict if observed.ownership == Ownership::Uncontested => return number.message.clone(),
        NumberState::Conflict => conflict(number, observed, criteria),
        NumberState::Contested => {
            "Someone else replaced the key three times; find the other writer, then set the annotation waflows.dev/sync-requested-at."
                .to_owned()
        }
        NumberState::Refused => return truncate(&refused(number, observed, outcome), MAX_NUMBER_TEXT),
        NumberState::Unreachable if number.error.is_some() => String::new(),
        NumberState::Unreachable => "Nothing was learnt of the number for more than three check intervals.".to_owned(),
    };
    let parts = std::iter::once(text).chain(failure_of(number)).filter(|part| !part.is_empty());
    truncate(&parts.collect::<Vec<_>>().join(" "), MAX_NUMBER_TEXT)
}

/// The message for a number that another resource owns, or has just given up.
fn conflict(number: &PhoneNumberStatus, observed: &NumberObservation, criteria: &Criteria) -> String {
    match &observed.ownership {
        Ownership::Other { owner } if criteria.is_handed_over(number) => {
            let owner = owner.as_ref().map_or_else(
                || "A FlowsEncryptionKey in another namespace".to_owned(),
                |owner| format!("FlowsEncryptionKey {owner}"),
            );
            format!("{owner} owns this number with the same key; once it is gone, this resource takes over.")
        }
        Ownership::Other { owner: Some(owner) } => {
            format!("FlowsEncryptionKey {owner} owns this number; remove the number from one of the two.")
        }
        Ownership::Other { owner: None } => {
            "A FlowsEncryptionKey in another namespace owns this number; remove the number from one of the two."
                .to_owned()
        }
        Ownership::Vacant { .. } => {
            "The former owner of this number has just gone; if it does not come back, this resource takes over."
                .to_owned()
        }
        Ownership::Uncontested => String::new(),
    }
}

/// The message for a state that an upload would repair.
fn drift(what: &str, number: &PhoneNumberStatus, criteria: &Criteria) -> String {
    let next = match criteria.mode {
        Mode::Observe => "mode Observe forbids an upload".to_owned(),
        Mode::Enforce if number.upload_attempts >= UPLOADS_BEFORE_STALLED => format!(
            "{} uploads landed without a valid signature; check that the number is registered with the Cloud API",
            number.upload_attempts
        ),
        Mode::Enforce if has_failed_upload(number) => "the last upload failed".to_owned(),
        Mode::Enforce => "the key will be uploaded".to_owned(),
    };
    format!("{what}; {next}.")
}

/// The transient failure, the last known state, and the time of the next try. All inputs are stored in the status, so
/// the message never changes without another change of the status.
fn failure_of(number: &PhoneNumberStatus) -> Option<String> {
    let error = number.error.as_ref()?;
    let is_current = match number.state {
        NumberState::Valid | NumberState::Pending | NumberState::Unreachable | NumberState::Unregistered => false,
        NumberState::Mismatch
        | NumberState::Missing
        | NumberState::Outdated
        | NumberState::Foreign
        | NumberState::Unreported
        | NumberState::Conflict
        | NumberState::Contested
        | NumberState::Refused => true,
    };
    let read = number.last_read_time.as_ref().filter(|_| !is_current);
    let status = number.signature_status.as_deref().unwrap_or("no key");
    let last_known = read.map(|time| format!("Last known: {status} at {}.", date_and_clock(time.0)));
    let next = number.next_attempt_time.as_ref().map(|time| format!("Next try {}.", clock(time.0)));
    let (cause, said) = cause(error);
    let parts = [Some(format!("{cause}.")), last_known, next, said].into_iter().flatten();
    Some(parts.collect::<Vec<_>>().join(" "))
}

/// The cause of the failure, and Meta's answer if there was one.
pub fn cause(error: &NumberError) -> (String, Option<String>) {
    let status = error.http_status.map(i64::from);
    let said = || Some(brief(Some(&error.message), [status, error.code, error.subcode], error.trace_id.as_deref()));
    match error.http_status {
        _ if is_rate_limit(error) => ("Meta limits the rate of calls".to_owned(), said()),
        Some(status) if error.code.is_some() || error.message.is_empty() => {
            (format!("Meta answers HTTP {status}"), said().filter(|_| error.code.is_some()))
        }
        // A failure of the connection, in our own words.
        _ => (capitalized(&truncate(error.message.trim_end_matches('.'), MAX_CAUSE)), None),
    }
}

fn refused(number: &PhoneNumberStatus, observed: &NumberObservation, outcome: Option<&Outcome>) -> String {
    let last = outcome.and_then(|outcome| failure(&outcome.after).or(outcome.upload.answer.error()));
    let error = last.or(failure(&observed.reading));
    match error.and_then(|error| Some((error.class.remedy()?, error.brief()))) {
        Some((remedy, said)) => format!("{}. {said}", capitalized(remedy)),
        // The number was not read this time: the former message stays true.
        None => number.message.clone(),
    }
}

fn failure(reading: &Reading) -> Option<&GraphError> {
    match reading {
        Reading::Failed { error, .. } => Some(error),
        Reading::NotAsked | Reading::Answered { .. } | Reading::Held { .. } => None,
    }
}
