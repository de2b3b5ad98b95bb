//! Every oracle complains when it must. Here the operator is kept from working, or the test does the work of a broken
//! one.

use std::process::{Command, Stdio};

use fault_proxy::{Action, Call, Point, Side, UPLOADS, Which};
use graph_emulator::{FOREIGN_PUBLIC_KEY, Fault, GraphError};
use harness::TOKEN;
use harness::emulator::upload;
use harness::secrecy::{find_leak, texts};
use harness::state::differences;
use harness::storefront::{APP_SECRET, NAME, NEW, NUMBERS, OLD, secrets, spec};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::job::{Job, Reference, Stage};
use crate::oracle::{Footprint, growth, superfluous, tried_too_often};

/// An operator that has done the first stage and stands still.
async fn stopped() -> (Job, &'static Reference) {
    let reference = Reference::get().await;
    let job = Job::new().await;
    job.begin(Stage::Applied).await;
    job.settle(reference.state(Stage::Applied)).await.unwrap();
    job.rest().await;
    job.world.operator.signal("STOP");
    (job, reference)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_is_seen_to_differ() {
    let (job, reference) = stopped().await;
    let complaint = async || differences(reference.state(Stage::Applied), &job.state().await).unwrap_or_default();
    assert_eq!(complaint().await, "");

    let our_key = job.world.emulator.number(NUMBERS[0]).unwrap().settings.public_key.unwrap();
    job.world.emulator.lose_signature(NUMBERS[0]).unwrap();
    assert!(complaint().await.contains("MISMATCH"), "a lost signature");
    job.world.emulator.set_foreign_key(NUMBERS[0], FOREIGN_PUBLIC_KEY).unwrap();
    assert!(complaint().await.contains(&OLD.fingerprint), "a wrong key");
    job.world.emulator.drop_key(NUMBERS[0]).unwrap();
    assert!(complaint().await.contains("found null"), "no key");
    job.world.emulator.set_foreign_key(NUMBERS[0], &our_key).unwrap();
    assert_eq!(complaint().await, "");

    job.world.set_secret("flows-key", "private.pem", &NEW.pem).await;
    assert!(complaint().await.contains(".secretsAreCurrent.flows-key"), "a change of a Secret that was missed");
    job.world.apply(NAME, spec(&NUMBERS)).await.unwrap();
    assert!(complaint().await.contains(".status.observedGeneration"), "a change of the spec that was missed");
    let conditions = json!({"status": {"conditions": []}});
    job.world.resources().patch_status(NAME, &PatchParams::default(), &Patch::Merge(conditions)).await.unwrap();
    assert!(complaint().await.contains(".status.conditions"), "a lost status");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_never_done_is_seen() {
    let reference = Reference::get().await;
    // This operator retries after hours.
    let mut job = Job::new().await;
    job.world.emulator.inject(Fault::error(GraphError::new(404, 803, "no such object")));
    job.restart_with(&["--wait-scale", "3600"]);
    job.begin(Stage::Applied).await;
    job.world.wait_reason(NAME, "NumberRefused").await;
    job.world.emulator.clear_faults();
    let complaint = differences(reference.state(Stage::Applied), &job.state().await).unwrap_or_default();
    assert!(complaint.contains("NumberRefused"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_too_many_is_seen() {
    let (job, reference) = stopped().await;
    assert_eq!(superfluous(&reference.uploads, &job.uploads()), None);
    // An operator that uploads at every check. The bound is that of the whole job.
    let key = job.world.emulator.number(NUMBERS[0]).unwrap().settings.public_key.unwrap();
    for _ in 0..3 {
        assert!(upload(&job.graph.url, APP_SECRET, NUMBERS[0], &key).await.is_success());
    }
    let complaint = superfluous(&reference.uploads, &job.uploads()).unwrap_or_default();
    assert!(complaint.contains(NUMBERS[0]), "{complaint}");

    // The oracle also counts uploads without effect. With those of the stage, these are more than the whole job needs.
    assert_eq!(tried_too_often(&reference.writes, &job.writes.made(), 0), None);
    job.graph.set(fault_proxy::Fault { of: Call::is_write, action: Action::Answer { status: 500, retry_after: None } });
    for _ in 0..2 {
        assert!(!upload(&job.graph.url, APP_SECRET, NUMBERS[0], &key).await.is_success());
    }
    let complaint = tried_too_often(&reference.writes, &job.writes.made(), 0).unwrap_or_default();
    assert!(complaint.contains(UPLOADS), "{complaint}");
    assert_eq!(tried_too_often(&reference.writes, &job.writes.made(), 2), None, "two faults explain two uploads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaked_secret_is_seen_in_every_place() {
    let (job, _) = stopped().await;
    job.world.operator.signal("CONT");
    // The event of the first reconcile comes before the next reconcile.
    job.look_again().await;
    let secrets = secrets();
    let said = texts(&job.world).await;
    assert_eq!(find_leak(&said, &secrets), None);
    assert!(said[2].1.contains(NAME), "there is a resource");
    assert!(said[0].1.contains("called the Graph API"), "the log is at level debug");
    assert!(said[1].1.contains(NUMBERS[0]), "there are events: {}", said[1].1);
    for place in 0..said.len() {
        for secret in &secrets {
            let mut said = said.clone();
            said[place].1.push_str(&format!("\"error\": \"refused: {secret}, sorry\""));
            let complaint = find_leak(&said, &secrets).unwrap_or_default();
            assert!(complaint.starts_with(said[place].0), "{complaint}");
        }
    }
    // And in the place itself.
    let body = json!({"status": {"publicKey": TOKEN}});
    job.world.resources().patch_status(NAME, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
    assert!(find_leak(&texts(&job.world).await, &secrets).unwrap_or_default().starts_with("resources"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_given_back_is_seen() {
    let (job, _) = stopped().await;
    let lean = Footprint::of(&job);
    assert_eq!(growth(&lean, &Footprint::of(&job)), None);
    // A request that nobody ever answers.
    job.graph.set(fault_proxy::Fault { of: |_| true, action: Action::Silence });
    let url = job.graph.url.clone();
    let hanging = tokio::spawn(async move { reqwest::get(url).await });
    job.world.wait_until("a request hangs", || job.graph.open() == 1).await;
    assert!(growth(&lean, &Footprint::of(&job)).is_some(), "a task that hangs");
    job.graph.lift();
    let _ = hanging.await;
    job.world.wait_until("it ends", || growth(&lean, &Footprint::of(&job)).is_none()).await;

    let descriptors = "for fd in {10..40}; do eval \"exec $fd</dev/null\"; done";
    let memory = "hoard=$(head -c 60000000 /dev/zero | tr '\\0' x)";
    let base = footprint_after("true");
    for (what, script) in [("descriptors", descriptors), ("memory", memory)] {
        assert!(growth(&base, &footprint_after(script)).is_some(), "{what}");
    }
    assert_eq!(growth(&base, &footprint_after("true")), None);
}

/// The footprint of a shell that has run a script.
fn footprint_after(script: &str) -> Footprint {
    let script = format!("{script}; echo done; read -r");
    let mut shell = Command::new("bash");
    let mut shell = shell.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.as_mut().unwrap()), &mut line).unwrap();
    let footprint = Footprint::of_process(shell.id());
    drop(shell.stdin.take());
    shell.wait().unwrap();
    footprint
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_stops_the_world_on_the_right_side_of_a_write() {
    for (side, landed) in [(Side::Before, 0), (Side::After, 1)] {
        let job = Job::new().await;
        job.writes.stop_at(Point { which: Which::FirstTo(UPLOADS), side });
        job.begin(Stage::Applied).await;
        job.writes.stopped().await;
        assert_eq!(job.uploads().values().sum::<usize>(), landed);
    }
}
