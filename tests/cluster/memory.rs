//! The objects of one tenant do not exhaust the memory: encrypted keys, and metadata of Secrets.

use futures::{StreamExt, TryStreamExt};
use harness::memory;
use harness::process::openssl;
use harness::{Operator, TOKEN, TestKey, World, condition_of, many_numbers, new_control_plane, strs};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;

use crate::OPERATOR;

const NUMBER: [&str; 1] = ["106540352242922"];

/// The most memory that the process ever had, in MiB, as Linux reports it. The limit of a container counts about the
/// same.
fn peak(operator: &Operator) -> f64 {
    memory::kibibytes(operator.process_id(), "VmHWM").expect("the process runs, on Linux") as f64 / 1024.0
}

async fn wait_listed(world: &World) {
    world.wait_until("everything is listed", || world.operator.log().contains("are listed")).await;
}

/// Numbers for as many resources.
fn ids() -> Vec<String> {
    many_numbers(40)
}

/// Applies a resource for each number, all at once, and waits until they are Ready.
async fn roll_out(world: &World, ids: &[String]) {
    let spec = |id: &str| {
        let mut spec = World::spec(&[id]);
        spec["passphraseSecretRef"] = json!({"name": "passphrase", "key": "value"});
        spec
    };
    futures::future::try_join_all(ids.iter().map(|id| world.apply(id, spec(id)))).await.unwrap();
    for id in ids {
        world.wait_ready(id).await;
    }
}

/// Each key takes 16 MiB while it is opened. The allocator returns this memory a moment later. Sixteen reconciles at
/// once would take twice what the chart allows.
#[tokio::test]
async fn forty_encrypted_keys_are_not_in_memory_together() {
    let ids = ids();
    let world = World::new(OPERATOR, &strs(&ids)).await;
    wait_listed(&world).await;
    let before = peak(&world.operator);
    world.set_secret("meta-token", "token", TOKEN).await;
    let encrypt = ["pkcs8", "-topk8", "-scrypt", "-passout", "pass:word"];
    world.set_secret("flows-key", "private.pem", openssl(&encrypt, &TestKey::generate().private_pem)).await;
    world.set_secret("passphrase", "value", "word").await;
    roll_out(&world, &ids).await;
    let more = peak(&world.operator) - before;
    println!("{before:.1} MiB at rest, {more:.1} MiB more for 40 keys");
    assert!(more < 48.0, "{more} MiB more than {before}");
}

/// A Secret may have 1 MiB. A resource needs little of it, and refers to several Secrets.
#[tokio::test]
async fn what_else_is_in_a_secret_is_not_kept() {
    let ids = ids();
    let world = World::new(OPERATOR, &strs(&ids)).await;
    wait_listed(&world).await;
    let before = peak(&world.operator);
    let key = TestKey::generate().private_pem;
    let ballast = json!({"a": "x".repeat(500_000), "b": "y".repeat(500_000)});
    for (name, entry, value) in
        [("flows-key", "private.pem", key.as_str()), ("meta-token", "token", TOKEN), ("passphrase", "value", "word")]
    {
        let mut data = ballast.clone();
        data[entry] = value.into();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        world.secrets().patch(name, &PatchParams::apply("tenant"), &Patch::Apply(secret)).await.unwrap();
    }
    roll_out(&world, &ids).await;
    let more = peak(&world.operator) - before;
    println!("{before:.1} MiB at rest, {more:.1} MiB more for 40 resources with full Secrets");
    assert!(more < 32.0, "{more} MiB more than {before}");

    // The message about a missing entry lists the present entries. An entry that is too large has its own reason.
    let mut spec = World::spec(&strs(&ids)[..1]);
    spec["privateKeySecretRef"]["key"] = "c".into();
    world.apply("absent", spec.clone()).await.unwrap();
    let resource = world.wait_reason("absent", "SecretKeyNotFound").await;
    let message = condition_of(&resource, ConditionType::KeyLoaded).2;
    assert!(message.contains("It has: a, b, private.pem."), "{message}");
    spec["privateKeySecretRef"]["key"] = "a".into();
    world.apply("absent", spec).await.unwrap();
    world.wait_reason("absent", "KeyTooLarge").await;
}

/// One tenant may write so many Secrets with such large annotations.
#[tokio::test(flavor = "multi_thread")]
async fn large_annotations_of_others_are_never_in_memory() {
    const SECRETS: usize = 500;
    const BYTES: usize = 256 * 1000;
    let control_plane = new_control_plane();
    let mut world = World::on(OPERATOR, &control_plane, Default::default(), &NUMBER, &[]).await;
    wait_listed(&world).await;
    let before = peak(&world.operator);
    let annotation = "x".repeat(BYTES);
    let secret = |n: usize| -> Value {
        // Half of them under the name that means something on a resource.
        let name = if n.is_multiple_of(2) { "note" } else { "waflows.dev/sync-requested-at" };
        let labels: Value =
            (0..20).map(|n| (format!("label-{n}"), "y".repeat(63).into())).collect::<serde_json::Map<_, _>>().into();
        json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": format!("large-{n:03}"), "annotations": {name: annotation}, "labels": labels}})
    };
    let secrets = world.secrets();
    let create = |n: usize| {
        let (secrets, secret) = (secrets.clone(), secret(n));
        async move {
            let name = format!("large-{n:03}");
            secrets.patch(&name, &PatchParams::apply("tenant"), &Patch::Apply(secret)).await
        }
    };
    futures::stream::iter(0..SECRETS).map(create).buffer_unordered(4).try_for_each(async |_| Ok(())).await.unwrap();
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBER).await;
    let watched = peak(&world.operator) - before;

    world.operator.kill();
    world.operator = world.another(&[]);
    wait_listed(&world).await;
    let listed = peak(&world.operator) - before;
    println!(
        "{before:.1} MiB at rest, {watched:.1} MiB more after {SECRETS} events, {listed:.1} MiB more after a list"
    );
    assert!(watched.max(listed) < 16.0, "{watched} MiB, {listed} MiB more than {before}");

    // The operator still sees the versions of these Secrets.
    world.apply("other", with_token_of(&NUMBER, "large-499")).await.unwrap();
    world.wait_reason("other", "SecretKeyNotFound").await;
    world.set_secret("large-499", "token", TOKEN).await;
    world.wait_reason("other", "NumberHandover").await;
}

fn with_token_of(numbers: &[&str], secret: &str) -> Value {
    let mut spec = World::spec(numbers);
    spec["accessTokenSecretRef"]["name"] = secret.into();
    spec
}
