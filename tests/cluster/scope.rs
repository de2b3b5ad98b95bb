//! Several deployments share a cluster: each has its part of the resources, by label or by namespace.

use waflows_core::api::conditions::ConditionType;

use crate::rights::Account;
use crate::world::{Operator, TestKey, World, condition_of, control_plane, kubectl, new_namespace};

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

/// Flags of the deployment for the resources with `shard=<name>`.
fn shard(name: &str) -> Vec<String> {
    let (selector, lease) = (format!("shard={name}"), format!("shard-{name}"));
    let flags = ["--selector", &selector, "--leader-election", "--lease-namespace", "default", "--lease-name", &lease];
    flags.into_iter().chain(["--default-check-interval", "300ms", "--wait-scale", "0.9"]).map(str::to_owned).collect()
}

fn strs(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

impl World {
    fn label(&self, name: &str, label: &str) {
        let resource = format!("fek/{name}");
        kubectl(control_plane(), &["label", "--overwrite", "-n", &self.namespace, &resource, label]);
    }

    /// Waits for some more checks of a number.
    async fn wait_checks(&self, id: &str) {
        let before = self.emulator.calls_to(id).reads;
        self.wait_until("checked", || self.emulator.calls_to(id).reads >= before + 4).await;
    }
}

#[tokio::test]
async fn each_of_two_shards_works_on_its_own_and_takes_on_what_is_relabelled() {
    let [moving, staying, nobodys] = NUMBERS;
    let mut world = World::with_flags(&NUMBERS, &strs(&shard("a"))).await;
    let mut second = Operator::start(&world.namespace, &world.emulator, &strs(&shard("b")));
    world.set_default_secrets().await;
    for (name, id) in [("moving", moving), ("staying", staying), ("nobodys", nobodys)] {
        world.apply(name, World::spec(&[id])).await.unwrap();
    }
    world.label("moving", "shard=a");
    world.label("staying", "shard=a");
    world.wait_ready("moving").await;
    world.wait_ready("staying").await;
    assert!(!second.log().contains("reconciled"), "{}", second.log());

    // The other one takes it on, and this one forgets it: alone, it goes on with what it has.
    world.label("moving", "shard=b");
    world.wait_until("taken on", || second.log().contains("reconciled")).await;
    assert_eq!(second.terminate(), Some(0));
    let calls = world.emulator.calls_to(moving);
    world.wait_checks(staying).await;
    assert_eq!(world.emulator.calls_to(moving), calls, "the first has no more to do with it");

    // Alone in its turn, the other one goes on with what it took on.
    let second = Operator::start(&world.namespace, &world.emulator, &strs(&shard("b")));
    assert_eq!(world.operator.terminate(), Some(0));
    world.operator = second;
    let calls = world.emulator.calls_to(staying);
    world.wait_checks(moving).await;
    assert_eq!(world.emulator.calls_to(staying), calls);
    assert_eq!(world.emulator.calls_to(moving).uploads, 1, "the key was there already");
    world.emulator.lose_signature(moving).unwrap();
    world.wait_until("healed", || world.at_meta(moving).1.as_deref() == Some("VALID")).await;
    assert_eq!(world.emulator.calls_to(moving).uploads, 2);
    assert_eq!(world.emulator.calls_to(nobodys).total(), 0, "no shard has the one without a label");
}

#[tokio::test]
async fn a_wrong_selector_ends_the_process_and_is_said() {
    let mut world = World::with_flags(&[], &["--selector", "a=,,"]).await;
    assert_eq!(world.operator.wait(), Some(2));
    let log = world.operator.log();
    assert!(log.contains("--selector") && log.contains("no label selector such as team=checkout"), "{log}");
}

#[tokio::test]
async fn only_the_named_namespaces_are_worked_in_and_nothing_is_asked_of_others() {
    let mut world = World::new(&NUMBERS).await;
    let first = world.namespace.clone();
    let [second, third] = [new_namespace(&world.client).await, new_namespace(&world.client).await];
    // What it asked of the third, or of all at once, would be refused and logged.
    let account = Account::new(&first);
    account.grant_all(&first);
    account.grant_all(&second);
    let kubeconfig = account.kubeconfig();
    let both = format!("{first}, {second}");
    world.operator = Operator::start_on(&kubeconfig, &both, &world.emulator, &[]);
    for (namespace, id) in [&third, &second, &first].into_iter().zip(NUMBERS) {
        world.namespace.clone_from(namespace);
        world.set_default_secrets().await;
        world.apply("storefront", World::spec(&[id])).await.unwrap();
    }
    for namespace in [&first, &second] {
        world.namespace.clone_from(namespace);
        world.wait_ready("storefront").await;
    }

    // A Secret of one namespace is not that of another.
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
async fn a_namespace_that_does_not_exist_does_no_harm_and_is_worked_in_once_it_does() {
    let mut world = World::new(&NUMBERS).await;
    let later = format!("{}-later", world.namespace);
    let both = format!("{},{later}", world.namespace);
    world.operator = Operator::start(&both, &world.emulator, &[]);
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS[..1])).await.unwrap();
    world.wait_ready("storefront").await;
    assert!(!world.operator.log().contains("a watch failed"), "{}", world.operator.log());

    kubectl(control_plane(), &["create", "namespace", &later]);
    world.namespace = later;
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS[1..])).await.unwrap();
    world.wait_ready("storefront").await;
}
