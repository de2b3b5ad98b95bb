//! A restarted operator that sees an older state of the API server for a while.

use std::sync::Arc;

use fault_proxy::{Action, Call, Fault, Snapshot};
use harness::is_current;
use harness::storefront::{self, NAME, NUMBERS};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::job::{Job, Reference, Stage};
use crate::oracle::superfluous;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_onto_an_older_snapshot_uploads_nothing_and_loses_no_status() {
    let reference = Reference::get().await;
    let mut job = Job::new().await;
    job.world
        .wait_until("both lists are asked for", || job.kubernetes.count(|call| call.ends_with("/secrets")) > 0)
        .await;
    let mut snapshots: Vec<(String, Arc<Snapshot>)> = Vec::new();
    for stage in Stage::ALL {
        // Before the operator has written anything about the stage, and after it is done.
        job.world.operator.signal("STOP");
        job.begin(stage).await;
        snapshots.push((format!("{stage:?}, not begun"), Arc::new(job.kubernetes.snapshot().await)));
        job.world.operator.signal("CONT");
        job.settle(reference.state(stage)).await.unwrap();
        snapshots.push((format!("{stage:?}, done"), Arc::new(job.kubernetes.snapshot().await)));
    }
    let before = job.world.resources().get(NAME).await.unwrap();
    let since = |resource: &FlowsEncryptionKey| {
        let numbers = &resource.status.as_ref().unwrap().phone_numbers;
        numbers.iter().map(|number| number.owned_since.clone()).collect::<Vec<_>>()
    };

    for (name, snapshot) in snapshots {
        job.kill();
        job.kubernetes.set(Fault { of: |call| call.is_list() || call.is_watch, action: Action::Replay(snapshot) });
        let patches = job.writes.made().len();
        job.restart();
        // Two lists, two watches that wait for their first event.
        job.world.wait_until("the old lists are read", || job.kubernetes.met() >= 4).await;
        let is_idle = || job.world.operator.log().contains("all resources and Secrets are listed");
        job.world.wait_until("the old state is acted upon", is_idle).await;
        if name.ends_with("not begun") {
            // The work for the old state ends when the API server refuses its resourceVersion.
            let has_tried = || job.writes.made().len() > patches;
            job.world.wait_until("a status of the old state is refused", has_tried).await;
        }
        println!("{name}: {} writes tried", job.writes.made().len() - patches);
        job.kubernetes.lift();
        job.settle(reference.state(Stage::Healed)).await.unwrap();
        assert_eq!(superfluous(&reference.uploads, &job.uploads()), None, "{name}");
    }
    job.verdict(reference).await.unwrap();
    let after = job.world.resources().get(NAME).await.unwrap();
    assert_eq!(since(&after), since(&before), "nobody lost a number meanwhile");
}

/// Whether the operator asks for the newest state. An API server that lags behind does not answer such a list from its
/// cache.
fn asks_for_the_newest(job: &Job) -> bool {
    job.kubernetes.lists().iter().all(|list| !list.contains("resourceVersion=0"))
}

