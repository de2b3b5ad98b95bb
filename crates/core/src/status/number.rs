//! What users read about a number: its situation, with the predicate, the reason for conditions and the sentence side by
//! side; and Meta's last answer. Pure.

use crate::api::conditions::{ReadyEffect, Reason};
use crate::api::crd::{MAX_NUMBER_TEXT, Mode, NumberError, NumberState, PhoneNumberStatus};
use crate::api::text::{capitalized, clock, date_and_clock, phone_numbers, truncate};
use crate::meta::{GraphError, brief};
use crate::number::{Criteria, Ownership, Reading, UPLOADS_BEFORE_STALLED, has_failed_upload, is_rate_limit};
use crate::observation::NumberObservation;
use crate::rollout::outcome::Outcome;

/// Longest part of a connection failure in a message, in bytes. The number's `error` has more.
const MAX_CAUSE: usize = 120;

const NOT_CONNECTED: &str =
    "The number is not connected to the Cloud API, so that it holds no key; the operator looks again at each check.";
const NOT_ADOPTED: &str = "The number holds a valid key of somebody else, which stays: to replace it, list the number in \
    phoneNumberIds, or set adopt: All for its account.";
const CONTESTED: &str = "Someone else replaced the key three times; find the other writer, then set the annotation \
    waflows.dev/sync-requested-at.";

