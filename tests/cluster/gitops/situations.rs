//! Every situation of a resource in `docs/conditions.md`. The real operator brings each about, and kstatus and Argo CD
//! judge it.

use std::time::Duration;

use graph_emulator::{FOREIGN_PUBLIC_KEY, Fault, FaultAction, NumberSettings, RateLimit, RetryAfter, Token};
use harness::{TestKey, World, condition_of, number_of};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKey, NumberState};

use super::recordings;
use super::verdict::Verdicts;
use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
const NAME: &str = "storefront";

/// What kstatus and Argo CD are to say.
type Expected = (&'static str, &'static str);
const DONE: Expected = ("Current", "Healthy");
/// Work goes on: a sync or a Kustomization waits.
const UNDERWAY: Expected = ("InProgress", "Progressing");
/// Only a person can help: a sync or a Kustomization fails at once.
const FAILED: Expected = ("Failed", "Degraded");
const DELETED: Expected = ("Terminating", "Progressing");

/// The tools say what they should, and Argo CD shows the operator's own sentence.
fn judge(resource: &FlowsEncryptionKey, expected: Expected) {
    let verdicts = Verdicts::of(&serde_json::to_string(resource).unwrap());
    let status = serde_json::to_string_pretty(&resource.status).unwrap();
    assert_eq!((verdicts.kstatus.status.as_str(), verdicts.argocd.status.as_str()), expected, "{status}");
    let is_observed = resource.status.as_ref().unwrap().observed_generation == resource.metadata.generation;
    if is_observed && !resource.spec.is_suspended() && resource.metadata.deletion_timestamp.is_none() {
        let (_, _, message) = condition_of(resource, ConditionType::Ready);
        assert_eq!(verdicts.argocd.message, message);
        assert!(message.ends_with('.') && !message.contains(".."), "{message}");
    }
}

/// The same, and the resource is the recorded one.
fn judge_and_record(situation: &str, resource: &FlowsEncryptionKey, expected: Expected) {
    judge(resource, expected);
    recordings::check(&format!("{}_{situation}", expected.1.to_lowercase()), resource);
}

/// A world with the Secrets, and a resource for the first number that is Ready.
async fn ready_world(flags: &[&str]) -> World {
    let world = World::with_flags(OPERATOR, &NUMBERS, flags).await;
    world.set_default_secrets().await;
    world.apply(NAME, spec()).await.unwrap();
    world.wait_ready(NAME).await;
    world
}

fn spec() -> Value {
    World::spec(&NUMBERS[..1])
}

fn spec_with(field: &str, value: Value) -> Value {
    let mut spec = spec();
    spec[field] = value;
    spec
}

#[tokio::test]
async fn new_and_not_seen_by_the_operator() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.operator.signal("STOP");
    let resource = world.apply(NAME, spec()).await.unwrap();
    judge_and_record("new", &resource, UNDERWAY);
}

#[tokio::test]
async fn changed_and_not_seen_by_the_operator() {
    let world = ready_world(&[]).await;
    world.operator.signal("STOP");
    let resource = world.apply(NAME, World::spec(&NUMBERS)).await.unwrap();
    judge_and_record("changed", &resource, UNDERWAY);
}

#[tokio::test]
async fn applied_before_its_secret() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.apply(NAME, spec()).await.unwrap();
    judge_and_record("secret_missing", &world.wait_reason(NAME, "SecretNotFound").await, UNDERWAY);
    world.set_default_secrets().await;
    judge(&world.wait_ready(NAME).await, DONE);
}

#[tokio::test]
async fn applied_before_the_key_in_its_secret() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.set_secret("flows-key", "other.pem", "x").await;
    world.apply(NAME, spec()).await.unwrap();
    judge_and_record("secret_key_missing", &world.wait_reason(NAME, "SecretKeyNotFound").await, UNDERWAY);
}

#[tokio::test]
async fn ready() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.apply(NAME, World::spec(&NUMBERS)).await.unwrap();
    judge_and_record("ready", &world.wait_ready(NAME).await, DONE);
}

