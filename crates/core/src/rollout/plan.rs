//! Which uploads an observation calls for. Pure.

use crate::api::crd::Mode;
use crate::number::{Ownership, Reading, upload_reason};
use crate::observation::Observation;
use crate::rollout::canary::{Canary, canary_until};
use crate::upload::UploadReason;

/// What is to be done in a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The uploads, in the order of the spec.
    pub uploads: Vec<Upload>,
    /// Whether no number has shown this key as VALID yet: the uploads then go one by one until one has, and none
    /// follows one that landed and was not VALID. A wrong key so reaches a single number.
    pub is_canary: bool,
}

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The phone number ID.
    pub phone_number_id: String,
    /// Why.
    pub reason: UploadReason,
}

/// The uploads that the observation calls for: in mode Enforce, with a key at hand, of numbers that were just read,
/// that this resource owns, and whose last upload is long enough ago.
pub fn plan(observation: &Observation) -> Plan {
    let criteria = observation.criteria();
    if criteria.mode != Mode::Enforce || observation.key().is_none() {
        return Plan::default();
    }
    let numbers: Vec<_> = observation.numbers.iter().map(|number| (number, number.as_read(&criteria))).collect();
    let canary = Canary::of(numbers.iter().map(|(_, status)| status), &criteria);
    let mut plan = Plan { is_canary: canary != Canary::Passed, ..Plan::default() };
    for (number, status) in numbers {
        let was_read = matches!(number.reading, Reading::Answered { .. });
        let Some(reason) =
            upload_reason(&status, &criteria).filter(|_| was_read && number.ownership == Ownership::Uncontested)
        else {
            continue;
        };
        // While one number is the canary of the key, the others wait.
        let is_held = matches!(canary, Canary::Pending { .. }) && canary_until(&status, &criteria).is_none();
        if !is_held && criteria.upload_allowed_at(&status) <= criteria.now {
            plan.uploads.push(Upload { phone_number_id: status.phone_number_id, reason });
        }
    }
    plan
}
