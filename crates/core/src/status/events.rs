//! The Kubernetes events of a reconcile. Pure.
//!
//! One event for each kind of change, however many numbers it affects. This avoids a flood of events.

use std::collections::HashSet;

use crate::api::conditions::{self, ConditionType, ReadyEffect, Reason, find};
use crate::api::crd::{FlowsEncryptionKeyStatus, NumberState, PhoneNumberStatus, RotationPhase};
use crate::api::text::{capitalized, phone_numbers, utc};
use crate::number::has_failed_upload;
use crate::rollout::outcome::Outcome;
use crate::status::number::cause;
use crate::status::rotation::short;
use crate::upload::UploadReason;

/// An event to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether the event type is Warning: a person should look.
    pub is_warning: bool,
    /// `reason` of the event.
    pub reason: &'static str,
    /// `action` of the event.
    pub action: &'static str,
    /// `note` of the event.
    pub text: String,
    /// The text without times. If two events have the same reason and gist, the same thing has happened again.
    pub gist: String,
}

impl Note {
    /// Whether the event explains the condition Ready. Other events are about changes of numbers.
    pub fn is_of_ready(&self) -> bool {
        self.action == RECONCILE
    }
}

const UPLOAD: &str = "Upload";
const RECONCILE: &str = "Reconcile";
const PROBE: &str = "Probe";
const LIST: &str = "List";
const INSPECT: &str = "Inspect";
const ROTATE: &str = "Rotate";

/// The events of a reconcile.
pub fn notes(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus, outcomes: &[Outcome]) -> Vec<Note> {
    let key = after.short_fingerprint.as_deref().unwrap_or_default();
    let mut notes: Vec<_> = [
        (UploadReason::Missing, "KeyUploaded", "put on"),
        (UploadReason::Unconfirmed, "KeyUploaded", "put on"),
        (UploadReason::SignatureLost, "SignatureRestored", "signed again on"),
        (UploadReason::Outdated, "KeyRotated", "put in place of an earlier key on"),
        (UploadReason::Foreign, "ForeignKeyReplaced", "put in place of a foreign key on"),
        (UploadReason::RolledBack, "OldKeyRestored", "put back on"),
    ]
    .into_iter()
    .filter_map(|(reason, name, did)| {
        let done =
            outcomes.iter().filter(|outcome| outcome.reason == reason && is_valid(after, outcome)).collect::<Vec<_>>();
        done.first()?;
        let ids: Vec<_> = done.iter().map(|outcome| outcome.phone_number_id.clone()).collect();
        let said = |ids: &[String]| format!("Key {key} was {did} {}.", phone_numbers(ids));
        let gist = said(&ids);
        let text = match reason {
            UploadReason::SignatureLost => said(&ids.iter().map(|id| last_seen_valid(before, id)).collect::<Vec<_>>()),
            UploadReason::Missing
            | UploadReason::Unconfirmed
            | UploadReason::Outdated
            | UploadReason::Foreign
            | UploadReason::RolledBack => gist.clone(),
        };
        Some(Note { is_warning: reason == UploadReason::Foreign, reason: name, action: UPLOAD, text, gist })
    })
    .collect();
    notes.extend(failed_uploads(before, after, key));
    notes.extend(membership(before, after));
    notes.extend(trouble(before, after).or_else(|| recovery(before, after)));
    notes.extend(endpoint(before, after));
    notes.extend(token(before, after));
    notes.extend(rotation(before, after));
    notes
}

/// An event for a token that ends soon, at each step, or that lacks a permission.
fn token(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus) -> Option<Note> {
    let accepted = |status: &FlowsEncryptionKeyStatus| find(&status.conditions, ConditionType::TokenAccepted).cloned();
    let now = accepted(after)?;
    let reason =
        [Reason::TokenExpiring, Reason::ScopeMissing].into_iter().find(|reason| now.reason == reason.as_str())?;
    let is_news = accepted(before).is_none_or(|then| (then.reason, then.message) != (now.reason, now.message.clone()));
    let (text, gist) = (now.message.clone(), now.message);
    is_news.then_some(Note { is_warning: true, reason: reason.as_str(), action: INSPECT, text, gist })
}

/// Events for numbers of an account that join the resource, or leave.
fn membership(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus) -> Vec<Note> {
    let new_in = |here: &FlowsEncryptionKeyStatus, there: &FlowsEncryptionKeyStatus| -> Vec<String> {
        let known: HashSet<_> = there.phone_numbers.iter().map(|number| &number.phone_number_id).collect();
        let discovered = here.phone_numbers.iter().filter(|number| number.business_account_id.is_some());
        discovered.map(|number| &number.phone_number_id).filter(|id| !known.contains(id)).cloned().collect()
    };
    let note = |reason, ids: Vec<String>, what: &str| {
        let gist = format!("{} {what}.", capitalized(&phone_numbers(&ids)));
        let text = gist.clone();
        (!ids.is_empty()).then_some(Note { is_warning: false, reason, action: LIST, text, gist })
    };
    let joined = note("NumbersJoined", new_in(after, before), "found in the WhatsApp Business Accounts of the spec");
    let left = note("NumbersLeft", new_in(before, after), "no longer in the WhatsApp Business Accounts of the spec");
    // Numbers that a resource has no room for are still in their account.
    joined.into_iter().chain(left.filter(|_| !after.hides_numbers())).collect()
}

