//! What a release is tried on: a resource with its Secrets, and an emulator of Meta.

use std::time::{Duration, Instant};

use graph_emulator::{Config, Emulator};
use harness::objects::{self, secret};
use harness::wait::blocking_until;
use harness::{TOKEN, TestKey, emulator};
use serde_json::{Value, json};

use crate::chart::Objects;
use crate::cluster::Cluster;
use crate::pod::Pod;

/// The number that is worked on.
pub(crate) const NUMBER: &str = "106540352242922";
/// How long anything may take before a test gives up. Nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// One release's part of the world.
pub(crate) struct Scene {
    pub(crate) cluster: &'static Cluster,
    /// Where the release and the resource are.
    pub(crate) namespace: String,
    pub(crate) emulator: Emulator,
}

impl Scene {
    /// A namespace with the resource `storefront`.
    pub(crate) async fn new() -> Self {
        let cluster = Cluster::shared();
        let emulator = emulator::start(Config::default(), &[NUMBER]).await;
        let scene = Self { cluster, namespace: cluster.namespace(), emulator };
        scene.set_key();
        scene.set_token(TOKEN);
        scene.add_resource("storefront", &[NUMBER]);
        scene
    }

    /// Adds a resource for these numbers, or changes its numbers; with the same Secrets as the others.
    pub(crate) fn add_resource(&self, name: &str, numbers: &[&str]) {
        self.apply_resource(name, objects::spec(numbers));
    }

    /// The same with a Flow endpoint.
    pub(crate) fn add_resource_with_endpoint(&self, name: &str, numbers: &[&str]) {
        let mut spec = objects::spec(numbers);
        spec["endpoint"] = json!({"service": {"name": "flows"}});
        self.apply_resource(name, spec);
    }

    /// The same with rules for rotations.
    pub(crate) fn add_resource_with_rotation(&self, name: &str, numbers: &[&str]) {
        let mut spec = objects::spec(numbers);
        spec["rotation"] = json!({"overlap": "24h"});
        self.apply_resource(name, spec);
    }

    fn apply_resource(&self, name: &str, spec: Value) {
        let mut resource = objects::resource(name, spec);
        // By this label the operator of this scene leaves those of others alone.
        resource["metadata"]["labels"] = json!({"scene": self.namespace});
        self.apply(&resource);
    }

    /// Puts a new private key into its Secret.
    pub(crate) fn set_key(&self) {
        self.apply(&secret("flows-key", "private.pem", &TestKey::generate().private_pem));
    }

    /// Puts an access token into its Secret.
    pub(crate) fn set_token(&self, token: &str) {
        self.apply(&secret("meta-token", "token", token));
    }

    /// Renders the chart for the whole cluster.
    pub(crate) fn cluster_wide(&self) -> Objects {
        self.render(json!({"selector": format!("scene={}", self.namespace)}))
    }

    /// Renders the chart for the scene's namespace.
    pub(crate) fn scoped(&self) -> Objects {
        self.render(json!({"scopedNamespaces": [self.namespace]}))
    }

    /// Renders the chart for the namespaces with a label, which only the scene's namespace has.
    pub(crate) fn labelled(&self) -> Objects {
        self.render(json!({"watch": {"namespaceSelector": format!("kubernetes.io/metadata.name={}", self.namespace)}}))
    }

    /// Renders the chart with these values.
    pub(crate) fn render(&self, mut values: Value) -> Objects {
        values["crds"] = json!({"install": false});
        values["graph"] = json!({"url": self.emulator.base_url(), "requestsPerSecond": 0});
        values["extraArgs"] = json!(["--allow-http-graph-url", "--http-address=127.0.0.1:0"]);
        Objects::render(self.cluster, "flows", &self.namespace, &values)
    }

    /// Stores what was rendered. The Deployment too, though no pod of it can run.
    pub(crate) fn install(&self, objects: &Objects) {
        self.cluster.kubectl(&["apply", "--server-side", "-f", "-"], &objects.list());
    }

    pub(crate) fn start(&self, objects: &Objects, name: &str) -> Pod {
        Pod::start(self.cluster, objects, name)
    }

    /// Waits until the resource is Ready.
    pub(crate) fn wait_ready(&self, pod: &Pod) {
        let arguments = ["-n", &self.namespace, "wait", "--for=condition=Ready", "fek/storefront", "--timeout=60s"];
        let printed = self.cluster.try_kubectl(&arguments, "");
        assert!(printed.is_success(), "{}\nlog:\n{}", printed.stderr, pod.log());
    }

    /// Events of the resource.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events_of("storefront")
    }

    /// Events of a resource.
    pub(crate) fn events_of(&self, name: &str) -> Vec<Value> {
        let events = self.cluster.get(&self.namespace, &["events.events.k8s.io"]);
        let items = events["items"].as_array().unwrap().clone();
        items.into_iter().filter(|event| event["regarding"]["name"] == name).collect()
    }

    /// Gives the operator every kind of work, again and again until the condition holds: a number to heal and to
    /// report, and a status that the operator writes twice because someone else writes to the resource.
    pub(crate) fn keep_busy_until(&self, pod: &Pod, what: &str, condition: impl Fn() -> bool) {
        // Long enough for someone to write in the middle of a reconcile.
        self.emulator.set_latency(Duration::from_millis(200));
        let begun = Instant::now();
        let mut seconds_for_a_reconcile = 2;
        while !condition() {
            assert!(begun.elapsed() < PATIENCE, "not {what}\nlog:\n{}", pod.log());
            self.emulator.lose_signature(NUMBER).unwrap();
            let reads = self.emulator.calls_to(NUMBER).reads;
            let time = begun.elapsed().as_nanos();
            self.mark("annotate", &format!("waflows.dev/sync-requested-at={time}"));
            // A call to Meta shows that a reconcile is under way. An operator without rights may never make one.
            let asked = Instant::now();
            while self.emulator.calls_to(NUMBER).reads == reads && asked.elapsed() < Duration::from_secs(1) {
                std::thread::sleep(Duration::from_millis(10));
            }
            self.mark("label", &format!("touched={time}"));
            // Once more only after the reconcile, so that no upload finds the signature lost again. An operator without
            // rights may never end a reconcile. On a busy machine a reconcile takes long, and another request would
            // make it begin again.
            let handled = format!("--for=jsonpath={{.status.lastHandledSyncRequest}}={time}");
            let limit = format!("--timeout={seconds_for_a_reconcile}s");
            self.cluster.try_kubectl(&["-n", &self.namespace, "wait", &handled, "fek/storefront", &limit], "");
            seconds_for_a_reconcile *= 2;
        }
    }

    fn mark(&self, how: &str, mark: &str) {
        self.cluster.kubectl(&["-n", &self.namespace, how, "--overwrite", "fek/storefront", mark], "");
    }

    fn apply(&self, object: &Value) {
        self.cluster.kubectl(&["-n", &self.namespace, "apply", "--server-side", "-f", "-"], &object.to_string());
    }
}

/// Looks again and again until something is so.
pub(crate) fn wait_until(pod: &Pod, what: &str, condition: impl Fn() -> bool) {
    assert!(blocking_until(PATIENCE, condition), "not {what}\nlog:\n{}", pod.log());
}
