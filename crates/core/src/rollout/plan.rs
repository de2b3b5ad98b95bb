//! Plans the uploads of a reconcile. Pure.

use crate::api::crd::Mode;
use crate::number::{Ownership, Reading, upload_reason};
use crate::observation::Observation;
use crate::replacement::course::Direction;
use crate::rollout::canary::{Canary, canary_until};
use crate::upload::UploadReason;

/// The planned uploads of a reconcile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The uploads, in the order of the spec.
    pub uploads: Vec<Upload>,
    /// Whether no number has shown this key as VALID yet. Then the uploads go one by one until a number is VALID. After
    /// an upload that took effect and is not VALID, no other upload follows. So a wrong key reaches a single number.
    pub is_canary: bool,
    /// Whether the uploads end with the first number that shows the key as VALID: the others wait for the soak.
    pub ends_with_canary: bool,
}

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The phone number ID.
    pub phone_number_id: String,
    /// The reason for the upload.
    pub reason: UploadReason,
}

/// The uploads that the observation requires. Conditions: mode Enforce, a usable key, and a number that was just read,
/// that this resource owns, and whose upload backoff is over. A rotation may hold numbers that have another valid key.
pub fn plan(observation: &Observation) -> Plan {
    let criteria = observation.criteria();
    if criteria.mode != Mode::Enforce || observation.key().is_none() {
        return Plan::default();
    }
    let numbers: Vec<_> = observation.numbers.iter().map(|number| (number, number.as_read(&criteria))).collect();
    let canary = Canary::of(numbers.iter().map(|(_, status)| status), &criteria);
    let direction = observation.course.direction;
    let ends_with_canary = direction == Direction::OneNumber;
    let mut plan = Plan { is_canary: canary != Canary::Passed, ends_with_canary, ..Plan::default() };
    for (number, status) in numbers {
        let was_read = matches!(number.reading, Reading::Answered { .. });
        let Some(reason) =
            upload_reason(&status, &criteria).filter(|_| was_read && number.ownership == Ownership::Uncontested)
        else {
            continue;
        };
        // While one number is the canary of the key, the other numbers wait.
        let is_held = matches!(canary, Canary::Pending { .. }) && canary_until(&status, &criteria).is_none();
        if !is_held
            && observation.course.allows(&status, &criteria)
            && criteria.upload_allowed_at(&status) <= criteria.now
        {
            let reason = direction.reason(reason);
            plan.uploads.push(Upload { phone_number_id: status.phone_number_id, reason });
        }
    }
    if let Some(first) = observation.canary().and_then(|id| position(&plan, id)) {
        // The others keep their order.
        plan.uploads[..=first].rotate_right(1);
    }
    plan
}

fn position(plan: &Plan, phone_number_id: &str) -> Option<usize> {
    plan.uploads.iter().position(|upload| upload.phone_number_id == phone_number_id)
}
