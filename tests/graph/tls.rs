//! Which servers the client trusts, and how it connects.

use std::path::PathBuf;

use futures::future::join_all;
use graph_emulator::{Config, Emulator};
use harness::TOKEN;
use reqwest::Url;
use tempfile::NamedTempFile;
use waflows_core::meta::ErrorClass;
use waflows_operator::graph::call_limiter::{CallLimiter, Limits};
use waflows_operator::graph::{Client, ConfigError};

use crate::world::{Graph, NUMBER, RESOURCE, class_of, client, config, credentials, error_of, unlimited};

fn over_tls() -> Config {
    Config { tls: true, ..Config::default() }
}

fn refused(url: &str, change: impl FnOnce(&mut waflows_operator::graph::Config)) -> ConfigError {
    let mut config = config(url);
    change(&mut config);
    Client::new(&config, CallLimiter::new(unlimited()).into(), Default::default()).err().expect("it is refused")
}

#[tokio::test]
async fn a_private_ca_is_trusted_where_it_is_given() {
    let graph = Graph::with(over_tls(), |config| config.allow_http = false).await;
    graph.read().await.unwrap();
    graph.upload().await.unwrap();
    let calls = graph.emulator.calls();
    assert!(calls.iter().all(|call| call.http_version == "HTTP/2.0"));
    let agent = concat!("waflows-operator/", env!("CARGO_PKG_VERSION"));
    assert!(calls.iter().all(|call| call.user_agent.as_deref() == Some(agent)));
}

#[tokio::test]
async fn an_unknown_ca_gets_no_token() {
    let stranger = Emulator::start(over_tls()).await.unwrap();
    let with_another_ca =
        Graph::with(over_tls(), |config| config.base_url = stranger.base_url().parse().unwrap()).await;
    let without_ca = Graph::with(over_tls(), |config| config.ca_bundle = None).await;
    for graph in [&with_another_ca, &without_ca] {
        let error = error_of(graph.read().await);
        assert_eq!(error.class, ErrorClass::Transient);
        assert!(error.message.contains("certificate"), "{error}");
        assert_eq!(graph.reads(), 0);
    }
    assert_eq!(stranger.counters().calls.total(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_gets_no_token() {
    let graph = Graph::with(over_tls(), |config| {
        let port = config.base_url.port().unwrap();
        config.base_url = format!("https://ip6-localhost.localhost:{port}").parse().unwrap();
    })
    .await;
    assert_eq!(class_of(graph.read().await), ErrorClass::Transient);
    assert_eq!(graph.reads(), 0);
}

#[test]
fn only_https_unless_a_flag_says_so() {
    let error = refused("http://graph.test", |config| config.allow_http = false);
    assert!(matches!(error, ConfigError::NotHttps(_)) && error.to_string().contains("--allow-http-graph-url"));
    let error = refused("ftp://graph.test", |_| {});
    assert!(matches!(error, ConfigError::NotHttps(_)));
}

#[test]
fn a_base_url_has_neither_query_nor_password_and_errors_do_not_repeat_it() {
    for url in
        ["https://graph.test/?a=b", "https://graph.test/#a", "https://user@graph.test", "https://u:passw0rd@graph.test"]
    {
        let error = refused(url, |_| {});
        assert!(matches!(error, ConfigError::NotABase(_)), "{url}");
        assert!(!format!("{error} {error:?}").contains("passw0rd"), "{error:?}");
    }
}

#[test]
fn a_ca_bundle_holds_certificates() {
    for bundle in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(&file, bundle).unwrap();
        let error = refused("https://graph.test", |config| config.ca_bundle = Some(file.path().into()));
        assert!(matches!(error, ConfigError::CaBundle { .. } | ConfigError::Http(_)), "{bundle}: {error:?}");
    }
    let error = refused("https://graph.test", |config| config.ca_bundle = Some("/nonexistent/ca.pem".into()));
    assert!(error.to_string().starts_with("--graph-ca-bundle /nonexistent/ca.pem cannot be read: "), "{error}");
}

/// A file in a mounted ConfigMap: the kubelet puts another link in the place of one.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn with(pem: &str) -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        mounted.change(pem);
        mounted
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data/ca.crt")
    }

    fn change(&self, pem: &str) {
        let folder = tempfile::tempdir_in(&self.0).unwrap().keep();
        std::fs::write(folder.join("ca.crt"), pem).unwrap();
        let link = self.0.path().join("new");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        std::fs::rename(link, self.0.path().join("data")).unwrap();
    }
}

#[tokio::test]
async fn a_ca_bundle_that_changes_is_read_again_and_a_broken_one_changes_nothing() {
    let another = Emulator::start(over_tls()).await.unwrap();
    let mounted = Mounted::with(another.ca_pem().unwrap());
    // The client looks at the file before each call.
    let always = Limits { wait_scale: 0.0, ..unlimited() };
    let graph = Graph::limited(over_tls(), |config| config.ca_bundle = Some(mounted.path()), always).await;
    let is_refused = |result| error_of(result).message.contains("certificate");
    assert!(is_refused(graph.read().await));
    mounted.change(&std::fs::read_to_string(&graph.ca).unwrap());
    graph.read().await.expect("the new one is trusted");
    for broken in ["garbage", ""] {
        mounted.change(broken);
        graph.read().await.expect("the one before stays in force");
    }
    mounted.change(another.ca_pem().unwrap());
    assert!(is_refused(graph.read().await), "what is not in it is trusted no more");
}

#[tokio::test]
async fn connections_are_used_again() {
    let graph = Graph::start().await;
    for _ in 0..20 {
        graph.read().await.unwrap();
    }
    graph.upload().await.unwrap();
    assert_eq!(graph.emulator.counters().connections, 1);

    let graph = Graph::with(over_tls(), |_| {}).await;
    graph.read().await.unwrap();
    join_all((0..100).map(|_| graph.read())).await.into_iter().for_each(|read| assert!(read.is_ok()));
    assert_eq!(graph.emulator.counters().connections, 1, "HTTP/2 carries them all");
}

#[tokio::test]
async fn a_base_url_may_have_a_path() {
    let graph = Graph::start().await;
    let base: Url = format!("{}/gateway/", graph.emulator.base_url()).parse().unwrap();
    let through_gateway = client(&config(base.as_str()), unlimited());
    let error = error_of(through_gateway.read(&credentials(TOKEN), RESOURCE, NUMBER).await);
    assert!(error.message.contains(&format!("/gateway/v25.0/{NUMBER}/whatsapp_business_encryption")), "{error}");
}
