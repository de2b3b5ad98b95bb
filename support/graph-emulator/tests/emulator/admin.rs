//! The emulator's own API.

use graph_emulator::{Config, Lag, ResponseShape};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{FIRST_FINGERPRINT, FIRST_KEY, Graph, NUMBER, TOKEN, answer};

impl Graph {
    fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/_emulator/{path}", self.emulator.base_url());
        self.client.request(method, url)
    }

    async fn ask(&self, path: &str) -> Value {
        let (status, body) = answer(self.admin(Method::GET, path)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    async fn change(&self, method: Method, path: &str, body: &Value) -> StatusCode {
        let request = self.admin(method, path).body(body.to_string());
        request.send().await.unwrap().status()
    }
}

#[tokio::test]
async fn what_can_be_seen() {
    let graph = Graph::start().await;
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.ask("state").await["counters"]["calls"]["uploads"], json!(1));
    assert_eq!(graph.ask("counters").await["max_in_flight"], json!(1));
    assert_eq!(graph.ask("counters/numbers").await[NUMBER]["uploads"], json!(1));
    assert_eq!(graph.ask("counters/tokens").await[TOKEN]["uploads"], json!(1));
    assert_eq!(graph.ask("numbers").await.as_array().unwrap().len(), 2);
    assert_eq!(graph.ask("uploads").await[0]["fingerprint"], json!(FIRST_FINGERPRINT));
    assert_eq!(graph.ask("calls").await[0]["operation"], json!("upload"));
    let number = graph.ask(&format!("numbers/{NUMBER}")).await;
    assert_eq!(number["fingerprint"], json!(FIRST_FINGERPRINT));
    assert_eq!(number["signature_status"], json!("VALID"));
    let cleared = graph.change(Method::DELETE, "counters", &json!({})).await;
    assert_eq!(cleared, StatusCode::NO_CONTENT);
    assert_eq!(graph.emulator.counters().calls.total(), 0);
    assert_eq!(graph.emulator.counters().unrouted, 0);
}

#[tokio::test]
async fn settings_of_numbers() {
    let graph = Graph::start().await;
    let settings = json!({"public_key": FIRST_KEY, "lag": {"reads": 2}});
    assert_eq!(graph.change(Method::PUT, "numbers/77", &settings).await, StatusCode::OK);
    let patch = json!({"lag": {"for": "2s"}, "presentation": {"shape": "flat"}});
    assert_ne!(graph.change(Method::PATCH, "numbers/77", &patch).await, StatusCode::OK);
    let patch = json!({"lag": "none", "presentation": {"shape": "flat"}, "registered": false});
    assert_eq!(graph.change(Method::PATCH, "numbers/77", &patch).await, StatusCode::OK);
    let number = graph.emulator.number("77").unwrap();
    assert_eq!(number.settings.lag, Lag::None);
    assert_eq!(number.settings.presentation.shape, Some(ResponseShape::Flat));
    assert!(!number.settings.registered);
    assert_eq!(number.settings.public_key.as_deref(), Some(FIRST_KEY));

    let removed = graph.change(Method::DELETE, "numbers/77", &json!({})).await;
    assert_eq!(removed, StatusCode::NO_CONTENT);
    assert!(graph.emulator.number("77").is_none());
}

#[tokio::test]
async fn a_body_that_nobody_needs_is_awaited_and_the_connection_goes_on() {
    let graph = Graph::start().await;
    graph.upload(NUMBER, FIRST_KEY).await;
    let address = graph.emulator.base_url().strip_prefix("http://").unwrap().to_owned();
    let mut late = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /_emulator/numbers/{NUMBER}/lose-signature HTTP/1.1\r\nhost: {address}\r\ncontent-length: 3\r\n\r\n"
    );
    late.write_all(head.as_bytes()).await.unwrap();
    graph.admin(Method::GET, "state").send().await.unwrap();
    assert_eq!(graph.emulator.number(NUMBER).unwrap().signature_status(), Some("VALID"));
    let again = format!("GET /_emulator/state HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    late.write_all(format!("{{}}\n{again}").as_bytes()).await.unwrap();
    let mut answers = String::new();
    late.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert_eq!(graph.emulator.number(NUMBER).unwrap().signature_status(), Some("MISMATCH"));
}

