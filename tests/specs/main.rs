//! Sequences of changes to every field of the spec and every Secret. The test compares the result of each change with a
//! model, and then takes the changes back. See docs/assurance.md.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

mod changes;
mod model;
mod run;

use std::time::{Duration, Instant};

use graph_emulator::appsecret_proof;
use harness::emulator::upload;
use harness::secrecy::{find_leak, plain_and_encoded, texts};
use harness::state::{differences, state};
use harness::storefront::{APP_SECRET, NAME, NUMBERS, secrets};
use harness::wait::PATIENCE;
use harness::{TOKEN, World};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::crd::FlowsEncryptionKeyStatus;

use crate::changes::{Admission, Change, changed, changes};
use crate::model::{EXPIRED, WRONG_APP_SECRET, WRONG_PASSPHRASE};
use crate::run::Run;

/// The operator's binary.
const OPERATOR: &str = env!("CARGO_BIN_EXE_waflows-operator");
/// Time for sequences of changes; more with `WAFLOWS_SPEC_SECONDS`.
const BUDGET_SECONDS: u64 = 20;
/// `WAFLOWS_SPEC_SEED` takes another.
const SEED: u64 = 20261122;
/// Worlds in which sequences run at once.
const WORLDS: usize = 4;

fn variable(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_has_its_effect_and_its_way_back() {
    let seed = variable("WAFLOWS_SPEC_SEED", SEED);
    let budget = Duration::from_secs(variable("WAFLOWS_SPEC_SECONDS", BUDGET_SECONDS));
    let worlds = (0..WORLDS).map(|world| tokio::spawn(sequences(seed, world, budget)));
    let ended = futures::future::join_all(worlds).await;
    let (mut steps, mut failures) = (0, Vec::new());
    for result in ended {
        match result.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(count) => steps += count,
            Err(failure) => failures.push(failure),
        }
    }
    println!("seed {seed}: {steps} steps, {} changes", changes().len());
    assert!(failures.is_empty(), "WAFLOWS_SPEC_SEED={seed}\n{}", failures.join("\n"));
}

/// Makes each change of this world's share alone, then random pairs until the time is over. Returns the number of
/// steps.
async fn sequences(seed: u64, world: usize, budget: Duration) -> Result<usize, String> {
    let mut random = fastrand::Rng::with_seed(seed + world as u64);
    let all = changes();
    let mut own: Vec<_> = all.iter().skip(world).step_by(WORLDS).collect();
    random.shuffle(&mut own);
    let mut run = Run::new().await;
    let end = Instant::now() + budget;
    let before = state(&run.world, NAME).await;
    let mut steps = 0;
    for change in own {
        steps += sequence(&mut run, &[change]).await?;
        same_as_before(&run, &before, change.1).await?;
    }
    let allowed: Vec<_> = all.iter().filter(|change| change.0 == Admission::Accepted).collect();
    while Instant::now() < end {
        let pair = [0, 0].map(|_| allowed[random.usize(..allowed.len())]);
        steps += sequence(&mut run, &pair).await?;
        same_as_before(&run, &before, pair[1].1).await?;
    }
    find_leak(&texts(&run.world).await, &all_secrets()).map_or(Ok(steps), Err)
}

/// The secrets of every run, and wrong ones: a person may have mixed up two systems.
fn all_secrets() -> Vec<String> {
    let proofs = [(TOKEN, WRONG_APP_SECRET), (EXPIRED, APP_SECRET), (EXPIRED, WRONG_APP_SECRET)]
        .map(|(token, secret)| appsecret_proof(token, secret));
    let wrong = [EXPIRED, WRONG_PASSPHRASE, WRONG_APP_SECRET].map(str::to_owned);
    [secrets(), plain_and_encoded(wrong.into_iter().chain(proofs))].concat()
}

