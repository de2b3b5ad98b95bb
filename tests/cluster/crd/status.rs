//! What fits into a status, and that the largest one fits into the API server.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::crd::{MAX_CONDITION_MESSAGE, MAX_NUMBER_TEXT, MAX_SHORT_TEXT};
use waflows_core::api::text::truncate;

use super::{Place, minimal, phone_number_ids, with};

const TIME: &str = "2026-11-22T10:00:00Z";

/// A character of four bytes in UTF-8.
const WIDE: &str = "🔑";

fn number(fields: Value) -> Value {
    let mut number = json!({"phoneNumberId": "1", "state": "Valid"});
    for (name, value) in fields.as_object().unwrap() {
        number[name] = value.clone();
    }
    json!({"phoneNumbers": [number]})
}

fn condition(field: &str, value: &str) -> Value {
    let mut condition =
        json!({"type": "Ready", "status": "True", "reason": "Tested", "message": "", "lastTransitionTime": TIME});
    condition[field] = value.into();
    json!({"conditions": [condition]})
}

fn error(field: &str, value: Value) -> Value {
    let mut error = json!({"message": ""});
    error[field] = value;
    number(json!({"error": error}))
}

/// Makes the status that holds a text in one field.
type WithText = fn(&str) -> Value;

/// Every text of the status, with its bound in characters.
fn bounded_texts() -> Vec<(&'static str, usize, WithText)> {
    vec![
        ("status.observedSpecDigest", 64, |text| json!({"observedSpecDigest": text})),
        ("status.lastHandledSyncRequest", 64, |text| json!({"lastHandledSyncRequest": text})),
        ("status.publicKey", 1024, |text| json!({"publicKey": text})),
        ("status.publicKeyFingerprint", 71, |text| json!({"publicKeyFingerprint": text})),
        ("status.shortFingerprint", 19, |text| json!({"shortFingerprint": text})),
        ("status.previousFingerprints[0]", 71, |text| json!({"previousFingerprints": [text]})),
        ("status.observedSecrets[0].name", 253, |text| secret("name", text)),
        ("status.observedSecrets[0].uid", 64, |text| secret("uid", text)),
        ("status.observedSecrets[0].resourceVersion", 64, |text| secret("resourceVersion", text)),
        ("status.valid", 16, |text| json!({"valid": text})),
        ("status.phoneNumbers[0].phoneNumberId", 20, |text| number(json!({"phoneNumberId": text}))),
        ("status.phoneNumbers[0].signatureStatus", 64, |text| number(json!({"signatureStatus": text}))),
        ("status.phoneNumbers[0].keyFingerprint", 71, |text| number(json!({"keyFingerprint": text}))),
        ("status.phoneNumbers[0].uploadedFingerprint", 71, |text| number(json!({"uploadedFingerprint": text}))),
        ("status.phoneNumbers[0].message", 256, |text| number(json!({"message": text}))),
        ("status.phoneNumbers[0].error.type", 64, |text| error("type", text.into())),
        ("status.phoneNumbers[0].error.message", 256, |text| error("message", text.into())),
        ("status.phoneNumbers[0].error.traceId", 64, |text| error("traceId", text.into())),
        ("status.conditions[0].type", 316, |text| condition("type", text)),
        ("status.conditions[0].reason", 1024, |text| condition("reason", text)),
        ("status.conditions[0].message", 1024, |text| condition("message", text)),
    ]
}

fn secret(field: &str, value: &str) -> Value {
    let mut secret = json!({"name": "", "uid": "", "resourceVersion": ""});
    secret[field] = value.into();
    json!({"observedSecrets": [secret]})
}

/// Makes the status that holds a list of this length in one field.
type WithList = fn(usize) -> Value;

/// Every list of the status, with its bound.
fn bounded_lists() -> Vec<(&'static str, usize, WithList)> {
    vec![
        ("status.phoneNumbers", 500, |count| {
            let numbers = phone_number_ids(count as u64).into_iter();
            json!({"phoneNumbers": numbers.map(|id| json!({"phoneNumberId": id, "state": "Valid"})).collect::<Vec<_>>()})
        }),
        ("status.conditions", 8, |count| {
            let conditions = (0..count).map(|index| condition("type", &format!("C{index}"))["conditions"][0].clone());
            json!({"conditions": conditions.collect::<Vec<_>>()})
        }),
        (
            "status.observedSecrets",
            8,
            |count| json!({"observedSecrets": vec![json!({"name": "", "uid": "", "resourceVersion": ""}); count]}),
        ),
        ("status.previousFingerprints", 5, |count| json!({"previousFingerprints": vec![""; count]})),
        ("status.phoneNumbers[0].replacedTimes", 3, |count| number(json!({"replacedTimes": vec![TIME; count]}))),
    ]
}

