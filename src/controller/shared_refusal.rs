//! A token that Meta refused for one resource is refused for all resources that use it. They show the refusal at once, and
//! no further call to Meta is made.

use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use waflows_core::queue::Urgency;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::resource_summary::refuses_token;

use super::cluster_state::ClusterState;
use super::fence::WriteFence;
use super::reconciler::Reconciler;
use super::secrets::ReadSecretError;

/// Queues the resources that share the token's Secret with this one, if its reconcile found the credentials refused.
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

/// Whether the refusal concerns the credentials of this resource: it may use another entry of the same Secret. If so, every
/// call of its reconcile stops before it is made.
pub(super) async fn concerns(
    reconciler: &Reconciler,
    key: &ObjectKey,
    resource: &FlowsEncryptionKey,
    fence: &WriteFence,
) -> Result<bool, ReadSecretError> {
    if resource.spec.is_suspended() || resource.status.as_ref().is_some_and(refuses_token) {
        return Ok(false);
    }
    match fence.run(reconciler.secrets.read_credentials(resource)).await {
        Some(Ok(credentials)) => {
            Ok(credentials.is_some_and(|it| reconciler.graph.limiter().refusal(it.id()).is_some()))
        }
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
