//! An operator that is started anew and sees an older state of the API server for a while.

use std::sync::Arc;

use crate::fault::{Action, Fault};
use crate::job::{Job, NAME, Reference, Stage};
use crate::oracle::{differences, superfluous};
use crate::proxy::Snapshot;

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
    let since = |resource: &waflows_operator::crd::FlowsEncryptionKey| {
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
            // What it does for the old state ends at the version of what is stored.
            let has_tried = || job.writes.made().len() > patches;
            job.world.wait_until("a status of the old state is refused", has_tried).await;
        }
        println!("{name}: {} writes tried", job.writes.made().len() - patches);
        job.kubernetes.lift();
        job.settle(reference.state(Stage::Healed)).await.unwrap();
        assert_eq!(superfluous(&reference.uploads, &job.uploads()), None, "{name}");
    }
    job.look_again().await;
    let after = job.world.resources().get(NAME).await.unwrap();
    assert_eq!(since(&after), since(&before), "nobody lost a number meanwhile");
    let mut state = job.state().await;
    state["status"]["lastHandledSyncRequest"] = "now".into();
    assert_eq!(differences(reference.state(Stage::Healed), &state), None);
    job.verdict(reference).await.unwrap();
}
