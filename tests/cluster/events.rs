//! Events: few, and none that matters is lost.

use graph_emulator::{FOREIGN_PUBLIC_KEY, Fault, FaultAction, GraphError, Token};
use harness::wait::look;
use harness::{TestKey, World, many_numbers, number_of};
use k8s_openapi::api::events::v1::Event;
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;

/// How often the event was published, according to the event.
fn times(events: &[Event], reason: &str) -> i32 {
    let of_reason = events.iter().filter(|event| event.reason.as_deref() == Some(reason));
    of_reason.map(|event| event.series.as_ref().map_or(1, |series| series.count)).sum()
}

/// Waits until an event was published so often.
async fn wait_times(world: &World, reason: &str, count: i32) -> Vec<Event> {
    let published = look(async || Some(world.events().await).filter(|events| times(events, reason) >= count));
    match published.await {
        Some(events) => events,
        None => panic!("not {count} times {reason}: {:#?}", world.events().await),
    }
}

#[tokio::test]
async fn a_hundred_numbers_that_fail_alike_make_few_events_and_hide_no_other() {
    let ids = many_numbers(100);
    let numbers: Vec<&str> = ids.iter().map(String::as_str).collect();
    let flags = ["--wait-scale", "0.002", "--default-check-interval", "500ms"];
    let world = World::with_flags(OPERATOR, &numbers, &flags).await;
    world.set_default_secrets().await;
    let refusal = || Fault::new(FaultAction::GraphError(GraphError::new(400, 133_010, "The number is not registered")));
    let fault = world.emulator.inject(refusal());
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_reason("storefront", "NumberRefused").await;
    let retried = world.emulator.calls_to(numbers[99]).reads + 3;
    world.wait_until("tried again", || world.emulator.calls_to(numbers[99]).reads >= retried).await;
    let found = wait_times(&world, "NumberRefused", 1).await;
    assert!(found.len() <= 5, "{} events", found.len());
    assert_eq!(times(&found, "NumberRefused"), 1, "a lasting failure is reported once");

    // All heal: one event for all uploads.
    world.emulator.clear_fault(fault);
    world.wait_ready("storefront").await;
    let found = wait_times(&world, "KeyUploaded", 1).await;
    assert!(found.len() <= 5, "{} events", found.len());

    // One number fails again for the same reason, heals, and then has its key replaced. Each of these has an event.
    let fault = world.emulator.inject(refusal().number(numbers[7]));
    world.wait_reason("storefront", "NumberRefused").await;
    wait_times(&world, "NumberRefused", 2).await;
    world.emulator.clear_fault(fault);
    world.wait_ready("storefront").await;
    world.emulator.set_foreign_key(numbers[7], FOREIGN_PUBLIC_KEY).unwrap();
    let found = wait_times(&world, "ForeignKeyReplaced", 1).await;
    let note =
        |reason| found.iter().find(|event| event.reason.as_deref() == Some(reason)).unwrap().note.clone().unwrap();
    assert!(note("ForeignKeyReplaced").contains(numbers[7]), "{}", note("ForeignKeyReplaced"));
    assert!(found.len() <= 8, "{} events", found.len());
}

/// An event that must appear.
struct Expected<'a> {
    /// The resource that it is about.
    about: &'a str,
    reason: &'a str,
    kind: &'a str,
    action: &'a str,
    /// What the note must name.
    names: &'a [&'a str],
}

async fn expect(world: &World, expected: Expected<'_>) {
    let Expected { about, reason, kind, action, names } = expected;
    let found = wait_times(world, reason, 1).await;
    let is_it = |event: &&Event| {
        event.reason.as_deref() == Some(reason)
            && event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(about))
    };
    let event = found.iter().find(is_it).unwrap_or_else(|| panic!("{reason} of {about}: {found:#?}"));
    let object = event.regarding.as_ref().unwrap();
    assert_eq!(object.kind.as_deref(), Some("FlowsEncryptionKey"));
    assert!(object.uid.is_some(), "kubectl describe finds events by the UID");
    assert_eq!(event.reporting_controller.as_deref(), Some("waflows-operator"));
    assert_eq!((event.type_.as_deref(), event.action.as_deref()), (Some(kind), Some(action)), "{reason}");
    let note = event.note.as_deref().unwrap_or_default();
    assert!(names.iter().all(|name| note.contains(name)), "{reason}: {note} does not name all of {names:?}");
}