/// A status as the operator would write it, of which nothing is stored.
async fn try_status(place: &Place, status: &Value) -> Result<Value, String> {
    let parameters = PatchParams { dry_run: true, ..PatchParams::default() }.validation_strict();
    let written =
        place.resources().patch_status("storefront", &parameters, &Patch::Merge(json!({"status": status}))).await;
    written.map(|object| object.data["status"].clone()).map_err(|error| super::message(&error))
}

async fn place_with_resource() -> Place {
    let place = Place::new().await;
    place.apply("storefront", "gitops", &minimal().into()).await;
    place
}

#[tokio::test]
async fn texts_fit_up_to_their_bound_in_characters() {
    let place = place_with_resource().await;
    for (field, bound, status) in bounded_texts() {
        for character in ["a", WIDE] {
            let at_bound = status(&character.repeat(bound));
            try_status(&place, &at_bound).await.unwrap_or_else(|message| panic!("{field} at its bound: {message}"));
            let refused = try_status(&place, &status(&character.repeat(bound + 1))).await.expect_err(field);
            assert!(refused.contains(&format!("{field}: Too long: may not be more than {bound} bytes")), "{refused}");
        }
    }
}

#[tokio::test]
async fn lists_fit_up_to_their_bound() {
    let place = place_with_resource().await;
    for (field, bound, status) in bounded_lists() {
        try_status(&place, &status(bound)).await.unwrap_or_else(|message| panic!("{field} at its bound: {message}"));
        let refused = try_status(&place, &status(bound + 1)).await.expect_err(field);
        assert!(refused.contains(&format!("{field}: Too many")), "{refused}");
    }
}

#[tokio::test]
async fn numbers_and_choices_are_checked() {
    let place = place_with_resource().await;
    let refusals = [
        (json!({"phoneNumbers": [{"state": "Valid"}]}), "status.phoneNumbers[0].phoneNumberId: Required"),
        (json!({"phoneNumbers": [{"phoneNumberId": "1"}]}), "status.phoneNumbers[0].state: Required"),
        (number(json!({"state": "VALID"})), "status.phoneNumbers[0].state: Unsupported value: \"VALID\""),
        (number(json!({"failures": -1})), "status.phoneNumbers[0].failures"),
        (number(json!({"uploadAttempts": -1})), "status.phoneNumbers[0].uploadAttempts"),
        (number(json!({"ownedSince": "yesterday"})), "status.phoneNumbers[0].ownedSince"),
        (error("httpStatus", json!(99)), "status.phoneNumbers[0].error.httpStatus"),
        (error("httpStatus", json!(1000)), "status.phoneNumbers[0].error.httpStatus"),
        (error("call", json!("Delete")), "status.phoneNumbers[0].error.call: Unsupported value"),
        (condition("status", "Maybe"), "status.conditions[0].status: Unsupported value: \"Maybe\""),
        (condition("reason", ""), "status.conditions[0].reason"),
    ];
    for (status, field) in refusals {
        let refused = try_status(&place, &status).await.expect_err(field);
        assert!(refused.contains(field), "{refused}");
    }
    let accepted = [
        error("code", json!(i64::MIN)),
        error("subcode", json!(i64::MAX)),
        error("httpStatus", json!(100)),
        error("httpStatus", json!(999)),
        error("call", json!("Read")),
        number(json!({"failures": i32::MAX, "uploadAttempts": 0})),
        condition("status", "Unknown"),
    ];
    for status in accepted {
        try_status(&place, &status).await.unwrap_or_else(|message| panic!("{status}: {message}"));
    }
}

#[tokio::test]
async fn a_signature_status_is_kept_word_for_word() {
    let place = place_with_resource().await;
    for text in ["VALID", "MISMATCH", "PENDING_REVIEW_2027", "valid ", "", "未知 <&>"] {
        let status = number(json!({"signatureStatus": text}));
        let written = try_status(&place, &status).await.unwrap();
        assert_eq!(written["phoneNumbers"], status["phoneNumbers"], "and nothing is defaulted");
    }
}

