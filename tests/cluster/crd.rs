//! The resource definition on a real API server: what it accepts, refuses, defaults and shows. No operator runs here.

mod schema;
mod show;
mod spec;
mod status;
mod write;

use harness::cluster::try_kubectl;
use harness::process::Printed;
use harness::{client, control_plane, new_namespace};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};
use waflows_core::api::crd::FlowsEncryptionKey;

/// The definition that is installed.
const DEFINITION: &str = include_str!("../../crds/flowsencryptionkeys.waflows.dev.yaml");

/// A namespace of the test's own, without operator.
struct Place {
    client: Client,
    namespace: String,
}

impl Place {
    async fn new() -> Self {
        let client = client().await;
        let namespace = new_namespace(&client).await;
        Self { client, namespace }
    }

    /// The resources as plain JSON: the Rust types would hide what the API server makes of a field.
    fn resources(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::erase::<FlowsEncryptionKey>(&()))
    }

    /// What `kubectl create` gets for this spec: the object, or the API server's message. Nothing is stored.
    async fn try_create(&self, spec: &Value) -> Result<Value, String> {
        let path = format!("/apis/waflows.dev/v1alpha1/namespaces/{}/flowsencryptionkeys", self.namespace);
        let body = serde_json::to_vec(&resource("tried", "spec", spec)).unwrap();
        let request = http::Request::post(format!("{path}?dryRun=All&fieldValidation=Strict"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .unwrap();
        self.client.request(request).await.map_err(|error| message(&error))
    }

    /// What `kubectl apply --server-side` gets for this spec. Nothing is stored.
    async fn try_apply(&self, spec: &Value) -> Result<DynamicObject, String> {
        let parameters = PatchParams { dry_run: true, ..PatchParams::apply("gitops") }.validation_strict();
        let body = Patch::Apply(resource("tried", "spec", spec));
        self.resources().patch("tried", &parameters, &body).await.map_err(|error| message(&error))
    }

    async fn apply(&self, name: &str, manager: &str, spec: &Value) -> DynamicObject {
        let body = Patch::Apply(resource(name, "spec", spec));
        self.resources().patch(name, &PatchParams::apply(manager), &body).await.unwrap()
    }

    async fn apply_status(&self, name: &str, manager: &str, status: &Value) -> Result<DynamicObject, String> {
        let body = Patch::Apply(resource(name, "status", status));
        let applied = self.resources().patch_status(name, &PatchParams::apply(manager), &body).await;
        applied.map_err(|error| message(&error))
    }

    fn kubectl(&self, arguments: &[&str]) -> Printed {
        kubectl(&[&["--namespace", &self.namespace], arguments].concat(), "")
    }
}

fn kubectl(arguments: &[&str], input: &str) -> Printed {
    try_kubectl(control_plane(), arguments, input)
}

fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("no answer of the API server: {other}"),
    }
}

fn resource(name: &str, part: &str, content: &Value) -> Value {
    json!({
        "apiVersion": "waflows.dev/v1alpha1",
        "kind": "FlowsEncryptionKey",
        "metadata": {"name": name},
        part: content,
    })
}

fn secret_ref() -> Value {
    json!({"name": "flows-key", "key": "private.pem"})
}

/// The smallest spec that is accepted.
fn minimal() -> Map<String, Value> {
    let spec = json!({
        "privateKeySecretRef": secret_ref(),
        "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
        "phoneNumberIds": ["106540352242922"],
    });
    serde_json::from_value(spec).unwrap()
}

/// The smallest spec with these fields set.
fn with(fields: Value) -> Value {
    let mut spec = minimal();
    spec.extend(serde_json::from_value::<Map<_, _>>(fields).unwrap());
    spec.into()
}

/// The smallest spec without this field.
fn without(field: &str) -> Value {
    let mut spec = minimal();
    spec.remove(field).expect("a field of the smallest spec");
    spec.into()
}

/// The smallest spec for a public key instead of a private one.
fn with_public_key(public_key: &str) -> Value {
    let mut spec = without("privateKeySecretRef");
    spec["publicKey"] = public_key.into();
    spec
}

fn phone_number_ids(count: u64) -> Vec<String> {
    (0..count).map(|offset| (100_000_000_000_000 + offset).to_string()).collect()
}
