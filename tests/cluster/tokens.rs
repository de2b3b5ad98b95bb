//! Tokens that warn before they fail.

use graph_emulator::{Expiry, Inspection, Token};
use harness::{TOKEN, World, condition_of};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::{FlowsEncryptionKey, TokenInspection};

use crate::OPERATOR;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];

fn token_of(resource: &FlowsEncryptionKey) -> Option<&waflows_core::api::crd::TokenStatus> {
    resource.status.as_ref()?.token.as_ref()
}

#[tokio::test]
async fn a_token_that_ends_soon_is_reported_and_stops_nothing() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--token-inspection", "true"]).await;
    world.set_default_secrets().await;
    let end = jiff::Timestamp::now().as_second() + 6 * 86_400;
    let inspection = Inspection { expires_at: Expiry::At(end), ..Inspection::default() };
    world.emulator.set_token(TOKEN, Token { inspection, ..Token::default() });
    for (name, number) in ["storefront", "support"].into_iter().zip(NUMBERS) {
        world.roll_out(name, &[number]).await;
        let is_expiring =
            |resource: &FlowsEncryptionKey| condition_of(resource, ConditionType::TokenAccepted).1 == "TokenExpiring";
        let resource = world.wait(name, "warned of the end of the token", is_expiring).await;
        let token = token_of(&resource).unwrap();
        assert_eq!(
            (token.inspection, token.expires_time.as_ref().map(|at| at.0.as_second())),
            (TokenInspection::Valid, Some(end))
        );
        assert_eq!(condition_of(&resource, ConditionType::TokenAccepted).0, "True");
        assert_eq!(condition_of(&resource, ConditionType::Ready).0, "True");
    }
    assert_eq!(world.emulator.counters().calls.inspections, 1, "once for all resources with the token");
    let expiring = |reason: Option<&str>| reason == Some("TokenExpiring");
    assert!(world.events().await.iter().any(|event| expiring(event.reason.as_deref())));
    let log = world.operator.log();
    assert!(!log.contains(TOKEN) && !log.contains("input_token"), "{log}");
}

#[tokio::test]
async fn a_token_that_may_not_ask_about_itself_is_left_at_that() {
    let world = World::with_flags(OPERATOR, &NUMBERS, &["--token-inspection", "true"]).await;
    world.set_default_secrets().await;
    let inspection = Inspection { allows_itself: false, ..Inspection::default() };
    world.emulator.set_token(TOKEN, Token { inspection, ..Token::default() });
    world.roll_out("storefront", &NUMBERS[..1]).await;
    let inspections = || world.emulator.counters().calls.inspections;
    world.wait_until("asked about the token", || inspections() == 1).await;
    let resource = world.sync("storefront", "1").await;
    assert_eq!(token_of(&resource), None, "nothing to report");

    let mut spec = World::spec(&NUMBERS[..1]);
    spec["appId"] = "670000000000001".into();
    world.apply("storefront", spec).await.unwrap();
    world.wait_until("asked again, because the app may be able to", || inspections() == 2).await;
    let is_reported = |resource: &FlowsEncryptionKey| token_of(resource).is_some();
    let resource = world.wait("storefront", "reported as unavailable", is_reported).await;
    assert_eq!(token_of(&resource).unwrap().inspection, TokenInspection::Unavailable);
    assert_eq!(condition_of(&resource, ConditionType::TokenAccepted).1, "TokenAccepted");
    world.sync("storefront", "2").await;
    assert_eq!(inspections(), 2, "not again with the same token");
}
