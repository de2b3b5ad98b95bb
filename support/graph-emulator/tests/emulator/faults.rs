//! Faults, each as a caller sees it.

use std::time::{Duration, Instant};

use graph_emulator::{Config, Fault, FaultAction, GraphError, RateLimit, RetryAfter, UploadEffect, Usage};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{FIRST_FINGERPRINT, FIRST_KEY, Graph, NUMBER, OTHER_NUMBER, TOKEN, answer, until};

impl Graph {
    async fn faulty(action: FaultAction) -> (Self, Response) {
        let graph = Self::start().await;
        graph.emulator.inject(Fault::new(action));
        let response = graph.get(NUMBER).send().await.unwrap();
        (graph, response)
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn a_fault_hits_only_the_calls_it_names() {
    let graph = Graph::start().await;
    graph.emulator.add_token("other");
    let error = GraphError::new(500, 2, "Service temporarily unavailable").transient(true);
    let fault = Fault::error(error).uploads().number(NUMBER).token("other").times(2);
    graph.emulator.inject(fault);
    let with_other = || graph.post(NUMBER, FIRST_KEY).headers(authorization("other"));

    graph.read(NUMBER).await;
    graph.upload(NUMBER, FIRST_KEY).await;
    let (status, body) = answer(with_other()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["error"]["code"], json!(2));
    assert_eq!(body["error"]["is_transient"], json!(true));
    assert_eq!(graph.emulator.faults()[0].applied, 1);
    assert_eq!(answer(with_other()).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer(with_other()).await.0, StatusCode::OK);
    assert!(graph.emulator.faults().is_empty());
}

fn authorization(token: &str) -> http::HeaderMap {
    let value = format!("Bearer {token}").parse().unwrap();
    [(http::header::AUTHORIZATION, value)].into_iter().collect()
}

#[tokio::test]
async fn faults_queue_and_can_be_cleared() {
    let graph = Graph::start().await;
    let error = |status| Fault::new(FaultAction::ProxyError { status });
    graph.emulator.inject(error(502).times(1));
    let forever = graph.emulator.inject(error(503).number(NUMBER));
    graph.emulator.inject(error(504));
    for (id, expected) in [(NUMBER, 502), (NUMBER, 503), (OTHER_NUMBER, 504), (NUMBER, 503)] {
        assert_eq!(graph.get(id).send().await.unwrap().status(), expected);
    }
    assert!(graph.emulator.clear_fault(forever));
    assert_eq!(graph.get(NUMBER).send().await.unwrap().status(), 504);
    graph.emulator.clear_faults();
    graph.read(NUMBER).await;
}

#[tokio::test]
async fn chance_is_seeded() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let graph = Graph::with(Config { seed, ..Config::default() }).await;
        let fault = Fault::new(FaultAction::ProxyError { status: 502 }).probability(0.5);
        graph.emulator.inject(fault);
        let mut run = Vec::new();
        for _ in 0..64 {
            run.push(graph.get(NUMBER).send().await.unwrap().status() == 502);
        }
        assert!(run.contains(&true) && run.contains(&false));
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn any_answer() {
    let (_graph, response) = Graph::faulty(FaultAction::Answer {
        status: 418,
        headers: vec![("x-answer".to_owned(), "42".to_owned()), ("content-type".to_owned(), "text/plain".to_owned())],
        body: "short and stout".to_owned(),
    })
    .await;
    assert_eq!(response.status(), 418);
    assert_eq!(header(&response, "x-answer"), "42");
    assert_eq!(header(&response, "content-type"), "text/plain");
    assert_eq!(response.text().await.unwrap(), "short and stout");
}

#[tokio::test]
async fn any_graph_error() {
    let error = GraphError::new(422, 100, "message")
        .subcode(7)
        .kind("SomeException")
        .transient(false)
        .for_user("title", "text")
        .data(json!({"details": 1}));
    let (_graph, response) = Graph::faulty(FaultAction::GraphError(error)).await;
    assert_eq!(response.status(), 422);
    let trace_id = header(&response, "x-fb-trace-id").to_owned();
    let expected = json!({"error": {
        "message": "message", "type": "SomeException", "code": 100, "error_subcode": 7,
        "is_transient": false, "error_user_title": "title", "error_user_msg": "text",
        "error_data": {"details": 1}, "fbtrace_id": trace_id,
    }});
    assert_eq!(response.json::<Value>().await.unwrap(), expected);
}

#[tokio::test]
async fn a_rate_limit_with_seconds_and_usage() {
    let usage =
        Usage { app_percent: Some(99), business_percent: Some(100), minutes_to_regain_access: 19, ..Usage::default() };
    let limit = RateLimit { retry_after: Some(RetryAfter::Seconds(7)), usage, ..RateLimit::default() };
    let (_graph, response) = Graph::faulty(FaultAction::RateLimit(limit)).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&response, "retry-after"), "7");
    let usage: Value = serde_json::from_str(header(&response, "x-app-usage")).unwrap();
    assert_eq!(usage["call_count"], json!(99));
    let usage = header(&response, "x-business-use-case-usage");
    let usage: Value = serde_json::from_str(usage).unwrap();
    let usage = &usage[graph_emulator::DEFAULT_WABA_ID][0];
    assert_eq!(usage["estimated_time_to_regain_access"], json!(19));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], json!(80_007));
}

