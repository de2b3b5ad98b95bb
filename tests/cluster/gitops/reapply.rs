//! Applying the same manifest again is no change and no conflict, whoever applies it, before and after the operator has
//! written the status.

use std::io::Write as _;

use harness::{World, control_plane, kubectl};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
const NAME: &str = "storefront";

/// Ways to apply: kubectl as people use it, on the client or on the server, and Flux, which applies on the server in a
/// name of its own.
const CLIENT_SIDE: &[&str] = &[];
const SERVER_SIDE: &[&str] = &["--server-side"];
const FLUX: &[&str] = &["--server-side", "--field-manager=kustomize-controller"];

/// A manifest in a file.
struct Manifest(NamedTempFile);

impl Manifest {
    /// What most people write, with all that is left to defaults.
    fn short(world: &World) -> Self {
        Self::new(world, World::spec(&NUMBERS))
    }

    /// One with every field that goes together, and all defaults spelt out.
    fn long(world: &World) -> Self {
        let mut spec = World::spec(&NUMBERS);
        spec["appSecretRef"] = json!({"name": "meta-app", "key": "secret"});
        spec["mode"] = json!("Enforce");
        spec["checkInterval"] = json!("90m");
        spec["suspend"] = json!(false);
        Self::new(world, spec)
    }

    fn new(world: &World, spec: serde_json::Value) -> Self {
        let manifest = json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {"name": NAME, "namespace": world.namespace, "labels": {"team": "messaging"}},
            "spec": spec,
        });
        let mut file = NamedTempFile::with_suffix(".json").unwrap();
        file.write_all(manifest.to_string().as_bytes()).unwrap();
        Self(file)
    }

    /// `kubectl apply`, which fails if another manager has one of the fields.
    fn apply(&self, how: &[&str]) -> String {
        self.run("apply", how)
    }

    /// `kubectl diff`, which fails if there is one.
    fn has_no_diff(&self, how: &[&str]) {
        assert_eq!(self.run("diff", how), "");
    }

    fn run(&self, command: &str, how: &[&str]) -> String {
        kubectl(control_plane(), &[&[command, "-f", self.0.path().to_str().unwrap()], how].concat())
    }
}

/// Applies the manifest again in one of the ways, and once more. The second time changes nothing.
async fn apply_again(world: &World, manifest: &Manifest, how: &[&str]) {
    let before = world.resources().get(NAME).await.unwrap();
    manifest.apply(how);
    manifest.has_no_diff(how);
    let between = world.resources().get(NAME).await.unwrap();
    assert_eq!(between.metadata.generation, before.metadata.generation, "{how:?}");
    manifest.apply(how);
    let after = world.resources().get(NAME).await.unwrap();
    assert_eq!(after.metadata.resource_version, between.metadata.resource_version, "{how:?}");
    assert_eq!(after.status, before.status, "{how:?}");
}

async fn reapplied(manifest: fn(&World) -> Manifest, first: &[&str], then: &[&[&str]]) {
    let world = World::new(OPERATOR, &NUMBERS).await;
    let manifest = manifest(&world);
    world.operator.signal("STOP");
    manifest.apply(first);
    for how in std::iter::once(&first).chain(then) {
        apply_again(&world, &manifest, how).await;
    }
    world.set_default_secrets().await;
    world.set_secret("meta-app", "secret", "a1b2c3d4e5f60718293a4b5c6d7e8f90").await;
    world.operator.signal("CONT");
    world.wait_ready(NAME).await;
    let uploads = world.emulator.counters().calls.uploads;
    for how in std::iter::once(&first).chain(then) {
        apply_again(&world, &manifest, how).await;
    }
    assert_eq!(world.emulator.counters().calls.uploads, uploads);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_manifest_on_the_client() {
    reapplied(Manifest::short, CLIENT_SIDE, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_manifest_on_the_server_and_by_flux() {
    reapplied(Manifest::short, SERVER_SIDE, &[FLUX]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_manifest_on_the_client_then_on_the_server_and_by_flux() {
    reapplied(Manifest::long, CLIENT_SIDE, &[SERVER_SIDE, FLUX]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_manifest_by_flux() {
    reapplied(Manifest::long, FLUX, &[SERVER_SIDE]).await;
}
