//! TLS, HTTP/2, and the end of a server.

use graph_emulator::{Config, Emulator, Fault, FaultAction};
use reqwest::{Certificate, Client, StatusCode, Version};

use crate::{Graph, NUMBER, TOKEN, client};

fn trusting(ca_pem: &str) -> Client {
    let _ = client();
    let ca = Certificate::from_pem(ca_pem.as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([ca]).build().unwrap()
}

#[tokio::test]
async fn http_2_over_tls() {
    let mut graph = Graph::with(Config { tls: true, ..Config::default() }).await;
    assert!(graph.emulator.base_url().starts_with("https://127.0.0.1:"));
    graph.client = trusting(graph.emulator.ca_pem().unwrap());
    let response = graph.get(NUMBER).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(graph.emulator.calls()[0].http_version, "HTTP/2.0");

    graph.emulator.inject(Fault::new(FaultAction::ResetBeforeAnswer).times(1));
    assert!(graph.get(NUMBER).send().await.is_err());
    graph.read(NUMBER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_in_a_body_over_http_2() {
    let mut graph = Graph::with(Config { tls: true, ..Config::default() }).await;
    graph.client = trusting(graph.emulator.ca_pem().unwrap());
    graph.emulator.inject(Fault::new(FaultAction::ResetMidBody));
    let response = graph.get(NUMBER).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn nobody_else_trusts_the_ca() {
    let graph = Graph::with(Config { tls: true, ..Config::default() }).await;
    let other = Emulator::start(Config { tls: true, ..Config::default() }).await.unwrap();
    let stranger = trusting(other.ca_pem().unwrap());
    assert!(stranger.get(graph.url(NUMBER)).send().await.is_err());
    assert_eq!(graph.emulator.counters().calls.total(), 0);
}

#[tokio::test]
async fn http_2_without_tls() {
    let mut graph = Graph::start().await;
    graph.client = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    graph.read(NUMBER).await;
    assert_eq!(graph.emulator.calls()[0].http_version, "HTTP/2.0");
}

#[tokio::test]
async fn a_stopped_emulator_frees_its_port_and_ends_its_calls() {
    let graph = Graph::start().await;
    graph.emulator.inject(Fault::new(FaultAction::Hang));
    let hanging = tokio::spawn(graph.get(NUMBER).send());
    crate::until(|| graph.emulator.counters().in_flight == 1).await;
    let listen = graph.emulator.address();
    graph.emulator.stop().await;
    assert!(hanging.await.unwrap().is_err());

    let again = Emulator::start(Config { listen, ..Config::default() }).await.unwrap();
    assert_eq!(again.address(), listen);
    let taken = Emulator::start(Config { listen, ..Config::default() }).await;
    assert!(taken.unwrap_err().to_string().contains(&listen.to_string()));
}

#[tokio::test]
async fn a_dropped_emulator_answers_no_more() {
    let graph = Graph::start().await;
    let url = graph.url(NUMBER);
    drop(graph.emulator);
    let call = || graph.client.get(&url).bearer_auth(TOKEN).send();
    while call().await.is_ok() {}
}
