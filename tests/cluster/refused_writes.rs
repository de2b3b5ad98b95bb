//! The API server refuses the status for good. The operator tries the resource ever more rarely, and the resource holds
//! up no other.

use std::time::Duration;

use graph_emulator::{Fault, Operation};
use harness::{World, many_numbers, new_namespace, strs};

use crate::OPERATOR;
use crate::rights::Account;

/// The scale of the waits. The wait after the first failure is 5 s.
const SCALE: f64 = 0.02;
const RECONCILES: usize = 6;

#[tokio::test]
async fn resources_whose_status_is_refused_cost_ever_less_and_hold_up_no_other() {
    let ids = many_numbers(6);
    let numbers = strs(&ids);
    let unsigned = numbers[5];
    let mut world = World::new(OPERATOR, &numbers).await;
    let refused = world.namespace.clone();
    let fine = new_namespace(&world.client).await;
    let account = Account::new(&refused);
    account.grant_all_but(&refused, "flowsencryptionkeys.waflows.dev/status");
    account.grant_all(&fine);
    let scale = SCALE.to_string();
    // Fewer concurrent reconciles than refused resources.
    let flags = ["--concurrency", "2", "--wait-scale", &scale];
    let namespaces = format!("{refused},{fine}");
    world.operator = world.launch.with_rights_of(&account.kubeconfig()).start(&namespaces, &flags);
    world.set_default_secrets().await;
    // Meta takes the key and never signs it. Only the status knows how often the key was uploaded.
    world.emulator.inject(Fault::upload_lands_as("MISMATCH").number(unsigned));
    for number in numbers[..4].iter().chain([&unsigned]) {
        world.apply(&format!("refused-{number}"), World::spec(&[number])).await.unwrap();
    }
    let refusals = || world.operator.log().matches("the reconcile could not be finished").count();
    world.wait_until("all are refused", || refusals() >= 5 && world.operator.log().contains("cannot update")).await;

    world.namespace.clone_from(&fine);
    world.set_default_secrets().await;
    world.roll_out("fine", &numbers[4..5]).await;

    // The first reconcile reads twice, before and after its upload. Every later one reads once.
    let reads_of = |id: &str| {
        let mut calls = world.emulator.calls();
        calls.retain(|call| &*call.id == id && call.operation == Operation::Read);
        calls.into_iter().skip(1).map(|call| call.at).collect::<Vec<_>>()
    };
    let have_all = |count: usize| numbers[..4].iter().all(|id| reads_of(id).len() >= count);
    world.wait_until("tried again and again", || have_all(RECONCILES)).await;
    for id in &numbers[..4] {
        let reads = reads_of(id);
        for (failures, pair) in reads.windows(2).enumerate() {
            let wait = Duration::from_secs(5).mul_f64(SCALE) * (1 << failures);
            let waited = pair[1] - pair[0];
            assert!(waited >= wait.mul_f64(0.95), "{waited:?} instead of {wait:?} after {failures} further failures");
        }
        // No upload if the first reconcile was cut short before it.
        assert!(world.emulator.calls_to(id).uploads <= 1, "what is there is not put there again");
    }
    // The unsigned number is read back four times after its upload.
    world.wait_until("the unsigned one, too", || reads_of(unsigned).len() >= 4 + RECONCILES).await;
    assert!(world.emulator.calls_to(unsigned).uploads <= 1, "what cannot be noted is not repeated");
}