/// An event for an endpoint that begins to fail, fails in another way, or opens the key again.
fn endpoint(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus) -> Option<Note> {
    let now = conditions::find(&after.conditions, ConditionType::EndpointReady)?;
    let reason = Reason::parse(&now.reason)?;
    let then = conditions::find(&before.conditions, ConditionType::EndpointReady);
    let was_false = then.is_some_and(|then| then.status == "False");
    let is_same = then.is_some_and(|then| then.status == now.status && then.reason == now.reason);
    let is_warning = now.status == "False";
    let is_news = is_warning || (now.status == "True" && was_false);
    (is_news && !is_same).then(|| Note {
        is_warning,
        reason: reason.as_str(),
        action: PROBE,
        text: now.message.clone(),
        gist: now.message.clone(),
    })
}

/// Numbers whose upload failed for a transient reason for the first time. Retries emit no event.
fn failed_uploads(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus, key: &str) -> Option<Note> {
    let had_failed = |id: &str| {
        before.phone_numbers.iter().find(|number| number.phone_number_id == id).is_some_and(has_failed_upload)
    };
    let failed: Vec<_> = after
        .phone_numbers
        .iter()
        // The reason of Ready covers refused numbers.
        .filter(|number| number.state != NumberState::Refused && has_failed_upload(number))
        .filter(|number| !had_failed(&number.phone_number_id))
        .collect();
    let (cause, _) = cause(failed.first()?.error.as_ref()?);
    let ids: Vec<_> = failed.iter().map(|number| &number.phone_number_id).collect();
    let gist = format!("Key {key} could not be put on {}", phone_numbers(&ids));
    let text = format!("{gist}: {cause}.");
    Some(Note { is_warning: true, reason: "UploadFailed", action: UPLOAD, text, gist })
}

/// The ID, and the last time at which the number was seen valid.
fn last_seen_valid(before: &FlowsEncryptionKeyStatus, id: &str) -> String {
    let number = before.phone_numbers.iter().find(|number| number.phone_number_id == id);
    let (what, time) = match number {
        Some(PhoneNumberStatus { state: NumberState::Valid, last_read_time, .. }) => {
            ("last seen valid", last_read_time)
        }
        Some(PhoneNumberStatus { state: NumberState::Mismatch, last_transition_time, .. }) => {
            ("seen without it since", last_transition_time)
        }
        Some(_) | None => return id.to_owned(),
    };
    time.as_ref().map_or_else(|| id.to_owned(), |time| format!("{id} ({what} {})", utc(time.0)))
}

fn is_valid(status: &FlowsEncryptionKeyStatus, outcome: &Outcome) -> bool {
    let number = status.phone_numbers.iter().find(|number| number.phone_number_id == outcome.phone_number_id);
    number.is_some_and(|number| number.state == NumberState::Valid)
}

/// An event for a new reason for which Ready is not True.
fn trouble(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus) -> Option<Note> {
    let now = conditions::find(&after.conditions, ConditionType::Ready)?;
    let then = conditions::find(&before.conditions, ConditionType::Ready);
    let reason = Reason::parse(&now.reason)?;
    (is_trouble(reason) && then.is_none_or(|then| then.reason != now.reason)).then(|| Note {
        is_warning: true,
        reason: reason.as_str(),
        action: RECONCILE,
        text: now.message.clone(),
        // Only the numbers, without the times that follow.
        gist: now.message.split(": ").next().unwrap_or_default().to_owned(),
    })
}

fn is_trouble(reason: Reason) -> bool {
    match reason.ready_effect() {
        // Both may end within seconds: the passphrase is tried once more, and the other resource may be about to be
        // deleted.
        ReadyEffect::Waiting if matches!(reason, Reason::PassphraseRejected | Reason::NumberHandover) => false,
        ReadyEffect::Stalled | ReadyEffect::Waiting => true,
        // The state of the numbers is no longer known.
        ReadyEffect::Underway => reason == Reason::CheckOverdue,
        ReadyEffect::Ready | ReadyEffect::Suspended => false,
    }
}

/// An event for a resource that is Ready again.
fn recovery(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus) -> Option<Note> {
    let now = conditions::find(&after.conditions, ConditionType::Ready)?;
    let then = conditions::find(&before.conditions, ConditionType::Ready)?;
    let reason = Reason::parse(&now.reason).filter(|reason| reason.ready_effect() == ReadyEffect::Ready)?;
    Reason::parse(&then.reason).filter(|reason| is_trouble(*reason))?;
    let gist = format!("{} Ready was {} ({})", now.message, then.status, then.reason);
    let text = format!("{gist} since {}.", utc(then.last_transition_time.0));
    Some(Note { is_warning: false, reason: reason.as_str(), action: RECONCILE, text, gist })
}

/// The events of a rotation. Those of a stop explain `Ready`, and are made with it.
fn rotation(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus) -> Vec<Note> {
    let Some(now) = &after.rotation else { return Vec::new() };
    let then = before.rotation.as_ref().filter(|then| then.to == now.to && then.started_time == now.started_time);
    let (from, to) = (short(&now.from), short(&now.to));
    let enters = |phase| now.phase == phase && then.is_none_or(|then| then.phase != phase);
    let is_proven = now.canary_valid_time.is_some() && then.is_none_or(|then| then.canary_valid_time.is_none());
    [
        (then.is_none(), "RotationStarted", format!("Key {to} is to replace key {from} on the numbers.")),
        (is_proven, "CanaryProven", format!("Key {to} is valid on a first number.")),
        (
            enters(RotationPhase::Completed),
            "OldKeyRetirable",
            format!("No number holds key {from} any more, and clients find key {to}. The old private key may go."),
        ),
        (
            enters(RotationPhase::Superseded),
            "RotationSuperseded",
            format!("The key changed again before key {to} had replaced key {from}."),
        ),
    ]
    .into_iter()
    .filter(|(happened, ..)| *happened)
    .map(|(_, reason, text)| Note { is_warning: false, reason, action: ROTATE, gist: text.clone(), text })
    .collect()
}
