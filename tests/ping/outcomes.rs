//! Each outcome has its own name, exit code, text and JSON.

use std::collections::BTreeSet;

use endpoint_emulator::{Behaviour, KeyChange, Signature};
use serde_json::{Value, json};

use crate::scene::{APP_SECRET, KEY, OTHER_KEY, Scene};

/// The behaviour of a replica, and the report of `ping`: outcome, HTTP status, exit code, words of the remedy.
type Row = (Behaviour, &'static str, Option<u16>, i32, &'static str);

const ROWS: [Row; 18] = [
    (Behaviour::Right, "Proven", Some(200), 0, "Nothing to do"),
    (Behaviour::LineEnd, "Proven", Some(200), 0, "Nothing to do"),
    (Behaviour::Undecryptable(421), "WrongKey", Some(421), 1, "mounted with subPath"),
    (Behaviour::Undecryptable(500), "BadStatus", Some(500), 1, "make it answer 421"),
    (Behaviour::Status(432), "SignatureRefused", Some(432), 1, "--app-secret-file"),
    (Behaviour::Status(401), "SignatureRefused", Some(401), 1, "a gateway"),
    (Behaviour::Status(403), "SignatureRefused", Some(403), 1, "a gateway"),
    (Behaviour::Status(404), "BadStatus", Some(404), 1, "Correct the path"),
    (Behaviour::Redirect, "BadStatus", Some(308), 1, "Use the URL of the redirect"),
    (Behaviour::Silent, "TimedOut", None, 2, "what it waits for"),
    (Behaviour::Dripping, "TimedOut", None, 2, "what it waits for"),
    (Behaviour::Broken, "Unreachable", None, 2, "for a crash or a limit"),
    (Behaviour::Clear, "NotEncrypted", Some(200), 1, "not in JSON"),
    (Behaviour::Quoted, "NotEncrypted", Some(200), 1, "not in quotes"),
    (Behaviour::Page, "NotEncrypted", Some(200), 1, "a page to sign in"),
    (Behaviour::OtherAesKey, "NotReadable", Some(200), 1, "Use the AES key of the same request"),
    (Behaviour::IvNotFlipped, "NotReadable", Some(200), 1, "Flip every bit of the initialization vector"),
    (Behaviour::OtherPayload, "BadPayload", Some(200), 1, "{\"data\":{\"status\":\"active\"}}"),
];

/// One replica for each row. Replicas that cannot decrypt have another key.
async fn scene() -> Scene {
    let scene = Scene::of(&ROWS.map(|row| row.0)).await;
    for (replica, row) in ROWS.iter().enumerate() {
        if matches!(row.0, Behaviour::Undecryptable(_)) {
            scene.emulator.set_keys(replica, &[&OTHER_KEY.private_pem], KeyChange::Now).unwrap();
        }
    }
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn in_json() {
    let scene = scene().await;
    std::thread::scope(|scope| {
        for (replica, (behaviour, outcome, status, exit_code, remedy)) in ROWS.iter().enumerate() {
            let scene = &scene;
            scope.spawn(move || {
                let (code, said) = scene.ask(replica, &[]);
                let target = &said["targets"][0];
                let message = target["message"].as_str().unwrap();
                assert_eq!((code, said["outcome"].as_str()), (*exit_code, Some(*outcome)), "{behaviour:?}: {said}");
                assert!(message.contains(remedy), "{behaviour:?}: {message}");
                let milliseconds = target["milliseconds"].as_u64().unwrap();
                assert_eq!(milliseconds >= 10_000, *outcome == "TimedOut", "{behaviour:?}: {said}");
                let url = scene.emulator.url(replica);
                let mut expected = json!({
                    "targets": [{"target": url, "outcome": outcome, "milliseconds": milliseconds, "message": message}],
                    "outcome": outcome,
                    "publicKeyFingerprint": KEY.fingerprint,
                });
                if let Some(status) = status {
                    expected["targets"][0]["httpStatus"] = Value::from(*status);
                }
                assert_eq!(said, expected);
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn in_text() {
    let scene = scene().await;
    let key = format!("key      {}\n\ntarget   ", KEY.fingerprint);
    let texts: Vec<_> = std::thread::scope(|scope| {
        let ask = |replica| {
            let scene = &scene;
            scope.spawn(move || scene.ask_in_text(replica))
        };
        let asked: Vec<_> = (0..ROWS.len()).map(ask).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let line = |text: &str, begin: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(begin)).map(str::trim);
        line.unwrap_or_else(|| panic!("{begin} in {text}")).to_owned()
    };
    for ((behaviour, outcome, status, exit_code, remedy), printed) in ROWS.iter().zip(&texts) {
        let text = &printed.stdout;
        assert!(printed.code == *exit_code && printed.stderr.is_empty(), "{behaviour:?}: {printed:?}");
        assert!(text.starts_with(&key), "{text}");
        let status = status.map(|status| format!("HTTP {status}, ")).unwrap_or_default();
        assert!(line(text, "outcome").starts_with(&format!("{outcome} ({status}")), "{text}");
        let said = [line(text, "found"), line(text, "means"), line(text, "to do")];
        assert!(said.concat().contains(remedy), "{behaviour:?}: {text}");
        assert!(said.iter().all(|sentences| sentences.ends_with(['.', '}'])), "{text}");
    }
    // Some rows have the same words: two right answers, three that are not encrypted, two that are late.
    let all: BTreeSet<_> = texts.iter().map(|printed| line(&printed.stdout, "found")).collect();
    assert_eq!(all.len(), ROWS.len() - 4, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_cut() {
    let scene = Scene::of(&[Behaviour::Endless]).await;
    let (code, said) = scene.ask(0, &[]);
    assert_eq!((code, said["outcome"].as_str()), (1, Some("NotReadable")), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_is_signed_where_there_is_an_app_secret() {
    let scene = Scene::new(1).await;
    scene.emulator.set_app_secret(Some(APP_SECRET));
    let (code, said) = scene.ask(0, &["--app-secret-file", "@app-secret"]);
    assert_eq!((code, said["outcome"].as_str()), (0, Some("Proven")), "{said}");
    assert!(!said["targets"][0]["message"].as_str().unwrap().contains("X-Hub-Signature"), "{said}");

    let (code, said) = scene.ask(0, &[]);
    let message = said["targets"][0]["message"].as_str().unwrap();
    assert_eq!((code, said["outcome"].as_str()), (1, Some("SignatureRefused")), "{said}");
    assert!(message.contains("without a signature"), "{message}");

    scene.write("other-secret", "fedcba9876543210fedcba9876543210");
    let (code, said) = scene.ask(0, &["--app-secret-file", "@other-secret"]);
    let message = said["targets"][0]["message"].as_str().unwrap();
    assert_eq!((code, said["outcome"].as_str()), (1, Some("SignatureRefused")), "{said}");
    assert!(message.contains("the secret of the app that is connected to the Flow"), "{message}");

    let signatures: Vec<_> = scene.emulator.requests().iter().map(|request| request.signature).collect();
    assert_eq!(signatures, [Signature::Right, Signature::Missing, Signature::Other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_answers_unsigned_requests_is_reported() {
    let scene = Scene::new(1).await;
    let printed = scene.ask_in_text(0);
    assert!(printed.code == 0 && printed.stdout.contains("Make the endpoint check X-Hub-Signature-256"), "{printed:?}");
}