#[tokio::test]
async fn a_long_reconcile_on_its_way() {
    let world = ready_world(&["--graph-concurrency", "1"]).await;
    let more: Vec<String> = (0..4).map(|n| format!("10{n:013}")).collect();
    world.emulator.add_numbers(&more);
    // Long enough for the reconcile to write its progress.
    world.emulator.inject(Fault::new(FaultAction::Delay(Duration::from_secs(4))).uploads());
    world.apply(NAME, spec_with("phoneNumberIds", json!(more))).await.unwrap();
    judge(&world.wait_reason(NAME, "Progressing").await, UNDERWAY);
}

#[tokio::test]
async fn a_new_key_on_its_way() {
    let world = ready_world(&[]).await;
    world.emulator.inject(Fault::new(FaultAction::Hang).uploads());
    world.set_secret("flows-key", "private.pem", TestKey::generate().private_pem).await;
    judge_and_record("rolling_out", &world.wait_reason(NAME, "RollingOut").await, UNDERWAY);
}

#[tokio::test]
async fn an_unusable_key() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.set_secret("flows-key", "private.pem", "not a key").await;
    world.apply(NAME, spec()).await.unwrap();
    judge_and_record("key_unusable", &world.wait_reason(NAME, "KeyNotRecognized").await, FAILED);
}

#[tokio::test]
async fn a_passphrase_that_does_not_fit_yet_and_one_that_never_does() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let encrypted = TestKey::generate().encrypted("right");
    world.set_secret("flows-key", "private.pem", encrypted).await;
    world.set_secret("passphrase", "value", "wrong").await;
    let before = world.version().await;
    world.apply(NAME, spec_with("passphraseSecretRef", json!({"name": "passphrase", "key": "value"}))).await.unwrap();
    let is_rejected =
        |resource: &FlowsEncryptionKey| condition_of(resource, ConditionType::Ready).1 == "PassphraseRejected";
    let rejected = world.wait_since(&before, NAME, "rejected for now", is_rejected).await;
    judge_and_record("passphrase_rejected", &rejected, UNDERWAY);
    judge_and_record("passphrase_wrong", &world.wait_reason(NAME, "PassphraseWrong").await, FAILED);
}

#[tokio::test]
async fn a_refused_token() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let expired = "EAAExpiredTokenOfTheTests0123456789";
    world.emulator.set_token(expired, Token { expired: true, ..Token::default() });
    world.set_secret("meta-token", "token", expired).await;
    world.apply(NAME, spec()).await.unwrap();
    judge_and_record("token_refused", &world.wait_reason(NAME, "TokenRefused").await, FAILED);
}

#[tokio::test]
async fn a_refused_number_beside_a_good_one() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.emulator.set_number(NUMBERS[1], NumberSettings { registered: false, ..NumberSettings::default() });
    world.set_default_secrets().await;
    world.apply(NAME, World::spec(&NUMBERS)).await.unwrap();
    judge_and_record("number_refused", &world.wait_reason(NAME, "NumberRefused").await, FAILED);
}

#[tokio::test]
async fn rate_limited_before_the_first_success() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let limit = RateLimit { retry_after: Some(RetryAfter::Seconds(600)), ..RateLimit::default() };
    world.emulator.inject(Fault::new(FaultAction::RateLimit(limit)));
    world.apply(NAME, spec()).await.unwrap();
    judge_and_record("rate_limited", &world.wait_reason(NAME, "RateLimited").await, UNDERWAY);
}

#[tokio::test]
async fn meta_unreachable_before_the_first_success() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.emulator.inject(Fault::new(FaultAction::ProxyError { status: 502 }));
    world.apply(NAME, spec()).await.unwrap();
    judge_and_record("unreachable", &world.wait_reason(NAME, "GraphUnreachable").await, UNDERWAY);
}

#[tokio::test]
async fn a_periodic_check_that_fails_for_a_passing_reason_and_then_for_too_long() {
    let world = ready_world(&["--default-check-interval", "4s", "--wait-scale", "0.9"]).await;
    let before = world.version().await;
    world.emulator.inject(Fault::new(FaultAction::ProxyError { status: 502 }));
    let failed_once = |resource: &FlowsEncryptionKey| {
        resource.status.as_ref().is_some_and(|status| status.phone_numbers[0].error.is_some())
    };
    judge(&world.wait_since(&before, NAME, "checked in vain", failed_once).await, DONE);
    judge(&world.wait_reason(NAME, "CheckOverdue").await, UNDERWAY);
}

