//! What Meta says, and what the operator would do about it.

use graph_emulator::{Fault, FaultAction, GraphError, NumberSettings, RateLimit, RetryAfter};
use harness::{TOKEN, TestKey};
use serde_json::json;

use crate::scene::{NUMBERS, PRIVATE_KEY, Scene, resource, resource_with, secret, token_secret};

const FILES: [&str; 2] = ["storefront.yaml", "secrets.yaml"];

#[tokio::test(flavor = "multi_thread")]
async fn each_number_has_a_row_that_says_what_the_operator_would_do() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS)]);
    scene.holds_our_key(NUMBERS[0], "VALID");
    scene.holds_our_key(NUMBERS[1], "MISMATCH");
    let printed = scene.check(&FILES, &[]);
    assert_eq!(
        printed.stdout,
        "\
NAMESPACE/NAME        NUMBER           STATE     ACTION                 MESSAGE
messaging/storefront  106540352242922  Valid     none
messaging/storefront  107995438950512  Mismatch  upload: SignatureLost  Meta has lost its signature over the key; the key will be uploaded.
messaging/storefront  110200345501442  Missing   upload: KeyMissing     The number holds no key; the key will be uploaded.

1 resource, 3 numbers: 1 fine, 2 to be uploaded.
"
    );
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    assert_eq!(scene.emulator.counters().calls.reads, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_keeps_a_valid_key_until_the_endpoint_opens_the_new_one() {
    let scene = Scene::with_secrets().await;
    let endpoint = json!({"service": {"name": "flows", "path": "/flows"}});
    scene.write("storefront.yaml", &[resource_with(&NUMBERS[..3], json!({"endpoint": endpoint}))]);
    scene.holds_our_key(NUMBERS[0], "VALID");
    let other = NumberSettings { public_key: Some(TestKey::generate().public_pem()), ..NumberSettings::default() };
    scene.emulator.set_number(NUMBERS[1], other);
    let (code, report) = scene.report(&FILES, &[]);
    let numbers = &report["resources"][0]["phoneNumbers"];
    let decision = |number: usize| (&numbers[number]["action"], &numbers[number]["reason"]);
    assert_eq!(decision(0), (&json!("None"), &json!(null)));
    assert_eq!(decision(1), (&json!("UploadLater"), &json!("WaitingForEndpoint")), "{report}");
    assert!(numbers[1]["message"].as_str().unwrap().contains("waflows-operator ping"), "{report}");
    // A first key need not wait.
    assert_eq!(decision(2), (&json!("Upload"), &json!("KeyMissing")));
    assert_eq!(code, 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_is_as_documented() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS[..2])]);
    scene.holds_our_key(NUMBERS[0], "VALID");
    let (code, report) = scene.report(&FILES, &[]);
    let fingerprint = report["resources"][0]["publicKeyFingerprint"].clone();
    assert!(fingerprint.as_str().unwrap().starts_with("sha256:"));
    let expected = json!({
        "outcome": "Fine",
        "resources": [{
            "namespace": "messaging",
            "name": "storefront",
            "origin": format!("{}, document 1", scene.path("storefront.yaml")),
            "outcome": "Fine",
            "publicKeyFingerprint": fingerprint,
            "phoneNumbers": [
                {
                    "phoneNumberId": NUMBERS[0],
                    "state": "Valid",
                    "action": "None",
                    "outcome": "Fine",
                    "signatureStatus": "VALID",
                    "keyFingerprint": fingerprint,
                },
                {
                    "phoneNumberId": NUMBERS[1],
                    "state": "Missing",
                    "action": "Upload",
                    "reason": "KeyMissing",
                    "outcome": "Fine",
                    "message": "The number holds no key; the key will be uploaded.",
                },
            ],
        }],
        "problems": [],
    });
    assert_eq!((code, report), (0, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_needs_a_person_and_costs_one_call() {
    let scene = Scene::new().await;
    let bad = "EAABadTokenOfTheTests0123456789abc";
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS), token_secret(bad)]);
    scene.write("secrets.yaml", &[secret("flows-key", "private.pem", &PRIVATE_KEY)]);
    let printed = scene.check(&FILES, &[]);
    assert_eq!(printed.code, 1, "{printed:?}");
    assert_eq!(printed.stdout.matches("none: TokenRefused").count(), 1, "one line for all three: {printed:?}");
    assert!(NUMBERS.iter().all(|number| printed.stdout.contains(number)), "{printed:?}");
    assert!(printed.stdout.contains("Secret messaging/meta-token, entry token: put a system-user"), "{printed:?}");
    assert!(!printed.stdout.contains(bad) && !printed.stderr.contains(bad), "{printed:?}");
    assert_eq!(scene.emulator.counters().calls.total(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_meta_refuses_needs_a_person_and_the_others_do_not() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &["1", NUMBERS[1]])]);
    let (code, report) = scene.report(&FILES, &[]);
    let numbers = &report["resources"][0]["phoneNumbers"];
    assert_eq!((code, &numbers[0]["state"], &numbers[0]["reason"]), (1, &json!("Refused"), &json!("NumberRefused")));
    assert!(numbers[0]["message"].as_str().unwrap().contains("copy the ID from WhatsApp Manager"), "{numbers}");
    assert_eq!((&numbers[1]["action"], &numbers[1]["outcome"]), (&json!("Upload"), &json!("Fine")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_stays_open_where_meta_fails_or_asks_for_patience() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource("storefront", &NUMBERS[..1])]);
    // A port on which nobody listens: the last --graph-url counts for a process of its own.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (resource_file, secrets_file) = (scene.path("storefront.yaml"), scene.path("secrets.yaml"));
    let url = format!("http://{nobody}");
    let arguments = ["check", "-f", &resource_file, "-f", &secrets_file, "--graph-url", &url, "--allow-http-graph-url"];
    let printed = crate::process::run(&arguments, b"");
    assert_eq!(printed.code, 2, "{printed:?}");
    assert!(printed.stdout.contains("none: GraphUnreachable") && !printed.stdout.contains(TOKEN), "{printed:?}");

    let limit = RateLimit { retry_after: Some(RetryAfter::Seconds(600)), ..RateLimit::default() };
    for (action, reason) in [
        (FaultAction::GraphError(GraphError::new(500, 2, "Service temporarily unavailable")), "GraphUnreachable"),
        (FaultAction::RateLimit(limit), "RateLimited"),
    ] {
        scene.emulator.clear_faults();
        scene.emulator.inject(Fault::new(action));
        let (code, state, upload, found, message) = scene.first_number(&FILES, &[]);
        assert_eq!(
            (code, state.as_str(), upload.as_str(), found.as_str()),
            (2, "Pending", "None", reason),
            "{message}"
        );
        assert!(!message.is_empty() && !message.contains("Next try"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_in_mode_observe_needs_a_person() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource_with(&NUMBERS[..1], json!({"mode": "Observe"}))]);
    let (code, state, action, reason, message) = scene.first_number(&FILES, &[]);
    let found = (code, state.as_str(), action.as_str(), reason.as_str());
    assert_eq!(found, (1, "Missing", "None", "DriftObserved"), "{message}");
    scene.holds_our_key(NUMBERS[0], "VALID");
    assert_eq!(scene.first_number(&FILES, &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_resource_is_left_alone() {
    let scene = Scene::with_secrets().await;
    scene.write("storefront.yaml", &[resource_with(&NUMBERS[..1], json!({"suspend": true}))]);
    let (code, _, action, reason, _) = scene.first_number(&FILES, &[]);
    assert_eq!((code, action.as_str(), reason.as_str()), (0, "None", "Suspended"));
    assert_eq!(scene.emulator.counters().calls.total(), 0);
}
