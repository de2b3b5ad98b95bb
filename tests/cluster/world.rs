//! What a test works with: a namespace, an emulator of Meta, an operator.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use control_plane::ControlPlane;
use futures::StreamExt as _;
use graph_emulator::{Config, Emulator};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use waflows_core::api::conditions::{self, ConditionType};
use waflows_core::api::crd::{FlowsEncryptionKey, PhoneNumberStatus};

/// A token that the emulator accepts.
pub(crate) const TOKEN: &str = "EAAGoodTokenOfTheTests0123456789";
/// How long anything may take before a test gives up. Nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The control plane that all tests share, with the definition installed.
pub(crate) fn control_plane() -> &'static ControlPlane {
    static CONTROL_PLANE: OnceLock<ControlPlane> = OnceLock::new();
    CONTROL_PLANE.get_or_init(new_control_plane)
}

/// A control plane of a test's own, for tests that do it harm.
pub(crate) fn new_control_plane() -> ControlPlane {
    let control_plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    let definition = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/flowsencryptionkeys.waflows.dev.yaml");
    kubectl(&control_plane, &["apply", "--server-side", "-f", definition]);
    let crd = "crd/flowsencryptionkeys.waflows.dev";
    kubectl(&control_plane, &["wait", "--for=condition=Established", crd, "--timeout=60s"]);
    control_plane
}

