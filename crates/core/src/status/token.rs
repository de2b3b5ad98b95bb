//! `status.token`, and what the condition `TokenAccepted` says of a token that ends soon or lacks a permission. Pure.

use jiff::Timestamp;

use crate::api::conditions::ConditionReason;
use crate::api::crd::{FlowsEncryptionKey, ObservedSecret, SecretKeyRef, TokenStatus};
use crate::observation::Observation;
use crate::schedule::due::spec_digest;
use crate::token::{self, Inspection};

/// `status.token` after a reconcile. The stored one if nothing new is known of the same token.
pub fn status(observation: &Observation) -> Option<TokenStatus> {
    if let Some(inspection) = &observation.token {
        return Some(inspection.status(&observation.resource.spec));
    }
    let stored = observation.status()?.token.as_ref()?;
    let is_same = match &observation.inputs {
        Some(inputs) => has_same_credentials(&observation.resource, &inputs.secrets),
        None => true,
    };
    is_same.then(|| stored.clone())
}

/// Whether an inspection says something that the stored status does not say yet.
pub fn is_news(resource: &FlowsEncryptionKey, inspection: &Inspection) -> bool {
    let stored = resource.status.as_ref().and_then(|status| status.token.as_ref());
    !resource.spec.is_suspended() && stored != Some(&inspection.status(&resource.spec))
}

/// What the condition says of a token that Meta accepts, if there is more to say than that.
pub(super) fn warning(observation: &Observation, now: Timestamp) -> Option<ConditionReason> {
    let namespace = observation.resource.metadata.namespace.as_deref().unwrap_or_default();
    let place = observation.resource.spec.access_token_secret_ref.place(namespace);
    token::warning(&status(observation)?, &place, now)
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
