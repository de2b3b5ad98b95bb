//! Stores the status of a resource as its reconcile goes on, with optimistic concurrency.

use std::sync::Arc;

use http::Request;
use jiff::Timestamp;
use kube::api::PostParams;
use kube::core::{ObjectMeta, Status};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::Instrument;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use waflows_core::queue::Urgency;
use waflows_core::schedule::backoff::Waits;
use waflows_core::store::cached_resource::is_earlier;
use waflows_core::store::object_key::ObjectKey;

use super::cluster_state::ClusterState;
use super::fence::WriteFence;
use super::partial_object::PartialObject;
use super::reconciler::Reconciler;
use crate::apiserver::describe;
use crate::health::Heartbeat;
use crate::telemetry::spans;

/// Field manager of the status.
pub const FIELD_MANAGER: &str = "waflows-operator";

/// Conflicts in a row after which a write has failed. Somebody changes the resource all the time, and a faster repetition
/// would only flood the API server.
const MAX_CONFLICTS: u32 = 4;

/// The result of a status write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The API server has the status.
    Stored,
    /// The status was not written: the resource is gone, another process wrote meanwhile, or this process no longer leads.
    Dropped,
}

/// The API server could not be asked to store a status.
#[derive(Debug, thiserror::Error)]
#[error("writing the status: {}", describe(.0))]
pub struct WriteStatusError(#[source] kube::Error);

impl WriteStatusError {
    /// Whether the same request may succeed in a moment. A refusal lasts until somebody acts. A reconcile that waited for
    /// that would keep a worker from other resources.
    pub fn may_pass_soon(&self) -> bool {
        match &self.0 {
            kube::Error::Api(answer) => matches!(answer.code, 409 | 429) || answer.code >= 500,
            _ => true,
        }
    }
}

/// Writes the status of one resource during a reconcile.
pub struct StatusWriter<'a> {
    client: &'a Client,
    cluster: &'a ClusterState,
    /// Every answer of the API server is a sign of life.
    progress: &'a Heartbeat,
    waits: Waits,
    key: &'a ObjectKey,
    fence: &'a WriteFence,
    /// The resource that the status was computed from, with the status that was last written.
    resource: Arc<FlowsEncryptionKey>,
    has_written: bool,
    is_dropped: bool,
}

impl<'a> StatusWriter<'a> {
    /// A writer of the status of `resource`, as it was when the reconcile began.
    pub fn new(
        reconciler: &'a Reconciler,
        key: &'a ObjectKey,
        fence: &'a WriteFence,
        resource: Arc<FlowsEncryptionKey>,
    ) -> Self {
        let Reconciler { client, cluster, metrics, waits, .. } = reconciler;
        let (progress, waits) = (&metrics.progress, *waits);
        Self { client, cluster, progress, waits, key, fence, resource, has_written: false, is_dropped: false }
    }

    /// The resource, with the status that was last written.
    pub fn resource(&self) -> &Arc<FlowsEncryptionKey> {
        &self.resource
    }

