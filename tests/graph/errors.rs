//! Every refusal: its class, what is kept of it, and how many calls it costs.

use std::time::Duration;

use graph_emulator::FaultAction;
use graph_emulator::{
    DEFAULT_WABA_ID, Fault, GraphError as MetaError, NumberSettings, RateLimit, RetryAfter, Token, Usage,
};
use harness::TOKEN;
use waflows_core::meta::ErrorClass as C;
use waflows_core::meta::RateLimitScope;
use waflows_operator::graph::{CallError, HoldCause};

use crate::world::{APP_SECRET, Graph, NUMBER, RESOURCE, class_of, credentials, error_of, proven_credentials};

#[tokio::test]
async fn every_row_of_the_table() {
    let error = |status, code| MetaError::new(status, code, "m");
    let rows = [
        (error(401, 190), C::Token),
        (error(400, 190).subcode(463), C::Token),
        (error(400, 102), C::Token),
        (error(403, 200).subcode(1_349_174), C::Permission),
        (error(403, 10), C::Permission),
        (error(500, 3), C::Permission),
        (error(404, 803), C::UnknownId),
        (error(400, 100).subcode(33), C::UnknownId),
        (error(400, 133_010), C::NotRegistered),
        (error(400, 100).subcode(2_388_003), C::Invalid),
        (error(422, 100), C::Invalid),
        (error(403, 368), C::Policy),
        (error(500, 1), C::Transient),
        (error(503, 2), C::Transient),
        (error(400, 100).transient(true), C::Transient),
        (error(500, 131_000), C::Transient),
        (error(418, 7_777), C::Unexpected),
    ];
    for (error, class) in rows {
        let graph = Graph::faulty(Fault::error(error.clone())).await;
        let found = error_of(graph.read().await);
        assert_eq!(found.class, class, "{error:?}");
        assert_eq!(
            (found.http_status, found.code, found.subcode),
            (Some(error.status), Some(error.code), error.subcode)
        );
        assert_eq!((found.kind.as_deref(), found.message.as_str()), (Some("OAuthException"), "m"));
        assert!(found.trace_id.as_deref().is_some_and(|id| !id.is_empty()));
        let calls = if class == C::Transient { 3 } else { 1 };
        assert_eq!(graph.reads(), calls, "{error:?}");

        graph.emulator.clear_faults();
        graph.emulator.inject(Fault::error(error.clone()));
        let _ = graph.client.upload(&credentials("EAAOther"), RESOURCE, NUMBER, &crate::world::key(), || true).await;
        assert_eq!(graph.uploads(), 1, "an upload is never repeated: {error:?}");
    }
}

