//! What a test works with: a namespace, an emulator of Meta, an operator.

use std::time::Duration;

use control_plane::ControlPlane;
use futures::StreamExt as _;
use graph_emulator::{Config, Emulator};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::cluster::{client_of, control_plane, new_namespace};
use crate::emulator;
use crate::keys::TestKey;
use crate::objects::{self, TOKEN};
use crate::operator::{Launch, Operator};
use crate::status::{condition_of, is_current};
use crate::wait::{self, PATIENCE};

/// One test's part of the world.
pub struct World {
    /// With all rights.
    pub client: Client,
    /// Where everything happens.
    pub namespace: String,
    /// The emulator of Meta.
    pub emulator: Emulator,
    /// How the operator was started, to start others in the same way.
    pub launch: Launch,
    /// The operator that was started with the world.
    pub operator: Operator,
}

impl World {
    /// A namespace, an emulator that knows [`TOKEN`] and these numbers, and a running operator of this binary.
    pub async fn new(program: &str, numbers: &[&str]) -> Self {
        Self::with_flags(program, numbers, &[]).await
    }

    /// The same, with further flags for the operator.
    pub async fn with_flags(program: &str, numbers: &[&str], flags: &[&str]) -> Self {
        Self::with_emulator(program, Config::default(), numbers, flags).await
    }

    /// The same, with an emulator of a certain configuration.
    pub async fn with_emulator(program: &str, config: Config, numbers: &[&str], flags: &[&str]) -> Self {
        Self::on(program, control_plane(), config, numbers, flags).await
    }

    /// The same, on a certain control plane.
    pub async fn on(
        program: &str,
        control_plane: &ControlPlane,
        config: Config,
        numbers: &[&str],
        flags: &[&str],
    ) -> Self {
        let client = client_of(control_plane).await;
        let namespace = new_namespace(&client).await;
        let emulator = emulator::start(config, numbers).await;
        let launch = Launch::new(program, control_plane.kubeconfig(), emulator.base_url());
        let operator = launch.start(&namespace, flags);
        Self { client, namespace, emulator, launch, operator }
    }

    /// Another operator for the same namespace, with these flags.
    pub fn another(&self, flags: &[&str]) -> Operator {
        self.launch.start(&self.namespace, flags)
    }