    /// Whether anything had to be written so far.
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// Writes the status if it differs from the stored one.
    ///
    /// The write carries the resource version that the status was computed from. On a conflict the current version is read.
    /// If its status is still the one that the new status was computed from, somebody changed the spec or a label, and
    /// the status is written onto the current version. Otherwise another process works on the resource: this status is
    /// dropped, and so is every later one of the same reconcile.
    ///
    /// # Errors
    /// When the API server does not answer, or refuses.
    pub async fn write(&mut self, status: &FlowsEncryptionKeyStatus) -> Result<Written, WriteStatusError> {
        if self.is_dropped {
            return Ok(Written::Dropped);
        }
        if self.resource.status.as_ref() == Some(status) {
            return Ok(Written::Stored);
        }
        let api: Api<PartialObject<FlowsEncryptionKey>> = Api::namespaced(self.client.clone(), &self.key.namespace);
        let mut conflicts = 0;
        // A former leader must not overwrite the status of its successor.
        while self.fence.is_leading() {
            let span = spans::write_status();
            let answer = self.replace(status).instrument(span.clone()).await;
            if answer.is_err() {
                spans::record_failure(&span);
            }
            self.progress.beat();
            match answer {
                Ok(written) => {
                    self.has_written = true;
                    self.resource = Arc::new(written);
                    // The answer may bring a change of the spec before the watch does.
                    let change = { self.cluster.store().status_written(&self.resource, Timestamp::now()) };
                    self.cluster.react(self.key, change);
                    return Ok(Written::Stored);
                }
                Err(kube::Error::Api(answer)) if is_gone(&answer, &self.key.name) => return Ok(Written::Dropped),
                Err(kube::Error::Api(answer)) if answer.code == 409 && conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    let Some(is_ours) = self.rebase_on_conflict(&api, status).await? else {
                        return Ok(Written::Dropped);
                    };
                    if !is_ours {
                        tracing::info!(resource = %self.key, "the status was written by another process meanwhile; the status of this reconcile is dropped");
                        self.cluster.queue.add(self.key, Urgency::Changed);
                        self.is_dropped = true;
                        return Ok(Written::Dropped);
                    }
                }
                Err(error) => return Err(WriteStatusError(error)),
            }
        }
        Ok(Written::Dropped)
    }

    /// The same, repeated until it succeeds if the status tells of uploads. Without the status the next reconcile would
    /// upload again without a wait.
    ///
    /// # Errors
    /// When the API server refuses for good, or does not answer and nothing was uploaded or the fence is revoked.
    pub async fn write_until_stored(
        &mut self,
        status: &FlowsEncryptionKeyStatus,
        has_uploads: bool,
    ) -> Result<Written, WriteStatusError> {
        let mut attempt = 0;
        loop {
            match self.write(status).await {
                // A revoked reconcile does not repeat the write: the process may have been asked to stop.
                Err(error) if has_uploads && error.may_pass_soon() && self.fence.is_valid() => {
                    tracing::warn!(resource = %self.key, %error, "what was uploaded could not be noted yet; trying again");
                    attempt += 1;
                    self.fence.run(tokio::time::sleep(self.waits.after_failure(attempt))).await;
                }
                result => return result,
            }
        }
    }

    async fn replace(&self, status: &FlowsEncryptionKeyStatus) -> Result<FlowsEncryptionKey, kube::Error> {
        readable(self.client.request(status_request(&self.resource, status)?).await?)
    }

    /// Takes the current version of the resource. False if its status is neither the one that was last seen nor `wanted`,
    /// which is stored already if an answer was lost. None if the resource is gone.
    async fn rebase_on_conflict(
        &mut self,
        api: &Api<PartialObject<FlowsEncryptionKey>>,
        wanted: &FlowsEncryptionKeyStatus,
    ) -> Result<Option<bool>, WriteStatusError> {
        let current = api.get_opt(&self.key.name).await.and_then(|current| current.map(readable).transpose());
        let Some(current) =
            current.map_err(WriteStatusError)?.filter(|current| current.metadata.uid == self.resource.metadata.uid)
        else {
            return Ok(None);
        };
        let is_ours = current.status == self.resource.status || current.status.as_ref() == Some(&as_stored(wanted));
        let is_restored = is_earlier(&current.metadata, &self.resource.metadata);
        self.resource = Arc::new(current);
        let now = Timestamp::now();
        if is_restored {
            // The watch cannot tell this from an event that is late. With the version of the future, every write would fail.
            tracing::warn!(resource = %self.key, "the API server has an earlier version of this resource than before, as after a restore; the operator continues from that version");
            let change = { self.cluster.store().resource_restored(&self.resource, now) };
            self.cluster.react(self.key, change);
        } else if !is_ours {
            // The next reconcile starts from this version, even if the watch has not delivered it yet.
            let change = { self.cluster.store().status_written(&self.resource, now) };
            self.cluster.react(self.key, change);
        }
        Ok(Some(is_ours))
    }
}

/// The request that stores a status in place of the one that the resource has, onto this version of the resource or none
/// (optimistic concurrency). The API server takes nothing but the status from the request. The status is the operator's
/// alone: what others have put there goes.
///
/// # Errors
/// If the resource has no name.
pub fn status_request(
    resource: &FlowsEncryptionKey,
    status: &FlowsEncryptionKeyStatus,
) -> Result<Request<Vec<u8>>, kube::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Replacement<'a> {
        api_version: &'a str,
        kind: &'a str,
        metadata: Value,
        status: &'a FlowsEncryptionKeyStatus,
    }
    let ObjectMeta { name, namespace, uid, resource_version, .. } = &resource.metadata;
    let body = Replacement {
        api_version: &FlowsEncryptionKey::api_version(&()),
        kind: &FlowsEncryptionKey::kind(&()),
        metadata: json!({"name": name, "namespace": namespace, "uid": uid, "resourceVersion": resource_version}),
        status,
    };
    let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    kube::core::Request::new(FlowsEncryptionKey::url_path(&(), namespace.as_deref()))
        .replace_subresource("status", name.as_deref().unwrap_or_default(), &parameters, body)
        .map_err(kube::Error::BuildRequest)
}

