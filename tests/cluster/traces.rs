//! Traces, as a collector receives them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use graph_emulator::{Expiry, Fault, GraphError, Inspection, Token, appsecret_proof};
use harness::secrecy::{find_leak, plain_and_encoded, texts};
use harness::{Operator, TOKEN, World, condition_of, many_numbers};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::OPERATOR;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

/// A collector that takes what comes over OTLP/HTTP.
#[derive(Clone, Default)]
struct Collector {
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    /// Starts to listen. Returns the endpoint as well.
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, endpoint)
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap()).collect()
    }

    /// All spans so far.
    fn spans(&self) -> Vec<Span> {
        let requests = self.requests();
        let resources = requests.into_iter().flat_map(|request| request.resource_spans);
        resources.flat_map(|spans| spans.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    fn has(&self, text: &str) -> bool {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().any(|body| body.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    collector.bodies.lock().unwrap().push(body);
    StatusCode::OK
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone();
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

fn with_traces(world: &World, endpoint: &str, further: &[(&str, &str)]) -> Operator {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let variables = [&variables, further].concat();
    world.launch.start_in(&world.namespace, &["--log-format", "json"], &variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_is_a_trace_of_what_it_did_without_a_secret_in_it() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    let (collector, endpoint) = Collector::start().await;
    world.operator = with_traces(&world, &endpoint, &[("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=tests")]);
    let key = world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    let root = || {
        let is_root = |span: &Span| span.name == "round" && count(&collector.spans(), span, "execute") == 1;
        collector.spans().into_iter().find(is_root)
    };
    world.wait_until("the reconcile arrives", || root().is_some()).await;

    let (spans, root) = (collector.spans(), root().unwrap());
    assert!(root.parent_span_id.is_empty());
    assert_eq!(attribute(&root.attributes, "k8s.namespace.name"), Some(world.namespace.clone()));
    assert_eq!(attribute(&root.attributes, "waflows.resource").as_deref(), Some("storefront"));
    let child = |name: &str| spans.iter().find(|span| span.name == name && is_child(span, &root)).unwrap();
    assert_eq!(count(&spans, child("observe"), "graph read"), 3);
    assert_eq!(count(&spans, child("execute"), "graph upload"), 3);
    assert_eq!(count(&spans, child("execute"), "graph read"), 3, "each is read back");
    assert!(count(&spans, &root, "write status") >= 1);
    for call in spans.iter().filter(|span| span.name.starts_with("graph ")) {
        let of = |key| attribute(&call.attributes, key);
        assert_eq!(call.kind, 3, "a client's");
        assert_eq!(of("http.response.status_code").as_deref(), Some("200"));
        assert!(NUMBERS.contains(&of("waflows.phone_number_id").unwrap().as_str()));
        assert!(of("meta.fbtrace_id").is_some_and(|id| !id.is_empty()));
        let method = if call.name == "graph upload" { "POST" } else { "GET" };
        assert_eq!(of("http.request.method").as_deref(), Some(method));
    }

    let resource = collector.requests()[0].resource_spans[0].resource.clone().unwrap().attributes;
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("waflows-operator"));
    assert_eq!(attribute(&resource, "deployment.environment").as_deref(), Some("tests"));
    let trace_id: String = root.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let log = world.operator.log();
    let is_line = |line: &&str| line.contains(r#""message":"reconciled""#);
    let line: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(log.lines().find(is_line).unwrap()).expect("still JSON");
    assert_eq!(line["trace_id"], trace_id);
    assert_eq!(line["uploads"], 3);

    for secret in [TOKEN, key.private_pem.lines().nth(3).unwrap()] {
        assert!(!collector.has(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_shows_with_its_class_and_metas_trace_id() {
    let mut world = World::new(OPERATOR, &NUMBERS[..1]).await;
    let (collector, endpoint) = Collector::start().await;
    world.operator = with_traces(&world, &endpoint, &[("OTEL_SERVICE_NAME", "keys-of-the-shop")]);
    let leaking = format!("Malformed access token {TOKEN}");
    world.emulator.inject(Fault::error(GraphError::new(401, 190, leaking)));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&NUMBERS[..1])).await.unwrap();
    world.wait_reason("storefront", "TokenRefused").await;
    let call = || collector.spans().into_iter().find(|span| span.name == "graph read");
    world.wait_until("the call arrives", || call().is_some()).await;

    let call = call().unwrap();
    assert_eq!(attribute(&call.attributes, "error.type").as_deref(), Some("token"));
    assert!(attribute(&call.attributes, "meta.fbtrace_id").is_some());
    assert_eq!(call.status.unwrap().code, 2, "an error");
    let resource = collector.requests()[0].resource_spans[0].resource.clone().unwrap().attributes;
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("keys-of-the-shop"));
    assert!(!collector.has(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_one_line_and_one_that_is_misdescribed_the_start() {
    let mut world = World::new(OPERATOR, &NUMBERS[..1]).await;
    world.operator = with_traces(&world, "http://127.0.0.1:1", &[]);
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    world.wait_until("the loss is logged", || world.operator.log().contains("traces could not be sent")).await;
    assert_eq!(world.operator.terminate(), Some(0));

    let mut operator = with_traces(&world, "http://127.0.0.1:1", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert_eq!(operator.wait(), Some(1));
    assert!(operator.log().contains("OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported"), "{}", operator.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_list_nor_an_inspection_shows_a_token_in_any_place() {
    const ACCOUNT: &str = "200000000000001";
    const APP: &str = "1234567890";
    const APP_SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let mut world = World::new(OPERATOR, &[]).await;
    let (collector, endpoint) = Collector::start().await;
    world.operator = with_traces(&world, &endpoint, &[("WAFLOWS_TOKEN_INSPECTION", "true")]);
    // The app asks about the token, with a token of its own. A list of two pages has the token in `paging.next`.
    let end = jiff::Timestamp::now().as_second() + 6 * 86_400;
    let inspection = Inspection { allows_itself: false, expires_at: Expiry::At(end), ..Inspection::default() };
    let worth = Token { app_secret: Some(APP_SECRET.to_owned()), inspection, ..Token::default() };
    world.emulator.set_token(TOKEN, worth);
    world.emulator.set_app(APP, APP_SECRET);
    world.emulator.add_numbers_to(ACCOUNT, many_numbers(120));
    world.set_default_secrets().await;
    world.set_secret("meta-app", "secret", APP_SECRET).await;
    let mut spec = World::spec(&[]);
    spec.as_object_mut().unwrap().remove("phoneNumberIds");
    spec["businessAccounts"] = json!([{"id": ACCOUNT}]);
    spec["appSecretRef"] = json!({"name": "meta-app", "key": "secret"});
    spec["appId"] = json!(APP);
    world.apply("storefront", spec).await.unwrap();
    world.wait_ready("storefront").await;
    let is_expiring =
        |resource: &FlowsEncryptionKey| condition_of(resource, ConditionType::TokenAccepted).1 == "TokenExpiring";
    world.wait("storefront", "warned of the end of the token", is_expiring).await;
    // A refusal of Meta repeats parts of the request.
    let leaking = format!("Malformed access token {TOKEN} of {APP}|{APP_SECRET}");
    world.emulator.inject(Fault::error(GraphError::new(400, 100, leaking)).lists());
    world.request_sync("storefront", "1").await;
    world.wait_reason("storefront", "AccountRefused").await;
    let has = |name: &str, count| collector.spans().iter().filter(|span| span.name == name).count() >= count;
    world.wait_until("the calls arrive", || has("graph list", 3) && has("graph inspect", 2)).await;

    let hidden = [TOKEN, APP_SECRET, &appsecret_proof(TOKEN, APP_SECRET)].map(str::to_owned);
    let in_urls = ["input_token", "access_token="].map(str::to_owned);
    let secrets = [plain_and_encoded(hidden), in_urls.to_vec()].concat();
    assert_eq!(find_leak(&texts(&world).await, &secrets), None);
    assert_eq!(secrets.iter().find(|secret| collector.has(secret)), None, "in a trace");
    assert_eq!(world.emulator.counters().tokens_in_urls, 0);
}

fn is_child(span: &Span, parent: &Span) -> bool {
    span.trace_id == parent.trace_id && span.parent_span_id == parent.span_id
}

fn count(spans: &[Span], parent: &Span, name: &str) -> usize {
    spans.iter().filter(|span| span.name == name && is_child(span, parent)).count()
}
