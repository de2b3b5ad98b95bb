//! Meta refuses a token for one resource. The other resources with this token learn of the refusal at once, without a
//! call.

use std::sync::Arc;

use fault_proxy::{Action, Fault, Proxy, Writes};
use graph_emulator::Config;
use harness::cluster::kubeconfig_of;
use harness::{Launch, TOKEN, World, client, condition_of, control_plane, emulator, new_namespace};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::OPERATOR;

const NUMBERS: [&str; 4] = ["106540352242922", "107995438950512", "108811432100233", "109911432100244"];
const OTHER_TOKEN: &str = "EAAOtherTokenOfTheTests0123456789";
const NEW_TOKEN: &str = "EAANewTokenOfTheTests0123456789abc";
/// Resources that share a token. The last one has another token, from the same Secret.
const NAMES: [&str; 4] = ["first", "second", "third", "bystander"];

async fn set_tokens(world: &World, token: &str) {
    let entries = [("token", token), ("other", OTHER_TOKEN)];
    let secret = Secret {
        metadata: ObjectMeta { name: Some("meta-token".into()), ..ObjectMeta::default() },
        data: Some(entries.map(|(name, value)| (name.to_owned(), ByteString(value.into()))).into()),
        ..Secret::default()
    };
    world.secrets().replace("meta-token", &PostParams::default(), &secret).await.unwrap();
}

#[tokio::test]
async fn who_shares_a_refused_token_learns_of_it_at_once_and_without_a_call() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    [OTHER_TOKEN, NEW_TOKEN].iter().for_each(|token| world.emulator.add_token(token));
    set_tokens(&world, TOKEN).await;
    for (name, number) in NAMES.iter().zip(NUMBERS) {
        let mut spec = World::spec(&[number]);
        if *name == "bystander" {
            spec["accessTokenSecretRef"]["key"] = "other".into();
        }
        world.apply(name, spec).await.unwrap();
    }
    for name in NAMES {
        world.wait_ready(name).await;
    }
    let calls = world.emulator.counters().calls.total();
    world.emulator.expire_token(TOKEN);
    world.request_sync("first", "now").await;
    for name in &NAMES[..3] {
        let resource = world.wait_reason(name, "TokenRefused").await;
        let (status, _, message) = condition_of(&resource, ConditionType::TokenAccepted);
        assert!(status == "False" && message.contains("code 190"), "{name}: {message}");
        assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "True");
        assert!(resource.status.unwrap().phone_numbers[0].next_attempt_time.is_some(), "{name} tries again by itself");
    }
    assert_eq!(world.emulator.counters().calls.total() - calls, 1, "one bad credential costs one call");
    let is_ready = |resource: &FlowsEncryptionKey| condition_of(resource, ConditionType::Ready).0 == "True";
    assert!(is_ready(&world.resources().get("bystander").await.unwrap()));

    set_tokens(&world, NEW_TOKEN).await;
    for name in &NAMES[..3] {
        world.wait_ready(name).await;
    }
    assert_eq!(world.emulator.calls_with(NEW_TOKEN).reads, 3);
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1), "the keys were there all the time");
}

/// A world whose operator reaches the API server through a proxy.
async fn behind_a_proxy() -> (World, Proxy, tempfile::TempDir) {
    let (client, cluster) = (client().await, control_plane());
    let namespace = new_namespace(&client).await;
    let meta = emulator::start(Config::default(), &NUMBERS).await;
    let proxy = Proxy::start(cluster.server_url(), Some(cluster.ca_certificate()), Arc::<Writes>::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, kubeconfig_of(&proxy.url, cluster.admin_token())).unwrap();
    let launch = Launch::new(OPERATOR, &kubeconfig, meta.base_url());
    let operator = launch.start(&namespace, &["--wait-scale", "0.1"]);
    (World { client, namespace, emulator: meta, launch, operator }, proxy, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_forgotten_if_the_status_cannot_be_written_at_that_moment() {
    let (world, proxy, _folder) = behind_a_proxy().await;
    world.set_default_secrets().await;
    for (name, number) in NAMES.iter().zip(NUMBERS).take(2) {
        world.roll_out(name, &[number]).await;
    }
    let calls = world.emulator.counters().calls.total();
    let action = Action::Answer { status: 500, retry_after: None };
    proxy.set(Fault { of: |call| call.is_status() && call.path.contains("/second/"), action });
    world.emulator.expire_token(TOKEN);
    world.request_sync("first", "now").await;
    world.wait_reason("first", "TokenRefused").await;
    world.wait_until("a status of the other is refused", || proxy.met() > 0).await;
    proxy.lift();
    world.wait_reason("second", "TokenRefused").await;
    assert_eq!(world.emulator.counters().calls.total() - calls, 1, "one bad credential costs one call");
}
