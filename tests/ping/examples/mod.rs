//! The endpoints of `examples/endpoint`: each does what `docs/endpoint.md` says that an endpoint must do.

mod caller;
mod endpoint;
mod language;
mod mount;

use std::process::Command;

use harness::process::output;
use serde_json::json;

use caller::{abandon_request, send};
use endpoint::Endpoint;
use language::{GO, JAVA, Language, NODE, PYTHON};

use crate::scene::{APP_SECRET, KEY, OTHER_KEY};

const PROVEN: &str = "Proven 200";
const WRONG_KEY: &str = "WrongKey 421";
const SIGNATURE_REFUSED: &str = "SignatureRefused 432";

#[test]
fn node() {
    check(&NODE);
}

#[test]
fn python() {
    check(&PYTHON);
}

#[test]
fn go() {
    check(&GO);
}

#[test]
fn java() {
    check(&JAVA);
}

#[test]
fn go_is_formatted() {
    let unformatted = output(Command::new("gofmt").arg("-l").arg(GO.source()), "");
    assert!(unformatted.is_empty(), "run gofmt -w: {unformatted}");
}

fn check(language: &Language) {
    if !language.is_here() {
        return;
    }
    let mut endpoint = Endpoint::start(language, true);
    checks_the_signature(&endpoint);
    follows_the_folder(&mut endpoint);
    answers_what_whatsapp_sends(&mut endpoint);
    survives_what_it_cannot_read(&mut endpoint);
    accepts_requests_without_a_signature_if_it_has_no_secret(&Endpoint::start(language, false));
}

/// The endpoint reads the secret for each request, too.
fn checks_the_signature(endpoint: &Endpoint) {
    let ask = |secret| endpoint.ask(&["--key", "@private.pem"], secret);
    assert_eq!(ask(Some("app-secret")), PROVEN, "{}", endpoint.log());
    assert_eq!(ask(None), SIGNATURE_REFUSED);
    endpoint.folder.write("wrong-secret", &APP_SECRET.replace('0', "f"));
    assert_eq!(ask(Some("wrong-secret")), SIGNATURE_REFUSED);

    endpoint.set_secret(&APP_SECRET.replace('0', "f"));
    assert_eq!(ask(Some("wrong-secret")), PROVEN, "{}", endpoint.log());
    assert_eq!(ask(Some("app-secret")), SIGNATURE_REFUSED);
    // Anybody can sign with an empty secret.
    endpoint.set_secret("\n");
    assert_eq!(ask(Some("app-secret")), "BadStatus 500");
    endpoint.set_secret(APP_SECRET);
}

/// The endpoint opens requests with each key that is in the folder, and with no other key.
fn follows_the_folder(endpoint: &mut Endpoint) {
    let (old, new) = (("old.pem", &*KEY.private_pem), ("new.pem", &*OTHER_KEY.private_pem));
    endpoint.folder.write("new.pem", &OTHER_KEY.private_pem);
    for (files, expected_of_old, expected_of_new) in [
        (&[old][..], PROVEN, WRONG_KEY),
        (&[old, new], PROVEN, PROVEN),
        (&[("a-note.txt", "no key"), old, new], PROVEN, PROVEN),
        (&[new], WRONG_KEY, PROVEN),
        (&[], WRONG_KEY, WRONG_KEY),
        (&[old], PROVEN, WRONG_KEY),
    ] {
        endpoint.keys.set(files);
        endpoint.becomes(&["--key", "@private.pem"], expected_of_old);
        endpoint.becomes(&["--key", "@new.pem"], expected_of_new);
        endpoint.becomes(&["--unknown-key"], WRONG_KEY);
    }
    let log = endpoint.log();
    assert!(log.contains("new.pem opened the request"), "the log says which key is in use: {log}");
    assert!(!log.contains("..data"), "what belongs to Kubernetes is skipped: {log}");
    assert!(log.contains("a-note.txt is not a private key"), "the log says which file is no key: {log}");
}

fn answers_what_whatsapp_sends(endpoint: &mut Endpoint) {
    endpoint.keys.set(&[("old.pem", &OTHER_KEY.private_pem), ("private.pem", &KEY.private_pem)]);
    let screen = json!({"screen": "SUCCESS", "data": {}});
    let error = json!({"error": "invalid-response-from-endpoint", "error_message": "a \"quoted\" \\ word\n\u{e9}"});
    for (request, expected) in [
        (json!({"version": "3.0", "action": "ping"}), json!({"data": {"status": "active"}})),
        (json!({"version": "3.0", "action": "INIT", "data": error}), json!({"data": {"acknowledged": true}})),
        (json!({"version": "3.0", "action": "INIT", "flow_token": "1", "screen": "", "data": {}}), screen.clone()),
        (json!({"version": "3.0", "action": "BACK", "data": null}), screen.clone()),
        (
            json!({
                "version": "3.0",
                "action": "data_exchange",
                "data": {"action": "ping", "list": [1, -2.5, {"error": 3}, [], true], "text": "\"error\": 1}"},
            }),
            screen,
        ),
    ] {
        let answer = send(endpoint.address, &KEY, &request);
        assert_eq!(answer.payload.as_ref(), Some(&expected), "{request}: {answer:?}\n{}", endpoint.log());
        assert!(answer.head.contains("content-type: text/plain"), "{answer:?}");
    }
}

fn survives_what_it_cannot_read(endpoint: &mut Endpoint) {
    abandon_request(endpoint.address);
    let deep = "[".repeat(100_000);
    for body in ["", "{", "null", "[]", "{}", r#"{"encrypted_flow_data": 1}"#, "\u{e9}", &deep] {
        let status = caller::post(endpoint.address, body.as_bytes()).status;
        assert_eq!(status, 421, "{}\n{}", &body[..body.len().min(30)], endpoint.log());
    }
    let short = json!({"encrypted_flow_data": "", "encrypted_aes_key": "QUJD", "initial_vector": ""}).to_string();
    assert_eq!(caller::post(endpoint.address, short.as_bytes()).status, 421);
    endpoint.becomes(&["--key", "@private.pem"], PROVEN);
}

fn accepts_requests_without_a_signature_if_it_has_no_secret(endpoint: &Endpoint) {
    assert_eq!(endpoint.ask(&["--key", "@private.pem"], None), PROVEN, "{}", endpoint.log());
    assert_eq!(endpoint.ask(&["--unknown-key"], None), WRONG_KEY, "{}", endpoint.log());
}
