//! The API server fails, forgets or refuses. Tests that do it harm have a control plane of their own.

use std::time::{Duration, Instant};

use control_plane::ControlPlane;
use graph_emulator::{Config, Emulator};
use harness::wait;
use harness::{Launch, Operator, TestKey, World, control_plane, kubectl, new_control_plane, number_of};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
/// Kubernetes waits for 30 s after SIGTERM. The kernel gets some of this time.
const GRACE_PERIOD: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_away_and_comes_back_is_survived() {
    let control_plane = new_control_plane();
    let world = World::on(OPERATOR, &control_plane, Config::default(), &NUMBERS, &["--wait-scale", "0.1"]).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;

    control_plane.stop_api_server().unwrap();
    world.wait_until("the loss is logged", || world.operator.log().contains("a watch failed")).await;
    // Long enough for the watches to fail more than once and back off.
    let failures = || world.operator.log().matches("a watch failed").count();
    world.wait_until("it keeps trying", || failures() >= 4).await;
    control_plane.start_api_server().unwrap();

    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    world
        .wait_until("rotated", || NUMBERS.iter().all(|id| world.at_meta(id).0.as_ref() == Some(&new.fingerprint)))
        .await;
    world.wait_ready("storefront").await;
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_missed_its_history_lists_again_without_a_call_to_meta() {
    let control_plane = new_control_plane();
    let world = World::on(OPERATOR, &control_plane, Config::default(), &NUMBERS, &[]).await;
    world.set_default_secrets().await;
    let before = world.roll_out("storefront", &NUMBERS[..1]).await;
    let calls = world.emulator.counters().calls.reads;

    // The paused operator misses a deletion and a creation. The API server, compacted and restarted, cannot report them
    // later.
    world.operator.signal("STOP");
    world.apply("gone", World::spec(&NUMBERS[1..])).await.unwrap();
    world.delete("gone").await;
    world.apply("second", World::spec(&NUMBERS[1..])).await.unwrap();
    control_plane.compact_etcd().unwrap();
    control_plane.stop_api_server().unwrap();
    control_plane.start_api_server().unwrap();
    world.operator.signal("CONT");
    let second = world.wait_ready("second").await;
    assert_eq!(number_of(&second, NUMBERS[1]).state, NumberState::Valid);
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).reads, calls, "nothing was due for the first");
    let after = world.resources().get("storefront").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
}

#[tokio::test]
async fn a_label_set_during_a_reconcile_does_not_cost_the_reconcile_its_status() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.emulator.set_latency(Duration::from_millis(300));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS[..1])).await.unwrap();
    world.wait_until("a reconcile is under way", || world.emulator.counters().in_flight > 0).await;
    kubectl(control_plane(), &["label", "-n", &world.namespace, "fek/storefront", "team=checkout"]);
    world.wait_ready("storefront").await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1);
    assert!(!world.operator.log().contains("written by another process"));
}

#[tokio::test]
async fn a_status_that_someone_else_wrote_meanwhile_is_not_overwritten() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.emulator.set_latency(Duration::from_millis(300));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS[..1])).await.unwrap();
    world.wait_until("a reconcile is under way", || world.emulator.counters().in_flight > 0).await;
    let patch = r#"{"status":{"lastHandledSyncRequest":"by another hand"}}"#;
    let arguments =
        ["patch", "-n", &world.namespace, "fek/storefront", "--subresource=status", "--type=merge", "-p", patch];
    kubectl(control_plane(), &arguments);
    world.wait_until("the status is dropped", || world.operator.log().contains("written by another process")).await;
    world.wait_ready("storefront").await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 1, "the next reconcile read before it wrote");
}

/// Someone who writes to a resource all the time, until dropped.
struct Meddler(tokio::task::JoinHandle<()>);

