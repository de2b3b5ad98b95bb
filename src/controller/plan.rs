//! Which uploads an observation calls for. Pure.

use super::number::{Ownership, Reading, Terms};
use super::observe::Observation;
use super::trial::{Trial, on_trial_until};
use crate::crd::{Mode, NumberState, PhoneNumberStatus};

/// What is to be done in a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The uploads, in the order of the spec.
    pub uploads: Vec<Upload>,
    /// Whether no number has shown this key as VALID yet: the uploads then go one by one until one has, and none
    /// follows one that landed and was not VALID. A wrong key so reaches a single number.
    pub is_trial: bool,
}

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The phone number ID.
    pub phone_number_id: String,
    /// Why.
    pub reason: UploadReason,
}

/// Why a key is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadReason {
    /// The number holds no key.
    Missing,
    /// The number holds this key, and Meta's signature is lost.
    SignatureLost,
    /// The number holds an earlier key of the resource.
    Outdated,
    /// The number holds a key that is not of the resource.
    Foreign,
    /// Meta reports a valid signature, not which key, and this key was never uploaded.
    Unconfirmed,
}

impl UploadReason {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Missing, Self::SignatureLost, Self::Outdated, Self::Foreign, Self::Unconfirmed];

    /// A short name for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::SignatureLost => "signature_lost",
            Self::Outdated => "outdated",
            Self::Foreign => "foreign",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// Why the number needs an upload, if it does.
pub fn upload_reason(number: &PhoneNumberStatus, terms: &Terms) -> Option<UploadReason> {
    match number.state {
        NumberState::Missing => Some(UploadReason::Missing),
        NumberState::Mismatch => Some(UploadReason::SignatureLost),
        NumberState::Outdated => Some(UploadReason::Outdated),
        NumberState::Foreign => Some(UploadReason::Foreign),
        NumberState::Unreported => {
            let says_valid = number.key_fingerprint.is_none() && number.signature_status.as_deref() == Some("VALID");
            (says_valid && !terms.is_expected(number.uploaded_fingerprint.as_deref()))
                .then_some(UploadReason::Unconfirmed)
        }
        NumberState::Pending
        | NumberState::Valid
        | NumberState::Conflict
        | NumberState::Contested
        | NumberState::Refused
        | NumberState::Unreachable => None,
    }
}

/// The uploads that the observation calls for: in mode Enforce, with a key at hand, of numbers that were just read,
/// that this resource owns, and whose last upload is long enough ago.
pub fn plan(observation: &Observation) -> Plan {
    let terms = observation.terms();
    if terms.mode != Mode::Enforce || observation.key().is_none() {
        return Plan::default();
    }
    let numbers: Vec<_> = observation.numbers.iter().map(|number| (number, number.as_read(&terms))).collect();
    let trial = Trial::of(numbers.iter().map(|(_, status)| status), &terms);
    let mut plan = Plan { is_trial: trial != Trial::Passed, ..Plan::default() };
    for (number, status) in numbers {
        let was_read = matches!(number.reading, Reading::Answered { .. });
        let Some(reason) = upload_reason(&status, &terms).filter(|_| was_read && number.ownership == Ownership::Own)
        else {
            continue;
        };
        // While the key is on trial on one number, the others wait.
        let is_held = matches!(trial, Trial::Pending { .. }) && on_trial_until(&status, &terms).is_none();
        if !is_held && terms.upload_allowed_at(&status) <= terms.now {
            plan.uploads.push(Upload { phone_number_id: status.phone_number_id, reason });
        }
    }
    plan
}
