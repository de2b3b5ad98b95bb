//! A condition about one input: the key, the token, the endpoint.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{self, ConditionReason, ConditionStatus, ConditionType, Reason};

/// The condition of an input.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) status: ConditionStatus,
    pub(super) verdict: ConditionReason,
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
        Some((status, verdict)) if status == "True" => Input { status: ConditionStatus::True, verdict },
        Some((status, verdict)) if status == "False" => Input { status: ConditionStatus::False, verdict },
        Some((_, verdict)) if verdict.reason == Reason::RateLimited => {
            Input { status: ConditionStatus::Unknown, verdict }
        }
        _ => Input { status: ConditionStatus::Unknown, verdict: otherwise },
    }
}
