//! Several deployments share a cluster: each has its part of the resources, by label or by namespace.

use harness::{TestKey, World, condition_of, control_plane, kubectl, new_namespace, strs};
use waflows_core::api::conditions::ConditionType;

use crate::OPERATOR;
use crate::rights::Account;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

/// Flags of the deployment for the resources with `shard=<name>`.
fn shard(name: &str) -> Vec<String> {
    let (selector, lease) = (format!("shard={name}"), format!("shard-{name}"));
    let flags = ["--selector", &selector, "--leader-election", "--lease-namespace", "default", "--lease-name", &lease];
    flags.into_iter().chain(["--default-check-interval", "300ms", "--wait-scale", "0.9"]).map(str::to_owned).collect()
}

fn label(world: &World, name: &str, label: &str) {
    let resource = format!("fek/{name}");
    kubectl(control_plane(), &["label", "--overwrite", "-n", &world.namespace, &resource, label]);
}

/// Waits for some more checks of a number.
async fn wait_checks(world: &World, id: &str) {
    let before = world.emulator.calls_to(id).reads;
    world.wait_until("checked", || world.emulator.calls_to(id).reads >= before + 4).await;
}

#[tokio::test]
async fn each_of_two_shards_works_on_its_own_and_takes_on_what_is_relabelled() {
    let [moving, staying, nobodys] = NUMBERS;
    let mut world = World::with_flags(OPERATOR, &NUMBERS, &strs(&shard("a"))).await;
    let mut second = world.another(&strs(&shard("b")));
    world.set_default_secrets().await;
    for (name, id) in [("moving", moving), ("staying", staying), ("nobodys", nobodys)] {
        world.apply(name, World::spec(&[id])).await.unwrap();
    }
    label(&world, "moving", "shard=a");
    label(&world, "staying", "shard=a");
    world.wait_ready("moving").await;
    world.wait_ready("staying").await;
    assert!(!second.log().contains("reconciled"), "{}", second.log());

    // The second operator takes the resource on, and the first forgets it. Alone, the first goes on with the rest.
    label(&world, "moving", "shard=b");
    world.wait_until("taken on", || second.log().contains("reconciled")).await;
    assert_eq!(second.terminate(), Some(0));
    let calls = world.emulator.calls_to(moving);
    wait_checks(&world, staying).await;
    assert_eq!(world.emulator.calls_to(moving), calls, "the first has no more to do with it");

    // Now the second operator is alone, and goes on with the resource that it took on.
    let second = world.another(&strs(&shard("b")));
    assert_eq!(world.operator.terminate(), Some(0));
    world.operator = second;
    let calls = world.emulator.calls_to(staying);
    wait_checks(&world, moving).await;
    assert_eq!(world.emulator.calls_to(staying), calls);
    assert_eq!(world.emulator.calls_to(moving).uploads, 1, "the key was there already");
    world.emulator.lose_signature(moving).unwrap();
    world.wait_until("healed", || world.at_meta(moving).1.as_deref() == Some("VALID")).await;
    assert_eq!(world.emulator.calls_to(moving).uploads, 2);
    assert_eq!(world.emulator.calls_to(nobodys).total(), 0, "no shard has the one without a label");
}

#[tokio::test]
async fn a_wrong_selector_ends_the_process_and_is_said() {
    let mut world = World::with_flags(OPERATOR, &[], &["--selector", "a=,,"]).await;
    assert_eq!(world.operator.wait(), Some(2));
    let log = world.operator.log();
    assert!(log.contains("--selector") && log.contains("no label selector such as team=checkout"), "{log}");
}

