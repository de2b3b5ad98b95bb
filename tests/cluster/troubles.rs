//! Bad input: each gets a message that names the object and the remedy, and nothing else suffers.

use graph_emulator::{NumberSettings, Token};
use harness::{TOKEN, TestKey, World, condition_of, number_of};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];

#[tokio::test]
async fn a_missing_secret_is_waited_for() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    let resource = world.wait_reason("storefront", "SecretNotFound").await;
    let (status, _, message) = condition_of(&resource, ConditionType::Ready);
    assert_eq!(status, "False");
    let place = format!("Secret {}/flows-key", world.namespace);
    let remedy = "Create it with the private key in its entry private.pem, or correct privateKeySecretRef.name.";
    assert_eq!(message, format!("{place} does not exist. {remedy}"));
    assert_eq!(condition_of(&resource, ConditionType::Reconciling).0, "True", "GitOps tools see progress");
    assert_eq!(world.emulator.counters().calls.reads, 0);

    world.set_secret("meta-token", "token", TOKEN).await;
    world.set_secret("flows-key", "wrong.pem", "x").await;
    let resource = world.wait_reason("storefront", "SecretKeyNotFound").await;
    let (_, _, message) = condition_of(&resource, ConditionType::Ready);
    let remedy = "It has: wrong.pem. Correct privateKeySecretRef.key or add the entry.";
    assert_eq!(message, format!("{place} has no entry private.pem. {remedy}"));

    world.set_secret("flows-key", "private.pem", TestKey::generate().private_pem).await;
    world.wait_ready("storefront").await;
}

#[tokio::test]
async fn an_unusable_key_is_explained_and_others_go_on() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.set_secret("bad-key", "private.pem", "not a key").await;
    let mut spec = World::spec(&NUMBERS[..1]);
    spec["privateKeySecretRef"]["name"] = "bad-key".into();
    world.apply("bad", spec).await.unwrap();
    world.apply("good", World::spec(&NUMBERS[1..])).await.unwrap();

    let bad = world.wait_reason("bad", "KeyNotRecognized").await;
    let (_, _, message) = condition_of(&bad, ConditionType::KeyLoaded);
    assert!(message.contains(&format!("Secret {}/bad-key, entry private.pem", world.namespace)), "{message}");
    assert_eq!(condition_of(&bad, ConditionType::Stalled).0, "True");
    world.wait_ready("good").await;
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).reads, 0);
}

#[tokio::test]
async fn a_refused_token_costs_one_call_and_a_new_one_is_used_at_once() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    let expired = "EAAExpiredTokenOfTheTests0123456789";
    world.emulator.set_token(expired, Token { expired: true, ..Token::default() });
    world.set_secret("meta-token", "token", expired).await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();

    let resource = world.wait_reason("storefront", "TokenRefused").await;
    let (_, _, message) = condition_of(&resource, ConditionType::TokenAccepted);
    assert!(message.contains("meta-token") && message.contains("code 190"), "{message}");
    assert!(!serde_json::to_string(&resource).unwrap().contains(expired), "the token is nowhere in the resource");
    assert!(!world.operator.log().contains(expired), "nor in the log");
    assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "True");
    assert_eq!(world.emulator.calls_with(expired).reads, 1);

    world.set_secret("meta-token", "token", format!("{TOKEN}\n")).await;
    world.wait_ready("storefront").await;
}

#[tokio::test]
async fn a_refused_number_stays_alone_with_its_trouble() {
    let world = World::new(OPERATOR, &NUMBERS[..2]).await;
    world.emulator.set_number(NUMBERS[2], NumberSettings { registered: false, ..NumberSettings::default() });
    world.set_default_secrets().await;
    let unknown = "15550783881";
    world.apply("storefront", World::spec(&[NUMBERS[0], unknown, NUMBERS[2], NUMBERS[1]])).await.unwrap();

    let resource = world.wait_reason("storefront", "NumberRefused").await;
    assert_eq!(resource.status.as_ref().unwrap().valid.as_deref(), Some("2/4"));
    for id in [NUMBERS[0], NUMBERS[1]] {
        assert_eq!(number_of(&resource, id).state, NumberState::Valid);
    }
    let number = number_of(&resource, unknown);
    let error = number.error.as_ref().unwrap();
    assert_eq!((number.state, error.code, error.subcode), (NumberState::Refused, Some(100), Some(33)));
    assert!(number.message.contains("not the phone number"), "{}", number.message);
    assert!(error.trace_id.is_some() && number.next_attempt_time.is_some());
    let number = number_of(&resource, NUMBERS[2]);
    assert_eq!((number.state, number.error.as_ref().unwrap().code), (NumberState::Refused, Some(133_010)));
    let (_, _, message) = condition_of(&resource, ConditionType::Ready);
    assert!(message.contains(unknown) && message.contains(NUMBERS[2]), "{message}");
    assert_eq!(condition_of(&resource, ConditionType::TokenAccepted).0, "True");
}

#[tokio::test]
async fn a_bad_secret_value_never_hides_what_is_known_of_the_numbers() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_secret("meta-token", "token", TOKEN).await;
    world.set_secret("flows-key", "private.pem", "garbage").await;
    world.apply("storefront", World::spec(&NUMBERS)).await.unwrap();
    world.wait_reason("storefront", "KeyNotRecognized").await;

    let first = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &first.private_pem).await;
    world.wait_ready("storefront").await;

    let second = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &second.private_pem).await;
    world
        .wait("storefront", "Ready with the second key", |resource| {
            resource.status.as_ref().unwrap().public_key_fingerprint.as_ref() == Some(&second.fingerprint)
                && condition_of(resource, ConditionType::Ready).0 == "True"
        })
        .await;

    world.set_secret("flows-key", "private.pem", "garbage").await;
    let resource = world.wait_reason("storefront", "KeyNotRecognized").await;
    let status = resource.status.as_ref().unwrap();
    assert_eq!(status.valid.as_deref(), Some("3/3"), "the numbers still hold the last good key");
    assert_eq!(status.public_key_fingerprint.as_ref(), Some(&second.fingerprint));
    assert_eq!(status.previous_fingerprints, [first.fingerprint]);
    assert!(NUMBERS.iter().all(|id| number_of(&resource, id).state == NumberState::Valid));
}
