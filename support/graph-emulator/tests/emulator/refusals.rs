//! What Meta refuses, and how.

use graph_emulator::{Config, DEFAULT_WABA_ID, NumberSettings, Token, appsecret_proof};
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{FIRST_KEY, Graph, NUMBER, OTHER_NUMBER, TOKEN, answer};

/// HTTP status, code, subcode (0 for none), type and message of an error.
async fn error(request: RequestBuilder) -> (u16, i64, i64, String, String) {
    let (status, body) = answer(request).await;
    let error = &body["error"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert!(text(&error["fbtrace_id"]).starts_with('A'));
    (
        status.as_u16(),
        error["code"].as_i64().unwrap(),
        error["error_subcode"].as_i64().unwrap_or_default(),
        text(&error["type"]),
        text(&error["message"]),
    )
}

async fn codes(request: RequestBuilder) -> (u16, i64, i64) {
    let (status, code, subcode, ..) = error(request).await;
    (status, code, subcode)
}

#[tokio::test]
async fn unknown_paths() {
    let graph = Graph::start().await;
    let edge = "whatsapp_business_encryption";
    for path in [
        String::new(),
        format!("v25.0/{NUMBER}"),
        format!("v25.0/{NUMBER}/messages"),
        format!("25.0/{NUMBER}/{edge}"),
        format!("v25/{NUMBER}/{edge}"),
        format!("v25.x/{NUMBER}/{edge}"),
        format!("v25.0/{NUMBER}/{edge}/"),
        format!("v25.0//{NUMBER}/{edge}"),
    ] {
        let url = format!("{}/{path}", graph.emulator.base_url());
        let request = graph.client.get(url).bearer_auth(TOKEN);
        assert_eq!(codes(request).await, (400, 2500, 0), "{path}");
    }
    assert_eq!(graph.emulator.counters().unrouted, 8);
    assert_eq!(codes(graph.get("+4930")).await, (404, 803, 0));
}

#[tokio::test]
async fn unknown_methods() {
    let graph = Graph::start().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let request = graph.client.request(method, graph.url(NUMBER));
        let (status, code, subcode, kind, message) = error(request.bearer_auth(TOKEN)).await;
        assert_eq!((status, code, subcode), (400, 100, 33));
        assert_eq!(kind, "GraphMethodException");
        assert!(message.starts_with("Unsupported "), "{message}");
    }
}

#[tokio::test]
async fn missing_and_unknown_tokens() {
    let graph = Graph::start().await;
    let request = || graph.client.get(graph.url(NUMBER));
    assert_eq!(codes(request()).await, (401, 104, 0));
    let basic = request().basic_auth("user", Some("password"));
    assert_eq!(codes(basic).await, (401, 104, 0));
    assert_eq!(codes(request().query(&[("access_token", TOKEN)])).await, (401, 104, 0));

    let response = request().bearer_auth("EAAunknown").send().await.unwrap();
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("EAAunknown"), "{challenge}");
    let (status, code, subcode, kind, message) = error(request().bearer_auth("EAAunknown")).await;
    assert_eq!((status, code, subcode), (401, 190, 0));
    assert_eq!(kind, "OAuthException");
    assert_eq!(message, "Malformed access token EAAunknown");
}

#[tokio::test]
async fn expired_tokens_and_missing_permissions() {
    let graph = Graph::start().await;
    let list = || {
        let base_url = graph.emulator.base_url();
        let url = format!("{base_url}/v25.0/{DEFAULT_WABA_ID}/phone_numbers");
        graph.client.get(url).bearer_auth(TOKEN)
    };
    let token = Token { whatsapp_business_messaging: false, ..Token::default() };
    graph.emulator.set_token(TOKEN, token);
    assert_eq!(codes(graph.get(NUMBER)).await, (403, 200, 1_349_174));
    assert_eq!(codes(graph.post(NUMBER, FIRST_KEY)).await, (403, 200, 1_349_174));
    assert!(answer(list()).await.0.is_success());

    let token = Token { whatsapp_business_management: false, ..Token::default() };
    graph.emulator.set_token(TOKEN, token);
    assert!(answer(graph.get(NUMBER)).await.0.is_success());
    assert_eq!(codes(list()).await.0, 403);

    graph.emulator.expire_token(TOKEN);
    assert_eq!(codes(graph.get(NUMBER)).await, (401, 190, 463));
    assert_eq!(graph.fingerprint(NUMBER), None);
}

#[tokio::test]
async fn numbers_that_are_unknown_or_out_of_sight() {
    let graph = Graph::start().await;
    let (status, code, subcode, kind, message) = error(graph.get("1")).await;
    assert_eq!((status, code, subcode), (400, 100, 33));
    assert_eq!(kind, "GraphMethodException");
    assert!(message.starts_with("Unsupported get request. Object with ID '1' does not exist"), "{message}");
    let (.., message) = error(graph.post("1", FIRST_KEY)).await;
    assert!(message.starts_with("Unsupported post request."), "{message}");

    let numbers = Some([NUMBER.to_owned()].into());
    graph.emulator.set_token(TOKEN, Token { numbers, ..Token::default() });
    assert!(answer(graph.get(NUMBER)).await.0.is_success());
    assert_eq!(codes(graph.get(OTHER_NUMBER)).await, (400, 100, 33));
    assert_eq!(codes(graph.post(OTHER_NUMBER, FIRST_KEY)).await, (400, 100, 33));
}