#[tokio::test]
async fn only_the_named_namespaces_are_worked_in_and_nothing_is_asked_of_others() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let first = world.namespace.clone();
    let [second, third] = [new_namespace(&world.client).await, new_namespace(&world.client).await];
    // A request for the third namespace, or for all at once, would be refused and logged.
    let account = Account::new(&first);
    account.grant_all(&first);
    account.grant_all(&second);
    let kubeconfig = account.kubeconfig();
    let both = format!("{first}, {second}");
    world.operator = world.launch.with_rights_of(&kubeconfig).start(&both, &[]);
    for (namespace, id) in [&third, &second, &first].into_iter().zip(NUMBERS) {
        world.namespace.clone_from(namespace);
        world.set_default_secrets().await;
        world.apply("storefront", World::spec(&[id])).await.unwrap();
    }
    for namespace in [&first, &second] {
        world.namespace.clone_from(namespace);
        world.wait_ready("storefront").await;
    }

    // A Secret of one namespace is not the Secret of another.
    let key = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &key.private_pem).await;
    world.wait_until("rotated", || world.at_meta(NUMBERS[1]).0.as_ref() == Some(&key.fingerprint)).await;
    let calls = NUMBERS.map(|id| world.emulator.calls_to(id).uploads);
    assert_eq!(calls, [0, 2, 1]);
    world.namespace = third;
    let untouched = world.resources().get("storefront").await.unwrap();
    assert_eq!(condition_of(&untouched, ConditionType::Ready).0, "");
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).total(), 0);
    assert!(!world.operator.log().contains("a watch failed"), "{}", world.operator.log());
}

#[tokio::test]
async fn the_labels_of_a_namespace_say_whether_it_is_worked_in() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let [first, second] = [world.namespace.clone(), new_namespace(&world.client).await];
    let selector = format!("flows={first}");
    let select = |namespace: &str| kubectl(control_plane(), &["label", "namespace", namespace, &selector]);
    let deselect = |namespace: &str| kubectl(control_plane(), &["label", "namespace", namespace, "flows-"]);
    select(&first);
    let flags = ["--namespace-selector", &selector, "--default-check-interval", "300ms", "--wait-scale", "0.005"];
    world.operator = world.launch.start("", &flags);
    let mut keys = Vec::new();
    for (namespace, id) in [&first, &second].into_iter().zip(NUMBERS) {
        world.namespace.clone_from(namespace);
        keys.push(world.set_default_secrets().await.fingerprint);
        world.apply("storefront", World::spec(&[id])).await.unwrap();
    }
    world.namespace.clone_from(&first);
    world.wait_ready("storefront").await;
    wait_checks(&world, NUMBERS[0]).await;
    assert_eq!(world.emulator.calls_to(NUMBERS[1]).total(), 0, "the namespace does not have the label");

    // An old resource, in a namespace that gets the label.
    select(&second);
    world.namespace.clone_from(&second);
    world.wait_ready("storefront").await;

    // Without the label, the operator does nothing more in the namespace. Another resource gets the number, and the key
    // of the first resource comes back only once its namespace has the label again.
    deselect(&first);
    world.namespace.clone_from(&second);
    world.apply("heir", World::spec(&NUMBERS[..1])).await.unwrap();
    world.wait_ready("heir").await;
    assert_eq!(world.at_meta(NUMBERS[0]).0.as_ref(), Some(&keys[1]));
    deselect(&second);
    select(&first);
    world.wait_until("taken back", || world.at_meta(NUMBERS[0]).0.as_ref() == Some(&keys[0])).await;
    let log = world.operator.log();
    assert!(!log.contains("a watch failed"), "{log}");

    // The same after a restart, from the lists.
    assert_eq!(world.operator.terminate(), Some(0));
    let calls = world.emulator.calls_to(NUMBERS[1]);
    world.operator = world.launch.start("", &flags);
    wait_checks(&world, NUMBERS[0]).await;
    assert_eq!(world.emulator.calls_to(NUMBERS[1]), calls);
}

#[tokio::test]
async fn two_choices_of_namespaces_end_the_process() {
    let mut world = World::with_flags(OPERATOR, &[], &["--namespace-selector", "a=b"]).await;
    assert_eq!(world.operator.wait(), Some(2));
    let log = world.operator.log();
    assert!(log.contains("--namespaces and --namespace-selector exclude each other"), "{log}");
}

#[tokio::test]
async fn a_namespace_that_does_not_exist_does_no_harm_and_is_worked_in_once_it_does() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let later = format!("{}-later", world.namespace);
    let both = format!("{},{later}", world.namespace);
    world.operator = world.launch.start(&both, &[]);
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    assert!(!world.operator.log().contains("a watch failed"), "{}", world.operator.log());

    kubectl(control_plane(), &["create", "namespace", &later]);
    world.namespace = later;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[1..]).await;
}
