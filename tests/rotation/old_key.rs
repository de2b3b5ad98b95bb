//! When the old private key may go. Before, clients or numbers still need it.

use endpoint_emulator::{Behaviour, KeyChange};
use graph_emulator::{Fault, GraphError};
use harness::TOKEN;
use serde_json::json;

use crate::stage::{NAME, NEW, OLD, Setup, Stage};

async fn begun(overlap: &str) -> Stage {
    let rotation = json!({"overlap": overlap});
    let stage = Stage::new(&Setup { gate: Some("Required"), rotation, ..Setup::default() }).await;
    for replica in 0..2 {
        stage.load(replica, &[&OLD, &NEW], KeyChange::Now);
    }
    stage
}

async fn is_retirable(stage: &Stage) -> bool {
    stage.world.events().await.iter().any(|event| event.reason.as_deref() == Some("OldKeyRetirable"))
}

async fn wait_retirable(stage: &Stage) {
    stage.wait_phase("Completed").await;
    let found = harness::wait::look(async || is_retirable(stage).await.then_some(()));
    assert!(found.await.is_some(), "{}", stage.describe_failure().await);
}

/// The overlap is over, the operator has looked since, and the old key is still needed.
async fn stays_in_overlap(stage: &Stage) {
    let resource = stage.wait_phase("Overlap").await;
    let until = serde_json::to_value(&resource.status).unwrap()["rotation"]["until"].clone();
    let until: jiff::Timestamp = serde_json::from_value(until).unwrap();
    stage.wait_until("the end of the overlap", || jiff::Timestamp::now() > until).await;
    stage.world.sync(NAME, "look").await;
    let resource = stage.world.sync(NAME, "look again").await;
    assert_eq!(crate::stage::phase_of(&resource), "Overlap", "{}", stage.describe_failure().await);
    assert!(!is_retirable(stage).await);
}

/// Property 6: clients that never saw the new key find it, because the endpoint answers 421.
#[tokio::test(flavor = "multi_thread")]
async fn clients_with_the_old_key_find_the_new_one_after_the_old_is_gone() {
    let mut stage = begun("1s").await;
    stage.put_in_secret(&NEW).await;
    wait_retirable(&stage).await;
    assert_eq!(stage.traffic.counts().wrong_key, 0);
    for replica in 0..2 {
        stage.load(replica, &[&NEW], KeyChange::Now);
    }
    stage.wait_until("clients that ask again", || stage.traffic.counts().refreshed > 0).await;
    stage.go_on_for(60).await;
    assert_eq!(stage.end().await, Vec::new(), "{}", stage.describe_failure().await);
    assert_eq!(stage.leaked_secret().await, None);
}

/// The other half of property 6: an endpoint that answers 500 would strand these clients, so the old key stays needed.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_stays_needed_while_the_endpoint_answers_500_in_place_of_421() {
    let mut stage = begun("1s").await;
    (0..2).for_each(|replica| stage.endpoint.set_behaviour(replica, Behaviour::Undecryptable(500)));
    stage.put_in_secret(&NEW).await;
    stays_in_overlap(&stage).await;
    (0..2).for_each(|replica| stage.endpoint.set_behaviour(replica, Behaviour::Right));
    stage.world.request_sync(NAME, "mended").await;
    wait_retirable(&stage).await;
    assert_eq!(stage.end().await, Vec::new(), "{}", stage.describe_failure().await);
}

/// Property 7: a number that Meta refuses still holds the old key.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_stays_needed_while_a_refused_number_holds_it() {
    let mut stage = begun("1s").await;
    let refused = stage.numbers[1];
    let refusal = GraphError::new(403, 200, "Permissions error");
    let fault = stage.world.emulator.inject(Fault::error(refusal).uploads().token(TOKEN).number(refused));
    stage.put_in_secret(&NEW).await;
    stays_in_overlap(&stage).await;
    stage.world.emulator.clear_fault(fault);
    stage.world.request_sync(NAME, "granted").await;
    wait_retirable(&stage).await;
    assert!(stage.all_hold(&NEW));
    assert_eq!(stage.end().await, Vec::new(), "{}", stage.describe_failure().await);
}
