//! The largest resource that there may be, and larger ones that the definition of another version let in.

use graph_emulator::{Config, Fault, GraphError};
use harness::{Operator, TOKEN, TestKey, World, condition_of, new_control_plane, strs};
use serde_json::{Value, json};
use waflows_core::api::conditions::ConditionType;
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;
use crate::malformed::{accept_any_spec, is_reported, merge_spec};

const GOOD: [&str; 2] = ["106540352242922", "107995438950512"];

/// Phone number IDs of the greatest length.
fn long_ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("9{n:019}")).collect()
}

#[tokio::test]
async fn the_largest_resource_works_and_fails_beside_a_small_one() {
    let ids = long_ids(500);
    let world = World::new(OPERATOR, &strs(&ids)).await;
    world.emulator.add_numbers(GOOD);
    // Every field has its greatest length.
    let name = |first: char| std::iter::repeat_n(first, 253).collect::<String>();
    let (key, token) = (TestKey::generate(), TOKEN);
    world.set_secret(&name('k'), &name('p'), &key.private_pem).await;
    world.set_secret(&name('t'), &name('q'), token).await;
    let spec = json!({
        "privateKeySecretRef": {"name": name('k'), "key": name('p')},
        "accessTokenSecretRef": {"name": name('t'), "key": name('q')},
        "phoneNumberIds": ids,
        "checkInterval": "000719h000060m0s",
    });
    let message = "🔑\u{80}\"".repeat(1000);
    let refusal = |id: &String| {
        world.emulator.inject(Fault::error(GraphError::new(400, 133_010, &message)).number(id));
    };
    ids.iter().for_each(refusal);
    world.apply("largest", spec).await.unwrap();
    world.set_default_secrets().await;
    world.apply("good", World::spec(&GOOD)).await.unwrap();

    let resource = world.wait_reason("largest", "NumberRefused").await;
    let numbers = &resource.status.as_ref().unwrap().phone_numbers;
    assert_eq!(numbers.len(), 500);
    assert!(numbers.iter().all(|number| number.state == NumberState::Refused && number.error.is_some()));
    world.wait_ready("good").await;

    world.emulator.clear_faults();
    world.request_sync("largest", "mended").await;
    let resource = world.wait_ready("largest").await;
    assert_eq!(resource.status.unwrap().valid.as_deref(), Some("500/500"));
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_beyond_all_bounds_are_named_and_left_alone_until_they_are_mended() {
    let control_plane = new_control_plane();
    let mut world = World::on(OPERATOR, &control_plane, Config::default(), &GOOD, &[]).await;
    world.emulator.update_config(|config| config.create_numbers_on_demand = true);
    world.set_default_secrets().await;
    world.roll_out("good", &GOOD[..1]).await;
    accept_any_spec(&control_plane, &world).await;

    let crowd = long_ids(20_000);
    let odd: [(&str, Value); 5] = [
        ("none", json!([])),
        ("crowd", json!(crowd)),
        ("long", json!(["1".repeat(500_000)])),
        ("digits", json!([GOOD[0], "../../me"])),
        ("empty", json!([""])),
    ];
    for (name, ids) in &odd {
        let mut spec = World::spec(&[]);
        spec["phoneNumberIds"] = ids.clone();
        world.apply(name, spec).await.unwrap();
    }
    let all_reported = |operator: &Operator| odd.iter().all(|(name, _)| is_reported(operator, &world.namespace, name));
    world.wait_until("all are reported", || all_reported(&world.operator)).await;
    assert!(world.operator.log().contains("has 20000 items; 1 to 500"));
    assert!(world.operator.log().len() < 200_000, "what is too long is not repeated");

    // The good resource goes on, also after a restart that lists all of them.
    let calls = world.emulator.counters().calls.total();
    let new = TestKey::generate();
    world.set_secret("flows-key", "private.pem", &new.private_pem).await;
    world.wait_until("rotated", || world.at_meta(GOOD[0]).0.as_ref() == Some(&new.fingerprint)).await;
    world.operator.kill();
    world.operator = world.another(&[]);
    world.wait_until("all are reported", || all_reported(&world.operator)).await;
    world.roll_out("later", &GOOD[1..]).await;
    let of_good: u64 = GOOD.iter().map(|id| world.emulator.calls_to(id).total()).sum();
    assert_eq!(world.emulator.counters().calls.total(), of_good, "{calls} calls before: not one for an odd one");

    merge_spec(&world, "crowd", json!({"phoneNumberIds": &crowd[..2]})).await;
    let resource = world.wait_ready("crowd").await;
    assert_eq!(condition_of(&resource, ConditionType::Stalled).0, "");
    assert_eq!(resource.status.unwrap().valid.as_deref(), Some("2/2"));
}
