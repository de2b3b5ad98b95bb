//! Which specs the API server accepts, and what it says to the others. `check` must say the same beforehand.

use harness::TestKey;
use harness::process::openssl;
use serde_json::{Value, json};
use waflows_operator::check::schema::validate;

use super::{Place, minimal, phone_number_ids, resource, secret_ref, with, with_public_key, without};

/// A spec, the field that the refusal must name, and what it must say.
type Refusal = (Value, &'static str, &'static str);

/// Whether `check` names the field that the API server names, or an item of it.
fn is_at(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

async fn assert_refused(refusals: Vec<Refusal>) {
    let place = Place::new().await;
    for (spec, field, text) in refusals {
        let created = place.try_create(&spec).await.expect_err(&spec.to_string());
        assert!(created.contains(field) && created.contains(text), "{created}\ndoes not say {field}, {text}");
        // Other words may come first here: those of the merge.
        let applied = place.try_apply(&spec).await.expect_err(&spec.to_string());
        assert!(applied.contains(field), "{applied}\ndoes not name {field}");
        let foreseen = validate(&resource("tried", "spec", &spec));
        let path = field.split(':').next().unwrap();
        assert!(foreseen.iter().any(|violation| is_at(&violation.path, path)), "{path}: {foreseen:?}");
    }
}

async fn assert_accepted(specs: Vec<Value>) {
    let place = Place::new().await;
    for spec in specs {
        let created = place.try_create(&spec).await.unwrap_or_else(|message| panic!("{spec}: {message}"));
        let applied = place.try_apply(&spec).await.unwrap_or_else(|message| panic!("{spec}: {message}"));
        assert_eq!(created["spec"], applied.data["spec"]);
        assert_eq!(validate(&resource("tried", "spec", &spec)), [], "{spec}");
    }
}

#[tokio::test]
async fn exactly_one_key_is_named() {
    let one = "spec: Invalid value";
    let message = "exactly one of privateKeySecretRef, certificateSecretRef and publicKey must be set";
    let three = with(json!({"publicKey": "PEM", "certificateSecretRef": secret_ref()}));
    let mut certificate_and_public = with_public_key("PEM");
    certificate_and_public["certificateSecretRef"] = secret_ref();
    assert_refused(vec![
        (without("privateKeySecretRef"), one, message),
        (with(json!({"publicKey": "PEM"})), one, message),
        (with(json!({"certificateSecretRef": secret_ref()})), one, message),
        (certificate_and_public, one, message),
        (three, one, message),
    ])
    .await;

    let mut certificate = without("privateKeySecretRef");
    certificate["certificateSecretRef"] = secret_ref();
    assert_accepted(vec![minimal().into(), certificate, with_public_key("PEM")]).await;
}

#[tokio::test]
async fn a_passphrase_needs_a_private_key() {
    let field = "spec.passphraseSecretRef";
    let message = "passphraseSecretRef is only allowed together with privateKeySecretRef";
    let mut public_key = with_public_key("PEM");
    public_key["passphraseSecretRef"] = secret_ref();
    let mut certificate = without("privateKeySecretRef");
    certificate["certificateSecretRef"] = secret_ref();
    certificate["passphraseSecretRef"] = secret_ref();
    assert_refused(vec![(public_key, field, message), (certificate, field, message)]).await;
    assert_accepted(vec![with(json!({"passphraseSecretRef": secret_ref()}))]).await;
}

/// A private key would be stored in etcd, and everyone who may read the resource would see it.
#[tokio::test]
async fn a_private_key_is_no_public_key() {
    let key = TestKey::generate().private_pem;
    let forms: [&[&str]; 3] = [&["pkey"], &["rsa", "-traditional"], &["pkcs8", "-topk8", "-passout", "pass:word"]];
    let mut private: Vec<_> = forms.iter().map(|arguments| openssl(arguments, &key)).collect();
    // In the form of consoles, and in the form without blanks.
    let bare = |pem: &str| pem.lines().filter(|line| !line.starts_with("-----")).collect::<Vec<_>>().join("\n");
    private.extend(private.clone().iter().map(|pem| format!(" \n{}", bare(pem))));
    private.push(key.replace(' ', ""));
    let message = "publicKey must not hold a private key, which would be stored with the resource";
    assert_refused(private.iter().map(|text| (with_public_key(text), "spec.publicKey", message)).collect()).await;
    let place = Place::new().await;
    for text in &private {
        let line = text.lines().nth(3).unwrap_or(text);
        let refused = place.try_create(&with_public_key(text)).await.unwrap_err();
        assert!(!refused.contains(line), "it is not repeated: {refused}");
    }
    let public = [openssl(&["pkey", "-pubout"], &key), openssl(&["rsa", "-RSAPublicKey_out"], &key)];
    let public = public.iter().flat_map(|pem| [with_public_key(pem), with_public_key(&bare(pem))]);
    assert_accepted(public.collect()).await;
}

#[tokio::test]
async fn what_is_required_is_asked_for() {
    let required = "Required value";
    assert_refused(vec![
        (without("accessTokenSecretRef"), "spec.accessTokenSecretRef", required),
        (with(json!({"accessTokenSecretRef": null})), "spec.accessTokenSecretRef", required),
        (without("phoneNumberIds"), "spec.phoneNumberIds", "phoneNumberIds or businessAccounts must be set"),
        (with(json!({"appSecretRef": {"key": "secret"}})), "spec.appSecretRef.name", required),
        (with(json!({"appSecretRef": {"name": "meta-app"}})), "spec.appSecretRef.key", required),
    ])
    .await;
}

#[tokio::test]
async fn accounts_are_up_to_twenty_ids_each_of_them_once() {
    let accounts = |accounts: Value| with(json!({"businessAccounts": accounts}));
    let mut only_accounts = without("phoneNumberIds");
    only_accounts["businessAccounts"] =
        json!([{"id": "102290129340398", "excludePhoneNumberIds": ["1"], "adopt": "All"}]);
    let many = |count: usize| json!((0..count).map(|n| json!({"id": n.to_string()})).collect::<Vec<_>>());
    assert_accepted(vec![only_accounts, accounts(many(20))]).await;
    assert_refused(vec![
        (accounts(json!([])), "spec.businessAccounts", "should have at least 1 items"),
        (accounts(many(21)), "spec.businessAccounts", "must have at most 20 items"),
        (accounts(json!([{"id": "1"}, {"id": "1"}])), "spec.businessAccounts", "Duplicate value"),
        (accounts(json!([{"id": "+1"}])), "spec.businessAccounts[0].id", "should match"),
        (accounts(json!([{"id": "1", "adopt": "Some"}])), "spec.businessAccounts[0].adopt", "Unsupported value"),
        (with(json!({"appId": "an app"})), "spec.appId", "should match"),
    ])
    .await;
}

#[tokio::test]
async fn secret_refs_are_names_that_a_secret_can_have() {
    let fields = [
        ("privateKeySecretRef", "spec.privateKeySecretRef.name", "spec.privateKeySecretRef.key"),
        ("passphraseSecretRef", "spec.passphraseSecretRef.name", "spec.passphraseSecretRef.key"),
        ("accessTokenSecretRef", "spec.accessTokenSecretRef.name", "spec.accessTokenSecretRef.key"),
        ("appSecretRef", "spec.appSecretRef.name", "spec.appSecretRef.key"),
    ];
    let mut refusals = Vec::new();
    let mut accepted = Vec::new();
    let long = "a".repeat(254);
    for (reference, name_field, key_field) in fields {
        let with_name = |name: &str| with(json!({reference: {"name": name, "key": "token"}}));
        let with_key = |key: &str| with(json!({reference: {"name": "meta-token", "key": key}}));
        for name in ["Meta-Token", "meta_token", "meta token", "-meta", "meta-", ".meta", "meta..token", "meta.-token"]
        {
            refusals.push((with_name(name), name_field, "should match '^[a-z0-9]"));
        }
        for key in ["to ken", "token/1", "tökèn", "token\n"] {
            refusals.push((with_key(key), key_field, "should match '^[-._a-zA-Z0-9]+$'"));
        }
        refusals.extend([
            (with_name(""), name_field, "should be at least 1 chars long"),
            (with_name(&long), name_field, "Too long"),
            (with_key(""), key_field, "should be at least 1 chars long"),
            (with_key(&long), key_field, "Too long"),
        ]);
        accepted.extend(["a", "meta-token", "meta.token-2", &long[1..]].map(with_name));
        accepted.extend(["tls.crt", "PRIVATE_KEY", "a-b", ".dockerconfigjson", &long[1..]].map(with_key));
    }
    assert_refused(refusals).await;
    assert_accepted(accepted).await;
}

#[tokio::test]
async fn phone_number_ids_are_a_set_of_quoted_digits() {
    let ids = |ids: Value| with(json!({"phoneNumberIds": ids}));
    let not_the_number = "phone number IDs, which are digits only, not the phone numbers themselves";
    let first = "spec.phoneNumberIds[0]";
    assert_refused(vec![
        (ids(json!([])), "spec.phoneNumberIds", "should have at least 1 items"),
        (ids(json!(phone_number_ids(501))), "spec.phoneNumberIds", "must have at most 500 items"),
        (ids(json!(["1", "2", "abc"])), "spec.phoneNumberIds[2]", not_the_number),
        (ids(json!(["+15551234567"])), first, not_the_number),
        (ids(json!(["1065 4035"])), first, not_the_number),
        (ids(json!(["١٢٣"])), first, not_the_number),
        (ids(json!([""])), first, "should be at least 1 chars long"),
        (ids(json!(["1".repeat(21)])), first, "Too long: may not be more than 20 bytes"),
    ])
    .await;
    assert_accepted(vec![ids(json!(phone_number_ids(500))), ids(json!(["1".repeat(20)])), ids(json!(["0"]))]).await;
}

#[tokio::test]
async fn phone_number_ids_that_no_merge_can_read_are_told_apart() {
    let ids = |ids: Value| with(json!({"phoneNumberIds": ids}));
    assert_refused(vec![
        (ids(json!(["1", "2", "1"])), "spec.phoneNumberIds", "Duplicate value: \"1\""),
        (ids(json!([106_540_352_242_922_u64])), "spec.phoneNumberIds", "must be of type string: \"integer\""),
        (ids(json!([null])), "spec.phoneNumberIds", "must be of type string: \"null\""),
        (ids(json!("106540352242922")), "spec.phoneNumberIds", "must be of type array: \"string\""),
    ])
    .await;
}

#[tokio::test]
async fn modes_are_written_as_documented() {
    let mode = |mode: Value| with(json!({"mode": mode}));
    let supported = "supported values: \"Enforce\", \"Observe\"";
    assert_refused(vec![
        (mode(json!("enforce")), "spec.mode", supported),
        (mode(json!("Delete")), "spec.mode", supported),
        (mode(json!("")), "spec.mode", supported),
        (mode(json!(true)), "spec.mode", "must be of type string"),
    ])
    .await;
    assert_accepted(vec![mode(json!("Enforce")), mode(json!("Observe"))]).await;
}

#[tokio::test]
async fn check_intervals_are_durations_of_a_minute_to_thirty_days() {
    let interval = |interval: Value| with(json!({"checkInterval": interval}));
    let field = "spec.checkInterval";
    let at_least = "checkInterval must be a duration such as 30m or 1h30m, of at least 1m and at most 720h (30 days)";
    let wrong = [
        "59s",
        "720h1s",
        "43201m",
        "999999h",
        "999999h999999h9h",
        "59.999s",
        "0",
        "0h",
        "",
        "1 h",
        "soon",
        "-1h",
        "+1h",
        "1d",
        "1H",
        "60",
        "99999999999h",
    ];
    let mut refusals: Vec<Refusal> = wrong.iter().map(|text| (interval(json!(text)), field, at_least)).collect();
    refusals.push((interval(json!("1h1h1h1h1h1h1h1h1h")), field, "Too long: may not be more than 16 bytes"));
    refusals.push((interval(json!(3600)), field, "must be of type string: \"integer\""));
    assert_refused(refusals).await;

    let right = ["1m", "60s", "90s", "60000ms", "30m", "1h30m", "1.5h", "168h", "604800s", "720h", "719h59m60s"];
    assert_accepted(right.iter().map(|text| interval(json!(text))).collect()).await;
}

#[tokio::test]
async fn other_fields_are_bounded_and_typed() {
    assert_refused(vec![
        (with(json!({"suspend": "true"})), "spec.suspend", "must be of type boolean: \"string\""),
        (with(json!({"suspend": 1})), "spec.suspend", "must be of type boolean: \"integer\""),
        (with_public_key(""), "spec.publicKey", "should be at least 1 chars long"),
        (with_public_key(&"é".repeat(4097)), "spec.publicKey", "Too long"),
    ])
    .await;
    let suspend = |suspend: bool| with(json!({"suspend": suspend}));
    assert_accepted(vec![suspend(true), suspend(false), with_public_key(&"é".repeat(4096))]).await;
}

#[tokio::test]
async fn misspelt_fields_are_named() {
    let mut namespaced = secret_ref();
    namespaced["namespace"] = "elsewhere".into();
    assert_refused(vec![
        (with(json!({"phoneNumbers": ["1"]})), "spec.phoneNumbers", "unknown field"),
        (with(json!({"Mode": "Observe"})), "spec.Mode", "unknown field"),
        (with(json!({"appSecretRef": namespaced})), "spec.appSecretRef.namespace", "unknown field"),
    ])
    .await;
}

#[tokio::test]
async fn null_means_absent_and_only_mode_has_a_default() {
    let place = Place::new().await;
    let nulls = json!({
        "certificateSecretRef": null, "publicKey": null, "passphraseSecretRef": null, "appSecretRef": null,
        "mode": null, "checkInterval": null, "suspend": null,
    });
    let defaulted = with(json!({"mode": "Enforce"}));
    for spec in [with(nulls), minimal().into()] {
        let created = place.try_create(&spec).await.unwrap();
        assert_eq!(created["spec"], defaulted);
        assert_eq!(created["status"], json!({"observedGeneration": -1}));
    }
}

/// Pruning of null is part of reading an object, which server-side apply does in another way for custom resources.
#[tokio::test]
async fn server_side_apply_refuses_null_where_there_is_no_default_and_names_the_field() {
    let place = Place::new().await;
    let optional =
        ["certificateSecretRef", "publicKey", "passphraseSecretRef", "appSecretRef", "checkInterval", "suspend"];
    for field in optional {
        let refused = place.try_apply(&with(json!({field: null}))).await.expect_err(field);
        assert!(refused.contains(&format!("spec.{field}")) && refused.contains("null"), "{refused}");
    }
}
