//! A clock that is wrong, and a cluster that is busy with other things.

use std::time::Duration;

use fault_proxy::{Action, Call, Fault, UPLOADS};
use futures::{StreamExt, TryStreamExt};
use harness::state::Uploads;
use harness::storefront::{FLAGS, NAME, NUMBERS};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::job::{Job, Reference, Stage};
use crate::oracle::superfluous;

/// Changes of Secrets that nobody refers to.
const CHANGES: usize = 2000;
/// These changes are spread over so many Secrets.
const SECRETS: usize = 50;
/// Changes of each object that the operator looks at.
const OWN_CHANGES: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_changes_of_other_secrets_slow_nothing_down_and_cost_nothing() {
    let reference = Reference::get().await;
    let job = Job::new().await;
    for number in 0..SECRETS {
        job.world.set_secret(&format!("other-{number}"), "value", "0").await;
    }
    let secrets = job.world.secrets();
    let flood = futures::stream::iter(0..CHANGES).map(|change| {
        let secrets = secrets.clone();
        async move {
            let body = json!({"stringData": {"value": change.to_string()}});
            secrets.patch(&format!("other-{}", change % SECRETS), &PatchParams::default(), &Patch::Merge(body)).await
        }
    });
    let flood = flood.buffer_unordered(16).try_for_each(async |_| Ok(()));
    let work = async {
        for stage in Stage::ALL {
            job.begin(stage).await;
            job.settle(reference.state(stage)).await.unwrap();
        }
    };
    let (flooded, ()) = tokio::join!(flood, work);
    flooded.unwrap();
    // Once the operator has seen a later change, it has seen the whole flood.
    job.verdict(reference).await.unwrap();
    let others_read = job.kubernetes.count(|call| call.starts_with("GET") && call.contains("/secrets/other-"));
    assert_eq!(others_read, 0, "Secrets that nobody refers to are not read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_changes_of_the_resource_and_its_own_secrets_repeat_no_upload() {
    let reference = Reference::get().await;
    let job = Job::new().await;
    job.begin(Stage::Applied).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();

    // The operator reads again after each change of an object that may hold another key, while the job goes on.
    let before = job.reads();
    let flood = async {
        for change in 0..OWN_CHANGES {
            label(&job.world.resources(), NAME, change).await;
            label(&job.world.secrets(), "flows-key", change).await;
            label(&job.world.secrets(), "meta-token", change).await;
        }
    };
    let work = async {
        for stage in [Stage::Rotated, Stage::Healed] {
            job.begin(stage).await;
            job.settle(reference.state(stage)).await.unwrap();
        }
    };
    tokio::join!(flood, work);
    job.verdict(reference).await.unwrap();
    let (reads, reconciles) = (job.reads() - before, 2 * OWN_CHANGES + 8);
    assert!(reads <= NUMBERS.len() * reconciles, "{reads} reads for {} changes", 2 * OWN_CHANGES);

    // Changes of labels alone cost nothing.
    let before = (job.reads(), job.writes.made().len());
    for change in 0..OWN_CHANGES {
        label(&job.world.resources(), NAME, change).await;
    }
    job.look_again().await;
    let (reads, writes) = (job.reads() - before.0, job.writes.made().len() - before.1);
    assert!(reads <= NUMBERS.len() && writes <= 1, "labels cost {reads} reads and {writes} writes");
}

async fn label<K>(api: &Api<K>, name: &str, change: usize)
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let body = json!({"metadata": {"labels": {"change": change.to_string()}}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reconcile_may_end_while_a_checkpoint_is_written() {
    let reference = Reference::get().await;
    let slow = Action::Delay(Duration::from_secs(2));
    let job = Job::under(&[], |kubernetes, _| kubernetes.set(Fault { of: Call::is_status, action: slow })).await;
    // The reading takes less than a second, and the reconcile takes more. After a second the reconcile writes a
    // checkpoint.
    job.world.emulator.set_latency(Duration::from_millis(400));
    job.begin(Stage::Applied).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    let made = job.writes.made();
    let (status, upload) = (|it: &String| it.ends_with("/status"), |it: &String| it.contains(UPLOADS));
    let (first, last) = (made.iter().position(status).unwrap(), made.iter().rposition(upload).unwrap());
    assert!(first < last, "no checkpoint was written during the reconcile: {made:?}");
    assert!(!job.world.operator.log().contains("panicked"), "{}", job.world.operator.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_of_a_replica_whose_clock_is_wrong_stop_no_work_and_start_none() {
    let shifts = [-24 * 366, -1, 1, 24 * 366].map(SignedDuration::from_hours);
    futures::future::join_all(shifts.map(take_over)).await;
}

/// A replica with a clock that is off by `shift` leads and dies. A replica with the right clock takes over.
async fn take_over(shift: SignedDuration) {
    let reference = Reference::get().await;
    let mut job = Job::new().await;
    job.begin(Stage::Applied).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    job.kill();
    shift_times(&job, shift).await;
    let place = job.world.namespace.clone();
    let election = ["--leader-election", "--lease-namespace", &place, "--default-check-interval", "1s"];
    job.restart_with(&[&FLAGS[..], &election].concat());

    // A periodic check still comes, and finds nothing to do.
    let reads = || NUMBERS[..2].iter().map(|id| job.world.emulator.calls_to(id).reads).min();
    let before = reads();
    job.world.wait_until("checked", || reads() > before).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    assert_eq!(superfluous(&once(), &job.uploads()), None, "{shift:?}");
    // The replica with the right clock works as usual.
    job.world.emulator.lose_signature(NUMBERS[0]).unwrap();
    job.world.wait_until("healed", || job.world.at_meta(NUMBERS[0]).1.as_deref() == Some("VALID")).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    let now = Timestamp::now() + SignedDuration::from_secs(5);
    let resource = job.world.resources().get(NAME).await.unwrap();
    let numbers = resource.status.unwrap().phone_numbers;
    assert!(numbers.iter().all(|number| number.last_read_time.as_ref().unwrap().0 < now), "{numbers:?}");
}

/// One upload for each number of the first stage.
fn once() -> Uploads {
    NUMBERS[..2].iter().map(|id| ((*id).to_owned(), 1)).collect()
}

/// Writes the status and a Lease, like a replica with a wrong clock.
async fn shift_times(job: &Job, shift: SignedDuration) {
    let resource = job.world.resources().get(NAME).await.unwrap();
    let mut status = serde_json::to_value(&resource.status).unwrap();
    shift_all(&mut status, shift);
    let body = json!({"status": status});
    job.world.resources().patch_status(NAME, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    let renewed = jiff::Timestamp::now() + shift;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "waflows-operator"},
        "spec": {
            "holderIdentity": "the other replica", "leaseDurationSeconds": 1, "leaseTransitions": 0,
            "acquireTime": format!("{renewed:.6}"), "renewTime": format!("{renewed:.6}"),
        },
    });
    let leases: Api<Lease> = Api::namespaced(job.world.client.clone(), &job.world.namespace);
    leases.create(&PostParams::default(), &serde_json::from_value(lease).unwrap()).await.unwrap();
}

/// Every text that is a time.
fn shift_all(value: &mut Value, shift: SignedDuration) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|value| shift_all(value, shift)),
        Value::Array(items) => items.iter_mut().for_each(|value| shift_all(value, shift)),
        Value::String(text) => {
            if let Ok(time) = text.parse::<Timestamp>() {
                *text = (time + shift).to_string();
            }
        }
        _ => {}
    }
}
