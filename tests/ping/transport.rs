//! Connections, and the obstacles to them.

use endpoint_emulator::{Behaviour, Certificate, Config};
use tokio::net::TcpListener;

use crate::scene::Scene;

async fn over_tls(certificate: Certificate) -> Scene {
    let scene = Scene::with(Config { tls: Some(certificate), ..Config::default() }).await;
    scene.write("ca.pem", scene.emulator.ca_pem().unwrap());
    scene
}

/// The message for an endpoint that cannot be reached.
fn obstacle(scene: &Scene, url: &str, flags: &[&str]) -> String {
    let printed = scene.ping(&[&[url, "-o", "json", "--key", "@private.pem"], flags].concat());
    let said = printed.json();
    assert_eq!((printed.code, said["outcome"].as_str()), (2, Some("Unreachable")), "{said}");
    assert!(said["targets"][0].get("httpStatus").is_none(), "{said}");
    said["targets"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_where_it_is_given() {
    let scene = over_tls(Certificate::Right).await;
    let (code, said) = scene.ask(0, &["--ca-file", "@ca.pem"]);
    assert_eq!((code, said["outcome"].as_str()), (0, Some("Proven")), "{said}");
    let message = obstacle(&scene, &scene.emulator.url(0), &[]);
    assert!(message.contains("is not trusted") && message.contains("--ca-file FILE"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_reported() {
    for (certificate, words) in [
        (Certificate::OfAnotherName, "is for another name than the name in the URL"),
        (Certificate::Expired, "is expired"),
    ] {
        let scene = over_tls(certificate).await;
        let message = obstacle(&scene, &scene.emulator.url(0), &["--ca-file", "@ca.pem"]);
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("flows.example.com"), "a name of the other side: {message}");
        assert!(scene.emulator.requests().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_scheme_is_reported() {
    let plain = Scene::new(1).await;
    let message = obstacle(&plain, &plain.emulator.url(0).replace("http:", "https:"), &[]);
    assert!(message.contains("use a URL that begins with http://"), "{message}");
    let tls = over_tls(Certificate::Right).await;
    let message = obstacle(&tls, &tls.emulator.url(0).replace("https:", "http:"), &[]);
    assert!(message.contains("use a URL that begins with https://"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_server_is_reported() {
    let mut scene = Scene::new(1).await;
    let url = scene.emulator.url(0);
    scene.emulator.stop_replica(0).await;
    let message = obstacle(&scene, &url, &[]);
    assert!(message.contains("nothing listens on that port"), "{message}");
    // No resolver asks a DNS server for such a name, so the test needs no network.
    for scheme in ["http", "https"] {
        let message = obstacle(&scene, &format!("{scheme}://{}.invalid/flows", "a".repeat(64)), &[]);
        assert!(message.contains("has no address"), "{message}");
    }
}

/// For TLS, a port that accepts connections and says nothing is as silent as a port behind a firewall.
#[tokio::test(flavor = "multi_thread")]
async fn silence_at_the_door_is_no_slow_endpoint() {
    let scene = Scene::new(1).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/flows", silent.local_addr().unwrap());
    let message = obstacle(&scene, &url, &[]);
    assert!(message.contains("within 5 seconds") && message.contains("NetworkPolicy"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_not_followed_and_the_query_is_sent_but_not_shown() {
    let scene = Scene::of(&[Behaviour::Redirect]).await;
    let url = scene.emulator.url(0) + "?token=passw0rd";
    let printed = scene.ping(&[&url, "--key", "@private.pem"]);
    assert_eq!(printed.code, 1, "{printed:?}");
    assert!(printed.stdout.contains("/flows?…\n") && !printed.stdout.contains("passw0rd"), "{printed:?}");
    let requests = scene.emulator.requests();
    let agent = concat!("waflows-operator/", env!("CARGO_PKG_VERSION"));
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!((&*requests[0].path, requests[0].user_agent.as_deref()), ("/flows?token=passw0rd", Some(agent)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_the_environment_is_used() {
    let scene = Scene::new(1).await;
    let proxy = format!("http://{}", scene.emulator.address(0));
    let arguments = ["http://flows.invalid/flows", "--key", "@private.pem"];
    let printed = scene.ping_with(&arguments, &[("HTTP_PROXY", &proxy)]);
    assert_eq!(printed.code, 0, "{printed:?}");
    assert_eq!(scene.emulator.requests()[0].path, "http://flows.invalid/flows");
    let printed = scene.ping_with(&arguments, &[("HTTP_PROXY", &proxy), ("NO_PROXY", "flows.invalid")]);
    assert_eq!(printed.code, 2, "{printed:?}");
    // The emulator as a proxy does not know CONNECT.
    let printed =
        scene.ping_with(&["https://flows.invalid/flows", "--key", "@private.pem"], &[("HTTPS_PROXY", &proxy)]);
    assert!(printed.code == 2 && printed.stdout.contains("did not let the request through"), "{printed:?}");
}
