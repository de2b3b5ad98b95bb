//! URLs, and names that lead elsewhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use endpoint_emulator::{Behaviour, Certificate, Config};
use waflows_core::api::conditions::Reason;
use waflows_core::endpoint::ProbeOutcome;
use waflows_operator::endpoint::client::{PinError, ProbeClient};
use waflows_operator::endpoint::lookup::{Lookup, SystemLookup};

use crate::scene::Scene;

/// A name server whose answers are these, one after the other. The last answer stays.
struct Answers(Mutex<Vec<Vec<&'static str>>>);

impl Answers {
    fn new(answers: &[&[&'static str]]) -> Self {
        Self(Mutex::new(answers.iter().rev().map(|answer| answer.to_vec()).collect()))
    }
}

impl Lookup for Answers {
    async fn lookup(&self, _host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
        Ok(answer.iter().map(|address| SocketAddr::new(address.parse().unwrap(), port)).collect())
    }
}

async fn over_tls(hosts: &[&str]) -> Scene {
    let mut scene = Scene::with(Config { replicas: 2, tls: Some(Certificate::Right), ..Config::default() }).await;
    scene.policy.allowed_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    scene
}

fn url(scene: &Scene, host: &str) -> String {
    format!("https://{host}:{}/flows", scene.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_host_is_asked_at_the_address_of_its_name() {
    let scene = over_tls(&["localhost"]).await;
    // The system's answer for this name is 127.0.0.1. So the second replica shows that no name is looked up again.
    let found = scene.of_url(&url(&scene, "localhost"), &Answers::new(&[&["127.0.0.2"]])).await.unwrap();
    assert_eq!(found[0].name, "localhost");
    assert_eq!(scene.ask(&found[0]).await, (ProbeOutcome::Proven, Some(200)));
    assert_eq!(scene.emulator.requests()[0].replica, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resolver_of_the_system_is_asked_and_checked() {
    let mut scene = over_tls(&["localhost"]).await;
    let found = scene.of_url(&url(&scene, "localhost"), &SystemLookup).await.unwrap();
    assert!(found[0].address.ip().is_loopback());
    // As in production.
    scene.policy.loopback = false;
    scene.policy.private_addresses = true;
    let found = scene.of_url(&url(&scene, "localhost"), &SystemLookup).await;
    scene.assert_refused(found, Reason::EndpointUnreachable, "no address that the operator may connect to").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_the_second_time_is_not_asked_there() {
    let scene = over_tls(&["localhost"]).await;
    for later in ["169.254.169.254", "10.0.0.1", "0.0.0.0", "::ffff:169.254.169.254"] {
        scene.emulator.clear_journal();
        let answers = Answers::new(&[&["127.0.0.2"], &[later]]);
        let found = scene.of_url(&url(&scene, "localhost"), &answers).await.unwrap();
        assert_eq!(scene.ask(&found[0]).await, (ProbeOutcome::Proven, Some(200)));
        scene.emulator.clear_journal();
        let found = scene.of_url(&url(&scene, "localhost"), &answers).await;
        scene.assert_refused(found, Reason::EndpointUnreachable, "--endpoint-allow-private-addresses").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_forbidden_address_forbids_the_name_and_is_not_shown() {
    let mut scene = over_tls(&["*.example.com"]).await;
    scene.policy.loopback = false;
    let mut sentences = Vec::new();
    for answer in [&["203.0.113.1", "10.11.12.13"][..], &["127.0.0.1", "203.0.113.1"], &["169.254.169.254"], &[]] {
        let found = scene.of_url("https://flows.example.com/flows", &Answers::new(&[answer])).await;
        let refusal = found.unwrap_err();
        assert!(!answer.iter().any(|address| refusal.message.contains(address)), "{}", refusal.message);
        sentences.push(refusal);
    }
    sentences.dedup();
    assert_eq!(sentences.len(), 1, "nobody can tell an internal name from one that does not exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_need_the_flag() {
    let mut scene = over_tls(&["flows.example.com"]).await;
    let answers = Answers::new(&[&["10.0.0.1"]]);
    let url = "https://flows.example.com/flows";
    let found = scene.of_url(url, &answers).await;
    scene.assert_refused(found, Reason::EndpointUnreachable, "--endpoint-allow-private-addresses").await;
    scene.policy.private_addresses = true;
    assert_eq!(scene.of_url(url, &answers).await.unwrap()[0].address.to_string(), "10.0.0.1:443");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_allowed_is_not_asked() {
    for hosts in [&[][..], &["flows.example.com"], &["*.localhost"]] {
        let scene = over_tls(hosts).await;
        let found = scene.of_url(&url(&scene, "localhost"), &SystemLookup).await;
        scene.assert_refused(found, Reason::EndpointNotAllowed, "--endpoint-allowed-hosts").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ip_address_is_asked_only_if_it_is_listed() {
    let scene = over_tls(&["localhost", "*.0.0.1"]).await;
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "[::ffff:127.0.0.1]"] {
        let found = scene.of_url(&url(&scene, host), &SystemLookup).await;
        scene.assert_refused(found, Reason::EndpointNotAllowed, "is an IP address").await;
    }
    let mut scene = over_tls(&["127.0.0.1"]).await;
    let found = scene.of_url(&url(&scene, "127.0.0.1"), &SystemLookup).await.unwrap();
    assert_eq!(scene.ask(&found[0]).await, (ProbeOutcome::Proven, Some(200)));
    scene.emulator.clear_journal();
    scene.policy.loopback = false;
    let found = scene.of_url(&url(&scene, "127.0.0.1"), &SystemLookup).await;
    scene.assert_refused(found, Reason::EndpointUnreachable, "loopback").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let scene = over_tls(&["localhost"]).await;
    scene.emulator.set_behaviour(0, Behaviour::Redirect);
    let found = scene.of_url(&url(&scene, "localhost"), &Answers::new(&[&["127.0.0.1"]])).await.unwrap();
    assert_eq!(scene.ask(&found[0]).await, (ProbeOutcome::BadStatus, Some(308)));
    assert_eq!(scene.emulator.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_with_another_ip_address_than_the_target_is_not_asked() {
    let scene = over_tls(&["localhost"]).await;
    let mut found = scene.of_url(&url(&scene, "localhost"), &Answers::new(&[&["127.0.0.1"]])).await.unwrap();
    found[0].url.set_host(Some("127.0.0.2")).unwrap();
    assert!(matches!(ProbeClient::pinned(&found[0], Vec::new()), Err(PinError::OtherAddress)));
}

/// An authority that signed another endpoint.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_given_authorities_are_trusted() {
    let (scene, other) = (over_tls(&["localhost"]).await, over_tls(&[]).await);
    let found = scene.of_url(&url(&scene, "localhost"), &Answers::new(&[&["127.0.0.1"]])).await.unwrap();
    for (authorities, expected) in [(&scene, ProbeOutcome::Proven), (&other, ProbeOutcome::Unreachable)] {
        let outcome = scene.ask_with(&found[0], &authorities.emulator).await.0;
        assert_eq!(outcome, expected);
    }
}
