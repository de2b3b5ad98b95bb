//! The facts about each resource that metrics show for all resources.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{self, ConditionStatus, ConditionType, Reason};
use crate::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, NumberState, RotationPhase};
use crate::api::members;

/// The state of a resource, as metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSummary {
    /// Count of the resource's numbers in each state, in the order of [`NumberState::ALL`]. Numbers that are not yet in
    /// the status are Pending. At most 500 in total.
    pub numbers: [u16; NumberState::ALL.len()],
    /// Status of the condition `Ready`.
    pub ready: ConditionStatus,
    /// Reason of `Ready`. `Other` if this version of the operator does not know the reason.
    pub reason: &'static str,
    /// The oldest of the numbers' last successful reads, in Unix time. None until each number was read once.
    pub last_check: Option<i64>,
    /// Time of the next call to Meta, in Unix time.
    pub next_check: Option<i64>,
    /// Time at which the operator first saw the current key, in Unix time.
    pub key_since: Option<i64>,
    /// Start of the suspension, in Unix time. None if the resource is not suspended.
    pub suspended_since: Option<i64>,
    /// The phase of the rotation, and its start in Unix time. None without a rotation, and once the rotation is over.
    pub rotation: Option<(RotationPhase, i64)>,
    /// The Flow endpoint. None without `spec.endpoint`.
    pub endpoint: Option<Box<EndpointSummary>>,
    /// When the access token ends, in Unix time. None if it never does, or if this is not known.
    pub token_end: Option<i64>,
    /// Secret and key of the access token, if Meta refuses the token.
    pub refused_token: Option<Box<(String, String)>>,
}

