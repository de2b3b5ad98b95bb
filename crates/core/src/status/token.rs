//! `status.token`, and what the condition `TokenAccepted` says of a token that ends soon or lacks a permission. Pure.

use jiff::Timestamp;

use crate::api::conditions::{ConditionReason, Reason};
use crate::api::crd::{FlowsEncryptionKey, ObservedSecret, SecretKeyRef, TokenInspection, TokenStatus};
use crate::api::text::utc;
use crate::observation::Observation;
use crate::schedule::due::spec_digest;
use crate::token::{Inspection, warned_of};

/// `status.token` after a reconcile. The stored one if nothing new is known of the same token.
pub fn status(observation: &Observation) -> Option<TokenStatus> {
    if let Some(inspection) = &observation.token {
        return shown(&observation.resource, inspection, observation.now);
    }
    let stored = observation.status()?.token.as_ref()?;
    let is_same = match &observation.inputs {
        Some(inputs) => has_same_credentials(&observation.resource, &inputs.secrets),
        None => true,
    };
    is_same.then(|| stored.clone())
}

/// What a resource shows of an inspection. Nothing if the token is in order, unless the resource has accounts or an app:
/// the status of every other resource stays as short as before there were inspections.
fn shown(resource: &FlowsEncryptionKey, inspection: &Inspection, now: Timestamp) -> Option<TokenStatus> {
    let spec = &resource.spec;
    let token = inspection.status(spec);
    let is_shown = spec.app_id.is_some()
        || !spec.business_accounts.is_empty()
        || token.inspection == TokenInspection::Invalid
        || Warning::of(&token, now).is_some();
    is_shown.then_some(token)
}

/// Whether an inspection says something that the stored status does not say yet.
pub fn changes_status(resource: &FlowsEncryptionKey, inspection: &Inspection, now: Timestamp) -> bool {
    let stored = resource.status.as_ref().and_then(|status| status.token.as_ref());
    !resource.spec.is_suspended() && stored != shown(resource, inspection, now).as_ref()
}

/// What the condition says of a token that Meta accepts, if there is more to say than that.
pub(super) fn warning(
    observation: &Observation,
    token: Option<&TokenStatus>,
    now: Timestamp,
) -> Option<ConditionReason> {
    let namespace = observation.resource.metadata.namespace.as_deref().unwrap_or_default();
    let place = observation.resource.spec.access_token_secret_ref.place(namespace);
    Some(Warning::of(token?, now)?.why(&place))
}

/// What there is to say of a token that Meta accepts, beside that.
enum Warning<'a> {
    ScopeMissing(&'a str),
    /// The token ends in less than so many days.
    Expiring(Timestamp, i64),
}

impl<'a> Warning<'a> {
    /// None if the token is in order.
    fn of(token: &'a TokenStatus, now: Timestamp) -> Option<Self> {
        if let Some(scope) = token.missing_scopes.first() {
            return Some(Self::ScopeMissing(scope));
        }
        let end = token.expires_time.as_ref()?.0;
        Some(Self::Expiring(end, warned_of(end, now)?))
    }

    /// The reason and the sentence, which changes at each number of [`WARNING_DAYS`](crate::token::WARNING_DAYS), and not in
    /// between. `place` is the entry of the Secret.
    fn why(self, place: &str) -> ConditionReason {
        match self {
            Self::ScopeMissing(scope) => ConditionReason::new(
                Reason::ScopeMissing,
                format!("{place}: Meta accepts the access token, but it lacks the permission {scope}. Make a new one."),
            ),
            Self::Expiring(end, days) => {
                let within = if days == 1 { "one day".to_owned() } else { format!("{days} days") };
                let end = utc(end);
                ConditionReason::new(
                    Reason::TokenExpiring,
                    format!("{place}: the access token ends at {end}, in less than {within}. Put a new one there."),
                )
            }
        }
    }
}

/// Whether token and app secret are the same as in the last reconcile: the same Secrets in the same versions, with the
/// same references.
pub fn has_same_credentials(resource: &FlowsEncryptionKey, secrets: &[ObservedSecret]) -> bool {
    let spec = &resource.spec;
    let Some(status) = &resource.status else { return false };
    let is_same = |reference: &SecretKeyRef| {
        let of = |secrets: &[ObservedSecret]| secrets.iter().find(|secret| secret.name == reference.name).cloned();
        of(secrets) == of(&status.observed_secrets)
    };
    status.observed_spec_digest.as_deref() == Some(&spec_digest(spec))
        && std::iter::once(&spec.access_token_secret_ref).chain(&spec.app_secret_ref).all(is_same)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_end_of_a_token_is_told_anew_at_fourteen_seven_three_and_one_days() {
        let token = TokenStatus { expires_time: Some(Time(at(100 * DAY))), ..TokenStatus::default() };
        let told = |left: i64| Some(Warning::of(&token, at(100 * DAY - left))?.why("Secret a/b, entry token").message);
        let within = |left| told(left).map(|told| told.split("in less than ").nth(1).unwrap().to_owned());
        for (left, expected) in [
            (14 * DAY, None),
            (14 * DAY - 1, Some("14 days. Put a new one there.")),
            (7 * DAY, Some("14 days. Put a new one there.")),
            (7 * DAY - 1, Some("7 days. Put a new one there.")),
            (3 * DAY - 1, Some("3 days. Put a new one there.")),
            (DAY - 1, Some("one day. Put a new one there.")),
            (-DAY, Some("one day. Put a new one there.")),
        ] {
            assert_eq!(within(left).as_deref(), expected, "{left}");
        }
        assert!(Warning::of(&TokenStatus::default(), at(0)).is_none(), "a token that never ends");
    }
}
