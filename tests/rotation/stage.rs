//! The setup of a scenario: numbers that hold the old key, an endpoint that opens the key, and customers who use both.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use endpoint_emulator::KeyChange;
use fault_proxy::{Proxy, Writes};
use graph_emulator::Upload;
use harness::cluster::kubeconfig_of;
use harness::{
    FlowService, Launch, TOKEN, TestKey, World, client, condition_of, control_plane, emulator, new_namespace, secrecy,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;
use whatsapp_clients::{Config, Failure, Traffic};

use crate::OPERATOR;

/// Name of the resource.
pub(crate) const NAME: &str = "storefront";
/// Numbers that a scenario takes from the front.
pub(crate) const NUMBERS: [&str; 4] = ["106540352242922", "107995438950512", "108811432100233", "110200345501442"];
/// Signs the requests to the endpoint.
const APP_SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
/// A text in the answers of the endpoint that are no proof.
const MARKER: &str = "marker-of-the-endpoint";
/// The clients' own token, so that faults of the operator's calls do not meet the clients.
const CLIENT_TOKEN: &str = "EAAOfTheWhatsAppClients0123456789";
const FLAGS: [&str; 4] = ["--wait-scale", "0.02", "--endpoint-probes", "--endpoint-allow-loopback"];
/// Scenarios at once for each core. Scenarios mostly wait, but every request of a client is an RSA decryption.
const SCENARIOS_PER_CORE: usize = 3;
const CLIENTS: usize = 6;
const REQUESTS_PER_SECOND: f64 = 20.0;
/// More than any scenario makes.
const REQUEST_LIMIT: u64 = 20_000;

/// The key at the start.
pub(crate) static OLD: LazyLock<TestKey> = LazyLock::new(TestKey::from_openssl);
/// The key of the rotation.
pub(crate) static NEW: LazyLock<TestKey> = LazyLock::new(TestKey::from_openssl);

static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(at_once()));

/// Scenarios that may run at once, in all tests together.
pub(crate) fn at_once() -> usize {
    SCENARIOS_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from)
}

/// What is set up.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The seed of the clients.
    pub(crate) seed: u64,
    /// The first of [`NUMBERS`].
    pub(crate) numbers: usize,
    /// Pods of the endpoint.
    pub(crate) replicas: u8,
    /// Replicas of the emulator that are no pods yet.
    pub(crate) spare: u8,
    /// `spec.endpoint.gate`; without it the resource has no endpoint.
    pub(crate) gate: Option<&'static str>,
    /// `spec.rotation`, if it is not null.
    pub(crate) rotation: Value,
}

impl Default for Setup {
    fn default() -> Self {
        Self { seed: 1, numbers: 2, replicas: 2, spare: 0, gate: None, rotation: Value::Null }
    }
}

