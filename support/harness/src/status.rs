//! What a resource says in its status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use waflows_core::api::conditions::{self, ConditionStatus, ConditionType};
use waflows_core::api::crd::{FlowsEncryptionKey, PhoneNumberStatus};

/// Whether the status is about the newest spec.
pub fn is_current(resource: &FlowsEncryptionKey) -> bool {
    resource.status.as_ref().and_then(|status| status.observed_generation) == resource.metadata.generation
}

/// The conditions.
pub fn conditions_of(resource: &FlowsEncryptionKey) -> &[Condition] {
    resource.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// Status, reason and message of a condition; empty where it is absent.
pub fn condition_of(resource: &FlowsEncryptionKey, kind: ConditionType) -> (&str, &str, &str) {
    let condition = conditions::find(conditions_of(resource), kind);
    condition.map_or(("", "", ""), |condition| (&condition.status, &condition.reason, &condition.message))
}

/// Whether `Ready` is True for this generation.
pub fn is_ready(conditions: &[Condition], generation: Option<i64>) -> bool {
    conditions::find(conditions, ConditionType::Ready)
        .is_some_and(|ready| ready.status == ConditionStatus::True.as_str() && ready.observed_generation == generation)
}

/// The status of a number.
pub fn number_of<'a>(resource: &'a FlowsEncryptionKey, id: &str) -> &'a PhoneNumberStatus {
    let numbers = &resource.status.as_ref().expect("a status").phone_numbers;
    numbers.iter().find(|number| number.phone_number_id == id).expect("the number is in the status")
}