impl Meddler {
    fn start(world: &World, subresource: Option<&'static str>, body: impl Fn(u32) -> Value + Send + 'static) -> Self {
        let resources = world.resources();
        Self(tokio::spawn(async move {
            for n in 0.. {
                let (parameters, patch) = (PatchParams::default(), Patch::Merge(body(n)));
                match subresource {
                    Some(subresource) => {
                        resources.patch_subresource(subresource, "storefront", &parameters, &patch).await
                    }
                    None => resources.patch("storefront", &parameters, &patch).await,
                }
                .unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }))
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_change_all_the_time_keep_no_status_from_being_written() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.emulator.set_latency(Duration::from_millis(100));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    let _meddler = Meddler::start(&world, None, |n| json!({"metadata": {"labels": {"count": n.to_string()}}}));
    let resource = world.wait_ready("storefront").await;
    assert_eq!(resource.status.unwrap().valid.as_deref(), Some("2/2"));
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1));
    assert!(!world.operator.log().contains("written by another process"), "nobody else wrote the status");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_others_write_all_the_time_ends_true_and_costs_no_second_upload() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.emulator.set_latency(Duration::from_millis(100));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    world.wait_until("a reconcile is under way", || world.emulator.counters().in_flight > 0).await;
    let meddler = Meddler::start(
        &world,
        Some("status"),
        |n| json!({"status": {"valid": format!("{n}/0"), "phoneNumbers": [], "conditions": []}}),
    );
    let dropped = || world.operator.log().matches("written by another process").count();
    world.wait_until("some statuses are dropped", || dropped() >= 3).await;
    drop(meddler);
    world.wait_ready("storefront").await;
    world.request_sync("storefront", "what is true").await;
    let resource = world
        .wait("storefront", "true", |resource| {
            let status = resource.status.as_ref().unwrap();
            status.last_handled_sync_request.is_some() && status.valid.as_deref() == Some("2/2")
        })
        .await;
    assert!(NUMBERS.iter().all(|id| number_of(&resource, id).state == NumberState::Valid));
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1), "read before write");
}

/// `harm` makes the API server unreachable. Then the operator is asked to stop, and still has uploads to store in a
/// status.
async fn stop_without_api_server(harm: fn(&ControlPlane), mend: fn(&ControlPlane)) {
    let ids: Vec<_> = (0..40).map(|n| format!("10{n:013}")).collect();
    let numbers: Vec<&str> = ids.iter().map(String::as_str).collect();
    let control_plane = new_control_plane();
    let flags = ["--leader-election", "--lease-namespace", "default"];
    let mut world = World::on(OPERATOR, &control_plane, Config::default(), &numbers, &flags).await;
    world.emulator.set_latency(Duration::from_millis(50));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("half done", || world.emulator.counters().calls.uploads >= 20).await;
    harm(&control_plane);
    let asked = Instant::now();
    assert_eq!(world.operator.terminate(), Some(0), "{}", world.operator.log());
    assert!(asked.elapsed() < GRACE_PERIOD, "{:?}\n{}", asked.elapsed(), world.operator.log());
    let uploads = world.emulator.counters().calls.uploads;
    assert!((20..40).contains(&uploads), "{uploads}");

    mend(&control_plane);
    let resource = world.resources().get("storefront").await.unwrap();
    assert_ne!(resource.status.unwrap().valid.as_deref(), Some("40/40"), "nothing could be noted");
    world.operator = world.another(&flags);
    world.wait_ready("storefront").await;
    assert!(numbers.iter().all(|id| world.emulator.calls_to(id).uploads == 1), "the reads show what is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_time_while_the_api_server_is_down_and_repeats_nothing_afterwards() {
    stop_without_api_server(
        |cluster| cluster.stop_api_server().unwrap(),
        |cluster| cluster.start_api_server().unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_time_while_the_api_server_hangs_and_repeats_nothing_afterwards() {
    let pause = |cluster: &ControlPlane| cluster.pause_api_server().unwrap();
    stop_without_api_server(pause, |cluster| cluster.resume_api_server().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_the_operator_from_working_is_said() {
    let control_plane = ControlPlane::start().unwrap();
    let emulator = Emulator::start(Config::default()).await.unwrap();

    let launch = Launch::new(OPERATOR, control_plane.kubeconfig(), emulator.base_url());

    // The definition is not installed.
    let operator = launch.start("default", &[]);
    until(|| operator.log().contains("waflows-operator crd | kubectl apply"), &operator).await;
    let (status, body) = operator.get("/readyz").await.unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("FlowsEncryptionKeys"), "{body}");
    assert_eq!(operator.get("/healthz").await.unwrap().0, 200);

    // It may not watch.
    kubectl(&control_plane, &["create", "serviceaccount", "nobody"]);
    let token = kubectl(&control_plane, &["create", "token", "nobody"]);
    let kubeconfig = control_plane.kubeconfig_for_token(token.trim()).unwrap();
    let operator = launch.with_rights_of(&kubeconfig).start("default", &[]);
    until(|| operator.log().contains("grant list and watch"), &operator).await;
    until(|| operator.log().contains(r#"cannot list resource "secrets""#), &operator).await;

    // The API server does not answer.
    control_plane.stop_api_server().unwrap();
    let mut operator = launch.start("default", &[]);
    until(|| operator.log().contains("is tried again"), &operator).await;
    assert_eq!(operator.get("/readyz").await.unwrap().0, 503);
    assert_eq!(operator.terminate(), Some(0), "it stops in good order all the same");
}

async fn until(condition: impl Fn() -> bool, operator: &Operator) {
    assert!(wait::until(condition).await, "log:\n{}", operator.log());
}
