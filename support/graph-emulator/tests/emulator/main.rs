//! Drives the emulator over HTTP, as the operator does.
#![expect(clippy::unwrap_used, reason = "a test fails where it finds what it did not expect")]

mod accounts;
mod admin;
mod faults;
mod journal;
mod program;
mod reads;
mod refusals;
mod tls;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use graph_emulator::{Config, Emulator};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

const NUMBER: &str = "106540352242922";
const OTHER_NUMBER: &str = "107995438950512";
const TOKEN: &str = "EAAtoken";
const FIRST_KEY: &str = include_str!("fixtures/first.pem");
const SECOND_KEY: &str = include_str!("fixtures/second.pem");
/// `openssl pkey -pubin -in first.pem -outform DER | openssl dgst -sha256`
const FIRST_FINGERPRINT: &str = "0f1cec55ccdee990f14957ff0a3624c9c409034aa3bd963cc66f7bb057148e55";
const SECOND_FINGERPRINT: &str = "da9c88058cd4a112077b7e224dc566f6444792edc6d71c4a421de9c346481db8";

/// An emulator with a token and two numbers, and a client for it.
struct Graph {
    emulator: Emulator,
    client: Client,
}

impl Graph {
    async fn start() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let emulator = Emulator::start(config).await.unwrap();
        emulator.add_token(TOKEN);
        emulator.add_numbers([NUMBER, OTHER_NUMBER]);
        let client = client();
        Self { emulator, client }
    }

    fn url(&self, id: &str) -> String {
        let base_url = self.emulator.base_url();
        format!("{base_url}/v25.0/{id}/whatsapp_business_encryption")
    }

    fn get(&self, id: &str) -> RequestBuilder {
        self.client.get(self.url(id)).bearer_auth(TOKEN)
    }

    fn post(&self, id: &str, key: &str) -> RequestBuilder {
        let form = [("business_public_key", key)];
        self.client.post(self.url(id)).bearer_auth(TOKEN).form(&form)
    }

    /// The body of a read that succeeds.
    async fn read(&self, id: &str) -> Value {
        let (status, body) = answer(self.get(id)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// The key and the signature status that a read in the default shape shows.
    async fn key(&self, id: &str) -> Option<(String, String)> {
        let body = self.read(id).await;
        let entry = body["data"].get(0)?;
        let field = |name: &str| entry[name].as_str().unwrap().to_owned();
        Some((field("business_public_key"), field("business_public_key_signature_status")))
    }

    /// An upload that answers success.
    async fn upload(&self, id: &str, key: &str) {
        let (status, body) = answer(self.post(id, key)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body, serde_json::json!({"success": true}));
    }

    fn fingerprint(&self, id: &str) -> Option<Arc<str>> {
        self.emulator.number(id).unwrap().fingerprint
    }
}

fn client() -> Client {
    // Fails from the second time on, when there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// Status and JSON body.
async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap())
}

/// A key with this status, as [`Graph::key`] gives it.
fn key(text: &str, status: &str) -> Option<(String, String)> {
    Some((text.to_owned(), status.to_owned()))
}

/// Waits until a condition holds.
async fn until(mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(waited.is_ok(), "the condition does not come true");
}
