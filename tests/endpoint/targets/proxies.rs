//! The proxy of the environment: for URLs, not for pods.

use std::env;
use std::net::SocketAddr;
use std::process::Command;

use endpoint_emulator::{Config, Emulator, KeyChange};
use harness::TestKey;
use harness::process::run;
use reqwest::Url;
use waflows_core::endpoint::ProbeOutcome;
use waflows_operator::endpoint::targets::Target;

use crate::scene::ask;

/// Nothing listens there.
const DEAD_PROXY: &str = "http://127.0.0.1:9";

/// Runs itself again in a process with a proxy, because a process reads these variables for all its clients.
#[test]
fn pods_are_asked_directly_and_urls_through_the_proxy() {
    let name = "targets::proxies::with_a_proxy_in_the_environment";
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(["--exact", name, "--ignored"]).env_remove("NO_PROXY").env_remove("no_proxy");
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        again.env(variable, DEAD_PROXY);
    }
    let printed = run(&mut again, "");
    assert!(printed.is_success() && printed.stdout.contains("1 passed"), "{printed:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above, in a process of its own"]
async fn with_a_proxy_in_the_environment() {
    harness::tls::install_provider();
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let key = TestKey::generate();
    emulator.set_keys_everywhere(&[&key.private_pem], KeyChange::Now).unwrap();
    let address: SocketAddr = emulator.address(0);
    let target = |name: &str| {
        let url = Url::parse(&format!("http://flows.shop.svc:{}/flows", address.port())).unwrap();
        Target { name: name.to_owned(), url, address }
    };
    assert_eq!(ask(&emulator, &key, &target("pod/flows-0")).await, (ProbeOutcome::Proven, Some(200)));
    emulator.clear_journal();
    assert_eq!(ask(&emulator, &key, &target("flows.shop.svc")).await, (ProbeOutcome::Unreachable, None));
    assert!(emulator.requests().is_empty());
}
