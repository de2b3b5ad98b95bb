//! Plays a scenario to its end, and judges what the customers saw.

use std::time::Duration;

use endpoint_emulator::KeyChange;
use fault_proxy::{Action, Call, Fault, Point, Which};
use harness::condition_of;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;
use whatsapp_clients::Counts;

use crate::scenario::{Scenario, Trouble};
use crate::stage::{NAME, NEW, OLD, Stage, phase_of};

/// Between two looks at the resource.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A rotation with three troubles takes seconds. Nothing is expected to take this long.
const PATIENCE: Duration = Duration::from_secs(90);

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) counts: Counts,
    /// Uploads since the rotation began that took effect.
    pub(crate) uploads: usize,
    /// How often the operator was started again.
    pub(crate) restarts: usize,
}

/// Plays the scenario of a seed.
///
/// # Errors
/// What a customer saw, or what the operator did that it must not do.
pub(crate) async fn run(seed: u64) -> Result<Summary, String> {
    let scenario = Scenario::of(seed);
    let mut stage = Stage::new(&scenario.setup).await;
    let before = stage.world.emulator.uploads().len();
    let result = play(&mut stage, &scenario, before).await;
    match result {
        Ok(()) => {
            let uploads = stage.world.emulator.uploads();
            let uploads = uploads[before..].iter().filter(|upload| upload.took_effect).count();
            Ok(Summary { counts: stage.traffic.counts(), uploads, restarts: stage.earlier_logs.len() })
        }
        Err(error) => Err(format!("seed {seed}: {error}\n{scenario:?}\n{}", stage.describe_failure().await)),
    }
}

async fn play(stage: &mut Stage, scenario: &Scenario, before: usize) -> Result<(), String> {
    begin(stage, scenario).await;
    for (after, trouble) in &scenario.troubles {
        let pause = tokio::time::sleep(*after);
        attend(stage, pause).await;
        strike(stage, trouble).await;
    }
    let resources = stage.world.resources();
    let may_forget = scenario.has(|trouble| matches!(trouble, Trouble::DeletedStatus));
    let done = async move {
        loop {
            let resource = resources.get(NAME).await.unwrap();
            if is_done(&resource, may_forget) {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let done = attend(stage, tokio::time::timeout(PATIENCE, done)).await;
    done.map_err(|_| "the rotation does not end".to_owned())?;
    if !stage.all_hold(&NEW) {
        return Err("not every number holds the new key".to_owned());
    }
    // Now the old key may go.
    for replica in 0..stage.endpoint.replicas() {
        stage.load(replica, &[&NEW], KeyChange::Now);
    }
    stage.go_on_for(60).await;
    judge(stage, scenario, before).await
}

/// Both Secrets change, in one of the two orders.
async fn begin(stage: &Stage, scenario: &Scenario) {
    if scenario.operator_first {
        stage.put_in_secret(&NEW).await;
    }
    for (replica, lag) in scenario.lags.iter().enumerate() {
        stage.load(replica, &[&OLD, &NEW], KeyChange::After(*lag));
    }
    for replica in scenario.lags.len()..stage.endpoint.replicas() {
        stage.load(replica, &[&OLD, &NEW], KeyChange::Now);
    }
    if !scenario.operator_first {
        let has_both = || (0..scenario.lags.len()).all(|replica| stage.endpoint.keys(replica).len() == 2);
        stage.wait_until("both keys at the endpoint", has_both).await;
        stage.put_in_secret(&NEW).await;
    }
}

/// Waits for a future. Meanwhile starts the operator again whenever it has reached the write at which it dies.
async fn attend<T>(stage: &mut Stage, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let writes = std::sync::Arc::clone(&stage.writes);
    loop {
        tokio::select! {
            result = &mut work => return result,
            () = writes.stopped() => stage.restart(),
        }
    }
}

async fn strike(stage: &mut Stage, trouble: &Trouble) {
    let world = &stage.world;
    match trouble {
        Trouble::Kill => stage.restart(),
        Trouble::KillAtWrite(number, side) => {
            let which = Which::Number(stage.writes.made().len() + number);
            stage.writes.stop_at(Point { which, side: *side });
        }
        Trouble::Conflicts => {
            stage
                .kubernetes
                .set(Fault { of: Call::is_status, action: Action::Answer { status: 409, retry_after: None } });
            let met = tokio::time::timeout(Duration::from_secs(1), async {
                while stage.kubernetes.met() < 3 {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            });
            // There may be nothing to write.
            let _ = met.await;
            stage.kubernetes.lift();
        }
        Trouble::Edits => {
            for edit in 0..20 {
                let body = json!({"metadata": {"annotations": {"edited-by-a-test": edit.to_string()}}});
                world.resources().patch(NAME, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
            }
        }
        Trouble::Meta(fault) => drop(world.emulator.inject((**fault).clone())),
        Trouble::LostSignature(number) => {
            world.emulator.lose_signature(number).unwrap();
            world.request_sync(NAME, number).await;
        }
        Trouble::Replacement => stage.replace_pods().await,
        Trouble::DeletedStatus => {
            let body = Patch::Merge(json!({"status": null}));
            world.resources().patch_status(NAME, &PatchParams::default(), &body).await.unwrap();
        }
    }
}

/// Whether the rotation is over. If the status was deleted, there may be no trace of a rotation.
fn is_done(resource: &FlowsEncryptionKey, may_forget: bool) -> bool {
    let status = resource.status.as_ref();
    let has_new = status.and_then(|status| status.public_key_fingerprint.as_ref()) == Some(&NEW.fingerprint);
    let is_ready = condition_of(resource, ConditionType::Ready).0 == "True";
    let phase = phase_of(resource);
    has_new && is_ready && (phase == "Completed" || (may_forget && phase.is_empty()))
}

async fn judge(stage: &mut Stage, scenario: &Scenario, before: usize) -> Result<(), String> {
    let failures = stage.end().await;
    if let Some(failure) = failures.first() {
        return Err(format!("customers saw {} failures, the first: {failure}", failures.len()));
    }
    let uploads = stage.world.emulator.uploads();
    for number in &stage.numbers {
        let count = |key: &str| {
            let is = |upload: &&graph_emulator::Upload| {
                let fingerprint = upload.fingerprint.as_deref().map(|digits| format!("sha256:{digits}"));
                upload.took_effect && *upload.number == **number && fingerprint.as_deref() == Some(key)
            };
            uploads[before..].iter().filter(is).count()
        };
        let (forward, back, losses) = (count(&NEW.fingerprint), count(&OLD.fingerprint), scenario.losses(number));
        if forward > 1 + losses || back > losses {
            return Err(format!("{number}: {forward} uploads of the new key and {back} of the old one"));
        }
    }
    stage.leaked_secret().await.map_or(Ok(()), Err)
}