#[tokio::test]
async fn a_lost_signature_that_is_healed_within_a_reconcile() {
    let world = ready_world(&[]).await;
    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    judge_and_record("healed", &world.sync(NAME, "healed").await, DONE);
}

#[tokio::test]
async fn a_lost_signature_that_the_next_upload_may_heal() {
    let world = ready_world(&[]).await;
    world.emulator.inject(Fault::upload_lands_as("MISMATCH"));
    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    world.request_sync(NAME, "lost").await;
    judge_and_record("signature_lost", &world.wait_reason(NAME, "SignatureLost").await, UNDERWAY);
}

#[tokio::test]
async fn uploads_that_do_not_help() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--wait-scale", "0.05"]).await;
    world.set_default_secrets().await;
    world.emulator.inject(Fault::upload_lands_as("MISMATCH"));
    world.apply(NAME, spec()).await.unwrap();
    judge_and_record("uploads_without_effect", &world.wait_reason(NAME, "UploadsWithoutEffect").await, FAILED);
}

#[tokio::test]
async fn drift_in_mode_observe() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.apply(NAME, spec_with("mode", json!("Observe"))).await.unwrap();
    judge_and_record("drift_observed", &world.wait_reason(NAME, "DriftObserved").await, FAILED);
}

#[tokio::test]
async fn a_number_of_another_resource() {
    let world = ready_world(&[]).await;
    world.apply("renamed", spec()).await.unwrap();
    judge_and_record("number_handover", &world.wait_reason("renamed", "NumberHandover").await, UNDERWAY);
    world.set_secret("other-key", "private.pem", &TestKey::generate().private_pem).await;
    let mut other = spec();
    other["privateKeySecretRef"]["name"] = "other-key".into();
    world.apply("other", other).await.unwrap();
    judge_and_record("number_conflict", &world.wait_reason("other", "NumberConflict").await, FAILED);
}

#[tokio::test]
async fn a_number_that_someone_else_keeps_writing() {
    let world = ready_world(&["--default-check-interval", "1s", "--wait-scale", "0.9"]).await;
    for times in 0..3 {
        let holds_our_key = |resource: &FlowsEncryptionKey| {
            let number = number_of(resource, NUMBERS[0]);
            number.state == NumberState::Valid && number.replaced_times.len() == times
        };
        world.wait(NAME, "seen with our key", holds_our_key).await;
        world.emulator.set_foreign_key(NUMBERS[0], FOREIGN_PUBLIC_KEY).unwrap();
    }
    judge_and_record("number_contested", &world.wait_reason(NAME, "NumberContested").await, FAILED);
}

#[tokio::test]
async fn suspended_as_it_was_and_with_a_changed_spec() {
    let world = ready_world(&[]).await;
    world.apply(NAME, spec_with("suspend", json!(true))).await.unwrap();
    judge_and_record("as_it_was", &world.wait_ready(NAME).await, ("Current", "Suspended"));

    let mut spec = World::spec(&NUMBERS);
    spec["suspend"] = json!(true);
    world.apply(NAME, spec).await.unwrap();
    let resource = world.wait_reason(NAME, "Suspended").await;
    judge_and_record("changed_since", &resource, ("InProgress", "Suspended"));
}

#[tokio::test]
async fn the_secret_is_gone_after_success() {
    let world = ready_world(&[]).await;
    world.secrets().delete("flows-key", &DeleteParams::default()).await.unwrap();
    judge_and_record("secret_gone", &world.wait_reason(NAME, "SecretNotFound").await, UNDERWAY);
}

#[tokio::test]
async fn being_deleted() {
    let world = ready_world(&[]).await;
    let held = json!({"metadata": {"finalizers": ["example.com/held-by-the-test"]}});
    world.resources().patch(NAME, &PatchParams::default(), &Patch::Merge(held)).await.unwrap();
    world.resources().delete(NAME, &DeleteParams::default()).await.unwrap();
    let is_deleted = |resource: &FlowsEncryptionKey| resource.metadata.deletion_timestamp.is_some();
    judge(&world.wait(NAME, "being deleted", is_deleted).await, DELETED);
    let released = json!({"metadata": {"finalizers": null}});
    world.resources().patch(NAME, &PatchParams::default(), &Patch::Merge(released)).await.unwrap();
}
