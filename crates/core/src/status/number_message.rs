//! What is said of a number: one sentence with what to know or do. Pure.

use crate::api::crd::{MAX_NUMBER_TEXT, Mode, NumberState, PhoneNumberStatus};
use crate::api::text::truncate;
use crate::meta::GraphError;
use crate::number::{Ownership, Reading, Terms, UPLOADS_BEFORE_STALLED};
use crate::observation::NumberObservation;
use crate::rollout::outcome::Outcome;

/// The message for a number in its new state.
pub fn for_number(
    number: &PhoneNumberStatus,
    observed: &NumberObservation,
    outcome: Option<&Outcome>,
    terms: &Terms,
) -> String {
    let drift = |what: &str| {
        let next = match terms.mode {
            Mode::Observe => "mode Observe forbids an upload".to_owned(),
            Mode::Enforce if number.upload_attempts >= UPLOADS_BEFORE_STALLED => format!(
                "{} uploads landed without a valid signature; check that the number is registered with the Cloud API",
                number.upload_attempts
            ),
            Mode::Enforce => "the key will be uploaded".to_owned(),
        };
        format!("{what}; {next}.")
    };
    let text = match number.state {
        NumberState::Valid if number.key_fingerprint.is_none() => {
            "Meta reports a valid signature but not the key itself; this key was the last one uploaded.".to_owned()
        }
        NumberState::Valid | NumberState::Pending => String::new(),
        NumberState::Mismatch => drift("Meta has lost its signature over the key"),
        NumberState::Missing => drift("The number holds no key"),
        NumberState::Outdated => drift("The number holds an earlier key"),
        NumberState::Foreign => drift("The number holds a key that is not of this resource"),
        NumberState::Unreported => format!(
            "Meta reports the signature status {:?}, which does not tell whether the number holds this key.",
            number.signature_status.as_deref().unwrap_or_default()
        ),
        NumberState::Conflict => match &observed.ownership {
            Ownership::Other { owner: Some(owner) } => {
                format!("FlowsEncryptionKey {owner} owns this number; remove the number from one of the two.")
            }
            Ownership::Other { owner: None } => {
                "A FlowsEncryptionKey in another namespace owns this number; remove the number from one of the two.".to_owned()
            }
            Ownership::Vacant { .. } => {
                "The former owner of this number has just gone; if it does not come back, this resource takes over.".to_owned()
            }
            Ownership::Own => number.message.clone(),
        },
        NumberState::Contested => {
            "Someone else replaced the key three times; find the other writer, then set the annotation waflows.dev/sync-requested-at."
                .to_owned()
        }
        NumberState::Refused => refused(number, observed, outcome),
        NumberState::Unreachable => "Nothing was learnt of the number for more than three check intervals.".to_owned(),
    };
    truncate(&text, MAX_NUMBER_TEXT)
}

fn refused(number: &PhoneNumberStatus, observed: &NumberObservation, outcome: Option<&Outcome>) -> String {
    let last = outcome.and_then(|outcome| failure(&outcome.after).or(outcome.upload.answer.error()));
    match last.or(failure(&observed.reading)).and_then(|error| error.class.remedy()) {
        Some(remedy) => {
            let mut sentence = remedy.to_owned();
            if let Some(first) = sentence.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            sentence + "."
        }
        // Not asked this time: what was said stays true.
        None => number.message.clone(),
    }
}

fn failure(reading: &Reading) -> Option<&GraphError> {
    match reading {
        Reading::Failed { error, .. } => Some(error),
        Reading::NotAsked | Reading::Answered { .. } | Reading::Paused { .. } => None,
    }
}
