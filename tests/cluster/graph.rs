//! What Meta does, and what users see of it: state, reason, and how many calls it costs.

use std::time::Duration;

use graph_emulator::{
    Config, Fault, FaultAction, GraphError, KeyText, LineBreaks, NoKey, NumberSettings, Presentation, RateLimit,
    ResponseShape, RetryAfter, Token, Usage,
};
use harness::{TOKEN, TestKey, World, condition_of, number_of};
use serde_json::Value;
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;

const BAD_TOKEN: &str = "EAABadTokenOfTheTests0123456789abc";

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10654{n:010}")).collect()
}

fn strs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

fn with_token_secret(mut spec: Value, name: &str) -> Value {
    spec["accessTokenSecretRef"]["name"] = name.into();
    spec
}

/// What Meta does with one number, and the result.
struct Row {
    meta: Meta,
    state: NumberState,
    reason: &'static str,
    /// Reads and uploads. None if retries go on.
    calls: Option<(u64, u64)>,
}

enum Meta {
    /// The number is so; `$KEY` in its key stands for ours.
    Holds(NumberSettings),
    /// Every read ends so.
    Answers(FaultAction),
}

fn holds(key: &str, status: &str, presentation: Presentation) -> Meta {
    let public_key = Some(key.to_owned());
    Meta::Holds(NumberSettings {
        public_key,
        signature_status: status.into(),
        presentation,
        ..NumberSettings::default()
    })
}

fn never_had_a_key() -> Meta {
    let presentation = Presentation { no_key: NoKey::BlankMismatch, ..Presentation::default() };
    Meta::Holds(NumberSettings { presentation, ..NumberSettings::default() })
}

fn answers(status: u16, code: i64) -> Meta {
    Meta::Answers(FaultAction::GraphError(GraphError::new(status, code, "m")))
}

fn limits(code: i64) -> Meta {
    let retry_after = Some(RetryAfter::Seconds(600));
    Meta::Answers(FaultAction::RateLimit(RateLimit { code, retry_after, ..RateLimit::default() }))
}

fn rows() -> Vec<Row> {
    use NumberState as S;
    let row = |meta, state, reason, calls| Row { meta, state, reason, calls };
    let shape = |shape, line_breaks| Presentation { shape: Some(shape), line_breaks, ..Presentation::default() };
    let without = |key_text| Presentation { key_text, ..Presentation::default() };
    let plain = Presentation::default;
    let subcode = |error: GraphError, subcode| Meta::Answers(FaultAction::GraphError(error.subcode(subcode)));
    let (unasked, healed) = (Some((1, 0)), Some((2, 1)));
    let valid = |meta, calls| row(meta, S::Valid, "AllNumbersValid", calls);
    let refused = |meta| row(meta, S::Refused, "NumberRefused", unasked);
    vec![
        valid(holds("$KEY", "VALID", plain()), unasked),
        valid(holds("$KEY", "VALID", shape(ResponseShape::Flat, LineBreaks::OneLine)), unasked),
        valid(holds("$KEY", "VALID", shape(ResponseShape::DataMap, LineBreaks::Escaped)), unasked),
        valid(holds("$KEY", "MISMATCH", plain()), healed),
        valid(holds("garbage", "VALID", plain()), healed),
        valid(holds("$KEY", "VALID", without(KeyText::Absent)), healed),
        valid(holds("$KEY", "MISMATCH", without(KeyText::Blank)), healed),
        valid(Meta::Holds(NumberSettings::default()), healed),
        valid(never_had_a_key(), healed),
        row(holds("$KEY", "PENDING_REVIEW", plain()), S::Unreported, "StatusUnknown", unasked),
        row(holds("$KEY", "PENDING_REVIEW", without(KeyText::Absent)), S::Unreported, "StatusUnknown", unasked),
        refused(subcode(GraphError::new(403, 200, "m"), 1_349_174)),
        refused(subcode(GraphError::new(400, 100, "m"), 33)),
        refused(subcode(GraphError::new(400, 100, "m"), 2_388_003)),
        refused(answers(404, 803)),
        refused(answers(422, 100)),
        refused(answers(400, 133_010)),
        refused(answers(403, 368)),
        row(answers(401, 190), S::Pending, "TokenRefused", unasked),
        row(limits(4), S::Pending, "RateLimited", unasked),
        row(limits(80_007), S::Pending, "RateLimited", unasked),
        row(limits(130_429), S::Pending, "RateLimited", unasked),
        row(answers(500, 2), S::Pending, "GraphUnreachable", None),
        row(Meta::Answers(FaultAction::ProxyError { status: 502 }), S::Pending, "GraphUnreachable", None),
        row(Meta::Answers(FaultAction::ResetBeforeAnswer), S::Pending, "GraphUnreachable", None),
        row(Meta::Answers(FaultAction::EndlessBody), S::Pending, "GraphUnreachable", None),
        row(
            Meta::Answers(FaultAction::Redirect { status: 307, location: "https://elsewhere.test/".into() }),
            S::Pending,
            "GraphUnreachable",
            None,
        ),
    ]
}

