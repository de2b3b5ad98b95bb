//! Objects from the API server, parsed only as far as the operator needs them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use waflows_core::api::crd::{FlowsEncryptionKey, REQUEST_ANNOTATIONS};

/// A kind of object that is watched.
pub trait Watchable: Resource<DynamicType = (), Scope = NamespaceResourceScope> {
    /// Whether the watch asks only for metadata.
    const METADATA_ONLY: bool;
}

impl Watchable for FlowsEncryptionKey {
    const METADATA_ONLY: bool = false;
}

/// The operator reads the contents of a Secret only when it needs them.
impl Watchable for Secret {
    const METADATA_ONLY: bool = true;
}

/// An object whose name and version are known, whether or not the rest can be parsed.
///
/// Its metadata lacks `managedFields`, labels, owner references and annotations of others. They may be larger than the
/// rest of the object. For a Secret made by `kubectl apply`, an annotation holds its contents.
///
/// Spec and status stay JSON text until somebody asks for them: most events are the operator's own status writes coming
/// back, and their metadata is enough to know that.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub struct PartialObject<K> {
    #[serde(deserialize_with = "read_metadata")]
    metadata: ObjectMeta,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl PartialObject<FlowsEncryptionKey> {
    /// Parses the resource.
    ///
    /// # Errors
    /// If this version does not know the format of the resource.
    pub fn into_resource(self) -> Result<FlowsEncryptionKey, serde_json::Error> {
        let spec = serde_json::from_str(self.spec())?;
        let status = serde_json::from_str(self.status())?;
        Ok(FlowsEncryptionKey { metadata: self.metadata, spec, status })
    }
}

impl<K> PartialObject<K> {
    /// The metadata that was taken in.
    pub fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    /// The spec as JSON text; `null` without one.
    pub fn spec(&self) -> &str {
        text(self.spec.as_deref())
    }

    /// The status as JSON text; `null` without one.
    pub fn status(&self) -> &str {
        text(self.status.as_deref())
    }
}

fn text(json: Option<&RawValue>) -> &str {
    json.map_or("null", RawValue::get)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    // Must equal `REQUEST_ANNOTATIONS`. An attribute cannot refer to a constant.
    #[serde(rename = "waflows.dev/sync-requested-at")]
    sync_requested_at: Option<String>,
    #[serde(rename = "waflows.dev/proceed-requested-at")]
    proceed_requested_at: Option<String>,
    #[serde(rename = "waflows.dev/abort-requested-at")]
    abort_requested_at: Option<String>,
}

impl Annotations {
    /// None if there are none, so that most resources have no map.
    fn into_map(self) -> Option<BTreeMap<String, String>> {
        let values = [self.sync_requested_at, self.proceed_requested_at, self.abort_requested_at];
        let present = REQUEST_ANNOTATIONS.into_iter().zip(values);
        let map: BTreeMap<_, _> = present.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        (!map.is_empty()).then_some(map)
    }
}

impl From<Metadata> for ObjectMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            generation: metadata.generation,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            annotations: metadata.annotations.and_then(Annotations::into_map),
            ..Self::default()
        }
    }
}

fn read_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    Metadata::deserialize(deserializer).map(ObjectMeta::from)
}

impl<K: Watchable> Resource for PartialObject<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn metadata_api() -> bool {
        K::METADATA_ONLY
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(spec: Value) -> Value {
        let annotations = REQUEST_ANNOTATIONS.into_iter().chain(["kubectl.kubernetes.io/last-applied-configuration"]);
        let annotations: BTreeMap<_, _> = annotations.map(|name| (name, "now")).collect();
        json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {
                "name": "checkout",
                "namespace": "shop",
                "uid": "7d1c",
                "resourceVersion": "12",
                "generation": 3,
                "creationTimestamp": "2026-11-25T10:00:00Z",
                "labels": {"team": "checkout"},
                "annotations": annotations,
                "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
            },
            "spec": spec,
        })
    }

    fn received(object: &Value) -> PartialObject<FlowsEncryptionKey> {
        serde_json::from_str(&object.to_string()).unwrap()
    }

    #[test]
    fn only_what_is_looked_at_is_taken_in() {
        let spec = json!({
            "privateKeySecretRef": {"name": "key", "key": "private.pem"},
            "accessTokenSecretRef": {"name": "token", "key": "token"},
            "phoneNumberIds": ["106540352242922"],
        });
        let object = object(spec);
        let mut whole: FlowsEncryptionKey = serde_json::from_value(object.clone()).unwrap();
        whole.metadata.labels = None;
        whole.metadata.managed_fields = None;
        whole.metadata.annotations = Some(REQUEST_ANNOTATIONS.map(|name| (name.to_owned(), "now".to_owned())).into());
        assert_eq!(received(&object).into_resource().unwrap(), whole);
    }

    #[test]
    fn what_cannot_be_read_has_a_name() {
        for spec in [json!({"phoneNumberIds": 7}), Value::Null] {
            let received = received(&object(spec));
            assert_eq!(received.meta().name.as_deref(), Some("checkout"));
            received.into_resource().unwrap_err();
        }
    }

    #[test]
    fn of_secrets_metadata_is_asked_for() {
        assert!(PartialObject::<Secret>::metadata_api());
        assert!(!PartialObject::<FlowsEncryptionKey>::metadata_api());
    }
}
