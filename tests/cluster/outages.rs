//! The API server is away for a while, and forgets: what happens once it is back.

use std::time::{Duration, Instant};

use control_plane::ControlPlane;
use graph_emulator::Config;
use harness::{World, new_control_plane};

use crate::OPERATOR;
use crate::probes::page_with;

const NUMBERS: [&str; 2] = ["106540352242922", "107995438950512"];
/// The operator sees a change at the latest so long after the API server is back.
const SOON: Duration = Duration::from_secs(10);

/// An operator at rest. Its API server goes away, and forgets the history that the watches would ask for.
async fn without_api_server(control_plane: &ControlPlane, flags: &[&str], failures: usize) -> World {
    let world = World::on(OPERATOR, control_plane, Config::default(), &NUMBERS, flags).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS[..1]).await;
    assert_eq!(page_with(&world.operator, "/readyz", 200).await, "ok\n");
    control_plane.compact_etcd().unwrap();
    control_plane.stop_api_server().unwrap();
    let seen = || world.operator.log().matches("a watch failed").count();
    world.wait_until("it has tried more than once", || seen() >= failures).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_long_absence_it_is_ready_once_its_watches_are_open_and_sees_changes_soon() {
    let control_plane = new_control_plane();
    // The operator is blind after three seconds of silence. After a few failed attempts it waits long for the next.
    let world = without_api_server(&control_plane, &["--wait-scale", "0.1"], 5).await;
    page_with(&world.operator, "/readyz", 503).await;
    // Other warnings may come from an API server that has just started.
    let is_outage =
        |line: &&str| line.contains(" WARN ") && line.contains("a watch failed") && line.contains("cannot reach");
    let warnings = |log: &str| log.lines().filter(is_outage).count();
    assert!(warnings(&world.operator.log()) <= 4, "a failure is logged once: {}", world.operator.log());

    control_plane.start_api_server().unwrap();
    let back = Instant::now();
    page_with(&world.operator, "/readyz", 200).await;
    let log = world.operator.log();
    for watch in ["secrets", "flowsencryptionkeys"] {
        let of_watch = |line: &&str| line.contains(&format!("what=\"{watch}\""));
        assert!(log.lines().rfind(of_watch).unwrap().contains("the watch is open again"), "{log}");
    }
    world.roll_out("second", &NUMBERS[1..]).await;
    assert!(back.elapsed() < SOON, "{:?}\n{}", back.elapsed(), world.operator.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_short_absence_watches_that_missed_their_history_are_listed_soon() {
    let control_plane = new_control_plane();
    let world = without_api_server(&control_plane, &[], 4).await;
    control_plane.start_api_server().unwrap();
    let back = Instant::now();
    world.roll_out("second", &NUMBERS[1..]).await;
    assert!(back.elapsed() < SOON, "{:?}\n{}", back.elapsed(), world.operator.log());
    let log = world.operator.log();
    assert!(log.contains("too old resource version"), "{log}");
    assert_eq!(page_with(&world.operator, "/readyz", 200).await, "ok\n");
}