/// Runs kubectl with all rights, and returns what it prints.
pub(crate) fn kubectl(control_plane: &ControlPlane, arguments: &[&str]) -> String {
    let output = control_plane.kubectl().args(arguments).output().expect("kubectl runs");
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A client of the shared control plane with all rights.
pub(crate) async fn client() -> Client {
    client_of(control_plane()).await
}

/// A client with all rights.
pub(crate) async fn client_of(control_plane: &ControlPlane) -> Client {
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = kube::config::Kubeconfig::read_from(control_plane.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// One test's part of the world.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) emulator: Emulator,
    pub(crate) operator: Operator,
}

impl World {
    /// A namespace, an emulator that knows [`TOKEN`] and these numbers, and a running operator.
    pub(crate) async fn new(numbers: &[&str]) -> Self {
        Self::with_flags(numbers, &[]).await
    }

    /// The same, with further flags for the operator.
    pub(crate) async fn with_flags(numbers: &[&str], flags: &[&str]) -> Self {
        Self::with_emulator(Config::default(), numbers, flags).await
    }

    /// The same, with an emulator of a certain configuration.
    pub(crate) async fn with_emulator(config: Config, numbers: &[&str], flags: &[&str]) -> Self {
        Self::on(control_plane(), config, numbers, flags).await
    }

    /// The same, on a certain control plane.
    pub(crate) async fn on(control_plane: &ControlPlane, config: Config, numbers: &[&str], flags: &[&str]) -> Self {
        let client = client_of(control_plane).await;
        let namespace = new_namespace(&client).await;
        let emulator = Emulator::start(config).await.unwrap();
        emulator.add_token(TOKEN);
        emulator.add_numbers(numbers);
        let operator = Operator::start_on(control_plane.kubeconfig(), &namespace, &emulator, flags);
        Self { client, namespace, emulator, operator }
    }

    pub(crate) fn resources(&self) -> Api<FlowsEncryptionKey> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a Secret or replaces its data.
    pub(crate) async fn set_secret(&self, name: &str, key: &str, value: impl AsRef<[u8]>) {
        let data = [(key.to_owned(), ByteString(value.as_ref().to_vec()))].into();
        let secret = Secret {
            data: Some(data),
            metadata: kube::core::ObjectMeta { name: Some(name.to_owned()), ..Default::default() },
            ..Default::default()
        };
        let exists = self.secrets().get_opt(name).await.unwrap().is_some();
        if exists {
            self.secrets().replace(name, &PostParams::default(), &secret).await.unwrap();
        } else {
            self.secrets().create(&PostParams::default(), &secret).await.unwrap();
        }
    }

    /// Gives a Secret a new version, with the data that it has.
    pub(crate) async fn touch_secret(&self, name: &str) {
        let touched = jiff::Timestamp::now().to_string();
        let body = json!({"metadata": {"annotations": {"touched": touched}}});
        self.secrets().patch(name, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    }

    /// The two Secrets that [`World::spec`] refers to: a fresh key, which is returned, and [`TOKEN`].
    pub(crate) async fn set_default_secrets(&self) -> TestKey {
        let key = TestKey::generate();
        self.set_secret("flows-key", "private.pem", &key.private_pem).await;
        self.set_secret("meta-token", "token", TOKEN).await;
        key
    }

    /// A spec for these numbers.
    pub(crate) fn spec(numbers: &[&str]) -> Value {
        json!({
            "privateKeySecretRef": {"name": "flows-key", "key": "private.pem"},
            "accessTokenSecretRef": {"name": "meta-token", "key": "token"},
            "phoneNumberIds": numbers,
        })
    }

    /// Applies a resource as a GitOps tool would, and returns what the API server made of it.
    pub(crate) async fn apply(&self, name: &str, spec: Value) -> Result<FlowsEncryptionKey, kube::Error> {
        let body = json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {"name": name},
            "spec": spec,
        });
        self.resources().patch(name, &PatchParams::apply("gitops"), &Patch::Apply(body)).await
    }

    /// Asks for a check now.
    pub(crate) async fn request_sync(&self, name: &str, value: &str) {
        let body = json!({"metadata": {"annotations": {"waflows.dev/sync-requested-at": value}}});
        self.resources().patch(name, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    }

    /// Waits until the resource fulfils a condition, and returns it.
    pub(crate) async fn wait(
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
        // The API server may be what is away.
        let resources = self.resources();
        let last = tokio::time::timeout(Duration::from_secs(10), resources.get_opt(name)).await;
        let last = last.ok().and_then(Result::ok).flatten();
        let status = last.map(|resource| serde_json::to_string_pretty(&resource.status).unwrap());
        panic!("{name}: not {what}\nstatus: {}\nlog:\n{}", status.unwrap_or_default(), self.operator.log());
    }

    /// The version of all there is now, for `wait_since`.
    pub(crate) async fn version(&self) -> String {
        self.resources().list_metadata(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap()
    }

    /// The first state after a version that fulfils the condition. It is found also when it has passed since: the API
    /// server tells every one, however late this machine gets round to asking.
    pub(crate) async fn wait_since(
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
    pub(crate) async fn wait_ready(&self, name: &str) -> FlowsEncryptionKey {
        self.wait(name, "Ready", |resource| {
            is_current(resource) && condition_of(resource, ConditionType::Ready).0 == "True"
        })
        .await
    }

    /// Waits until `Ready` has this reason for the newest generation.
    pub(crate) async fn wait_reason(&self, name: &str, reason: &str) -> FlowsEncryptionKey {
        let what = format!("Ready for the reason {reason}");
        self.wait(name, &what, |resource| {
            is_current(resource) && condition_of(resource, ConditionType::Ready).1 == reason
        })
        .await
    }

    /// Waits for something outside of the API server, looking again and again.
    pub(crate) async fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let looked = tokio::time::timeout(PATIENCE, async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(looked.await.is_ok(), "not {what}\nlog:\n{}", self.operator.log());
    }

    /// Deletes a resource and waits until it is gone.
    pub(crate) async fn delete(&self, name: &str) {
        self.resources().delete(name, &DeleteParams::default()).await.unwrap();
        let gone = await_condition(self.resources(), name, |resource: Option<&FlowsEncryptionKey>| resource.is_none());
        tokio::time::timeout(PATIENCE, gone).await.expect("the resource goes at once").unwrap();
    }

    /// Fingerprint and signature status of a number, as Meta has it.
    pub(crate) fn at_meta(&self, number: &str) -> (Option<String>, Option<String>) {
        let number = self.emulator.number(number).expect("the number exists");
        let fingerprint = number.fingerprint.as_ref().map(|fingerprint| format!("sha256:{fingerprint}"));
        (fingerprint, number.signature_status().map(str::to_owned))
    }
}

pub(crate) fn is_current(resource: &FlowsEncryptionKey) -> bool {
    resource.status.as_ref().and_then(|status| status.observed_generation) == resource.metadata.generation
}

/// Status, reason and message of a condition; empty where it is absent.
pub(crate) fn condition_of(resource: &FlowsEncryptionKey, kind: ConditionType) -> (&str, &str, &str) {
    let conditions = resource.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions::find(conditions, kind).map_or(("", "", ""), |c| (&c.status, &c.reason, &c.message))
}

/// The status of a number.
pub(crate) fn number_of<'a>(resource: &'a FlowsEncryptionKey, id: &str) -> &'a PhoneNumberStatus {
    let numbers = &resource.status.as_ref().expect("a status").phone_numbers;
    numbers.iter().find(|number| number.phone_number_id == id).expect("the number is in the status")
}

/// Phone number IDs of a crowd.
pub(crate) fn many_numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10{n:013}")).collect()
}

pub(crate) fn strs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

/// A fresh namespace. [`World::namespace`] can be set to it: everything then happens there.
pub(crate) async fn new_namespace(client: &Client) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace =
        Namespace { metadata: kube::core::ObjectMeta { name: Some(name), ..Default::default() }, ..Default::default() };
    namespaces.create(&PostParams::default(), &namespace).await.unwrap().name_any()
}