#[tokio::test]
async fn what_happens_to_a_key_on_its_numbers_is_reported() {
    let numbers = ["106540352242922", "107995438950512"];
    let world = World::with_flags(OPERATOR, &numbers, &["--wait-scale", "0.02"]).await;
    world.set_default_secrets().await;
    let about = "storefront";
    world.roll_out(about, &numbers).await;
    let (kind, action) = ("Normal", "Upload");
    expect(&world, Expected { about, reason: "KeyUploaded", kind, action, names: &numbers }).await;

    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    let rotated = &new.fingerprint["sha256:".len()..][..12];
    expect(&world, Expected { about, reason: "KeyRotated", kind, action, names: &[numbers[0], numbers[1], rotated] })
        .await;
    world.wait_ready(about).await;

    // The signature is lost. The first attempt does not heal it, the next one does.
    world.emulator.inject(Fault::upload_lands_as("MISMATCH").times(1));
    world.emulator.lose_signature(numbers[1]).unwrap();
    world.request_sync(about, "now").await;
    let (warning, reconcile) = ("Warning", "Reconcile");
    let names = [numbers[1], "lost its signature"];
    expect(&world, Expected { about, reason: "SignatureLost", kind: warning, action: reconcile, names: &names }).await;
    expect(&world, Expected { about, reason: "SignatureRestored", kind, action, names: &[numbers[1]] }).await;
    world.wait_ready(about).await;

    // Someone else replaces the key until the number is contested.
    for replaced in 1..=3 {
        world.emulator.set_foreign_key(numbers[0], FOREIGN_PUBLIC_KEY).unwrap();
        world.touch_secret("meta-token").await;
        let state = if replaced == 3 { NumberState::Contested } else { NumberState::Valid };
        world
            .wait(about, "settled", |resource| {
                let number = number_of(resource, numbers[0]);
                (number.state, number.replaced_times.len()) == (state, replaced)
            })
            .await;
    }
    let replaced = Expected { about, reason: "ForeignKeyReplaced", kind: warning, action, names: &[numbers[0]] };
    expect(&world, replaced).await;
    let names = [numbers[0], "other writer"];
    expect(&world, Expected { about, reason: "NumberContested", kind: warning, action: reconcile, names: &names })
        .await;
    assert!(world.events().await.len() <= 7, "{:#?}", world.events().await);
}

#[tokio::test]
async fn what_a_person_must_mend_is_reported() {
    let numbers = ["106540352242922", "107995438950512", "108811432100233"];
    let world = World::new(OPERATOR, &numbers).await;
    world.set_default_secrets().await;
    world.roll_out("owner", &numbers[..1]).await;

    let (kind, action) = ("Warning", "Reconcile");
    world.set_secret("rival-key", "private.pem", &TestKey::generate().private_pem).await;
    let mut spec = World::spec(&numbers[..1]);
    spec["privateKeySecretRef"]["name"] = "rival-key".into();
    world.apply("rival", spec).await.unwrap();
    let names = [numbers[0], "FlowsEncryptionKey owner"];
    expect(&world, Expected { about: "rival", reason: "NumberConflict", kind, action, names: &names }).await;

    world.set_secret("bad-key", "private.pem", "not a key").await;
    let mut spec = World::spec(&numbers[1..2]);
    spec["privateKeySecretRef"]["name"] = "bad-key".into();
    world.apply("without-key", spec).await.unwrap();
    let names = ["bad-key", "private.pem"];
    expect(&world, Expected { about: "without-key", reason: "KeyNotRecognized", kind, action, names: &names }).await;

    let expired = "EAAExpiredTokenOfTheTests0123456789";
    world.emulator.set_token(expired, Token { expired: true, ..Token::default() });
    world.set_secret("old-token", "token", expired).await;
    let mut spec = World::spec(&numbers[2..]);
    spec["accessTokenSecretRef"]["name"] = "old-token".into();
    world.apply("without-token", spec).await.unwrap();
    let names = ["old-token", "190"];
    expect(&world, Expected { about: "without-token", reason: "TokenRefused", kind, action, names: &names }).await;

    let found = world.events().await;
    assert_eq!(found.len(), 4, "one for each, and the owner's upload: {found:#?}");
    assert!(!serde_json::to_string(&found).unwrap().contains(expired), "no event holds a token");
}

#[tokio::test]
async fn a_resource_whose_name_is_as_long_as_can_be_has_events() {
    let world = World::new(OPERATOR, &["106540352242922"]).await;
    world.set_default_secrets().await;
    let name = format!("{}.{}", "a".repeat(200), "b".repeat(52));
    world.apply(&name, World::spec(&["106540352242922"])).await.unwrap();
    world.wait_ready(&name).await;
    let found = wait_times(&world, "KeyUploaded", 1).await;
    assert!(found.iter().all(|event| event.regarding.as_ref().unwrap().name.as_ref() == Some(&name)), "{found:#?}");
    assert!(!world.operator.log().contains("could not be published"), "{}", world.operator.log());
}
