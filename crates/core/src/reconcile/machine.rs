//! What a reconcile does next.

use crate::api::conditions::{self, ConditionType};
use crate::observation::Observation;
use crate::rollout::plan::Plan;

/// Whether users must see that a new key is under way before its first upload: `Ready` is still True for the old one.
pub fn needs_status_before_upload(observation: &Observation, plan: &Plan) -> bool {
    let conditions = observation.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_ready = conditions::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
    is_ready && observation.has_new_key() && !plan.uploads.is_empty()
}
