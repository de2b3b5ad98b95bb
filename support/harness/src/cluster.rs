//! Control planes with the definition installed, and their clients.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use control_plane::ControlPlane;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client};
use serde_json::json;

use crate::objects::named;
use crate::process::{self, Printed};

/// The file with the definition of the resource.
pub const DEFINITION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds/flowsencryptionkeys.waflows.dev.yaml");

/// The control plane that all tests of a process share, with the definition installed.
pub fn control_plane() -> &'static ControlPlane {
    static CONTROL_PLANE: OnceLock<ControlPlane> = OnceLock::new();
    CONTROL_PLANE.get_or_init(new_control_plane)
}

/// A control plane of a test's own, with the definition installed, for tests that do it harm.
pub fn new_control_plane() -> ControlPlane {
    let control_plane = empty_control_plane();
    for arguments in install_definition() {
        kubectl(&control_plane, &arguments);
    }
    control_plane
}

/// A control plane of a test's own, with nothing in it.
pub fn empty_control_plane() -> ControlPlane {
    ControlPlane::start().unwrap_or_else(|error| panic!("{error}"))
}

/// What kubectl has to do to install the definition, one after the other.
pub fn install_definition() -> [[&'static str; 4]; 2] {
    [
        ["apply", "--server-side", "--filename", DEFINITION],
        ["wait", "--for=condition=Established", "--timeout=60s", "crd/flowsencryptionkeys.waflows.dev"],
    ]
}

/// Runs kubectl with all rights, which must succeed, and returns what it prints.
pub fn kubectl(control_plane: &ControlPlane, arguments: &[&str]) -> String {
    process::output(control_plane.kubectl().args(arguments), "")
}

/// Runs kubectl with all rights.
pub fn try_kubectl(control_plane: &ControlPlane, arguments: &[&str], input: &str) -> Printed {
    process::run(control_plane.kubectl().args(arguments), input)
}

/// A kubeconfig for a server, with the rights of a token.
pub fn kubeconfig_of(server: &str, token: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    config.to_string()
}

/// The settings of a client, from a kubeconfig.
///
/// # Errors
/// Where the kubeconfig cannot be read.
pub async fn config(kubeconfig: &Path) -> Result<kube::Config, KubeconfigError> {
    crate::tls::install_provider();
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

/// A client of the shared control plane with all rights.
pub async fn client() -> Client {
    client_of(control_plane()).await
}

/// A client with all rights.
pub async fn client_of(control_plane: &ControlPlane) -> Client {
    Client::try_from(config(control_plane.kubeconfig()).await.unwrap()).unwrap()
}

/// Creates a namespace.
///
/// # Errors
/// Where the API server refuses that.
pub async fn create_namespace(client: &Client, name: &str) -> Result<(), kube::Error> {
    let namespace = Namespace { metadata: named(name), ..Namespace::default() };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.map(drop)
}

/// A new namespace of a test's own.
pub async fn new_namespace(client: &Client) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    create_namespace(client, &name).await.unwrap();
    name
}