/// The state of an endpoint, as metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSummary {
    /// Status and reason of the condition `EndpointReady`.
    pub ready: (ConditionStatus, &'static str),
    /// Status and reason of the condition `Available`.
    pub available: (ConditionStatus, &'static str),
    /// Whether every target answers 421 to a request that it cannot open. None where this is not known.
    pub recovers_clients: Option<bool>,
}

impl ResourceSummary {
    /// The summary of the resource's spec and status.
    pub fn of(resource: &FlowsEncryptionKey) -> Self {
        let nothing_yet = FlowsEncryptionKeyStatus::default();
        let status = resource.status.as_ref().unwrap_or(&nothing_yet);
        let (ready, reason) = condition(status, ConditionType::Ready, Reason::Progressing);
        let counted = status.phone_numbers.iter().filter(|number| members::counts(number));
        let reads = counted.map(|number| number.last_read_time.as_ref().map(unix));
        let token = &resource.spec.access_token_secret_ref;
        Self {
            numbers: count(members::count(resource), status),
            ready,
            reason,
            last_check: reads.min().flatten(),
            next_check: status.next_check_time.as_ref().map(unix),
            key_since: status.public_key_since.as_ref().map(unix),
            suspended_since: status.suspended_since.as_ref().filter(|_| resource.spec.is_suspended()).map(unix),
            rotation: rotation(status),
            endpoint: resource.spec.endpoint.as_ref().map(|_| Box::new(endpoint(status))),
            token_end: status.token.as_ref().and_then(|token| token.expires_time.as_ref()).map(unix),
            refused_token: refuses_token(status).then(|| Box::new((token.name.clone(), token.key.clone()))),
        }
    }
}

fn unix(time: &Time) -> i64 {
    time.0.as_second()
}

fn count(asked_for: usize, status: &FlowsEncryptionKeyStatus) -> [u16; NumberState::ALL.len()] {
    let unknown = asked_for.saturating_sub(status.phone_numbers.len());
    let pending = std::iter::repeat_n(NumberState::Pending, unknown);
    let mut counts = [0; NumberState::ALL.len()];
    for state in status.phone_numbers.iter().map(|number| number.state).chain(pending) {
        counts[state as usize] += 1;
    }
    counts
}

fn rotation(status: &FlowsEncryptionKeyStatus) -> Option<(RotationPhase, i64)> {
    let rotation = status.rotation_under_way()?;
    Some((rotation.phase, unix(&rotation.phase_start_time)))
}

fn endpoint(status: &FlowsEncryptionKeyStatus) -> EndpointSummary {
    EndpointSummary {
        ready: condition(status, ConditionType::EndpointReady, Reason::WaitingForEndpoint),
        available: condition(status, ConditionType::Available, Reason::WaitingForEndpoint),
        recovers_clients: status.endpoint.as_ref().and_then(|endpoint| endpoint.recovers_clients),
    }
}

/// Status and reason of a condition. Unknown, with the reason `otherwise`, if the status has no such condition.
fn condition(
    status: &FlowsEncryptionKeyStatus,
    kind: ConditionType,
    otherwise: Reason,
) -> (ConditionStatus, &'static str) {
    let Some(condition) = conditions::find(&status.conditions, kind) else {
        return (ConditionStatus::Unknown, otherwise.as_str());
    };
    let value = match condition.status.as_str() {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    let reason = Reason::ALL.iter().map(|reason| reason.as_str()).find(|reason| *reason == condition.reason);
    // Another version of the operator wrote this reason.
    (value, reason.unwrap_or("Other"))
}

/// Whether the status says that Meta refuses the access token or the app secret proof.
pub fn refuses_token(status: &FlowsEncryptionKeyStatus) -> bool {
    conditions::find(&status.conditions, ConditionType::TokenAccepted).is_some_and(|accepted| {
        [Reason::TokenRefused, Reason::AppSecretRefused].iter().any(|reason| accepted.reason == reason.as_str())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn summary(numbers: &[&str], status: Value) -> ResourceSummary {
        let resource = json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {"namespace": "messaging", "name": "storefront"},
            "spec": {"accessTokenSecretRef": {"name": "meta-token", "key": "token"}, "phoneNumberIds": numbers},
            "status": status,
        });
        ResourceSummary::of(&serde_json::from_value(resource).unwrap())
    }

    fn condition(kind: &str, status: &str, reason: &str) -> Value {
        let time = "2026-11-22T10:00:00Z";
        json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": time})
    }

    fn counted(summary: &ResourceSummary) -> Vec<(NumberState, u16)> {
        NumberState::ALL.into_iter().zip(summary.numbers).filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn the_last_check_is_that_of_the_number_that_was_read_longest_ago() {
        let number = |id: &str, at: &str| json!({"phoneNumberId": id, "state": "Valid", "lastReadTime": at});
        let summary = summary(
            &["1", "2"],
            json!({
                "nextCheckTime": "1970-01-01T01:00:00Z",
                "publicKeySince": "1970-01-01T00:01:00Z",
                "phoneNumbers": [number("1", "1970-01-01T00:30:00Z"), number("2", "1970-01-01T00:20:00Z")],
                "conditions": [condition("Ready", "True", "AllNumbersValid")],
            }),
        );
        assert_eq!((summary.last_check, summary.next_check, summary.key_since), (Some(1200), Some(3600), Some(60)));
        assert_eq!((summary.ready, summary.reason), (ConditionStatus::True, "AllNumbersValid"));
        assert_eq!((counted(&summary), summary.refused_token), (vec![(NumberState::Valid, 2)], None));
    }

    #[test]
    fn a_suspension_lasts_until_the_spec_ends_it() {
        for (suspend, expected) in [(Some(true), Some(60)), (Some(false), None), (None, None)] {
            let resource = json!({
                "apiVersion": "waflows.dev/v1alpha1",
                "kind": "FlowsEncryptionKey",
                "metadata": {"namespace": "messaging", "name": "storefront"},
                "spec": {
                    "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
                    "phoneNumberIds": ["1"],
                    "suspend": suspend,
                },
                "status": {"suspendedSince": "1970-01-01T00:01:00Z"},
            });
            let summary = ResourceSummary::of(&serde_json::from_value(resource).unwrap());
            assert_eq!(summary.suspended_since, expected, "{suspend:?}");
        }
    }

    #[test]
    fn a_rotation_is_told_until_it_is_over() {
        for phase in RotationPhase::ALL {
            let rotation = json!({
                "phase": phase,
                "from": "sha256:1",
                "to": "sha256:2",
                "startedTime": "1970-01-01T00:00:00Z",
                "phaseStartTime": "1970-01-01T00:01:00Z",
            });
            let is_over = matches!(phase, RotationPhase::Completed | RotationPhase::Superseded);
            let expected = (!is_over).then_some((phase, 60));
            assert_eq!(summary(&["1"], json!({"rotation": rotation})).rotation, expected);
        }
    }

    #[test]
    fn what_was_not_read_yet_is_pending_and_has_no_time() {
        let summary = summary(&["1", "2", "3"], json!({"observedGeneration": -1}));
        assert_eq!(counted(&summary), [(NumberState::Pending, 3)]);
        assert_eq!((summary.ready, summary.reason), (ConditionStatus::Unknown, "Progressing"));
        assert_eq!((summary.last_check, summary.next_check), (None, None));
    }

    #[test]
    fn a_refused_token_is_named_by_its_secret() {
        for reason in ["TokenRefused", "AppSecretRefused"] {
            let status = json!({"conditions": [condition("TokenAccepted", "False", reason)]});
            let token = summary(&["1"], status).refused_token.map(|token| *token);
            assert_eq!(token, Some(("meta-token".to_owned(), "token".to_owned())));
        }
    }

    #[test]
    fn only_reasons_that_are_known_are_told() {
        let summary = summary(&["1"], json!({"conditions": [condition("Ready", "Maybe", "By\"AnotherHand")]}));
        assert_eq!((summary.ready, summary.reason), (ConditionStatus::Unknown, "Other"));
    }

    #[test]
    fn every_state_has_its_own_count() {
        for state in NumberState::ALL {
            let summary = summary(&["1"], json!({"phoneNumbers": [{"phoneNumberId": "1", "state": state}]}));
            assert_eq!(counted(&summary), [(state, 1)]);
            assert_eq!(json!(state), state.as_str());
        }
    }
}
