//! `/healthz` and `/readyz`, as the kubelet asks them. What keeps an operator from starting is in `faults`.

use std::time::Duration;

use graph_emulator::Config;
use harness::{Operator, World, new_control_plane};

use crate::OPERATOR;

const NUMBERS: [&str; 1] = ["106540352242922"];

/// Asks until the page has this status, and returns its text.
pub(crate) async fn page_with(operator: &Operator, path: &str, status: u16) -> String {
    let asked = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match operator.get(path).await {
                Some((seen, body)) if seen == status => return body,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    asked.await.unwrap_or_else(|_| panic!("{path} is never {status}\nlog:\n{}", operator.log()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_hangs_costs_readiness_and_no_restart() {
    let control_plane = new_control_plane();
    let flags = ["--wait-scale", "0.1", "--leader-election", "--lease-namespace", "default"];
    let world = World::on(OPERATOR, &control_plane, Config::default(), &NUMBERS, &flags).await;
    world.set_default_secrets().await;
    world.roll_out("storefront", &NUMBERS).await;
    assert_eq!(page_with(&world.operator, "/readyz", 200).await, "ok\n");
    let standby = world.another(&flags);
    page_with(&standby, "/readyz", 200).await;

    // The connections stay open, and nothing comes.
    control_plane.pause_api_server().unwrap();
    for operator in [&world.operator, &standby] {
        let body = page_with(operator, "/readyz", 503).await;
        assert!(body.contains("the API server has not answered for "), "{body}");
        assert_eq!(operator.get("/healthz").await, Some((200, "ok\n".to_owned())));
    }
    control_plane.resume_api_server().unwrap();
    for operator in [&world.operator, &standby] {
        page_with(operator, "/readyz", 200).await;
    }

    control_plane.stop_api_server().unwrap();
    let body = page_with(&world.operator, "/readyz", 503).await;
    assert!(body.contains("onnect"), "the body says why: {body}");
    assert_eq!(world.operator.get("/healthz").await, Some((200, "ok\n".to_owned())));
    let metrics = world.operator.get("/metrics").await.unwrap().1;
    assert!(metrics.contains("waflows_leader"), "metrics are there all the same");
}
