//! `ping fek/NAME`: the pods of a resource's endpoint, with the rights of the kubeconfig.

use std::process::Command;

use endpoint_emulator::KeyChange;
use harness::process::{Printed, try_run};
use harness::{TestKey, World, control_plane};

use crate::proofs::{OPERATOR, with_endpoint};

fn ping(world: &World, arguments: &[&str]) -> Printed {
    let mut command = Command::new(OPERATOR);
    command.args(["ping", "fek/storefront", "--namespace", &world.namespace]).args(arguments);
    command.env("KUBECONFIG", control_plane().kubeconfig()).env("WAFLOWS_ENDPOINT_ALLOW_LOOPBACK", "true");
    try_run(&mut command, "").unwrap()
}

/// No flag of the operator has to allow the requests.
#[tokio::test(flavor = "multi_thread")]
async fn every_pod_of_a_resource_is_asked_with_the_key_of_its_status() {
    let (world, scene, key) = with_endpoint(2, &[]).await;
    world.wait_ready("storefront").await;
    let printed = ping(&world, &["-o", "json"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    let report = printed.json();
    assert_eq!(
        (&report["outcome"], &report["publicKeyFingerprint"]),
        (&"Proven".into(), &key.fingerprint.clone().into())
    );
    let targets: Vec<_> = report["targets"].as_array().unwrap().iter().map(|it| it["target"].clone()).collect();
    assert_eq!(targets, ["pod/flows-1", "pod/flows-2"]);
    assert_eq!(ping(&world, &["--unknown-key"]).code, 0, "421 is right there");

    scene.emulator.set_keys(1, &[&TestKey::generate().private_pem], KeyChange::Now).unwrap();
    let printed = ping(&world, &[]);
    assert_eq!(printed.code, 1, "{printed:?}");
    assert!(printed.stdout.contains("pod/flows-2") && printed.stdout.contains("WrongKey"), "{printed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_named_with_its_remedy() {
    let world = World::new(OPERATOR, &["111111111111111"]).await;
    world.set_default_secrets().await;
    let said = |printed: &Printed| format!("{}{}", printed.stdout, printed.stderr);
    let absent = ping(&world, &[]);
    assert_eq!(absent.code, 2);
    assert!(said(&absent).contains("does not exist"), "{absent:?}");
    world.roll_out("storefront", &["111111111111111"]).await;
    let without = ping(&world, &[]);
    assert_eq!(without.code, 2);
    assert!(said(&without).contains("has no spec.endpoint"), "{without:?}");
}
