//! Asks all targets of one resource's endpoint, once.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use reqwest::Certificate;
use waflows_core::api::conditions::ConditionReason;
use waflows_core::api::crd::{Endpoint, FlowsEncryptionKeySpec, SecretKeyRef};
use waflows_core::api::text::capitalized;
use waflows_core::endpoint::{ProbeFinding, ProbeOutcome};
use waflows_core::proof::{EndpointProof, ProbeKeys, TargetProof};
use waflows_core::schedule::backoff::Waits;
use waflows_core::status::secrets::SecretValue;
use waflows_probe::{AskWith, SigningSecret};

use super::client::ProbeClient;
use super::policy::Policy;
use super::refusal::unreachable;
use super::target::Target;
use super::targets::targets;
use crate::controller::secrets::read_entry;
use crate::graph::AppSecret;
use crate::metrics::Metrics;
use crate::outbound;

/// Targets of one resource that are asked at the same time. Each has one request under way, and a client with its own roots of
/// trust. The targets of a resource wait for each other alone, because a proof ages while it waits.
const PARALLEL_TARGETS: usize = 8;

/// The most bytes of authorities. Each target that is asked has its own copy of them, as trusted roots.
const MAX_AUTHORITIES: usize = 64 * 1024;

/// What a series of requests needs.
pub struct Inquirer {
    /// Requests to the API server.
    pub client: Client,
    /// What the flags allow.
    pub policy: Policy,
    /// The waits between requests.
    pub waits: Waits,
    /// Counts the requests.
    pub metrics: Arc<Metrics>,
}

impl Inquirer {
    /// Asks every target of the endpoint, with the keys of the resource and with a key that nobody has.
    pub async fn ask(&self, namespace: &str, spec: &FlowsEncryptionKeySpec, keys: &ProbeKeys) -> EndpointProof {
        let at = Timestamp::now();
        let targets = match &spec.endpoint {
            Some(endpoint) => self.ask_all(namespace, spec, endpoint, keys).await,
            None => Ok(Vec::new()),
        };
        let other_key = keys.other.as_ref().map(|key| *key.fingerprint());
        EndpointProof { key: *keys.key.fingerprint(), other_key, targets, at }
    }

    async fn ask_all(
        &self,
        namespace: &str,
        spec: &FlowsEncryptionKeySpec,
        endpoint: &Endpoint,
        keys: &ProbeKeys,
    ) -> Result<Vec<TargetProof>, ConditionReason> {
        let targets = targets(&self.client, &self.policy, namespace, endpoint).await?;
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let api = Api::namespaced(self.client.clone(), namespace);
        let secret = match spec.endpoint_app_secret_ref() {
            Some(reference) => Some(signing_secret(&api, reference).await?),
            None => None,
        };
        let authorities = match &endpoint.ca_secret_ref {
            Some(reference) => authorities(&api, reference).await?,
            None => Vec::new(),
        };
        let ask = |target| self.ask_target(target, &authorities, secret.as_ref(), keys);
        let asking: Vec<_> = targets.iter().map(ask).collect();
        stream::iter(asking).buffered(PARALLEL_TARGETS).try_collect().await
    }

    async fn ask_target(
        &self,
        target: &Target,
        authorities: &[Certificate],
        secret: Option<&SigningSecret>,
        keys: &ProbeKeys,
    ) -> Result<TargetProof, ConditionReason> {
        let client =
            ProbeClient::pinned(target, authorities.to_vec()).map_err(|error| unreachable(format!("{error}.")))?;
        let mut finding = self.request(&client, target, AskWith::Key(&keys.key), secret).await?;
        if finding.outcome.is_unanswered() {
            // A pod may have been replaced at this moment.
            tokio::time::sleep(self.waits.before_second_probe()).await;
            finding = self.request(&client, target, AskWith::Key(&keys.key), secret).await?;
        }
        // A target that does not answer, or refuses every request, says the same to the next request.
        let is_silent = finding.outcome.is_unanswered() || finding.outcome == ProbeOutcome::SignatureRefused;
        let (mut other, mut unknown_key) = (keys.other.as_ref().map(|_| finding), None);
        if !is_silent {
            if let Some(key) = &keys.other {
                other = Some(self.request(&client, target, AskWith::Key(key), secret).await?);
            }
            unknown_key = Some(self.request(&client, target, AskWith::UnknownKey, secret).await?);
        }
        let refusals = Default::default();
        Ok(TargetProof { target: target.name.clone(), finding, other, unknown_key, refusals })
    }

    async fn request(
        &self,
        client: &ProbeClient,
        target: &Target,
        key: AskWith<'_>,
        secret: Option<&SigningSecret>,
    ) -> Result<ProbeFinding, ConditionReason> {
        let reply = client.ask(&target.url, key, secret).await.map_err(|error| unreachable(format!("{error}.")))?;
        if matches!(key, AskWith::Key(_)) {
            self.metrics.probed(reply.finding.outcome);
        }
        Ok(reply.finding)
    }
}

/// The app secret that a field of the spec refers to.
///
/// # Errors
/// If the Secret cannot be read, or holds no app secret.
pub async fn signing_secret(api: &Api<Secret>, reference: &SecretKeyRef) -> Result<SigningSecret, ConditionReason> {
    const FIELD: &str = "endpoint.appSecretRef";
    let read = |bytes: &[u8]| AppSecret::new(bytes).map(|secret| secret.signing());
    let secret = entry(api, reference, FIELD, "app secret", read).await?;
    let namespace = api.namespace().unwrap_or_default();
    secret.map_err(|error| SecretValue { namespace, reference, field: FIELD, what: "app secret" }.malformed(error))
}

/// The authorities that a field of the spec refers to.
///
/// # Errors
/// If the Secret cannot be read, holds no certificate, or holds more than [`MAX_AUTHORITIES`] bytes.
pub async fn authorities(api: &Api<Secret>, reference: &SecretKeyRef) -> Result<Vec<Certificate>, ConditionReason> {
    let namespace = api.namespace().unwrap_or_default();
    let found = entry(api, reference, "endpoint.caSecretRef", "certificate", roots).await?;
    found.map_err(|fault| unreachable(format!("{}: {fault}.", reference.place(namespace))))
}

fn roots(pem: &[u8]) -> Result<Vec<Certificate>, &'static str> {
    match pem.len() {
        0..=MAX_AUTHORITIES => outbound::roots(pem).ok_or("there is no certificate in PEM form"),
        _ => Err("the certificates are longer than 64 KiB. Keep only the one that signed the endpoint's certificate"),
    }
}

async fn entry<T>(
    api: &Api<Secret>,
    reference: &SecretKeyRef,
    field: &'static str,
    what: &'static str,
    use_value: impl FnOnce(&[u8]) -> T,
) -> Result<T, ConditionReason> {
    match read_entry(api, reference, field, what, use_value).await {
        Ok(value) => value,
        Err(error) => Err(unreachable(format!("{}.", capitalized(&error.to_string())))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

    #[test]
    fn authorities_have_a_limit() {
        assert_eq!(roots(PEM.as_bytes()).unwrap().len(), 1);
        assert_eq!(roots(b"hello").unwrap_err(), "there is no certificate in PEM form");
        let many = PEM.repeat(MAX_AUTHORITIES / PEM.len() + 1);
        assert!(roots(many.as_bytes()).unwrap_err().contains("longer than 64 KiB"));
    }
}
