//! A condition about one input: the key, the token, the endpoint.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{self, ConditionReason, ConditionStatus, ConditionType, Reason};

/// The condition of an input.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) status: ConditionStatus,
    pub(super) why: ConditionReason,
}

/// The former condition, for a reconcile that has no new information about it. Without one, `otherwise` is the message.
pub(super) fn carried(before: &[Condition], kind: ConditionType, otherwise: &str) -> Input {
    carried_or(before, kind, ConditionReason::new(Reason::NotAsked, otherwise))
}

/// The same. Without a former condition, `otherwise` is reason and message.
pub(super) fn carried_or(before: &[Condition], kind: ConditionType, otherwise: ConditionReason) -> Input {
    let stored = conditions::find(before, kind);
    let parsed = stored.and_then(|condition| {
        let reason = Reason::parse(&condition.reason)?;
        Some((&condition.status, ConditionReason::new(reason, condition.message.clone())))
    });
    match parsed {
        Some((status, why)) if status == "True" => Input { status: ConditionStatus::True, why },
        Some((status, why)) if status == "False" => Input { status: ConditionStatus::False, why },
        Some((_, why)) if why.reason == Reason::RateLimited => Input { status: ConditionStatus::Unknown, why },
        _ => Input { status: ConditionStatus::Unknown, why: otherwise },
    }
}