#[tokio::test]
async fn a_rate_limit_with_a_date() {
    let limit = RateLimit { code: 130_429, retry_after: Some(RetryAfter::DateIn(3600)), ..RateLimit::default() };
    let (_graph, response) = Graph::faulty(FaultAction::RateLimit(limit)).await;
    let date = header(&response, "retry-after");
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[tokio::test]
async fn usage_beside_an_ordinary_answer() {
    let usage = Usage { app_percent: Some(85), ..Usage::default() };
    let (_graph, response) = Graph::faulty(FaultAction::Usage(usage)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(header(&response, "x-app-usage").contains("85"));
    assert!(!response.headers().contains_key("x-business-use-case-usage"));
}

#[tokio::test]
async fn a_proxys_error_page() {
    let (_graph, response) = Graph::faulty(FaultAction::ProxyError { status: 502 }).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(header(&response, "content-type"), "text/html");
    assert!(!response.headers().contains_key("x-fb-trace-id"));
    assert!(response.text().await.unwrap().contains("502 Bad Gateway"));
}

#[tokio::test]
async fn a_redirect() {
    let location = "http://127.0.0.1:1/elsewhere".to_owned();
    let action = FaultAction::Redirect { status: 307, location };
    let (_graph, response) = Graph::faulty(action).await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(header(&response, "location"), "http://127.0.0.1:1/elsewhere");
}

#[tokio::test]
async fn a_reset_before_the_answer() {
    let graph = Graph::start().await;
    graph.emulator.inject(Fault::new(FaultAction::ResetBeforeAnswer).times(1));
    let error = graph.post(NUMBER, FIRST_KEY).send().await.unwrap_err();
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    assert_eq!(graph.fingerprint(NUMBER), None);
    until(|| graph.emulator.counters().in_flight == 0).await;
    assert_eq!(graph.emulator.calls()[0].status, None);
    graph.read(NUMBER).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_in_the_body() {
    let graph = Graph::start().await;
    graph.upload(NUMBER, FIRST_KEY).await;
    graph.emulator.inject(Fault::new(FaultAction::ResetMidBody));
    let mut response = graph.get(NUMBER).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let announced = response.content_length().unwrap();
    let mut read = 0;
    let error = loop {
        match response.chunk().await {
            Ok(chunk) => read += chunk.unwrap().len() as u64,
            Err(error) => break error,
        }
    };
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    assert_eq!(read, announced / 2);
}

#[tokio::test]
async fn an_upload_with_unknown_outcome() {
    let error = GraphError::new(500, 1, "An unknown error occurred");
    let unknown =
        [FaultAction::ResetBeforeAnswer, FaultAction::ResetMidBody, FaultAction::Hang, FaultAction::GraphError(error)];
    for action in unknown {
        let graph = Graph::start().await;
        graph.emulator.inject(Fault::new(action.clone()).landing());
        let upload = graph.post(NUMBER, FIRST_KEY).timeout(Duration::from_millis(200));
        let success = match upload.send().await {
            Ok(response) => response.status().is_success() && response.bytes().await.is_ok(),
            Err(_) => false,
        };
        assert!(!success, "{action:?}");
        // The client may have given up before the request was read.
        let landed = async {
            while graph.emulator.number(NUMBER).unwrap().uploads == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), landed).await.unwrap_or_else(|_| panic!("{action:?}"));
        let number = graph.emulator.number(NUMBER).unwrap();
        assert_eq!(number.fingerprint.as_deref(), Some(FIRST_FINGERPRINT), "{action:?}");
        assert!(graph.emulator.uploads()[0].took_effect);
    }
}

#[tokio::test]
async fn landing_does_not_make_a_refused_upload_land() {
    let graph = Graph::start().await;
    graph.emulator.expire_token(TOKEN);
    graph.emulator.inject(Fault::new(FaultAction::ProxyError { status: 502 }).landing());
    assert_eq!(graph.post(NUMBER, FIRST_KEY).send().await.unwrap().status(), 502);
    assert_eq!(graph.fingerprint(NUMBER), None);
}

#[tokio::test]
async fn hanging_lasts_until_the_caller_gives_up() {
    let graph = Graph::start().await;
    graph.emulator.inject(Fault::new(FaultAction::Hang));
    let hanging = tokio::spawn(graph.get(NUMBER).send());
    until(|| graph.emulator.counters().in_flight == 1).await;
    hanging.abort();
    until(|| graph.emulator.counters().in_flight == 0).await;
}

#[tokio::test]
async fn a_delay_comes_after_the_effect() {
    let graph = Graph::start().await;
    let delay = Duration::from_millis(100);
    graph.emulator.inject(Fault::new(FaultAction::Delay(delay)).times(1));
    let start = Instant::now();
    let slow = graph.upload(NUMBER, FIRST_KEY);
    let landed = until(|| graph.fingerprint(NUMBER).is_some());
    let landed = async {
        landed.await;
        graph.emulator.counters().in_flight
    };
    let ((), in_flight) = tokio::join!(slow, landed);
    assert_eq!(in_flight, 1, "the number has the key while the answer is still out");
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn an_oversized_body() {
    let bytes = 3_000_000;
    let (_graph, response) = Graph::faulty(FaultAction::OversizedBody { bytes }).await;
    assert_eq!(response.content_length(), Some(bytes));
    assert_eq!(response.bytes().await.unwrap().len() as u64, bytes);
}

#[tokio::test]
async fn an_endless_body() {
    let (graph, mut response) = Graph::faulty(FaultAction::EndlessBody).await;
    assert_eq!(response.content_length(), None);
    let mut read = 0;
    while read < 5_000_000 {
        read += response.chunk().await.unwrap().unwrap().len();
    }
    drop(response);
    until(|| graph.emulator.counters().in_flight == 0).await;
}

#[tokio::test]
async fn a_slow_body() {
    let pause = Duration::from_millis(1);
    let (_graph, mut response) = Graph::faulty(FaultAction::SlowBody { piece: 1, pause }).await;
    let mut pieces = 0;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        pieces += 1;
        body.extend_from_slice(&chunk);
    }
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), json!({"data": []}));
    assert!(pieces > 1);
}

#[tokio::test]
async fn an_effect_can_go_with_every_action() {
    let graph = Graph::start().await;
    let effect = UploadEffect::LandsAs("MISMATCH".to_owned());
    let fault = Fault::new(FaultAction::ProxyError { status: 504 }).effect(effect);
    graph.emulator.inject(fault);
    assert_eq!(graph.post(NUMBER, FIRST_KEY).send().await.unwrap().status(), 504);
    let number = graph.emulator.number(NUMBER).unwrap();
    assert_eq!(number.signature_status(), Some("MISMATCH"));
}