/// A running scenario.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) kubernetes: Proxy,
    _graph: Proxy,
    pub(crate) writes: Arc<Writes>,
    pub(crate) endpoint: endpoint_emulator::Emulator,
    pub(crate) flows: FlowService,
    pub(crate) traffic: Traffic,
    pub(crate) numbers: Vec<&'static str>,
    /// The logs of earlier operator processes.
    pub(crate) earlier_logs: Vec<String>,
    /// Replicas that are pods, and those that are not yet.
    pods: (u8, u8),
    _folder: tempfile::TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Stage {
    /// Waits until it is this scenario's turn. Then the resource is Ready with the old key, and every client has used
    /// every number.
    pub(crate) async fn new(setup: &Setup) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let numbers = NUMBERS[..setup.numbers].to_vec();
        let client = client().await;
        let namespace = new_namespace(&client).await;
        let meta = emulator::start(graph_emulator::Config::default(), &numbers).await;
        meta.add_token(CLIENT_TOKEN);
        let (cluster, writes) = (control_plane(), Arc::<Writes>::default());
        let kubernetes = Proxy::start(cluster.server_url(), Some(cluster.ca_certificate()), Arc::clone(&writes)).await;
        let graph = Proxy::start(meta.base_url(), None, Arc::clone(&writes)).await;
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_of(&kubernetes.url, cluster.admin_token())).unwrap();
        let endpoint = start_endpoint(setup.replicas + setup.spare).await;
        let flows = FlowService { client: client.clone(), namespace, port: endpoint.address(0).port() };
        if setup.gate.is_some() {
            flows.serve(1..=setup.replicas).await.unwrap();
        }
        let launch = Launch::new(OPERATOR, &kubeconfig, &graph.url);
        let operator = launch.start(&flows.namespace, &FLAGS);
        let world = World { client, namespace: flows.namespace.clone(), emulator: meta, launch, operator };
        world.set_secret("flows-key", "private.pem", &OLD.private_pem).await;
        world.set_secret("meta-token", "token", TOKEN).await;
        world.set_secret("meta-app", "secret", APP_SECRET).await;
        world.apply(NAME, spec(&numbers, setup)).await.unwrap();
        world.wait_ready(NAME).await;
        let traffic = start_traffic(setup, &world, &endpoint, &numbers);
        let stage = Self {
            world,
            kubernetes,
            _graph: graph,
            writes,
            endpoint,
            flows,
            traffic,
            numbers,
            earlier_logs: Vec::new(),
            pods: (setup.replicas, setup.spare),
            _folder: folder,
            _turn: turn,
        };
        stage.wait_until("every client has used every number", || stage.traffic.is_warm()).await;
        stage
    }

    /// The operator's Secret holds this key from now on.
    pub(crate) async fn put_in_secret(&self, key: &TestKey) {
        self.world.set_secret("flows-key", "private.pem", &key.private_pem).await;
    }

    /// A pod of the endpoint, counted from 0, has these keys, from now on or later.
    pub(crate) fn load(&self, replica: usize, keys: &[&TestKey], change: KeyChange) {
        let pems: Vec<_> = keys.iter().map(|key| key.private_pem.as_str()).collect();
        self.endpoint.set_keys(replica, &pems, change).unwrap();
    }

    /// Whether every number holds this key with a VALID signature.
    pub(crate) fn all_hold(&self, key: &TestKey) -> bool {
        let valid = (Some(key.fingerprint.clone()), Some("VALID".to_owned()));
        self.numbers.iter().all(|number| self.world.at_meta(number) == valid)
    }

    /// Kills the operator, and starts another process in its place.
    pub(crate) fn restart(&mut self) {
        self.world.operator.kill();
        self.earlier_logs.push(self.world.operator.log());
        self.writes.go_on();
        self.world.operator = self.world.another(&FLAGS);
    }

    /// The spare replicas take the place of the pods, once. They keep the keys that they were given.
    pub(crate) async fn replace_pods(&mut self) {
        let (pods, spare) = std::mem::take(&mut self.pods);
        if spare > 0 {
            self.flows.replace(pods + 1..=pods + spare).await.unwrap();
            let urls = usize::from(pods)..usize::from(pods + spare);
            self.traffic.set_targets(urls.map(|replica| self.endpoint.url(replica)).collect());
        }
    }

    /// Sets an annotation of the resource.
    pub(crate) async fn annotate(&self, name: &str, value: &str) {
        let body = json!({"metadata": {"annotations": {name: value}}});
        self.world.resources().patch(NAME, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    }

    /// Waits until the rotation is in this phase.
    pub(crate) async fn wait_phase(&self, phase: &str) -> FlowsEncryptionKey {
        let what = format!("in the phase {phase}");
        self.wait(&what, |resource| phase_of(resource) == phase).await
    }

    /// Waits until a condition of the resource has this reason.
    pub(crate) async fn wait_reason(&self, kind: ConditionType, reason: &str) -> FlowsEncryptionKey {
        let what = format!("{} because of {reason}", kind.as_str());
        self.wait(&what, |resource| condition_of(resource, kind).1 == reason).await
    }

    /// Waits until the resource fulfils a condition.
    pub(crate) async fn wait(&self, what: &str, condition: impl Fn(&FlowsEncryptionKey) -> bool) -> FlowsEncryptionKey {
        let begun = Instant::now();
        loop {
            let resource = self.world.resources().get(NAME).await.unwrap();
            if condition(&resource) {
                return resource;
            }
            if begun.elapsed() > harness::wait::PATIENCE {
                panic!("not {what}\n{}", self.describe_failure().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Uploads of a key that took effect, in their order: the number, and how long ago.
    pub(crate) fn uploads_of(&self, key: &TestKey) -> Vec<(String, Instant)> {
        let begun = Instant::now() - self.world.emulator.now();
        let is = |upload: &Upload| upload.took_effect && upload.fingerprint.as_deref() == key.fingerprint.get(7..);
        let uploads = self.world.emulator.uploads().into_iter().filter(is);
        uploads.map(|upload| (upload.number.to_string(), begun + upload.at)).collect()
    }

    /// The secret that the operator leaked, if any, and the place.
    pub(crate) async fn leaked_secret(&self) -> Option<String> {
        let short = [TOKEN, APP_SECRET, MARKER].map(str::to_owned);
        let lines = [&*OLD, &*NEW].map(|key| key.private_pem.lines().filter(|line| line.len() == 64));
        let lines: Vec<_> = lines.into_iter().flatten().map(str::to_owned).collect();
        let secrets: Vec<_> = secrecy::plain_and_encoded(short).into_iter().chain(lines).collect();
        let mut texts = secrecy::texts(&self.world).await;
        texts.extend(self.earlier_logs.iter().map(|log| ("an earlier log", log.clone())));
        secrecy::find_leak(&texts, &secrets)
    }

    /// Waits until the condition holds. Otherwise fails, and describes what happened.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            if begun.elapsed() > harness::wait::PATIENCE {
                panic!("not {what}\n{}", self.describe_failure().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Goes on until the clients have made so many more requests.
    pub(crate) async fn go_on_for(&self, requests: u64) {
        let end = self.traffic.counts().requests + requests;
        self.wait_until("traffic", || self.traffic.counts().requests >= end).await;
    }

    /// Ends the traffic, and returns the failures that customers saw.
    pub(crate) async fn end(&mut self) -> Vec<Failure> {
        self.traffic.stop().await;
        self.traffic.failures()
    }

    /// Everything that helps to see why a scenario failed.
    pub(crate) async fn describe_failure(&self) -> String {
        let resource = self.world.resources().get_opt(NAME).await.ok().flatten();
        let status = resource.map(|resource| serde_json::to_string_pretty(&resource.status).unwrap());
        let failures: Vec<_> = self.traffic.failures().iter().take(10).map(ToString::to_string).collect();
        format!(
            "clients: {:?}\nfirst failures: {failures:#?}\nstatus: {}\nlog:\n{}",
            self.traffic.counts(),
            status.unwrap_or_default(),
            self.world.operator.log()
        )
    }
}

/// An endpoint whose replicas have the old key.
async fn start_endpoint(replicas: u8) -> endpoint_emulator::Emulator {
    let config = endpoint_emulator::Config { replicas, ..endpoint_emulator::Config::default() };
    let endpoint = endpoint_emulator::Emulator::start(config).await.unwrap();
    endpoint.set_app_secret(Some(APP_SECRET));
    endpoint.set_marker(MARKER);
    endpoint.set_keys_everywhere(&[&OLD.private_pem], KeyChange::Now).unwrap();
    endpoint
}

fn start_traffic(
    setup: &Setup,
    world: &World,
    endpoint: &endpoint_emulator::Emulator,
    numbers: &[&'static str],
) -> Traffic {
    let config = Config {
        seed: setup.seed,
        graph_url: world.emulator.base_url().to_owned(),
        token: CLIENT_TOKEN.to_owned(),
        numbers: numbers.iter().map(|number| (*number).to_owned()).collect(),
        targets: (0..usize::from(setup.replicas)).map(|replica| endpoint.url(replica)).collect(),
        app_secret: Some(APP_SECRET.to_owned()),
        clients: CLIENTS,
        requests_per_second: REQUESTS_PER_SECOND,
        request_limit: REQUEST_LIMIT,
    };
    Traffic::start(config).unwrap()
}

fn spec(numbers: &[&str], setup: &Setup) -> Value {
    let mut spec = World::spec(numbers);
    if let Some(gate) = setup.gate {
        spec["endpoint"] = json!({
            "service": {"name": "flows", "path": "/flows"},
            "appSecretRef": {"name": "meta-app", "key": "secret"},
            "gate": gate,
        });
    }
    if !setup.rotation.is_null() {
        spec["rotation"] = setup.rotation.clone();
    }
    spec
}

/// The phase of the rotation; empty without one.
pub(crate) fn phase_of(resource: &FlowsEncryptionKey) -> String {
    let status = serde_json::to_value(&resource.status).unwrap();
    status["rotation"]["phase"].as_str().unwrap_or_default().to_owned()
}
