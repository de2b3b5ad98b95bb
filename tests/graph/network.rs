//! Faults of the network.

use std::time::Duration;

use graph_emulator::{Config, Emulator, Fault, FaultAction};
use waflows_core::meta::ErrorClass;

use crate::world::{
    Graph, NUMBER, RESOURCE, answer, class_of, client, config, credentials, error_of, impatient, unlimited, until,
};

/// A read meets the fault and is repeated twice; an upload meets it and is not.
async fn passes_by_itself(action: FaultAction, says: &str) {
    let graph = Graph::with(Config::default(), impatient).await;
    graph.emulator.inject(Fault::new(action.clone()).times(2));
    graph.read().await.unwrap();
    assert_eq!(graph.reads(), 3, "{action:?}");

    let again = graph.emulator.inject(Fault::new(action.clone()));
    let error = error_of(graph.read().await);
    assert_eq!((error.class.clone(), graph.reads()), (ErrorClass::Transient, 6), "{action:?}");
    assert!(error.message.contains(says), "{action:?}: {error}");
    assert!(!error.message.contains("127.0.0.1"), "no URL in {error}");

    let error = error_of(graph.upload().await);
    assert!(error.class.leaves_outcome_open(), "{action:?}");
    assert_eq!(graph.uploads(), 1, "{action:?}");
    graph.emulator.clear_fault(again);
    graph.read().await.unwrap();
}

#[tokio::test]
async fn a_reset_before_the_answer() {
    passes_by_itself(FaultAction::ResetBeforeAnswer, "the connection to the Graph API broke").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_within_the_answer() {
    passes_by_itself(FaultAction::ResetMidBody, "the connection to the Graph API broke").await;
}

#[tokio::test]
async fn no_answer_at_all() {
    passes_by_itself(FaultAction::Hang, "did not answer in time").await;
}

#[tokio::test]
async fn an_answer_that_trickles_in() {
    let action = FaultAction::SlowBody { piece: 1, pause: Duration::from_millis(100) };
    passes_by_itself(action, "did not answer in time").await;
    let graph = Graph::start().await;
    graph.emulator.inject(Fault::new(FaultAction::SlowBody { piece: 3, pause: Duration::from_millis(1) }));
    graph.read().await.unwrap();
}

#[tokio::test]
async fn a_proxys_page_in_place_of_an_answer() {
    let page = format!("<html>{}</html>", "x".repeat(200_000));
    for fault in [Fault::new(FaultAction::ProxyError { status: 502 }), answer(503, page)] {
        let graph = Graph::faulty(fault).await;
        let error = error_of(graph.read().await);
        assert_eq!((error.class.clone(), graph.reads()), (ErrorClass::Transient, 3));
        assert!(
            matches!(error.http_status, Some(502 | 503)) && error.message.starts_with("Meta answers HTTP 50"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut() {
    for action in [FaultAction::OversizedBody { bytes: 64 * 1024 + 1 }, FaultAction::EndlessBody] {
        let graph = Graph::faulty(Fault::new(action)).await;
        let error = error_of(graph.read().await);
        assert_eq!((error.class.clone(), graph.reads()), (ErrorClass::Unexpected, 1));
        assert!(error.message.contains("longer than 64 KiB") && error.trace_id.is_some(), "{error:?}");
        until(|| graph.emulator.counters().in_flight == 0).await;
        assert!(class_of(graph.upload().await).leaves_outcome_open());
        assert_eq!(graph.uploads(), 1);
    }
    let graph = Graph::faulty(Fault::new(FaultAction::OversizedBody { bytes: 64 * 1024 })).await;
    assert!(!error_of(graph.read().await).message.contains("longer"));
}

#[tokio::test]
async fn a_redirect_is_reported_and_never_followed() {
    let elsewhere = Emulator::start(Config::default()).await.unwrap();
    let path = format!("/v25.0/{NUMBER}/whatsapp_business_encryption");
    for status in [301, 302, 303, 307, 308] {
        for location in
            [format!("{}{path}", elsewhere.base_url()), format!("//{}{path}", elsewhere.address()), path.clone()]
        {
            let graph = Graph::faulty(Fault::new(FaultAction::Redirect { status, location: location.clone() })).await;
            for error in [error_of(graph.read().await), error_of(graph.upload().await)] {
                assert_eq!((error.class.clone(), error.http_status), (ErrorClass::Unexpected, Some(status)));
                assert!(error.message.contains("not followed") && error.message.contains("--graph-url"), "{error}");
                assert_eq!(error.message.contains("to 127.0.0.1"), location.starts_with("http"), "{error}");
            }
            assert_eq!((graph.reads(), graph.uploads()), (1, 1));
        }
    }
    assert_eq!(elsewhere.counters().connections, 0);
}

#[tokio::test]
async fn nobody_listens() {
    let gone = Emulator::start(Config::default()).await.unwrap();
    let url = gone.base_url().to_owned();
    gone.stop().await;
    let client = client(&config(&url), unlimited());
    let error = error_of(client.read(&credentials("EAA"), RESOURCE, NUMBER).await);
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(
        error.message.starts_with("no connection to the Graph API") && error.message.contains("refused"),
        "{error}"
    );
}
