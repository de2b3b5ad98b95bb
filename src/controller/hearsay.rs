//! What resources hear of each other: a token that was refused for one is refused for all that use it. They are told at
//! once, and it costs no further call to Meta.

use kube::Api;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use waflows_core::queue::Urgency;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::resource_summary::refuses_token;

use super::cluster_state::ClusterState;
use super::fence::WriteFence;
use super::reconciler::Reconciler;
use super::secrets::{self, ReadSecretError};

/// Lets the resources that share a Secret with this one look, if its reconcile found the credentials refused.
pub(super) fn spread(
    cluster: &ClusterState,
    key: &ObjectKey,
    resource: &FlowsEncryptionKey,
    after: &FlowsEncryptionKeyStatus,
) {
    if !refuses_token(after) || resource.status.as_ref().is_some_and(refuses_token) {
        return;
    }
    let secret = ObjectKey::new(&key.namespace, &resource.spec.access_token_secret_ref.name);
    let others = { cluster.store().doubt(&secret) };
    for other in others.iter().filter(|other| *other != key) {
        cluster.queue.add(other, Urgency::Due);
    }
}

/// Whether a refusal that a resource has heard of is one of its own credentials: they may be others from the same
/// Secret. In that case every call of its reconcile stops before it is made.
pub(super) async fn concerns(
    reconciler: &Reconciler,
    key: &ObjectKey,
    resource: &FlowsEncryptionKey,
    fence: &WriteFence,
) -> Result<bool, ReadSecretError> {
    if resource.spec.is_suspended() || resource.status.as_ref().is_some_and(refuses_token) {
        return Ok(false);
    }
    let api = Api::namespaced(reconciler.client.clone(), &key.namespace);
    match fence.run(secrets::read_credentials(resource, &api)).await {
        Some(Ok(credentials)) => Ok(credentials.is_ok_and(|it| reconciler.graph.limiter().refusal(it.id()).is_some())),
        Some(Err(error)) => {
            reconciler.cluster.store().keep_in_doubt(key);
            Err(error)
        }
        None => {
            reconciler.cluster.store().keep_in_doubt(key);
            Ok(false)
        }
    }
}
