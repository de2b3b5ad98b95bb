//! `status.token`, and what the condition `TokenAccepted` says of a token that ends soon or lacks a permission. Pure.

use jiff::Timestamp;

use crate::api::conditions::ConditionReason;
use crate::api::crd::{FlowsEncryptionKey, ObservedSecret, SecretKeyRef, TokenInspection, TokenStatus};
use crate::observation::Observation;
use crate::schedule::due::spec_digest;
use crate::token::{self, Inspection};

/// `status.token` after a reconcile. The stored one if nothing new is known of the same token.
pub fn status(observation: &Observation) -> Option<TokenStatus> {
    if let Some(inspection) = &observation.token {
        return told(&observation.resource, inspection, observation.now);
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
fn told(resource: &FlowsEncryptionKey, inspection: &Inspection, now: Timestamp) -> Option<TokenStatus> {
    let spec = &resource.spec;
    let token = inspection.status(spec);
    let is_told = spec.app_id.is_some()
        || !spec.business_accounts.is_empty()
        || token.inspection == TokenInspection::Invalid
        || token::warning(&token, "", now).is_some();
    is_told.then_some(token)
}

/// Whether an inspection says something that the stored status does not say yet.
pub fn is_news(resource: &FlowsEncryptionKey, inspection: &Inspection, now: Timestamp) -> bool {
    let stored = resource.status.as_ref().and_then(|status| status.token.as_ref());
    !resource.spec.is_suspended() && stored != told(resource, inspection, now).as_ref()
}

/// What the condition says of a token that Meta accepts, if there is more to say than that.
pub(super) fn warning(
    observation: &Observation,
    token: Option<&TokenStatus>,
    now: Timestamp,
) -> Option<ConditionReason> {
    let namespace = observation.resource.metadata.namespace.as_deref().unwrap_or_default();
    let place = observation.resource.spec.access_token_secret_ref.place(namespace);
    token::warning(token?, &place, now)
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
