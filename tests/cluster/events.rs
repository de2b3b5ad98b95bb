//! Events: few, and none that matters is lost.

use graph_emulator::{FOREIGN_PUBLIC_KEY, Fault, FaultAction, GraphError};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;

use crate::world::World;

fn many_numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10{n:013}")).collect()
}

async fn events(world: &World) -> Vec<Event> {
    let events: Api<Event> = Api::namespaced(world.client.clone(), &world.namespace);
    events.list(&ListParams::default()).await.unwrap().items
}

/// How often the event was published, as it says itself.
fn times(events: &[Event], reason: &str) -> i32 {
    let of_reason = events.iter().filter(|event| event.reason.as_deref() == Some(reason));
    of_reason.map(|event| event.series.as_ref().map_or(1, |series| series.count)).sum()
}

/// Waits until an event was published so often.
async fn wait_times(world: &World, reason: &str, count: i32) -> Vec<Event> {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        loop {
            let events = events(world).await;
            if times(&events, reason) >= count {
                return events;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    match waited.await {
        Ok(events) => events,
        Err(_) => panic!("not {count} times {reason}: {:#?}", events(world).await),
    }
}

#[tokio::test]
async fn a_hundred_numbers_that_fail_alike_make_few_events_and_hide_no_other() {
    let ids = many_numbers(100);
    let numbers: Vec<&str> = ids.iter().map(String::as_str).collect();
    let flags = ["--wait-scale", "0.002", "--default-check-interval", "500ms"];
    let world = World::with_flags(&numbers, &flags).await;
    world.set_default_secrets().await;
    let refusal = || Fault::new(FaultAction::GraphError(GraphError::new(400, 133_010, "The number is not registered")));
    let fault = world.emulator.inject(refusal());
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_reason("storefront", "NumberRefused").await;
    let retried = world.emulator.calls_to(numbers[99]).reads + 3;
    world.wait_until("tried again", || world.emulator.calls_to(numbers[99]).reads >= retried).await;
    let found = wait_times(&world, "NumberRefused", 1).await;
    assert!(found.len() <= 5, "{} events", found.len());
    assert_eq!(times(&found, "NumberRefused"), 1, "a failure that stands is told once");

    // All heal: one event for all uploads.
    world.emulator.clear_fault(fault);
    world.wait_ready("storefront").await;
    let found = wait_times(&world, "KeyUploaded", 1).await;
    assert!(found.len() <= 5, "{} events", found.len());

    // One fails again, for the same reason; and heals, and has its key replaced: each is told.
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
