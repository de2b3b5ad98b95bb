//! What the emulator remembers and counts.

use std::time::Duration;

use graph_emulator::{Config, Fault, FaultAction, Operation, OperationCounts};

use crate::{FIRST_FINGERPRINT, FIRST_KEY, Graph, NUMBER, OTHER_NUMBER, TOKEN, until};

#[tokio::test]
async fn calls_and_uploads_in_order() {
    let graph = Graph::start().await;
    graph.read(NUMBER).await;
    let upload = graph.post(OTHER_NUMBER, FIRST_KEY).header("user-agent", "operator/1");
    upload.send().await.unwrap();
    graph.get("1").send().await.unwrap();

    let calls = graph.emulator.calls();
    let summary: Vec<_> = calls.iter().map(|call| (call.sequence, call.operation, &*call.id, call.status)).collect();
    assert_eq!(
        summary,
        [
            (1, Operation::Read, NUMBER, Some(200)),
            (2, Operation::Upload, OTHER_NUMBER, Some(200)),
            (3, Operation::Read, "1", Some(400)),
        ]
    );
    assert!(calls.is_sorted_by_key(|call| call.at));
    assert!(calls.iter().all(|call| call.token.as_deref() == Some(TOKEN)));
    assert!(calls.iter().all(|call| call.http_version == "HTTP/1.1"));
    assert!(calls.iter().all(|call| call.connection == 1));

    let uploads = graph.emulator.uploads();
    assert_eq!(uploads.len(), 1);
    let upload = &uploads[0];
    assert_eq!((upload.sequence, &*upload.number), (2, OTHER_NUMBER));
    assert_eq!(upload.fingerprint.as_deref(), Some(FIRST_FINGERPRINT));
    assert_eq!(upload.user_agent.as_deref(), Some("operator/1"));
    assert!(upload.took_effect);
}

#[tokio::test]
async fn counters_by_number_and_token() {
    let graph = Graph::start().await;
    graph.read(NUMBER).await;
    graph.read(NUMBER).await;
    graph.upload(NUMBER, FIRST_KEY).await;
    let refused = graph.client.get(graph.url(OTHER_NUMBER)).bearer_auth("bad");
    refused.send().await.unwrap();

    let counts = |reads, uploads| OperationCounts { reads, uploads, lists: 0, inspections: 0 };
    assert_eq!(graph.emulator.calls_to(NUMBER), counts(2, 1));
    assert_eq!(graph.emulator.calls_to(OTHER_NUMBER), counts(1, 0));
    assert_eq!(graph.emulator.calls_to("1").total(), 0);
    assert_eq!(graph.emulator.calls_with(TOKEN), counts(2, 1));
    assert_eq!(graph.emulator.calls_with("bad"), counts(1, 0));
    let counters = graph.emulator.counters();
    assert_eq!((counters.calls, counters.landed), (counts(3, 1), 1));

    graph.emulator.reset_counters();
    assert_eq!(graph.emulator.counters().calls.total(), 0);
    assert_eq!(graph.emulator.calls_to(NUMBER).total(), 0);
    assert!(graph.emulator.calls().is_empty() && graph.emulator.uploads().is_empty());
    assert_eq!(graph.fingerprint(NUMBER).as_deref(), Some(FIRST_FINGERPRINT));
}

#[tokio::test]
async fn the_highest_concurrency() {
    let graph = Graph::start().await;
    graph.read(NUMBER).await;
    assert_eq!(graph.emulator.counters().max_in_flight, 1);
    graph.emulator.inject(Fault::new(FaultAction::Hang));
    let hanging: Vec<_> = (0..7).map(|_| tokio::spawn(graph.get(NUMBER).send())).collect();
    until(|| graph.emulator.counters().in_flight == 7).await;
    for call in hanging {
        call.abort();
    }
    until(|| graph.emulator.counters().in_flight == 0).await;
    assert_eq!(graph.emulator.counters().max_in_flight, 7);
    graph.emulator.reset_counters();
    assert_eq!(graph.emulator.counters().max_in_flight, 0);
}

#[tokio::test]
async fn the_journal_is_bounded_and_can_be_off() {
    let graph = Graph::with(Config { journal_limit: 2, ..Config::default() }).await;
    for _ in 0..3 {
        graph.upload(NUMBER, FIRST_KEY).await;
    }
    let sequences: Vec<u64> = graph.emulator.calls().iter().map(|call| call.sequence).collect();
    assert_eq!(sequences, [2, 3]);
    assert_eq!(graph.emulator.uploads().len(), 2);

    graph.emulator.update_config(|config| config.journal_limit = 0);
    graph.upload(NUMBER, FIRST_KEY).await;
    assert!(graph.emulator.calls().is_empty() && graph.emulator.uploads().is_empty());
    assert_eq!(graph.emulator.counters().calls.uploads, 4);
    assert_eq!(graph.emulator.counters().landed, 4);
}

#[tokio::test]
async fn latency_holds_every_call() {
    let graph = Graph::start().await;
    graph.emulator.set_latency(Duration::from_secs(3600));
    let waiting = tokio::spawn(graph.get(NUMBER).send());
    until(|| graph.emulator.counters().calls.reads == 1).await;
    assert!(!waiting.is_finished());
    waiting.abort();
    graph.emulator.set_latency(Duration::ZERO);
    graph.read(NUMBER).await;
}
