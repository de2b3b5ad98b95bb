//! A token that Meta has not accepted makes no success, even if all readings of the numbers are good.

use graph_emulator::{Fault, FaultAction, RateLimit, RetryAfter, Token};
use harness::{TOKEN, World, condition_of, is_current, number_of};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::OPERATOR;
use crate::history::History;

const NUMBERS: [&str; 3] = ["106540352242922", "107995438950512", "108811432100233"];
const NEW_TOKEN: &str = "EAANewTokenOfTheTests0123456789abc";
const FLAGS: [&str; 2] = ["--wait-scale", "0.02"];

fn is_ready(resource: &FlowsEncryptionKey) -> bool {
    condition_of(resource, ConditionType::Ready).0 == "True"
}

/// Meta cannot be reached, and after `change` there is a new token. The resource is not Ready until Meta has answered.
/// `shows_change` says whether a status is one after the change.
async fn is_not_ready_before_meta_answers(
    world: &World,
    change: impl Future<Output = ()>,
    shows_change: impl Fn(&FlowsEncryptionKey) -> bool,
) {
    let fault = world.emulator.inject(Fault::new(FaultAction::ResetBeforeAnswer));
    world.emulator.add_token(NEW_TOKEN);
    let history = History::of(world, "storefront").await;
    change.await;
    let resource = world
        .wait("storefront", "Unknown for want of an answer", |resource| {
            is_current(resource) && condition_of(resource, ConditionType::Ready).1 == "NotAsked"
        })
        .await;
    assert_eq!(condition_of(&resource, ConditionType::Ready).0, "Unknown");
    assert_eq!(condition_of(&resource, ConditionType::Reconciling).0, "True", "GitOps tools see progress");
    assert_eq!(condition_of(&resource, ConditionType::TokenAccepted).0, "Unknown");

    let tried = || world.emulator.calls_with(NEW_TOKEN).reads;
    let so_far = tried();
    // A reconcile makes three attempts at each of its numbers.
    world.wait_until("tried in further reconciles", || tried() >= so_far + 3 * 9).await;
    let resource = world.resources().get("storefront").await.unwrap();
    assert_eq!(condition_of(&resource, ConditionType::Ready).1, "NotAsked");
    let versions = history.up_to(world, &resource).await;
    let changed: Vec<_> = versions.iter().filter(|version| shows_change(version)).collect();
    assert!(!changed.is_empty() && !changed.iter().any(|version| is_ready(version)), "{changed:#?}");

    world.emulator.clear_fault(fault);
    let resource = world.wait_ready("storefront").await;
    assert_eq!(condition_of(&resource, ConditionType::TokenAccepted).0, "True");
    assert!(NUMBERS.iter().all(|id| world.emulator.calls_to(id).uploads == 1), "the key is there");
}

async fn settled() -> World {
    let world = World::with_flags(OPERATOR, &NUMBERS, &FLAGS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    world
}

#[tokio::test]
async fn another_secret_for_the_token_while_meta_is_away() {
    let world = settled().await;
    world.set_secret("new-token", "token", NEW_TOKEN).await;
    let mut spec = World::spec(&NUMBERS);
    spec["accessTokenSecretRef"]["name"] = "new-token".into();
    let change = async { drop(world.apply("storefront", spec).await.unwrap()) };
    let shows_change = |resource: &FlowsEncryptionKey| resource.metadata.generation == Some(2) && is_current(resource);
    is_not_ready_before_meta_answers(&world, change, shows_change).await;
}

#[tokio::test]
async fn a_new_token_after_a_refused_one_while_meta_is_away() {
    let world = settled().await;
    world.emulator.set_token(TOKEN, Token { expired: true, ..Token::default() });
    world.request_sync("storefront", "now").await;
    world.wait_reason("storefront", "TokenRefused").await;
    let change = world.set_secret("meta-token", "token", NEW_TOKEN);
    is_not_ready_before_meta_answers(&world, change, |_| true).await;
}

#[tokio::test]
async fn a_new_token_during_a_rate_limit_says_that_it_waits_for_its_end() {
    let world = settled().await;
    let limit = RateLimit { code: 130_429, retry_after: Some(RetryAfter::Seconds(3)), ..RateLimit::default() };
    let fault = world.emulator.inject(Fault::new(FaultAction::RateLimit(limit)));
    world.request_sync("storefront", "now").await;
    let is_limited = |resource: &FlowsEncryptionKey| NUMBERS.iter().all(|id| number_of(resource, id).error.is_some());
    world.wait("storefront", "limited", is_limited).await;
    world.emulator.add_token(NEW_TOKEN);
    world.set_secret("meta-token", "token", NEW_TOKEN).await;

    let resource = world.wait_reason("storefront", "RateLimited").await;
    assert_eq!(condition_of(&resource, ConditionType::Reconciling).0, "True", "GitOps tools see progress");
    for kind in [ConditionType::Ready, ConditionType::TokenAccepted] {
        let (_, reason, message) = condition_of(&resource, kind);
        assert_eq!(reason, "RateLimited");
        assert!(message.contains("the access token is tried at ") && message.contains("code 130429"), "{message}");
    }
    world.emulator.clear_fault(fault);
    world.wait_ready("storefront").await;
    assert!(world.emulator.calls_with(NEW_TOKEN).reads > 0);
}
