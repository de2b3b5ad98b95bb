//! The setup of a test: a namespace with a Service, and an emulator whose replicas are the pods.
//!
//! The emulator listens on 127.0.0.1, 127.0.0.2 and so on. The API server takes no EndpointSlice with such an address, so
//! the pods have 198.18.0.1, 198.18.0.2 and so on, and the policy says that these stand for loopback.

use std::time::{Duration, Instant};

use endpoint_emulator::{Config, Emulator, KeyChange};
use harness::TestKey;
use harness::cluster::{client, new_namespace};
use harness::wait::PATIENCE;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use reqwest::Certificate;
use serde_json::{Value, json};
use waflows_core::api::conditions::{ConditionReason, Reason};
use waflows_core::api::crd::Endpoint;
use waflows_core::endpoint::ProbeOutcome;
use waflows_key::PublicKey;
use waflows_operator::endpoint::client::ProbeClient;
use waflows_operator::endpoint::lookup::Lookup;
use waflows_operator::endpoint::targets::{Policy, Target, targets, targets_with};
use waflows_probe::AskWith;

/// A namespace, and an emulator whose replicas have [`Scene::key`].
pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) emulator: Emulator,
    pub(crate) policy: Policy,
    key: TestKey,
}

impl Scene {
    pub(crate) async fn new(replicas: u8) -> Self {
        Self::with(Config { replicas, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let client = client().await;
        let namespace = new_namespace(&client).await;
        Self::inside(client, namespace, config, TestKey::generate()).await
    }

    /// In a namespace that exists.
    pub(crate) async fn inside(client: Client, namespace: String, config: Config, key: TestKey) -> Self {
        let emulator = Emulator::start(config).await.unwrap();
        emulator.set_keys_everywhere(&[&key.private_pem], KeyChange::Now).unwrap();
        let policy = Policy { services: true, loopback: true, ..Policy::default() };
        Self { client, namespace, emulator, policy, key }
    }

    /// With a Service `flows`, and for each replica a pod `flows-N` in the EndpointSlice `flows-1`.
    pub(crate) async fn with_service(replicas: u8) -> Self {
        let scene = Self::new(replicas).await;
        scene.serve(replicas).await;
        scene
    }

    /// Creates the Service, its pods and its EndpointSlice.
    pub(crate) async fn serve(&self, replicas: u8) {
        self.create_service(self.service()).await;
        let mut endpoints = Vec::new();
        for replica in 1..=replicas {
            let (pod, address) = (format!("flows-{replica}"), format!("198.18.0.{replica}"));
            self.create_pod(&self.namespace, &pod, &address, json!({})).await;
            endpoints.push(self.endpoint(&pod, &address));
        }
        self.create_slice("flows-1", &json!(endpoints)).await;
    }

    pub(crate) fn port(&self) -> u16 {
        self.emulator.address(0).port()
    }

    /// The Service `flows`.
    pub(crate) fn service(&self) -> Value {
        json!({
            "metadata": {"name": "flows"},
            "spec": {"selector": {"app": "flows"}, "ports": [{"name": "http", "port": 80, "targetPort": self.port()}]},
        })
    }

    pub(crate) async fn create_service(&self, service: Value) {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    }

    /// A ready endpoint for a pod.
    pub(crate) fn endpoint(&self, pod: &str, address: &str) -> Value {
        let target = json!({"kind": "Pod", "namespace": self.namespace, "name": pod});
        json!({"addresses": [address], "conditions": {"ready": true}, "targetRef": target})
    }

    /// An EndpointSlice of the Service `flows`, as the controller or a tenant writes it.
    pub(crate) async fn create_slice(&self, name: &str, endpoints: &Value) {
        self.try_slice(name, "IPv4", endpoints).await.unwrap();
    }

    /// The same, for addresses that the API server may refuse.
    pub(crate) async fn try_slice(&self, name: &str, family: &str, endpoints: &Value) -> kube::Result<EndpointSlice> {
        let slice = json!({
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "flows"}},
            "addressType": family,
            "ports": [{"name": "http", "port": self.port(), "protocol": "TCP"}],
            "endpoints": endpoints,
        });
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.namespace);
        slices.create(&PostParams::default(), &serde_json::from_value(slice).unwrap()).await
    }

    /// A pod with an address in its status. There is no kubelet.
    pub(crate) async fn create_pod(&self, namespace: &str, name: &str, address: &str, spec: Value) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut pod = json!({
            "metadata": {"name": name, "labels": {"app": "flows"}},
            "spec": {"containers": [{"name": "flows", "image": "flows"}], "automountServiceAccountToken": false},
        });
        pod["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let pod = serde_json::from_value(pod).unwrap();
        // A controller makes the ServiceAccount of a new namespace.
        let begun = Instant::now();
        while let Err(error) = pods.create(&PostParams::default(), &pod).await {
            assert!(begun.elapsed() < PATIENCE, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.set_pod_status(
            namespace,
            name,
            json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}),
        )
        .await;
    }

    pub(crate) async fn set_pod_status(&self, namespace: &str, name: &str, status: Value) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let body = Patch::Merge(json!({"status": status}));
        pods.patch_status(name, &PatchParams::default(), &body).await.unwrap();
    }

    /// The targets of `endpoint.service`.
    pub(crate) async fn of_service(&self) -> Result<Vec<Target>, ConditionReason> {
        let endpoint = endpoint(json!({"service": {"name": "flows", "path": "/flows"}}));
        targets(&self.client, &self.policy, &self.namespace, &endpoint).await
    }

    /// The targets of `endpoint.url`.
    pub(crate) async fn of_url(&self, url: &str, lookup: &impl Lookup) -> Result<Vec<Target>, ConditionReason> {
        let endpoint = endpoint(json!({"url": url}));
        targets_with(lookup, &self.client, &self.policy, &self.namespace, &endpoint).await
    }

    /// Sends the health check to a target.
    pub(crate) async fn ask(&self, target: &Target) -> (ProbeOutcome, Option<u16>) {
        ask(&self.emulator, &self.key, target).await
    }

    /// The same, with trust in the authority of another emulator.
    pub(crate) async fn ask_with(&self, target: &Target, authority: &Emulator) -> (ProbeOutcome, Option<u16>) {
        ask(authority, &self.key, target).await
    }

    /// Asks all targets, as the operator does. Fails unless there are none because of this reason. No request leaves.
    pub(crate) async fn assert_refused(
        &self,
        found: Result<Vec<Target>, ConditionReason>,
        reason: Reason,
        words: &str,
    ) {
        for target in found.iter().flatten() {
            self.ask(target).await;
        }
        let refusal = found.unwrap_err();
        assert_eq!(refusal.reason, reason, "{}", refusal.message);
        assert!(refusal.message.contains(words), "{}", refusal.message);
        assert!(self.emulator.requests().is_empty(), "{:?}", self.emulator.requests());
    }
}

/// Sends the health check to a target, encrypted with this key.
pub(crate) async fn ask(emulator: &Emulator, key: &TestKey, target: &Target) -> (ProbeOutcome, Option<u16>) {
    let key = PublicKey::from_public_key(&key.public_pem()).unwrap();
    let authorities = emulator.ca_pem().map(|pem| Certificate::from_pem_bundle(pem.as_bytes()).unwrap());
    let client = ProbeClient::pinned(target, authorities.unwrap_or_default()).unwrap();
    let finding = client.ask(&target.url, AskWith::Key(&key), None).await.unwrap().finding;
    (finding.outcome, finding.http_status)
}

pub(crate) fn endpoint(spec: Value) -> Endpoint {
    serde_json::from_value(spec).unwrap()
}