/// What a message says of a situation.
enum Sentence {
    /// Nothing: the state says it all, or the failure that follows does.
    Nothing,
    Fixed(&'static str),
    /// What an upload would repair, and whether an upload comes.
    Drift(&'static str, &'static str),
    /// What the uploads so far did not repair.
    WithoutEffect(&'static str),
    SignatureStatus,
    /// Who owns the number. `is_handed_over` says that the owner may be giving it to this resource.
    Owner {
        is_handed_over: bool,
    },
    /// Meta's refusal, and what helps.
    Refusal,
}

/// The situation of a number: why it is not Valid, for conditions, and what its message says.
fn situation(number: &PhoneNumberStatus, criteria: &Criteria) -> (Option<Reason>, Sentence) {
    use NumberState as State;
    use Sentence::{Drift, Fixed, Nothing, Owner, Refusal, SignatureStatus, WithoutEffect};
    let drift = |reason, what| match criteria.mode {
        Mode::Observe => (Some(Reason::DriftObserved), Drift(what, "mode Observe forbids an upload")),
        Mode::Enforce if number.upload_attempts >= UPLOADS_BEFORE_STALLED => {
            (Some(Reason::UploadsWithoutEffect), WithoutEffect(what))
        }
        Mode::Enforce if has_failed_upload(number) => (Some(reason), Drift(what, "the last upload failed")),
        Mode::Enforce => (Some(reason), Drift(what, "the key will be uploaded")),
    };
    match number.state {
        State::Valid if number.key_fingerprint.is_none() => {
            (None, Fixed("Meta reports a valid signature but not the key itself; this key was the last one uploaded."))
        }
        State::Valid => (None, Nothing),
        State::Unregistered => (None, Fixed(NOT_CONNECTED)),
        State::Pending => (Some(not_read_yet(number)), Nothing),
        State::Foreign | State::Unreported if criteria.keeps_foreign_key(number) => {
            (Some(Reason::NumberNotAdopted), Fixed(NOT_ADOPTED))
        }
        State::Mismatch => drift(Reason::SignatureLost, "Meta has lost its signature over the key"),
        State::Missing => drift(Reason::KeyMissing, "The number holds no key"),
        State::Outdated => drift(Reason::KeyOutdated, "The number holds an earlier key"),
        State::Foreign => drift(Reason::KeyForeign, "The number holds a key that is not of this resource"),
        // Not DriftObserved in mode Observe: an upload would not resolve this state.
        State::Unreported => (Some(Reason::StatusUnknown), SignatureStatus),
        State::Conflict if criteria.is_handed_over(number) => {
            (Some(Reason::NumberHandover), Owner { is_handed_over: true })
        }
        State::Conflict => (Some(Reason::NumberConflict), Owner { is_handed_over: false }),
        State::Contested => (Some(Reason::NumberContested), Fixed(CONTESTED)),
        State::Refused => (Some(Reason::NumberRefused), Refusal),
        State::Unreachable if number.error.is_some() => (Some(Reason::CheckOverdue), Nothing),
        State::Unreachable => {
            (Some(Reason::CheckOverdue), Fixed("Nothing was learnt of the number for more than three check intervals."))
        }
    }
}

/// Why a number was not read yet.
fn not_read_yet(number: &PhoneNumberStatus) -> Reason {
    match &number.error {
        Some(error) if is_rate_limit(error) => Reason::RateLimited,
        Some(_) => Reason::GraphUnreachable,
        None => Reason::Progressing,
    }
}

/// The reason why a number is not Valid. None if it is, or if it need not be.
pub fn trouble(number: &PhoneNumberStatus, criteria: &Criteria) -> Option<Reason> {
    situation(number, criteria).0
}

/// The `message` of a number in its new state: what to know or do, and Meta's last answer.
pub fn message(
    number: &PhoneNumberStatus,
    observed: &NumberObservation,
    outcome: Option<&Outcome>,
    criteria: &Criteria,
) -> String {
    let text = match situation(number, criteria).1 {
        Sentence::Nothing => String::new(),
        Sentence::Fixed(text) => text.to_owned(),
        Sentence::Drift(what, next) => format!("{what}; {next}."),
        Sentence::WithoutEffect(what) => format!(
            "{what}; {} uploads landed without a valid signature; check that the number is registered with the Cloud API.",
            number.upload_attempts
        ),
        Sentence::SignatureStatus => format!(
            "Meta reports the signature status {:?}, which does not tell whether the number holds this key.",
            number.signature_status.as_deref().unwrap_or_default()
        ),
        Sentence::Owner { is_handed_over } => match owner(&observed.ownership, is_handed_over) {
            Some(text) => text,
            None => return number.message.clone(),
        },
        Sentence::Refusal => return truncate(&refused(number, observed, outcome), MAX_NUMBER_TEXT),
    };
    let parts = std::iter::once(text).chain(failure_of(number)).filter(|part| !part.is_empty());
    truncate(&parts.collect::<Vec<_>>().join(" "), MAX_NUMBER_TEXT)
}

/// Who owns the number, or has just given it up. None if nobody does: the former message stays true.
fn owner(ownership: &Ownership, is_handed_over: bool) -> Option<String> {
    let text = match ownership {
        Ownership::Other { owner } => {
            let owner = owner.as_ref().map_or_else(
                || "A FlowsEncryptionKey in another namespace".to_owned(),
                |owner| format!("FlowsEncryptionKey {owner}"),
            );
            match is_handed_over {
                true => {
                    format!("{owner} owns this number with the same key; once it is gone, this resource takes over.")
                }
                false => format!("{owner} owns this number; remove the number from one of the two."),
            }
        }
        Ownership::Vacant { .. } => {
            "The former owner of this number has just gone; if it does not come back, this resource takes over."
                .to_owned()
        }
        Ownership::Uncontested => return None,
    };
    Some(text)
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

/// The rank of a reason that needs a person.
pub(super) const STALLED: u8 = 3;

/// The rank of a reason if numbers differ: reasons that need a person before reasons that pass by themselves.
pub(super) fn rank(reason: Reason) -> u8 {
    match reason.ready_effect() {
        ReadyEffect::Stalled => STALLED,
        ReadyEffect::Waiting => 2,
        ReadyEffect::Underway => 1,
        ReadyEffect::Ready | ReadyEffect::Suspended => 0,
    }
}

/// The sentence about numbers that have the same trouble.
pub(super) fn sentence(concerned: &[&PhoneNumberStatus]) -> String {
    let Some(first) = concerned.first() else {
        return String::new();
    };
    let ids: Vec<_> = concerned.iter().map(|number| &number.phone_number_id).collect();
    let detail = if first.message.is_empty() { "not asked yet." } else { &first.message };
    format!("{}: {detail}", capitalized(&phone_numbers(&ids)))
}