/// An RSA-2048 key pair.
pub(crate) struct TestKey {
    pub(crate) private_pem: String,
    /// As the status has it.
    pub(crate) fingerprint: String,
}

impl TestKey {
    pub(crate) fn generate() -> Self {
        use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
        use sha2::Digest;
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let private_pem = key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string();
        let der = key.to_public_key().to_public_key_der().unwrap();
        let digits: String = sha2::Sha256::digest(der.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { private_pem, fingerprint: format!("sha256:{digits}") }
    }
}

/// A process of the operator. Killed when dropped.
pub(crate) struct Operator {
    process: Child,
    log: PathBuf,
    _directory: tempfile::TempDir,
}

impl Operator {
    /// Starts the operator for one namespace of the shared control plane.
    pub(crate) fn start(namespace: &str, emulator: &Emulator, flags: &[&str]) -> Self {
        Self::start_on(control_plane().kubeconfig(), namespace, emulator, flags)
    }

    /// Starts the operator for one namespace or several, with the rights of a kubeconfig.
    pub(crate) fn start_on(kubeconfig: &Path, namespaces: &str, emulator: &Emulator, flags: &[&str]) -> Self {
        Self::start_in(kubeconfig, namespaces, emulator, flags, &[])
    }

    /// The same, with further variables in its environment.
    pub(crate) fn start_in(
        kubeconfig: &Path,
        namespaces: &str,
        emulator: &Emulator,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        Self::start_at(kubeconfig, namespaces, emulator.base_url(), flags, variables)
    }

    /// The same, with whatever serves the Graph API at a URL.
    pub(crate) fn start_at(
        kubeconfig: &Path,
        namespaces: &str,
        graph_url: &str,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let process = Command::new(env!("CARGO_BIN_EXE_waflows-operator"))
            .arg("run")
            .args(["--namespaces", namespaces, "--graph-url", graph_url, "--allow-http-graph-url"])
            .args(["--http-address", "127.0.0.1:0", "--log-level", "debug", "--graph-requests-per-second", "0"])
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, log, _directory: directory }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A path of the operator's own HTTP server: status and body. None while it does not listen.
    pub(crate) async fn get(&self, path: &str) -> Option<(u16, String)> {
        // An error means that another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let log = self.log();
        let address = log.split("http_address=").nth(1)?.split_whitespace().next()?;
        let response = reqwest::get(format!("http://{address}{path}")).await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process_id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills the process and waits for its end.
    pub(crate) fn kill(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Sends SIGTERM and waits for the end. Returns the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Waits for the end. Returns the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}
