//! The two reasons why there are no targets.

use waflows_core::api::conditions::{ConditionReason, Reason};

/// The spec or a flag of the operator must change.
pub(super) fn not_allowed(message: impl Into<String>) -> ConditionReason {
    ConditionReason::new(Reason::EndpointNotAllowed, message)
}

/// Another try may succeed.
pub(super) fn unreachable(message: impl Into<String>) -> ConditionReason {
    ConditionReason::new(Reason::EndpointUnreachable, message)
}
