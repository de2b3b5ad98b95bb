//! The clients between the emulators of Meta and of an endpoint.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod bounds;
mod failures;
mod recovery;

use std::sync::LazyLock;

use endpoint_emulator::KeyChange;
use harness::wait::until;
use harness::{TOKEN, TestKey, emulator};
use whatsapp_clients::{Config, Traffic};

pub(crate) static OLD: LazyLock<TestKey> = LazyLock::new(TestKey::from_openssl);
pub(crate) static NEW: LazyLock<TestKey> = LazyLock::new(TestKey::from_openssl);
pub(crate) const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Meta, an endpoint of two replicas, and clients that use both.
pub(crate) struct World {
    pub(crate) meta: graph_emulator::Emulator,
    pub(crate) endpoint: endpoint_emulator::Emulator,
    pub(crate) traffic: Traffic,
}

impl World {
    /// The numbers and both replicas have the old key.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let meta = emulator::start(graph_emulator::Config::default(), &NUMBERS).await;
        let settings = endpoint_emulator::Config { replicas: 2, ..endpoint_emulator::Config::default() };
        let endpoint = endpoint_emulator::Emulator::start(settings).await.unwrap();
        endpoint.set_app_secret(Some(APP_SECRET));
        endpoint.set_keys_everywhere(&[&OLD.private_pem], KeyChange::Now).unwrap();
        let mut config = Config {
            seed: 1,
            graph_url: meta.base_url().to_owned(),
            token: TOKEN.to_owned(),
            numbers: NUMBERS.map(str::to_owned).to_vec(),
            targets: (0..2).map(|replica| endpoint.url(replica)).collect(),
            app_secret: Some(APP_SECRET.to_owned()),
            clients: 6,
            requests_per_second: 100.0,
            request_limit: 100_000,
        };
        change(&mut config);
        put_on_numbers(&meta, &OLD, "VALID");
        Self { traffic: Traffic::start(config).unwrap(), meta, endpoint }
    }

    pub(crate) async fn warm_up(&self) {
        assert!(until(|| self.traffic.is_warm()).await, "{:?}", self.traffic.counts());
    }

    /// So many more requests.
    pub(crate) async fn go_on_for(&self, requests: u64) {
        let end = self.traffic.counts().requests + requests;
        assert!(until(|| self.traffic.counts().requests >= end).await, "{:?}", self.traffic.counts());
    }
}

/// Meta shows this key from now on, with this signature status.
pub(crate) fn put_on_numbers(meta: &graph_emulator::Emulator, key: &TestKey, signature_status: &str) {
    let pem = key.public_pem();
    for number in NUMBERS {
        let put = meta.update_number(number, |number| {
            number.public_key = Some(pem.clone());
            number.signature_status = signature_status.to_owned();
        });
        put.unwrap();
    }
}
