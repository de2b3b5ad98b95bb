//! SIGTERM while there is work. The process ends well within the time that Kubernetes gives it, and the next process
//! knows everything that was done.

use std::time::{Duration, Instant};

use graph_emulator::{Fault, FaultAction};
use harness::{World, is_current, many_numbers, strs};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use waflows_core::api::crd::NumberState;

use crate::OPERATOR;

/// Kubernetes waits 30 s before it kills. The slowest call to Meta takes 4.5 s.
const IN_TIME: Duration = Duration::from_secs(20);

/// Flags for a Lease of this name in a namespace that exists.
fn flags(lease: &'static str) -> [&'static str; 5] {
    ["--leader-election", "--lease-namespace", "default", "--lease-name", lease]
}

/// Asks the process to stop, and waits for its end, which must come in time and in good order.
async fn stop_in_time(world: &mut World, lease: &str) {
    let asked = Instant::now();
    assert_eq!(world.operator.terminate(), Some(0), "{}", world.operator.log());
    assert!(asked.elapsed() < IN_TIME, "{:?}\n{}", asked.elapsed(), world.operator.log());
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), "default");
    let holder = leases.get(lease).await.unwrap().spec.unwrap().holder_identity.unwrap_or_default();
    assert_eq!(holder, "", "the Lease is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_that_goes_well_is_stored_and_the_next_process_goes_on_with_it() {
    let ids = many_numbers(60);
    let numbers = strs(&ids);
    let flags = flags("stop-in-mid-reconcile");
    let mut world = World::with_flags(OPERATOR, &numbers, &flags).await;
    world.emulator.set_latency(Duration::from_millis(100));
    world.set_default_secrets().await;
    world.apply("storefront", World::spec(&numbers)).await.unwrap();
    world.wait_until("under way", || world.emulator.counters().calls.uploads >= 20).await;
    stop_in_time(&mut world, "stop-in-mid-reconcile").await;

    let uploaded = world.emulator.counters().calls.uploads;
    assert!((20..60).contains(&uploaded), "{uploaded} of 60 were made");
    let resource = world.resources().get("storefront").await.unwrap();
    assert!(is_current(&resource));
    let status = resource.status.unwrap();
    assert_eq!(status.valid, Some(format!("{uploaded}/60")), "every upload is read back and noted");
    let noted = status.phone_numbers.iter().filter(|number| number.last_upload_time.is_some());
    assert_eq!(noted.count() as u64, uploaded);

    world.emulator.set_latency(Duration::ZERO);
    world.operator = world.another(&flags);
    world.wait_ready("storefront").await;
    assert!(numbers.iter().all(|id| world.emulator.calls_to(id).uploads == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_hang_hold_no_process_up() {
    let ids = many_numbers(180);
    let numbers = strs(&ids);
    let shares: Vec<_> = ["a", "b", "c"].into_iter().zip(numbers.chunks(60)).collect();
    let flags = flags("stop-while-meta-hangs");
    let mut world = World::with_flags(OPERATOR, &numbers, &flags).await;
    world.emulator.set_latency(Duration::from_millis(100));
    world.set_default_secrets().await;
    for (name, numbers) in &shares {
        world.apply(name, World::spec(numbers)).await.unwrap();
    }
    let is_under_way = |numbers: &[&str]| {
        let uploads: u64 = numbers.iter().map(|id| world.emulator.calls_to(id).uploads).sum();
        uploads >= 5
    };
    world.wait_until("all three are under way", || shares.iter().all(|(_, numbers)| is_under_way(numbers))).await;
    let fault = world.emulator.inject(Fault::new(FaultAction::Hang));
    let late = "15550783881";
    world.emulator.add_number(late);
    world.apply("late", World::spec(&[late])).await.unwrap();
    world.wait_until("all their calls hang", || world.emulator.counters().in_flight >= 3 * 8).await;
    world.wait_until("the reading of the late one, too", || world.emulator.calls_to(late).reads > 0).await;
    stop_in_time(&mut world, "stop-while-meta-hangs").await;

    for (name, _) in &shares {
        let resource = world.resources().get(name).await.unwrap();
        assert!(is_current(&resource), "{name} has a status");
        for number in &resource.status.unwrap().phone_numbers {
            let id = number.phone_number_id.as_str();
            let is_valid = world.at_meta(id).1.as_deref() == Some("VALID");
            let is_uploaded = world.emulator.calls_to(id).uploads > 0;
            // A number whose upload could not be read back is not Valid.
            assert!(is_valid || number.state != NumberState::Valid, "{id}: {number:?}");
            assert_eq!(number.last_upload_time.is_some(), is_uploaded, "{id}: {number:?}");
        }
    }
    assert!(is_current(&world.resources().get("late").await.unwrap()));

    // The next process knows which uploads began, and reads before it repeats one.
    assert!(world.emulator.clear_fault(fault));
    world.emulator.set_latency(Duration::ZERO);
    let landed = |id: &&&str| world.at_meta(id).1.as_deref() == Some("VALID");
    let done: Vec<_> = numbers.iter().filter(landed).map(|id| (*id, world.emulator.calls_to(id).uploads)).collect();
    world.operator = world.another(&flags);
    for (name, _) in &shares {
        world.request_sync(name, "Meta answers again").await;
        world.wait_ready(name).await;
    }
    world.request_sync("late", "Meta answers again").await;
    world.wait_ready("late").await;
    assert!(!done.is_empty() && done.iter().all(|(id, uploads)| world.emulator.calls_to(id).uploads == *uploads));
}
