//! What `kubectl` shows.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{Place, Printed, minimal};

/// Asks again until kubectl knows the kind: discovery and its documents follow a new definition after a moment.
async fn kubectl_once_known(place: &Place, arguments: &[&str]) -> Printed {
    let start = Instant::now();
    loop {
        let printed = place.kubectl(arguments);
        if printed.is_success() || start.elapsed() > Duration::from_secs(60) {
            assert!(printed.is_success(), "{printed:?}");
            return printed;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn place_with_ready_resource() -> Place {
    let place = Place::new().await;
    place.apply("storefront", "gitops", &minimal().into()).await;
    let now = jiff::Timestamp::now().to_string();
    let status = json!({
        "observedGeneration": 1,
        "valid": "2/3",
        "shortFingerprint": "sha256:0123456789ab",
        "lastSuccessfulCheckTime": now,
        "conditions": [
            {"type": "KeyLoaded", "status": "True", "reason": "Loaded", "message": "Other.", "lastTransitionTime": now},
            {"type": "Ready", "status": "False", "reason": "NumbersRefused", "message": "Add number 1 to the token's WABA.",
             "lastTransitionTime": now},
        ],
    });
    let patch = Patch::Merge(json!({"status": status}));
    place.resources().patch_status("storefront", &PatchParams::default(), &patch).await.unwrap();
    place
}

/// The cells of kubectl's table, which are at least three spaces apart.
fn cells(line: &str) -> Vec<&str> {
    line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[tokio::test]
async fn get_shows_the_columns_that_matter() {
    let place = place_with_ready_resource().await;
    let printed = kubectl_once_known(&place, &["get", "fek"]).await;
    let rows: Vec<_> = printed.stdout.lines().map(cells).collect();
    assert_eq!(rows[0], ["NAME", "READY", "VALID", "KEY", "ENDPOINT", "REASON", "SUSPENDED", "AGE"]);
    assert_eq!(rows[1][..5], ["storefront", "False", "2/3", "sha256:0123456789ab", "NumbersRefused"]);
    assert!(!printed.stdout.contains("true"), "{}", printed.stdout);

    let printed = kubectl_once_known(&place, &["get", "fek", "-o", "wide"]).await;
    let rows: Vec<_> = printed.stdout.lines().map(cells).collect();
    assert_eq!(
        rows[0],
        [
            "NAME",
            "READY",
            "VALID",
            "KEY",
            "ENDPOINT",
            "REASON",
            "SUSPENDED",
            "AGE",
            "LAST CHECK",
            "PHASE",
            "MODE",
            "MESSAGE"
        ]
    );
    assert_eq!(rows[1][7..], ["Enforce", "Add number 1 to the token's WABA."]);
    assert!(rows[1][6].ends_with('s'), "a time span: {rows:?}");

    let suspended = Patch::Merge(json!({"spec": {"suspend": true}}));
    place.resources().patch("storefront", &PatchParams::default(), &suspended).await.unwrap();
    let printed = kubectl_once_known(&place, &["get", "fek"]).await;
    let rows: Vec<_> = printed.stdout.lines().map(cells).collect();
    assert_eq!(rows[1][4..6], ["NumbersRefused", "true"]);
}

#[tokio::test]
async fn get_all_leaves_it_out() {
    let place = place_with_ready_resource().await;
    kubectl_once_known(&place, &["get", "fek"]).await;
    let printed = place.kubectl(&["get", "all"]);
    assert!(printed.is_success() && !printed.stdout.contains("storefront"), "{printed:?}");
}

#[tokio::test]
async fn explain_says_what_a_field_is() {
    let place = Place::new().await;
    let documented = [
        ("fek", "keeps the public half of an RSA key on phone numbers"),
        (
            "fek.spec.phoneNumberIds",
            "Phone number IDs (not the phone numbers themselves) that must hold the key. Quote the IDs",
        ),
        ("fek.spec.checkInterval", "at least one minute"),
        ("fek.spec.accessTokenSecretRef.name", "Name of the Secret."),
        ("fek.status.phoneNumbers.signatureStatus", "The signature status in Meta's own words"),
    ];
    for (field, text) in documented {
        let printed = kubectl_once_known(&place, &["explain", field]).await;
        let words = printed.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(text), "{}", printed.stdout);
    }
}