/// What people have forbidden. The operator has not seen the change yet.
#[derive(Debug, Clone, Copy)]
enum Forbidden {
    Suspended,
    Removed,
    Deleted,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_onto_a_list_that_allows_what_is_forbidden_now() {
    let cases = [Forbidden::Suspended, Forbidden::Removed, Forbidden::Deleted];
    futures::future::join_all(cases.map(start_on_what_was_allowed)).await;
}

async fn start_on_what_was_allowed(forbidden: Forbidden) {
    let reference = Reference::get().await;
    let mut job = Job::new().await;
    job.begin(Stage::Applied).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    // In this state there is work to do.
    job.world.operator.signal("STOP");
    job.world.request_sync(NAME, "look").await;
    let allowed = Arc::new(job.kubernetes.snapshot().await);
    let mut spec = storefront::spec(&NUMBERS[..2]);
    match forbidden {
        Forbidden::Suspended => spec["suspend"] = true.into(),
        Forbidden::Removed => spec["phoneNumberIds"] = [NUMBERS[1]].into(),
        Forbidden::Deleted => {}
    }
    match forbidden {
        Forbidden::Deleted => job.world.delete(NAME).await,
        Forbidden::Suspended | Forbidden::Removed => drop(job.world.apply(NAME, spec).await.unwrap()),
    }
    job.world.emulator.lose_signature(NUMBERS[0]).unwrap();
    let (uploads, statuses) = (job.writes.uploads(), job.writes.of_statuses());

    job.kill();
    job.kubernetes.set(Fault { of: |call| call.is_list() || call.is_watch, action: Action::Replay(allowed) });
    job.restart();
    job.world.wait_until("the old state is worked on", || job.writes.of_statuses() > statuses).await;
    let of_old_state = job.writes.uploads() - uploads;
    println!("{forbidden:?}: {of_old_state} uploads");
    // The operator asks for the newest state of a list. It cannot distinguish an older answer from a new one.
    assert!(asks_for_the_newest(&job));
    assert!(of_old_state <= 1, "{of_old_state} uploads to one number");

    job.kubernetes.lift();
    match forbidden {
        Forbidden::Suspended => drop(job.world.wait(NAME, "seen to be suspended", is_current).await),
        Forbidden::Removed => drop(job.world.wait_ready(NAME).await),
        Forbidden::Deleted => {}
    }
    // Once the operator has seen this resource, it has seen all earlier changes.
    job.world.apply("support", storefront::spec(&NUMBERS[2..])).await.unwrap();
    job.world.wait_ready("support").await;
    job.world.emulator.lose_signature(NUMBERS[0]).unwrap();
    job.world.request_sync("support", "look").await;
    let has_looked = |resource: &FlowsEncryptionKey| {
        resource.status.as_ref().is_some_and(|status| status.last_handled_sync_request.is_some())
    };
    job.world.wait("support", "looked at again", has_looked).await;
    let status = job.world.at_meta(NUMBERS[0]).1;
    assert_eq!(status.as_deref(), Some("MISMATCH"), "{forbidden:?}: what is forbidden is left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconciles_on_a_watch_that_lags_end_in_the_same_state() {
    futures::future::join_all(["/flowsencryptionkeys", "/secrets"].map(work_on_a_stale_watch)).await;
}

/// One of the two watches is held back during a reconcile of each later stage. The other watch causes the reconcile.
async fn work_on_a_stale_watch(held: &'static str) {
    let reference = Reference::get().await;
    let job = Job::new().await;
    job.begin(Stage::Applied).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    for stage in [Stage::Rotated, Stage::Healed] {
        let of = match held {
            "/secrets" => |call: &Call| call.is_watch && call.ends_with("/secrets"),
            _ => |call: &Call| call.is_watch && call.ends_with("/flowsencryptionkeys"),
        };
        job.kubernetes.set(Fault { of, action: Action::HoldEvents });
        let reconciles = || job.world.operator.log().matches("reconciled").count();
        let before = reconciles();
        job.begin(stage).await;
        match (held, stage) {
            // The change of the stage already comes through the other watch.
            ("/secrets", Stage::Healed) | ("/flowsencryptionkeys", Stage::Rotated) => {}
            ("/secrets", _) => {
                let mut spec = storefront::spec(&NUMBERS[..2]);
                spec["checkInterval"] = "2h".into();
                job.world.apply(NAME, spec).await.unwrap();
            }
            _ => {
                let body = json!({"metadata": {"labels": {"touched": "yes"}}});
                job.world.secrets().patch("meta-token", &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
            }
        }
        job.world.wait_until("a reconcile goes by", || reconciles() > before).await;
        assert!(job.kubernetes.met() > 0, "{held} is held");
        job.kubernetes.lift();
        job.settle(reference.state(stage)).await.unwrap();
    }
    job.verdict(reference).await.unwrap();
}