#[tokio::test]
async fn limits_name_what_they_pause_and_for_how_long() {
    let account = || RateLimitScope::BusinessAccount(Some(DEFAULT_WABA_ID.into()));
    let usage = Usage { business_percent: Some(100), minutes_to_regain_access: 3, ..Usage::default() };
    let rows = [
        (4, Usage::default(), Some(RetryAfter::Seconds(7)), RateLimitScope::Token, Some(7)),
        (17, Usage::default(), None, RateLimitScope::Token, None),
        (32, usage.clone(), None, RateLimitScope::Token, Some(180)),
        (613, Usage::default(), Some(RetryAfter::Seconds(1)), RateLimitScope::Token, Some(1)),
        (80_007, usage.clone(), None, account(), Some(180)),
        (80_008, usage.clone(), Some(RetryAfter::Seconds(5)), account(), Some(5)),
        (80_007, Usage::default(), None, RateLimitScope::BusinessAccount(None), None),
        (130_429, Usage::default(), Some(RetryAfter::Seconds(9)), RateLimitScope::PhoneNumber, Some(9)),
    ];
    for (code, usage, retry_after, scope, seconds) in rows {
        let limit = RateLimit { code, retry_after, usage, ..RateLimit::default() };
        let graph = Graph::faulty(Fault::new(FaultAction::RateLimit(limit)).times(1)).await;
        let wait = seconds.map(Duration::from_secs);
        let result = graph.read().await;
        let Err(CallError::Held(hold)) = &result else { panic!("{code}: {result:?}") };
        assert!(matches!(hold.cause, HoldCause::RateLimited(_)));
        assert_eq!(class_of(result), C::RateLimited { scope, wait }, "{code}");
        assert!(matches!(graph.read().await, Err(CallError::Held(_))), "{code}");
        assert_eq!(graph.reads(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_limit_until_a_date() {
    let limit = RateLimit { code: 4, retry_after: Some(RetryAfter::DateIn(3600)), ..RateLimit::default() };
    let graph = Graph::faulty(Fault::new(FaultAction::RateLimit(limit))).await;
    let C::RateLimited { wait: Some(wait), .. } = class_of(graph.read().await) else { panic!("no wait") };
    assert!(wait > Duration::from_secs(3500) && wait <= Duration::from_secs(3600), "{wait:?}");
}

#[tokio::test]
async fn classic_mistakes_get_a_remedy() {
    let graph = Graph::start().await;
    graph.emulator.set_token("EAAForeign", Token { numbers: Some([].into()), ..Token::default() });
    graph.emulator.set_token("EAAExpired", Token { expired: true, ..Token::default() });
    graph.emulator.set_token("EAAWeak", Token { whatsapp_business_messaging: false, ..Token::default() });
    let rows = [
        // The phone number, a Flow ID, an ID with a typo; the WABA ID; something that is no ID.
        (TOKEN, "15550783881", C::UnknownId, "not the phone number"),
        (TOKEN, DEFAULT_WABA_ID, C::UnknownId, "account or Flow ID"),
        (TOKEN, "my/../number?x", C::UnknownId, "copy the ID from WhatsApp Manager"),
        ("EAAForeign", NUMBER, C::UnknownId, "assign its account to the system user"),
        ("EAAWeak", NUMBER, C::Permission, "Advanced Access"),
        ("EAAExpired", NUMBER, C::Token, "a user token expires"),
        ("<your-token>", NUMBER, C::Token, "a placeholder is none"),
    ];
    for (token, number, class, remedy) in rows {
        let error = error_of(graph.client.read(&credentials(token), RESOURCE, number).await);
        assert_eq!(error.class, class, "{token} {number}: {error}");
        assert!(error.class.remedy().unwrap().contains(remedy), "{:?}", error.class.remedy());
        assert!(!error.to_string().contains("your-token"), "{error}");
    }
    assert_eq!(graph.emulator.counters().unrouted, 1, "an ID is one segment of the path, whatever it holds");
}

#[tokio::test]
async fn numbers_that_are_not_registered_or_blocked() {
    let graph = Graph::start().await;
    graph.emulator.set_number(NUMBER, NumberSettings { registered: false, ..NumberSettings::default() });
    let error = error_of(graph.read().await);
    assert_eq!(error.class, C::NotRegistered);
    let both =
        "The phone number is not registered on the WhatsApp Business Platform. [(#133010) Account not registered]";
    assert_eq!(error.message, both);
    graph.emulator.set_number(NUMBER, NumberSettings { blocked: true, ..NumberSettings::default() });
    assert_eq!(class_of(graph.read().await), C::Policy);
}

#[tokio::test]
async fn the_app_secret_proof() {
    let graph = Graph::start().await;
    graph.emulator.set_token(TOKEN, Token { app_secret: Some(APP_SECRET.into()), ..Token::default() });
    assert_eq!(class_of(graph.read().await), C::AppSecretProof);
    let proven = proven_credentials(TOKEN);
    graph.client.read(&proven, RESOURCE, NUMBER).await.unwrap();
    graph.client.upload(&proven, RESOURCE, NUMBER, &crate::world::key(), || true).await.unwrap();

    graph.emulator.set_token(TOKEN, Token { app_secret: Some("another".into()), ..Token::default() });
    let error = error_of(graph.client.read(&proven, RESOURCE, NUMBER).await);
    assert_eq!((error.class.clone(), error.code, error.subcode), (C::AppSecretProof, Some(100), None));
}
