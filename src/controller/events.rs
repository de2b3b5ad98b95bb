//! What happened in a round, as events of the resource. Pure.
//!
//! One note for each kind of happening, however many numbers it concerns: the API server and its users are spared a
//! flood.

use super::execute::Outcome;
use super::message;
use super::number::has_failed_upload;
use super::plan::UploadReason;
use crate::conditions::{self, ConditionType, Reason, Standing};
use crate::crd::{FlowsEncryptionKeyStatus, NumberState};

/// An event to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether a person should look.
    pub is_warning: bool,
    /// `reason` of the event.
    pub reason: &'static str,
    /// `action` of the event.
    pub action: &'static str,
    /// `note` of the event.
    pub text: String,
}

/// The events of a round.
pub fn notes(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus, outcomes: &[Outcome]) -> Vec<Note> {
    let key = after.short_fingerprint.as_deref().unwrap_or_default();
    let mut notes: Vec<_> = [
        (UploadReason::Missing, "KeyUploaded", "put on"),
        (UploadReason::Unconfirmed, "KeyUploaded", "put on"),
        (UploadReason::SignatureLost, "SignatureRestored", "signed again on"),
        (UploadReason::Outdated, "KeyRotated", "put in place of an earlier key on"),
        (UploadReason::Foreign, "ForeignKeyReplaced", "put in place of a foreign key on"),
    ]
    .into_iter()
    .filter_map(|(reason, name, did)| {
        let done =
            outcomes.iter().filter(|outcome| outcome.reason == reason && is_valid(after, outcome)).collect::<Vec<_>>();
        let first = done.first()?;
        let others = if done.len() > 1 { format!(" and {} more", done.len() - 1) } else { String::new() };
        Some(Note {
            is_warning: reason == UploadReason::Foreign,
            reason: name,
            action: "Upload",
            text: format!("Key {key} was {did} phone number ID {}{others}.", first.phone_number_id),
        })
    })
    .collect();
    notes.extend(failed_uploads(before, after, key));
    notes.extend(trouble(before, after));
    notes
}

/// Numbers whose upload failed for a passing reason, and did not do so before: retries are not told again.
fn failed_uploads(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus, key: &str) -> Option<Note> {
    let had_failed = |id: &str| {
        before.phone_numbers.iter().find(|number| number.phone_number_id == id).is_some_and(has_failed_upload)
    };
    let failed: Vec<_> = after
        .phone_numbers
        .iter()
        // What Meta refuses is told by the reason of Ready.
        .filter(|number| number.state != NumberState::Refused && has_failed_upload(number))
        .filter(|number| !had_failed(&number.phone_number_id))
        .collect();
    let first = failed.first()?;
    let others = if failed.len() > 1 { format!(" and {} more", failed.len() - 1) } else { String::new() };
    let (cause, _) = message::cause(first.error.as_ref()?);
    Some(Note {
        is_warning: true,
        reason: "UploadFailed",
        action: "Upload",
        text: format!("Key {key} could not be put on phone number ID {}{others}: {cause}.", first.phone_number_id),
    })
}

fn is_valid(status: &FlowsEncryptionKeyStatus, outcome: &Outcome) -> bool {
    let number = status.phone_numbers.iter().find(|number| number.phone_number_id == outcome.phone_number_id);
    number.is_some_and(|number| number.state == NumberState::Valid)
}

/// The reason for which Ready is not True, when it is a new one.
fn trouble(before: &FlowsEncryptionKeyStatus, after: &FlowsEncryptionKeyStatus) -> Option<Note> {
    let now = conditions::find(&after.conditions, ConditionType::Ready)?;
    let then = conditions::find(&before.conditions, ConditionType::Ready);
    let reason = Reason::ALL.iter().find(|reason| reason.as_str() == now.reason)?;
    // A rejected passphrase is tried once more within seconds: only then it is known to be wrong.
    let is_trouble =
        matches!(reason.standing(), Standing::Stalled | Standing::Waiting) && *reason != Reason::PassphraseRejected;
    (is_trouble && then.is_none_or(|then| then.reason != now.reason)).then(|| Note {
        is_warning: true,
        reason: reason.as_str(),
        action: "Reconcile",
        text: now.message.clone(),
    })
}
