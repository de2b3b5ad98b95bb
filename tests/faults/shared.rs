//! Resources that refer to the same Secrets.

use std::time::Duration;

use fault_proxy::{Action, Call, Fault};
use harness::{TOKEN, TestKey, World, many_numbers};
use serde_json::Value;

use crate::job::Job;

const RESOURCES: usize = 10;
/// The time of an answer about a Secret. Meanwhile the other resources ask.
const LATENCY: Duration = Duration::from_millis(300);

fn reads(job: &Job, secret: &str) -> usize {
    job.kubernetes.count(|call| call.starts_with("GET") && call.ends_with(&format!("/secrets/{secret}")))
}

fn spec(number: &str, key_secret: &str) -> Value {
    let mut spec = World::spec(&[number]);
    spec["privateKeySecretRef"]["name"] = key_secret.into();
    spec
}

/// When the last missing Secret appears, all resources begin at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_resources_with_the_same_secrets_read_each_secret_once() {
    let (job, ids) = (Job::new().await, many_numbers(RESOURCES));
    let world = &job.world;
    world.emulator.add_token(TOKEN);
    world.emulator.add_numbers(&ids);
    world.set_secret("meta-token", "token", TOKEN).await;
    for id in &ids {
        world.apply(id, spec(id, "flows-key")).await.unwrap();
        world.wait_reason(id, "SecretNotFound").await;
    }
    job.rest().await;
    let before = (reads(&job, "flows-key"), reads(&job, "meta-token"));
    job.kubernetes.set(Fault { of: Call::is_secret, action: Action::Delay(LATENCY) });
    world.set_secret("flows-key", "private.pem", TestKey::generate().private_pem).await;
    for id in &ids {
        world.wait_ready(id).await;
    }
    let more = (reads(&job, "flows-key") - before.0, reads(&job, "meta-token") - before.1);
    assert_eq!(more, (1, 1), "one request for each Secret");
}

/// The keys arrive one after the other, each while the reconcile before it still asks Meta.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_a_running_reconcile_uses_is_not_read_again_until_its_secret_changes() {
    let (job, ids) = (Job::new().await, many_numbers(2));
    let world = &job.world;
    world.emulator.add_token(TOKEN);
    world.emulator.add_numbers(&ids);
    world.set_secret("meta-token", "token", TOKEN).await;
    for id in &ids {
        world.apply(id, spec(id, &format!("key-{id}"))).await.unwrap();
        world.wait_reason(id, "SecretNotFound").await;
    }
    job.rest().await;
    let before = reads(&job, "meta-token");
    // Longer than the second resource takes before its first call.
    world.emulator.set_latency(Duration::from_secs(3));
    for id in &ids {
        world.set_secret(&format!("key-{id}"), "private.pem", TestKey::generate().private_pem).await;
        // The calls of the second resource wait for the answer that the first one gets.
        world.wait_until("Meta is asked", || job.graph.open() == 1).await;
    }
    for id in &ids {
        world.wait_ready(id).await;
    }
    assert_eq!(reads(&job, "meta-token") - before, 1, "the second resource uses the token that the first has read");

    // The reconciles and the inspection of the token are over, and so is the cached token.
    job.rest().await;
    let before = reads(&job, "meta-token");
    world.sync(&ids[0], "now").await;
    assert_eq!(reads(&job, "meta-token") - before, 1, "nothing is kept");
}
