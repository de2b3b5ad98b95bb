//! When users must see a status before uploads begin. Pure.

use crate::api::conditions::{self, ConditionType};
use crate::api::crd::{RotationPhase, RotationStatus};
use crate::observation::Observation;
use crate::rollout::plan::Plan;

/// Whether a status is stored before the first upload of a new key: `Ready` is still True for the old one, the rotation or
/// its way back is not in the status yet, or the key goes to a number that keeps keys of others. If the process ended after
/// such an upload, and the key changed before the next reconcile, nobody would know that the key was ours, and it would
/// stay.
pub(super) fn needs_status_before_upload(observation: &Observation, plan: &Plan) -> bool {
    let conditions = &observation.status_or_default().conditions;
    let is_ready = conditions::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    let is_replacing = is_ready && observation.has_new_key();
    let stored = observation.status().and_then(|status| status.rotation.as_ref());
    let known = |rotation: &RotationStatus| {
        (rotation.from.clone(), rotation.to.clone(), rotation.phase == RotationPhase::RolledBack)
    };
    // The old key must be known for a rollback. Another process must know that the numbers went back, and not by mistake.
    let is_unknown = observation.course.status.as_ref().map(known) != stored.map(known);
    let mut ids = plan.uploads.iter().map(|upload| &upload.phone_number_id);
    let could_stay = observation.has_new_key() && ids.any(|id| observation.is_guarded(id));
    !plan.uploads.is_empty() && (is_replacing || is_unknown || could_stay)
}