#[tokio::test]
async fn what_happens_to_numbers() {
    let graph = Graph::start().await;
    graph.upload(NUMBER, FIRST_KEY).await;
    let post = async |action: &str| {
        let path = format!("numbers/{NUMBER}/{action}");
        assert_eq!(graph.admin(Method::POST, &path).send().await.unwrap().status(), 200);
        graph.emulator.number(NUMBER).unwrap()
    };
    assert_eq!(post("lose-signature").await.signature_status(), Some("MISMATCH"));
    assert_eq!(post("drop-key").await.fingerprint, None);
    let foreign = post("foreign-key").await;
    assert_eq!(foreign.signature_status(), Some("VALID"));
    assert_ne!(foreign.fingerprint.as_deref(), Some(FIRST_FINGERPRINT));

    let gone = graph.admin(Method::POST, "numbers/77/drop-key");
    let (status, body) = answer(gone).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body["error"].as_str().unwrap().contains("77"));
}

#[tokio::test]
async fn tokens() {
    let graph = Graph::start().await;
    let worth = json!({"numbers": [NUMBER]});
    assert_eq!(graph.change(Method::PUT, "tokens/new", &worth).await, StatusCode::OK);
    let token = graph.ask("tokens/new").await;
    assert_eq!(token["whatsapp_business_messaging"], json!(true));
    let expired = graph.change(Method::POST, "tokens/new/expire", &json!({})).await;
    assert_eq!(expired, StatusCode::NO_CONTENT);
    assert_eq!(graph.ask("tokens").await["new"]["expired"], json!(true));
    let removed = graph.change(Method::DELETE, "tokens/new", &json!({})).await;
    assert_eq!(removed, StatusCode::NO_CONTENT);
    let status = graph.admin(Method::GET, "tokens/new").send().await.unwrap().status();
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn faults() {
    let graph = Graph::start().await;
    let fault = json!({
        "operation": "read", "number": NUMBER, "times": 1,
        "action": {"rate_limit": {"code": 4, "retry_after": {"seconds": 9}}},
    });
    let (status, body) = answer(graph.admin(Method::POST, "faults").body(fault.to_string())).await;
    assert_eq!((status, &body["id"]), (StatusCode::OK, &json!(1)));
    assert_eq!(graph.ask("faults").await[0]["fault"]["number"], json!(NUMBER));
    let response = graph.get(NUMBER).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "9");

    for fault in [
        json!({"action": "hang"}),
        json!({"action": {"delay": "20ms"}, "effect": {"lands_as": "MISMATCH"}}),
        json!({"action": "ordinary", "effect": {"lands_after": "1s"}, "probability": 0.1}),
        json!({"action": {"graph_error": {"status": 500, "code": 2, "message": "x"}}}),
    ] {
        assert_eq!(graph.change(Method::POST, "faults", &fault).await, StatusCode::OK, "{fault}");
    }
    let unknown = json!({"action": "hang", "time": 3});
    assert_eq!(graph.change(Method::POST, "faults", &unknown).await, StatusCode::BAD_REQUEST);
    let cleared = graph.change(Method::DELETE, "faults/2", &json!({})).await;
    assert_eq!(cleared, StatusCode::NO_CONTENT);
    assert_eq!(graph.emulator.faults().len(), 3);
    graph.change(Method::DELETE, "faults", &json!({})).await;
    assert!(graph.emulator.faults().is_empty());
}

#[tokio::test]
async fn config_and_ca() {
    let graph = Graph::with(Config { seed: 3, ..Config::default() }).await;
    let patch = json!({"latency": "5ms", "response_shape": "data-map"});
    assert_eq!(graph.change(Method::PATCH, "config", &patch).await, StatusCode::OK);
    let config = graph.emulator.config();
    assert_eq!(config.latency.as_millis(), 5);
    assert_eq!(config.response_shape, ResponseShape::DataMap);
    assert_eq!((config.seed, config.journal_limit), (3, 100_000));
    for path in ["ca.pem", "nothing"] {
        let (status, body) = answer(graph.admin(Method::GET, path)).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(body["error"].is_string());
    }
}