#[tokio::test]
async fn what_meta_does_shows_in_state_reason_and_calls() {
    let rows = rows();
    let ids = ids(rows.len() + 1);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    let seed = ids.last().unwrap().as_str();
    world.apply("seed", World::spec(&[seed])).await.unwrap();
    let our_key = world.wait_ready("seed").await.status.unwrap().public_key.unwrap();

    for (n, (row, id)) in rows.iter().zip(&ids).enumerate() {
        match &row.meta {
            Meta::Holds(settings) => {
                let public_key = settings.public_key.as_ref().map(|key| key.replace("$KEY", &our_key));
                world.emulator.set_number(id, NumberSettings { public_key, ..settings.clone() });
            }
            Meta::Answers(action) => {
                world.emulator.inject(Fault::new(action.clone()).number(id));
            }
        }
        // Each row has its own token, since some rows pause their token.
        let token = format!("EAARow{n}TokenOfTheTests0123456789");
        world.emulator.add_token(&token);
        world.set_secret(&format!("token-{n}"), "token", token).await;
        let spec = with_token_secret(World::spec(&[id]), &format!("token-{n}"));
        world.apply(&format!("row-{n}"), spec).await.unwrap();
    }
    for (n, (row, id)) in rows.iter().zip(&ids).enumerate() {
        let resource = world.wait_reason(&format!("row-{n}"), row.reason).await;
        let number = number_of(&resource, id);
        assert_eq!(number.state, row.state, "row {n}: {number:?}");
        let counted = world.emulator.calls_to(id);
        match row.calls {
            Some(calls) => assert_eq!((counted.reads, counted.uploads), calls, "row {n}: {number:?}"),
            None => {
                assert!(counted.reads >= 1 && counted.uploads == 0 && number.error.is_some(), "row {n}: {number:?}")
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_foreign() {
    let ids = ids(1);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    let settings = NumberSettings { public_key: Some("garbage".into()), ..NumberSettings::default() };
    world.emulator.set_number(&ids[0], settings);
    let mut spec = World::spec(&strs(&ids));
    spec["mode"] = "Observe".into();
    world.apply("storefront", spec).await.unwrap();
    let resource = world.wait_reason("storefront", "DriftObserved").await;
    let number = number_of(&resource, &ids[0]);
    assert_eq!((number.state, number.key_fingerprint.as_deref()), (NumberState::Foreign, Some("unreadable")));
    assert_eq!(world.emulator.calls_to(&ids[0]).uploads, 0);
}

#[tokio::test]
async fn a_bad_token_costs_one_call_for_fifty_numbers_and_is_shown_nowhere() {
    let ids = ids(50);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    world.set_secret("meta-token", "token", BAD_TOKEN).await;
    world.apply("storefront", World::spec(&strs(&ids))).await.unwrap();
    let resource = world.wait_reason("storefront", "TokenRefused").await;
    assert_eq!(world.emulator.calls_with(BAD_TOKEN).total(), 1);

    // The emulator repeats the token in the message and in a header, as Meta does.
    let (_, _, message) = condition_of(&resource, ConditionType::TokenAccepted);
    assert!(message.contains("Malformed access token [redacted]"), "{message}");
    assert!(!serde_json::to_string(&resource).unwrap().contains(BAD_TOKEN));
    let list = async || serde_json::to_string(&world.events().await).unwrap();
    let mut text = list().await;
    while !text.contains("TokenRefused") {
        tokio::time::sleep(Duration::from_millis(10)).await;
        text = list().await;
    }
    assert!(!text.contains(BAD_TOKEN), "{text}");
    assert!(!world.operator.log().contains(BAD_TOKEN));

    world.set_secret("meta-token", "token", TOKEN).await;
    world.wait_ready("storefront").await;
}

/// Within a second after Meta has accepted a token, the calls of a resource run side by side, at most eight at a time.
#[tokio::test]
async fn a_token_that_expires_costs_no_more_calls_than_run_side_by_side() {
    let ids = ids(50);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &strs(&ids)).await;
    let before = world.emulator.counters().calls.total();
    world.emulator.expire_token(TOKEN);
    world.request_sync("storefront", "now").await;
    world.wait_reason("storefront", "TokenRefused").await;
    let calls = world.emulator.counters().calls.total() - before;
    assert!((1..=8).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_hundred_resources_with_one_bad_token_cost_a_handful_of_calls() {
    let ids = ids(101);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    world.set_secret("bad-token", "token", BAD_TOKEN).await;
    let names: Vec<_> = (0..100).map(|n| format!("shop-{n}")).collect();
    for (name, id) in names.iter().zip(&ids) {
        world.apply(name, with_token_secret(World::spec(&[id]), "bad-token")).await.unwrap();
    }
    for name in &names {
        world.wait_reason(name, "TokenRefused").await;
    }
    let calls = world.emulator.calls_with(BAD_TOKEN).total();
    assert!((1..=5).contains(&calls), "{calls}");
    world.roll_out("good", &[&ids[100]]).await;
}

#[tokio::test]
async fn the_app_secret_is_sent_as_a_proof_and_a_wrong_one_costs_one_call() {
    let ids = ids(20);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    world.emulator.set_token(TOKEN, Token { app_secret: Some("right-secret".into()), ..Token::default() });
    world.set_secret("meta-app", "secret", "wrong-secret").await;
    let mut spec = World::spec(&strs(&ids));
    spec["appSecretRef"] = serde_json::json!({"name": "meta-app", "key": "secret"});
    world.apply("storefront", spec).await.unwrap();
    let resource = world.wait_reason("storefront", "AppSecretRefused").await;
    assert!(condition_of(&resource, ConditionType::TokenAccepted).2.contains("meta-app"));
    assert_eq!(world.emulator.counters().calls.total(), 1);

    world.set_secret("meta-app", "secret", "right-secret").await;
    world.wait_ready("storefront").await;
    let proof = graph_emulator::appsecret_proof(TOKEN, "right-secret");
    let log = world.operator.log();
    assert!([proof.as_str(), "right-secret", "wrong-secret"].iter().all(|secret| !log.contains(secret)));
}

#[tokio::test]
async fn a_rate_limit_is_kept_to_the_second_and_passes() {
    let ids = ids(10);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    let wait = Duration::from_secs(3);
    let limit = RateLimit { retry_after: Some(RetryAfter::Seconds(wait.as_secs())), ..RateLimit::default() };
    world.emulator.inject(Fault::new(FaultAction::RateLimit(limit)).times(1));
    world.apply("storefront", World::spec(&strs(&ids))).await.unwrap();
    let resource = world.wait_reason("storefront", "RateLimited").await;
    assert_eq!(world.emulator.counters().calls.total(), 1);
    let status = resource.status.as_ref().unwrap();
    let checked = status.last_check_time.as_ref().map_or(jiff::Timestamp::MIN, |time| time.0);
    for id in &ids {
        let next = number_of(&resource, id).next_attempt_time.as_ref().unwrap().0;
        assert!(next > checked && next <= jiff::Timestamp::now() + wait, "{next}");
    }
    world.wait_ready("storefront").await;
    let calls = world.emulator.calls();
    assert!(calls[1].at - calls[0].at >= wait, "{:?}", calls[1].at - calls[0].at);
}

#[tokio::test]
async fn an_account_over_its_limit_costs_one_call_for_twenty_numbers() {
    let ids = ids(20);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.set_default_secrets().await;
    let usage = Usage { business_percent: Some(100), minutes_to_regain_access: 10, ..Usage::default() };
    world.emulator.inject(Fault::new(FaultAction::RateLimit(RateLimit { usage, ..RateLimit::default() })));
    world.apply("storefront", World::spec(&strs(&ids))).await.unwrap();
    let resource = world.wait_reason("storefront", "RateLimited").await;
    assert!(ids.iter().all(|id| number_of(&resource, id).next_attempt_time.is_some()), "{resource:?}");
    assert_eq!(world.emulator.counters().calls.total(), 1);
    let (_, _, message) = condition_of(&resource, ConditionType::Ready);
    assert!(message.contains(" and 10 more: Meta limits the rate of calls. Next try "), "{message}");
}

#[tokio::test]
async fn a_network_in_which_three_calls_of_ten_fail_converges_without_needless_uploads() {
    let ids = ids(100);
    let config = Config { seed: 7, ..Config::default() };
    let world = World::with_emulator(OPERATOR, config, &strs(&ids), &["--wait-scale", "0.01"]).await;
    let key: TestKey = world.set_default_secrets().await;
    let error = || FaultAction::GraphError(GraphError::new(500, 1, "An unknown error occurred"));
    // Half of the uploads with a lost answer land all the same.
    for (action, share) in [(error(), 0.1), (FaultAction::ResetBeforeAnswer, 0.17), (FaultAction::Hang, 0.07)] {
        world.emulator.inject(Fault::new(action.clone()).probability(share / 2.0).landing());
        world.emulator.inject(Fault::new(action).probability(share / 2.0));
    }
    let resource = world.roll_out("storefront", &strs(&ids)).await;
    assert_eq!(resource.status.unwrap().valid.as_deref(), Some("100/100"));
    assert!(ids.iter().all(|id| world.at_meta(id).0.as_ref() == Some(&key.fingerprint)));
    let (calls, landed) = (world.emulator.counters().calls, world.emulator.counters().landed);
    println!("{} reads, {} uploads, {landed} of them took effect", calls.reads, calls.uploads);
    assert!(landed <= 105, "{landed} uploads took effect, {calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_an_upload_is_when_its_request_left_and_not_when_it_was_planned() {
    let numbers = ids(4);
    let flags = ["--graph-requests-per-second", "1"];
    let world = World::with_flags(OPERATOR, &strs(&numbers), &flags).await;
    world.set_default_secrets().await;
    let resource = world.roll_out("storefront", &strs(&numbers)).await;
    let status = resource.status.unwrap();
    let mut noted: Vec<_> =
        status.phone_numbers.iter().map(|number| number.last_upload_time.as_ref().unwrap().0.as_second()).collect();
    noted.sort_unstable();
    let mut seen: Vec<_> = world.emulator.uploads().iter().map(|upload| upload.at.as_secs_f64()).collect();
    seen.sort_unstable_by(f64::total_cmp);
    let (noted, seen) = ((noted[3] - noted[0]) as f64, seen[3] - seen[0]);
    assert!(seen > 3.0, "the calls wait for their turn: {seen}");
    assert!((noted - seen).abs() < 1.5, "{noted} s in the status, {seen} s at Meta");
}
