//! A start that finds many resources and nothing to do.

use harness::{TOKEN, World, many_numbers};

use crate::job::Job;

const RESOURCES: usize = 200;

fn is_read_of_secret(call: &str) -> bool {
    call.starts_with("GET") && call.contains("/secrets/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_nothing_due_reads_no_secret_calls_nobody_and_writes_nothing() {
    let (mut job, ids) = (Job::new().await, many_numbers(RESOURCES));
    job.world.emulator.add_token(TOKEN);
    job.world.emulator.add_numbers(&ids);
    job.world.set_default_secrets().await;
    for id in &ids {
        job.world.apply(id, World::spec(&[id])).await.unwrap();
    }
    for id in &ids {
        job.world.wait_ready(id).await;
    }
    job.rest().await;
    let requests = |job: &Job| (job.kubernetes.count(is_read_of_secret), job.reads(), job.writes.made());
    let before = requests(&job);

    job.restart();
    // A new resource comes after the old ones in the queue. Without Secrets, it costs one status.
    let mut spec = World::spec(&["106540352242922"]);
    for reference in ["privateKeySecretRef", "accessTokenSecretRef"] {
        spec[reference]["name"] = "missing".into();
    }
    job.world.apply("last", spec).await.unwrap();
    job.world.wait_reason("last", "SecretNotFound").await;
    job.rest().await;
    let (secrets, reads, writes) = requests(&job);
    assert_eq!((secrets, reads), (before.0 + 1, before.1), "the new resource reads the Secret that is missing");
    let news: Vec<_> = writes[before.2.len()..].iter().filter(|write| !write.contains("/last/")).collect();
    assert!(news.iter().all(|write| write.contains("/events")), "{news:?}");
    assert!(news.len() <= 1, "{news:?}");
}