#[tokio::test]
async fn a_waba_is_no_phone_number() {
    let graph = Graph::start().await;
    assert_eq!(codes(graph.get(DEFAULT_WABA_ID)).await, (400, 100, 0));
}

#[tokio::test]
async fn the_app_secret_proof() {
    let graph = Graph::start().await;
    let app_secret = Some("app-secret".to_owned());
    graph.emulator.set_token(TOKEN, Token { app_secret, ..Token::default() });
    let with_proof = |request: RequestBuilder, proof: &str| request.query(&[("appsecret_proof", proof)]);

    let (status, code, subcode, kind, message) = error(graph.get(NUMBER)).await;
    assert_eq!((status, code, subcode), (400, 100, 0));
    assert_eq!(kind, "GraphMethodException");
    assert!(message.contains("appsecret_proof"));

    let wrong = appsecret_proof(TOKEN, "other-secret");
    let (status, code, subcode, kind, message) = error(with_proof(graph.get(NUMBER), &wrong)).await;
    assert_eq!((status, code, subcode), (400, 100, 0));
    assert_eq!(kind, "GraphMethodException");
    assert_eq!(message, "Invalid appsecret_proof provided in the API argument");

    // printf EAAtoken | openssl dgst -sha256 -hmac app-secret
    let right = "9f9f0867bc3df2d00cecd6aa6fb78e65b64c050401bd6ec5b84d98503d443d34";
    assert_eq!(appsecret_proof(TOKEN, "app-secret"), right);
    for request in [graph.get(NUMBER), graph.post(NUMBER, FIRST_KEY)] {
        assert!(answer(with_proof(request, right)).await.0.is_success());
    }
}

#[tokio::test]
async fn numbers_that_meta_does_not_let_be_used() {
    let graph = Graph::start().await;
    let unregister = |number: &mut NumberSettings| number.registered = false;
    graph.emulator.update_number(NUMBER, unregister).unwrap();
    let block = |number: &mut NumberSettings| number.blocked = true;
    graph.emulator.update_number(OTHER_NUMBER, block).unwrap();
    assert_eq!(codes(graph.post(NUMBER, FIRST_KEY)).await, (400, 133_010, 0));
    assert_eq!(codes(graph.post(OTHER_NUMBER, FIRST_KEY)).await, (403, 368, 0));
    assert_eq!(graph.fingerprint(NUMBER), None);
}

#[tokio::test]
async fn keys_that_are_no_rsa_2048_public_key() {
    let graph = Graph::start().await;
    let certificate_like = FIRST_KEY.replace("PUBLIC KEY", "CERTIFICATE");
    for key in [
        "",
        "not a key",
        include_str!("fixtures/rsa-1024.pem"),
        include_str!("fixtures/p256.pem"),
        include_str!("fixtures/pkcs1.pem"),
        &certificate_like,
    ] {
        let (status, body) = answer(graph.post(NUMBER, key)).await;
        let error = &body["error"];
        assert_eq!((status.as_u16(), &error["code"]), (400, &json!(100)), "{key}");
        assert_ne!(error["error_subcode"], json!(33));
        assert!(error["error_subcode"].is_i64() && error["error_user_msg"].is_string());
    }
    assert_eq!(graph.fingerprint(NUMBER), None);
    assert!(graph.emulator.uploads().iter().all(|upload| !upload.took_effect));
}

#[tokio::test]
async fn bodies_that_are_no_form_with_one_key() {
    let graph = Graph::start().await;
    let post = || graph.client.post(graph.url(NUMBER)).bearer_auth(TOKEN);
    let key = ("business_public_key", FIRST_KEY);
    for request in [
        post(),
        post().form(&[key, key]),
        post().form(&[key, ("access_token", TOKEN)]),
        post().form(&[("public_key", FIRST_KEY)]),
        post().json(&json!({"business_public_key": FIRST_KEY})),
        post().header("content-type", "text/plain").form(&[key]),
        post().form(&[("business_public_key", "x".repeat(1 << 20))]),
    ] {
        let (status, code, subcode) = codes(request).await;
        assert_eq!((status, code), (400, 100));
        assert_ne!(subcode, 33);
    }
    assert_eq!(graph.fingerprint(NUMBER), None);
}

#[tokio::test]
async fn nothing_is_unknown_where_all_is_accepted() {
    let graph =
        Graph::with(Config { accept_any_token: true, create_numbers_on_demand: true, ..Config::default() }).await;
    let request = graph.client.get(graph.url("42")).bearer_auth("whatever");
    assert!(answer(request).await.0.is_success());
    graph.upload("43", FIRST_KEY).await;
    assert_eq!(graph.emulator.numbers().len(), 4);
    graph.emulator.expire_token("whatever");
    let request = graph.client.get(graph.url("42")).bearer_auth("whatever");
    assert_eq!(codes(request).await, (401, 190, 463));
}