    /// The resources of the namespace.
    pub fn resources(&self) -> Api<FlowsEncryptionKey> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The Secrets of the namespace.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The events of the namespace.
    pub async fn events(&self) -> Vec<Event> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        events.list(&ListParams::default()).await.unwrap().items
    }

    /// Creates a Secret or replaces its data.
    pub async fn set_secret(&self, name: &str, key: &str, value: impl AsRef<[u8]>) {
        let secret = objects::typed_secret(name, [(key.to_owned(), value.as_ref().to_vec())]);
        let exists = self.secrets().get_opt(name).await.unwrap().is_some();
        if exists {
            self.secrets().replace(name, &PostParams::default(), &secret).await.unwrap();
        } else {
            self.secrets().create(&PostParams::default(), &secret).await.unwrap();
        }
    }

    /// Gives a Secret a new version, with the data that it has.
    pub async fn touch_secret(&self, name: &str) {
        let touched = jiff::Timestamp::now().to_string();
        let body = json!({"metadata": {"annotations": {"touched": touched}}});
        self.secrets().patch(name, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    }

    /// The two Secrets that [`World::spec`] refers to: a fresh key, which is returned, and [`TOKEN`].
    pub async fn set_default_secrets(&self) -> TestKey {
        let key = TestKey::generate();
        self.set_secret("flows-key", "private.pem", &key.private_pem).await;
        self.set_secret("meta-token", "token", TOKEN).await;
        key
    }

    /// A spec for these numbers, with the Secrets of [`World::set_default_secrets`].
    pub fn spec(numbers: &[&str]) -> Value {
        objects::spec(numbers)
    }

    /// Applies a resource as a GitOps tool would, and returns what the API server made of it.
    pub async fn apply(&self, name: &str, spec: Value) -> Result<FlowsEncryptionKey, kube::Error> {
        let body = objects::resource(name, spec);
        self.resources().patch(name, &PatchParams::apply("gitops"), &Patch::Apply(body)).await
    }

    /// Applies a resource for these numbers, as [`World::spec`] has it, and waits until the resource is Ready.
    pub async fn roll_out(&self, name: &str, numbers: &[&str]) -> FlowsEncryptionKey {
        self.apply(name, Self::spec(numbers)).await.unwrap();
        self.wait_ready(name).await
    }

    /// Asks for a check now, and waits until the operator has made it.
    pub async fn sync(&self, name: &str, value: &str) -> FlowsEncryptionKey {
        self.request_sync(name, value).await;
        self.wait(name, "synced", |resource| {
            resource.status.as_ref().unwrap().last_handled_sync_request.as_deref() == Some(value)
        })
        .await
    }

    /// Asks for a check now.
    pub async fn request_sync(&self, name: &str, value: &str) {
        let body = json!({"metadata": {"annotations": {"waflows.dev/sync-requested-at": value}}});
        self.resources().patch(name, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    }

    /// Waits until the resource fulfils a condition, and returns it.
    pub async fn wait(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(&FlowsEncryptionKey) -> bool,
    ) -> FlowsEncryptionKey {
        let fulfils = |resource: Option<&FlowsEncryptionKey>| resource.is_some_and(&condition);
        let waited = tokio::time::timeout(PATIENCE, await_condition(self.resources(), name, fulfils)).await;
        match waited {
            Ok(Ok(Some(resource))) => resource,
            _ => self.give_up(name, what).await,
        }
    }

    async fn give_up(&self, name: &str, what: &str) -> ! {
        // Perhaps the API server is away.
        let resources = self.resources();
        let last = tokio::time::timeout(Duration::from_secs(10), resources.get_opt(name)).await;
        let last = last.ok().and_then(Result::ok).flatten();
        let status = last.map(|resource| serde_json::to_string_pretty(&resource.status).unwrap());
        panic!("{name}: not {what}\nstatus: {}\nlog:\n{}", status.unwrap_or_default(), self.operator.log());
    }

    /// The present version of all resources, for `wait_since`.
    pub async fn version(&self) -> String {
        self.resources().list_metadata(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap()
    }

    /// The first state after a version that fulfils the condition, even if that state has passed: the API server shows
    /// every state, however late this machine asks.
    pub async fn wait_since(
        &self,
        version: &str,
        name: &str,
        what: &str,
        condition: impl Fn(&FlowsEncryptionKey) -> bool,
    ) -> FlowsEncryptionKey {
        let of_that_name = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = self.resources().watch(&of_that_name, version).await.unwrap().boxed();
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                match events.next().await.expect("the watch lasts").unwrap() {
                    WatchEvent::Added(resource) | WatchEvent::Modified(resource) if condition(&resource) => {
                        break resource;
                    }
                    WatchEvent::Error(error) => panic!("{error}"),
                    _ => {}
                }
            }
        });
        match found.await {
            Ok(resource) => resource,
            Err(_) => self.give_up(name, what).await,
        }
    }

    /// Waits until the resource is Ready for its newest generation.
    pub async fn wait_ready(&self, name: &str) -> FlowsEncryptionKey {
        self.wait(name, "Ready", |resource| {
            is_current(resource) && condition_of(resource, ConditionType::Ready).0 == "True"
        })
        .await
    }

    /// Waits until `Ready` has this reason for the newest generation.
    pub async fn wait_reason(&self, name: &str, reason: &str) -> FlowsEncryptionKey {
        let what = format!("Ready for the reason {reason}");
        self.wait(name, &what, |resource| {
            is_current(resource) && condition_of(resource, ConditionType::Ready).1 == reason
        })
        .await
    }

    /// Waits for something outside of the API server, looking again and again.
    pub async fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        assert!(wait::until(condition).await, "not {what}\nlog:\n{}", self.operator.log());
    }

    /// Deletes a resource and waits until it is gone.
    pub async fn delete(&self, name: &str) {
        self.resources().delete(name, &DeleteParams::default()).await.unwrap();
        let gone = await_condition(self.resources(), name, |resource: Option<&FlowsEncryptionKey>| resource.is_none());
        tokio::time::timeout(PATIENCE, gone).await.expect("the resource goes at once").unwrap();
    }

    /// Fingerprint and signature status of a number, as Meta has it.
    pub fn at_meta(&self, number: &str) -> (Option<String>, Option<String>) {
        emulator::held(&self.emulator, number)
    }
}