/// Makes the changes one after the other, and takes them back in turn.
async fn sequence(run: &mut Run, changes: &[&Change]) -> Result<usize, String> {
    let names: Vec<_> = changes.iter().map(|change| change.1).collect();
    let mut inputs = vec![run.input.clone()];
    let mut way = Vec::new();
    for (verdict, _, change) in changes {
        let mut input = inputs.last().unwrap().clone();
        change(&mut input);
        // Two allowed changes may be forbidden together.
        let verdict = if input.is_valid() { *verdict } else { Admission::Invalid };
        way.push((verdict, input.clone()));
        inputs.push(input);
    }
    inputs.pop();
    way.extend(inputs.into_iter().rev().map(|input| (Admission::Accepted, input)));
    let count = way.len();
    for (step, (verdict, input)) in way.into_iter().enumerate() {
        let done = run.set(verdict, &input).await;
        done.map_err(|error| format!("{names:?}, step {step}: {error}\nlog:\n{}", run.world.operator.log()))?;
    }
    Ok(count)
}

/// The state is that of the beginning, but for the memory of earlier keys.
async fn same_as_before(run: &Run, before: &Value, after: &str) -> Result<(), String> {
    let begun = Instant::now();
    let kept = |mut state: Value| {
        state["status"]["previousFingerprints"] = Value::Null;
        state["atMeta"] = Value::Null;
        state
    };
    loop {
        match differences(&kept(before.clone()), &kept(state(&run.world, NAME).await)) {
            None => return Ok(()),
            Some(differences) if begun.elapsed() > PATIENCE => return Err(format!("after {after}: {differences}")),
            Some(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_is_seen_to_disagree() {
    let mut run = Run::new().await;
    assert_eq!(run.complaint().await, None);
    let world = &run.world;
    // From now on this test does the operator's work, wrongly.
    world.operator.signal("STOP");
    let key = world.emulator.number(NUMBERS[0]).unwrap().settings.public_key.unwrap();

    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    assert!(run.complaint().await.unwrap().contains("MISMATCH"), "what is only in the status is on no number");
    world.emulator.set_foreign_key(NUMBERS[0], &key).unwrap();
    world.emulator.set_foreign_key(NUMBERS[2], &key).unwrap();
    assert!(run.complaint().await.unwrap().contains(NUMBERS[2]), "a key on a number that is not listed");
    world.emulator.drop_key(NUMBERS[2]).unwrap();
    assert_eq!(run.complaint().await, None);

    let good = world.resources().get(NAME).await.unwrap().status.unwrap();
    let mut turned = good.clone();
    turned.phone_numbers.reverse();
    store(world, &turned).await;
    assert!(run.complaint().await.unwrap().contains("order"), "numbers in another order");
    let mut early = good.clone();
    early.next_check_time = early.last_check_time.clone();
    store(world, &early).await;
    assert!(run.complaint().await.unwrap().contains("next check"), "a check too early");
    let mut careless = good.clone();
    careless.observed_secrets[0].resource_version = "1".to_owned();
    store(world, &careless).await;
    assert!(run.complaint().await.unwrap().contains("not looked at again"), "a Secret of long ago");
    let mut wrong = good.clone();
    wrong.conditions[0].reason = "DriftObserved".to_owned();
    store(world, &wrong).await;
    assert!(run.complaint().await.unwrap().contains("DriftObserved"), "a wrong reason");
    store(world, &good).await;
    assert_eq!(run.complaint().await, None);

    // The same key once more: Meta is as it was.
    assert!(upload(run.world.emulator.base_url(), APP_SECRET, NUMBERS[0], &key).await.is_success());
    assert!(run.complaint().await.unwrap().contains("uploads"), "an upload that nothing called for");
    *run.uploads.get_mut(NUMBERS[0]).unwrap() += 1;
    assert_eq!(run.complaint().await, None);

    assert!(run.set(Admission::Accepted, &changed(&run.input, "no numbers")).await.unwrap_err().contains("Invalid"));
    let unquoted = changed(&run.input, "a number that is none to YAML");
    assert!(run.set(Admission::Invalid, &unquoted).await.unwrap_err().contains("Mistyped"));
    let accepted = changed(&run.input, "one number");
    assert!(run.set(Admission::Invalid, &accepted).await.unwrap_err().contains("Accepted"));
    assert!(run.complaint().await.unwrap().contains("Ready"), "a change that nobody looks at");
}

async fn store(world: &World, status: &FlowsEncryptionKeyStatus) {
    let body = json!({"status": status});
    world.resources().patch_status(NAME, &PatchParams::default(), &Patch::Merge(body)).await.unwrap();
}
