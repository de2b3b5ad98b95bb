//! How much traffic there is.

use std::time::{Duration, Instant};

use harness::wait::until;
use whatsapp_clients::StartError;

use crate::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_traffic_ends_at_its_limit() {
    let mut world = World::with(|config| config.request_limit = 40).await;
    assert!(until(|| world.traffic.counts().requests == 40).await, "{:?}", world.traffic.counts());
    let ended = tokio::time::timeout(Duration::from_secs(30), world.traffic.stop()).await;
    assert!(ended.is_ok());
    assert_eq!(world.traffic.counts().requests, 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_has_a_bound() {
    let begun = Instant::now();
    let world = World::with(|config| config.requests_per_second = 50.0).await;
    world.go_on_for(60).await;
    // Pauses are between half and one and a half of the mean.
    #[expect(clippy::cast_precision_loss, reason = "there are few requests")]
    let rate = world.traffic.counts().requests as f64 / begun.elapsed().as_secs_f64();
    assert!(rate < 100.0, "{rate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_change_while_the_traffic_runs() {
    let mut world = World::new().await;
    world.warm_up().await;
    world.traffic.set_targets(vec![world.endpoint.url(1)]);
    world.go_on_for(20).await;
    world.endpoint.clear_journal();
    world.go_on_for(50).await;
    world.traffic.stop().await;
    assert!(world.endpoint.requests().iter().all(|request| request.replica == 1));
    assert_eq!(world.traffic.failures(), Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_to_ask_is_a_mistake() {
    let world = World::new().await;
    let config = whatsapp_clients::Config {
        seed: 1,
        graph_url: world.meta.base_url().to_owned(),
        token: String::new(),
        numbers: Vec::new(),
        targets: Vec::new(),
        app_secret: None,
        clients: 1,
        requests_per_second: 1.0,
        request_limit: 1,
    };
    let refused = whatsapp_clients::Traffic::start(config);
    assert!(matches!(refused, Err(StartError::Nothing)));
}
