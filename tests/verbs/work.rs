//! `sync`, `wait`, `suspend` and `resume`.

use std::time::Instant;

use harness::World;
use serde_json::json;

use crate::OPERATOR;
use crate::scene::{NUMBERS, verb_in};

#[tokio::test(flavor = "multi_thread")]
async fn sync_waits_for_the_check_that_it_asked_for() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..2]).await;
    world.emulator.lose_signature(NUMBERS[0]).unwrap();
    let reads = world.emulator.calls_to(NUMBERS[1]).reads;
    let printed = verb_in(&world, &["sync", "storefront", "--wait"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    let key = format!("{}/storefront", world.namespace);
    assert_eq!(printed.stdout, format!("{key} will be checked now\n{key} is Ready\n"));
    assert!(world.emulator.calls_to(NUMBERS[1]).reads > reads, "Meta was asked");
    assert_eq!(world.emulator.calls_to(NUMBERS[0]).uploads, 2, "and what was lost was healed");
    let printed = verb_in(&world, &["sync", "storefront", "-o", "name"]);
    assert_eq!((printed.code, printed.stdout.as_str()), (0, "flowsencryptionkey.waflows.dev/storefront\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_needs_a_person_ends_the_wait_at_once() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.apply("support", World::spec(&["1", NUMBERS[0]])).await.unwrap();
    world.wait_reason("support", "NumberRefused").await;
    for arguments in [["wait", "support", "--timeout", "20m"], ["sync", "support", "--wait", "--timeout=20m"]] {
        let begun = Instant::now();
        let printed = verb_in(&world, &arguments);
        println!("{arguments:?} ended after {:?}", begun.elapsed());
        assert_eq!(printed.code, 1, "{printed:?}");
        assert!(printed.stdout.contains("/support: NumberRefused: "), "{printed:?}");
    }
    // The wait ends when the condition becomes true meanwhile.
    world.apply("late", World::spec(&["2"])).await.unwrap();
    let printed = verb_in(&world, &["wait", "late", "--timeout", "20m", "-o", "json"]);
    assert_eq!((printed.code, printed.json()["resources"][0]["reason"].clone()), (1, json!("NumberRefused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_operator_the_wait_says_so() {
    let mut world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    world.operator.kill();
    let printed = verb_in(&world, &["sync", "storefront", "--wait", "--timeout", "1s"]);
    assert_eq!(printed.code, 2, "{printed:?}");
    assert!(printed.stdout.contains("no operator has reacted for 1 s: see whether one runs"), "{printed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn suspend_stops_and_resume_goes_on() {
    let world = World::new(OPERATOR, &NUMBERS).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    let key = format!("{}/storefront", world.namespace);
    assert_eq!(verb_in(&world, &["suspend", "storefront"]).stdout, format!("{key} is suspended\n"));
    assert_eq!(verb_in(&world, &["suspend", "storefront"]).stdout, format!("{key} was suspended already\n"));
    assert_eq!(world.resources().get("storefront").await.unwrap().spec.suspend, Some(true));
    for arguments in [["sync", "storefront"], ["wait", "storefront"]] {
        let printed = verb_in(&world, &arguments);
        assert!(printed.code == 1 && printed.stdout.contains("waflows-operator resume"), "{printed:?}");
    }
    let printed = verb_in(&world, &["resume", "storefront"]);
    assert_eq!(printed.stdout, format!("{key} is resumed: its numbers are read now\n"));
    assert_eq!(world.resources().get("storefront").await.unwrap().spec.suspend, None);
    assert_eq!(verb_in(&world, &["wait", "storefront"]).code, 0);
    assert_eq!(verb_in(&world, &["resume", "storefront"]).stdout, format!("{key} was not suspended\n"));
}
