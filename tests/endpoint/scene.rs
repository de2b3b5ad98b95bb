//! The setup of a test: a namespace with a Service, and an emulator whose replicas are the pods.

use endpoint_emulator::{Config, Emulator, KeyChange};
use harness::cluster::{client, new_namespace};
use harness::{FlowService, TestKey};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
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
        self.flows().serve(1..=replicas).await.unwrap();
    }

    pub(crate) fn port(&self) -> u16 {
        self.emulator.address(0).port()
    }

    fn flows(&self) -> FlowService {
        FlowService { client: self.client.clone(), namespace: self.namespace.clone(), port: self.port() }
    }

    /// The Service `flows`.
    pub(crate) fn service(&self) -> Value {
        self.flows().manifest()
    }

    pub(crate) async fn create_service(&self, service: Value) {
        self.flows().create(service).await.unwrap();
    }

    /// A ready endpoint for a pod.
    pub(crate) fn endpoint(&self, pod: &str, address: &str) -> Value {
        self.flows().endpoint(pod, address)
    }

    /// An EndpointSlice of the Service `flows`, as the controller or a tenant writes it.
    pub(crate) async fn create_slice(&self, name: &str, endpoints: &Value) {
        self.try_slice(name, "IPv4", endpoints).await.unwrap();
    }

    /// The same, for addresses that the API server may refuse.
    pub(crate) async fn try_slice(&self, name: &str, family: &str, endpoints: &Value) -> kube::Result<EndpointSlice> {
        self.flows().create_slice(name, family, endpoints).await
    }

    /// A pod with an address in its status. There is no kubelet.
    pub(crate) async fn create_pod(&self, namespace: &str, name: &str, address: &str, spec: Value) {
        self.flows().create_pod(namespace, name, address, spec).await.unwrap();
    }

    pub(crate) async fn set_pod_status(&self, namespace: &str, name: &str, status: Value) {
        self.flows().set_pod_status(namespace, name, status).await.unwrap();
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
