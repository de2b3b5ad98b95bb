//! The objects of the model: two resources, their Secrets, and keys.

use std::sync::LazyLock;
use std::time::Duration;

use harness::objects::typed_spec;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;
use waflows_core::api::crd::{
    Endpoint, EndpointService, FlowsEncryptionKey, FlowsEncryptionKeyStatus, ObservedSecret, Rotation, SecretKeyRef,
};
use waflows_core::meta::{ErrorClass, GraphError, Reported, ReportedKey};
use waflows_core::store::object_key::ObjectKey;
use waflows_key::PublicKey;

/// The key that someone else writes.
pub(crate) const FOREIGN: usize = 9;

const NAMESPACE: &str = "messaging";
const NAMES: [&str; 2] = ["storefront", "support"];
const KEY_SECRETS: [&str; 2] = ["storefront-key", "support-key"];
const TOKEN_SECRET: &str = "meta-token";
const OVERLAP: &str = "2m";
const PROGRESS_DEADLINE: &str = "2m";
/// From this age on, no decision depends on when a phase began.
pub(crate) const LONGEST_PHASE: Duration = Duration::from_secs(2 * 60);

/// `{}` stands for two characters in the middle of the modulus.
const PEM: &str = include_str!("../../crates/core/tests/key-template.pem");

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    (0..10).map(|n| PublicKey::from_public_key(&PEM.replace("{}", &format!("{n:02}"))).unwrap()).collect()
});

/// The n-th of ten keys.
pub(crate) fn key(n: usize) -> &'static PublicKey {
    &KEYS[n]
}

/// The key that a resource's Secret may get in place of its first one, which has the number of the resource.
pub(crate) fn second_key(resource: usize) -> usize {
    resource + 2
}

/// Which of the ten keys has this fingerprint.
pub(crate) fn key_number(fingerprint: &str) -> Option<usize> {
    (0..KEYS.len()).find(|n| KEYS[*n].fingerprint().to_string() == fingerprint)
}

/// When the model's time begins.
pub(crate) fn origin() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

/// The phone number ID of the n-th number.
pub(crate) fn id(number: usize) -> String {
    number.to_string()
}

/// Namespace and name of a resource.
pub(crate) fn object_key(resource: usize) -> ObjectKey {
    ObjectKey::new(NAMESPACE, NAMES[resource])
}

/// Which resource this is.
pub(crate) fn resource_number(key: &ObjectKey) -> usize {
    NAMES.iter().position(|name| **name == *key.name).unwrap()
}

/// A new resource that lists some numbers.
pub(crate) fn resource(resource: usize, numbers: &[usize], has_endpoint: bool) -> FlowsEncryptionKey {
    let reference = |name: &str| SecretKeyRef { name: name.into(), key: "value".into() };
    let numbers = numbers.iter().map(|number| id(*number)).collect();
    let mut spec = typed_spec(reference(KEY_SECRETS[resource]), reference(TOKEN_SECRET), numbers);
    if has_endpoint {
        let service = EndpointService { name: "flows".into(), ..EndpointService::default() };
        spec.endpoint = Some(Endpoint { service: Some(service), ..Endpoint::default() });
        let (overlap, progress_deadline) = (Some(OVERLAP.into()), Some(PROGRESS_DEADLINE.into()));
        spec.rotation = Some(Rotation { overlap, progress_deadline, ..Rotation::default() });
    }
    let mut object = FlowsEncryptionKey::new(NAMES[resource], spec);
    object.metadata.namespace = Some(NAMESPACE.into());
    // Decides the jitter. With the same UID for both, their checks do not drift apart for ever.
    object.metadata.uid = Some("uid".into());
    object.metadata.generation = Some(1);
    object.metadata.resource_version = Some("1".into());
    object.metadata.creation_timestamp = Some(Time(origin()));
    // The default of the definition.
    object.status = Some(FlowsEncryptionKeyStatus { observed_generation: Some(-1), ..Default::default() });
    object
}

/// The Secrets that a resource refers to, as they are read, where that of the key has this version.
pub(crate) fn secrets(resource: usize, version: u32, has_key: bool) -> Vec<ObservedSecret> {
    let secret = |name: &str, version: u32| ObservedSecret {
        name: name.into(),
        uid: format!("uid-of-{name}"),
        resource_version: version.to_string(),
    };
    let mut secrets = vec![secret(TOKEN_SECRET, 1)];
    secrets.extend(has_key.then(|| secret(KEY_SECRETS[resource], version)));
    secrets.sort();
    secrets
}

/// What a watch shows of a Secret.
pub(crate) fn secret_metadata(secret: &ObservedSecret) -> ObjectMeta {
    ObjectMeta {
        name: Some(secret.name.clone()),
        namespace: Some(NAMESPACE.into()),
        uid: Some(secret.uid.clone()),
        resource_version: Some(secret.resource_version.clone()),
        ..ObjectMeta::default()
    }
}

/// The Secret of a resource's key.
pub(crate) fn key_secret(resource: usize) -> ObjectKey {
    ObjectKey::new(NAMESPACE, KEY_SECRETS[resource])
}

/// A failure that passes by itself.
pub(crate) fn transient() -> GraphError {
    GraphError {
        class: ErrorClass::Transient,
        http_status: Some(503),
        code: None,
        subcode: None,
        kind: None,
        message: "try again".into(),
        trace_id: None,
    }
}

/// An answer to a GET.
pub(crate) fn reported(key_number: Option<usize>, signed: bool) -> Reported {
    Reported {
        key: key_number.map(|n| ReportedKey::Readable(*key(n).fingerprint())),
        signature_status: key_number.map(|_| if signed { "VALID" } else { "MISMATCH" }.to_owned()),
        public_key: None,
    }
}