/// A status with every field as long as the operator writes it, if Meta sends nothing but this text.
fn largest_status(ids: &[String], from_meta: &str) -> Value {
    let text = |bound: usize| truncate(&from_meta.repeat(bound), bound);
    let fingerprint = format!("sha256:{}", "f".repeat(64));
    // As the operator's time type prints it: to the microsecond.
    let time = "2026-11-22T10:00:00.123456Z";
    let error = json!({
        "call": "Upload", "httpStatus": 503, "code": i64::MIN, "subcode": i64::MIN, "type": text(MAX_SHORT_TEXT),
        "message": text(MAX_NUMBER_TEXT), "traceId": text(MAX_SHORT_TEXT),
    });
    let number = json!({
        "state": "Unreachable", "businessAccountId": "9".repeat(20), "unlistedSince": time, "signatureStatus": text(MAX_SHORT_TEXT), "keyFingerprint": fingerprint,
        "ownedSince": time, "lastReadTime": time, "nextAttemptTime": time, "lastUploadTime": time,
        "lastTransitionTime": time, "replacedTimes": [time, time, time], "failures": i32::MAX,
        "uploadAttempts": i32::MAX, "uploadedFingerprint": fingerprint, "message": text(MAX_NUMBER_TEXT), "error": error,
    });
    let account = json!({
        "id": "9".repeat(20), "state": "TooLarge", "phoneNumbers": 500, "lastListTime": time, "nextAttemptTime": time,
        "failures": i32::MAX, "message": text(MAX_NUMBER_TEXT), "error": error,
    });
    let numbers = ids.iter().map(|id| {
        let mut number = number.clone();
        number["phoneNumberId"] = id.as_str().into();
        number
    });
    let condition = |index: usize| {
        json!({
            "type": format!("Condition{index}"), "status": "Unknown", "reason": "R".repeat(64), "observedGeneration": i64::MAX,
            "message": text(MAX_CONDITION_MESSAGE), "lastTransitionTime": time,
        })
    };
    json!({
        "observedGeneration": i64::MAX, "observedSpecDigest": "f".repeat(64), "publicKey": "P".repeat(1024),
        "lastHandledSyncRequest": text(MAX_SHORT_TEXT), "publicKeyFingerprint": fingerprint,
        "shortFingerprint": fingerprint[..19], "previousFingerprints": vec![fingerprint.as_str(); 5],
        "observedSecrets": vec![json!({"name": "n".repeat(253), "uid": "u".repeat(64), "resourceVersion": "1".repeat(64)}); 8],
        "token": {"inspection": "Invalid", "expiresTime": time, "missingScopes": [text(MAX_SHORT_TEXT), text(MAX_SHORT_TEXT)], "inspectedTime": time},
        "valid": "0/500", "businessAccounts": vec![account; 20], "lastCheckTime": time, "lastSuccessfulCheckTime": time, "nextCheckTime": time,
        "phoneNumbers": numbers.collect::<Vec<_>>(),
        "conditions": (0..8).map(condition).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn the_largest_status_stays_under_a_mebibyte() {
    let place = Place::new().await;
    let ids: Vec<_> = phone_number_ids(500).iter().map(|id| format!("{id:0>20}")).collect();
    place.apply("storefront", "gitops", &with(json!({"phoneNumberIds": ids}))).await;
    for from_meta in
        ["a", "é", WIDE, "\"", "\\", "\n", "<", "&", "\0", "\u{7f}", "\u{80}", "\u{9f}", "\u{2028}", "\u{ffff}"]
    {
        let status = largest_status(&ids, from_meta);
        place.apply_status("storefront", "waflows-operator", &status).await.unwrap();
        assert_fits(&place, from_meta).await;
    }
}

async fn assert_fits(place: &Place, from_meta: &str) {
    let stored = place.resources().get("storefront").await.unwrap();
    assert!(stored.metadata.managed_fields.as_ref().is_some_and(|managers| managers.len() == 2));
    let path = format!("/apis/waflows.dev/v1alpha1/namespaces/{}/flowsencryptionkeys/storefront", place.namespace);
    let json = place.client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
    assert!(json.contains("managedFields"));
    let managed_fields = serde_json::to_string(&stored.metadata.managed_fields).unwrap().len();
    println!("the largest status, of {from_meta:?}: {} bytes, of them managedFields {managed_fields}", json.len());
    assert!(json.len() < 1024 * 1024, "{} bytes", json.len());
}