/// Whether the resource itself is gone. While its definition is missing or not served yet, the API server answers 404,
/// too, but names no object.
fn is_gone(answer: &Status, name: &str) -> bool {
    answer.code == 404 && answer.details.as_ref().is_some_and(|details| details.name == name)
}

/// The API server stores whole seconds.
fn as_stored(status: &FlowsEncryptionKeyStatus) -> FlowsEncryptionKeyStatus {
    serde_json::to_value(status).and_then(serde_json::from_value).unwrap_or_default()
}

fn readable(answer: PartialObject<FlowsEncryptionKey>) -> Result<FlowsEncryptionKey, kube::Error> {
    answer.into_resource().map_err(kube::Error::SerdeError)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Response;
    use kube::client::Body;
    use tokio_util::sync::CancellationToken;
    use waflows_core::store::store::Store;

    use super::*;
    use crate::leader::Leader;

    #[test]
    fn a_status_takes_the_place_of_the_one_that_is_there() {
        let resource = json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {"namespace": "shop", "name": "storefront", "uid": "7d1c", "resourceVersion": "12", "labels": {"a": "b"}},
            "spec": {"accessTokenSecretRef": {"name": "meta-token", "key": "token"}, "phoneNumberIds": ["1"]},
            "status": {"valid": "0/1", "lastHandledSyncRequest": "theirs"},
        });
        let resource: FlowsEncryptionKey = serde_json::from_value(resource).unwrap();
        let status = FlowsEncryptionKeyStatus { valid: Some("1/1".into()), ..FlowsEncryptionKeyStatus::default() };
        let request = status_request(&resource, &status).unwrap();
        assert_eq!(request.method(), "PUT");
        assert_eq!(
            request.uri(),
            "/apis/waflows.dev/v1alpha1/namespaces/shop/flowsencryptionkeys/storefront/status?&fieldManager=waflows-operator"
        );
        assert_eq!(
            serde_json::from_slice::<Value>(request.body()).unwrap(),
            json!({
                "apiVersion": "waflows.dev/v1alpha1",
                "kind": "FlowsEncryptionKey",
                "metadata": {"namespace": "shop", "name": "storefront", "uid": "7d1c", "resourceVersion": "12"},
                "status": {"valid": "1/1"},
            })
        );
    }

    fn in_version(version: &str, valid: &str) -> Value {
        json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {"namespace": "shop", "name": "storefront", "uid": "7d1c", "resourceVersion": version},
            "spec": {"accessTokenSecretRef": {"name": "meta-token", "key": "token"}, "phoneNumberIds": ["1"]},
            "status": {"valid": valid},
        })
    }

    /// The API server refuses the lost version for ever. What it has now is what counts.
    #[tokio::test]
    async fn after_a_restore_the_store_has_the_earlier_version() {
        let api_server = tower::service_fn(|request: Request<Body>| async move {
            let (code, body) = match request.method().as_str() {
                "GET" => (200, in_version("900", "0/1")),
                _ => (409, json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409})),
            };
            Ok::<_, kube::Error>(
                Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap(),
            )
        });
        let client = Client::new(api_server, "shop");
        let cluster = ClusterState::new(Store::new(&[None], Duration::ZERO));
        let resource: FlowsEncryptionKey = serde_json::from_value(in_version("1000", "1/1")).unwrap();
        cluster.store().apply_resource(&resource, Timestamp::now());
        let (key, progress) = (ObjectKey::of(&resource.metadata), Heartbeat::default());
        let fence = WriteFence::new(CancellationToken::new(), Leader::alone().acquired().await);
        let (waits, resource) = (Waits::default(), Arc::new(resource));
        let mut writer = StatusWriter {
            client: &client,
            cluster: &cluster,
            progress: &progress,
            waits,
            key: &key,
            fence: &fence,
            resource,
            has_written: false,
            is_dropped: false,
        };
        let status = FlowsEncryptionKeyStatus { valid: Some("1/2".into()), ..FlowsEncryptionKeyStatus::default() };
        assert_eq!(writer.write(&status).await.unwrap(), Written::Dropped);
        let restored = cluster.store().resource(&key).unwrap();
        assert_eq!(restored.metadata.resource_version.as_deref(), Some("900"));
        assert_eq!(restored.status.unwrap().valid.as_deref(), Some("0/1"));
    }
}
