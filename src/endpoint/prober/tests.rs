//! When an endpoint is asked again, and which proof counts. The endpoint of these tests may not be asked, which is a proof
//! like any other.

use harness::objects::{resource, spec};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use kube::core::ObjectMeta;
use serde_json::json;
use waflows_core::store::store::Store;
use waflows_key::PublicKey;

use super::*;
use crate::endpoint::policy::Policy;
use crate::metrics::Metrics;

const PEM: &str = include_str!("../../../crates/core/tests/key-template.pem");
const HOUR: Duration = Duration::from_secs(3600);

fn prober() -> Prober {
    let nobody = tower::service_fn(|request: Request<Body>| async move {
        assert_eq!(request.uri().path(), "nobody is asked");
        Ok::<_, kube::Error>(Response::new(Body::empty()))
    });
    let inquirer = Inquirer {
        client: Client::new(nobody, "messaging"),
        policy: Policy::default(),
        waits: Waits::default(),
        metrics: Arc::new(Metrics::default()),
    };
    let cluster = Arc::new(ClusterState::new(Store::new(&[None], Duration::ZERO)));
    Prober::new(cluster, inquirer, Waits::default(), HOUR)
}

/// A resource whose numbers should have the n-th key.
fn with_key(n: usize, host: &str) -> FlowsEncryptionKey {
    let pem = PEM.replace("{}", &format!("{n:02}"));
    let fingerprint = PublicKey::from_public_key(&pem).unwrap().fingerprint().to_string();
    let mut object = resource("storefront", spec(&["1"]));
    object["metadata"] = json!({"namespace": "messaging", "name": "storefront", "uid": "7d1c", "generation": 1});
    object["spec"]["endpoint"] =
        json!({"url": format!("https://{host}/"), "appSecretRef": {"name": "app", "key": "secret"}});
    object["status"] = json!({"publicKey": pem, "publicKeyFingerprint": fingerprint});
    serde_json::from_value(object).unwrap()
}

fn store(prober: &Prober, resource: &FlowsEncryptionKey) {
    prober.cluster.store().apply_resource(resource, Timestamp::now());
}

/// Asks whoever is next in the queue within this time.
async fn ask_next(prober: &Prober, within: Duration) -> bool {
    let Ok((key, _)) = tokio::time::timeout(within, prober.queue.next(&CancellationToken::new())).await else {
        return false;
    };
    let _turn = Turn::new(&prober.queue, &key, prober.waits);
    prober.ask(&key).await;
    true
}

/// A prober that has asked the endpoint of this resource.
async fn asked(resource: &FlowsEncryptionKey) -> (Prober, ObjectKey) {
    let (prober, key) = (prober(), ObjectKey::of(&resource.metadata));
    store(&prober, resource);
    prober.follow(&key, resource);
    assert!(ask_next(&prober, Duration::ZERO).await);
    (prober, key)
}

fn proven_key(prober: &Prober, key: &ObjectKey, resource: &FlowsEncryptionKey) -> Option<String> {
    prober.proof(key, resource).map(|proof| proof.key.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_key_that_a_checkpoint_has_stored_is_asked_for_again_and_again() {
    let [old, new] = [1, 2].map(|n| with_key(n, "flows.example.com"));
    let (prober, key) = asked(&old).await;
    // The status has another key, and no reconcile has reported it yet.
    store(&prober, &new);
    for _ in 0..3 {
        assert!(ask_next(&prober, 2 * HOUR).await, "there is always a next time");
        let wanted = new.status.as_ref().unwrap().public_key_fingerprint.clone();
        assert_eq!(proven_key(&prober, &key, &new), wanted);
    }
    prober.follow(&key, &new);
    assert!(!ask_next(&prober, Duration::ZERO).await, "nothing is new");
}

#[tokio::test(start_paused = true)]
async fn a_proof_says_nothing_about_another_endpoint_or_another_resource() {
    let resource = with_key(1, "blue.example.com");
    let (prober, key) = asked(&resource).await;
    let mut edited = resource.clone();
    edited.metadata.generation = Some(2);
    edited.spec.phone_number_ids.push("2".to_owned());
    assert!(prober.proof(&key, &resource).is_some() && prober.proof(&key, &edited).is_some());

    let moved = with_key(1, "green.example.com");
    assert!(prober.proof(&key, &moved).is_none());
    let mut created_again = resource.clone();
    created_again.metadata.uid = Some("another".to_owned());
    assert!(prober.proof(&key, &created_again).is_none());
    let mut without = resource.clone();
    without.spec.endpoint = None;
    assert!(prober.proof(&key, &without).is_none());

    prober.follow(&key, &moved);
    assert!(prober.proof(&key, &moved).is_none(), "until it was asked");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_secret_of_the_endpoint_alone_is_a_reason_to_ask() {
    let resource = with_key(1, "flows.example.com");
    let (prober, key) = asked(&resource).await;
    prober.look(&key, &resource);
    assert!(!ask_next(&prober, Duration::ZERO).await, "nothing is new");

    let secret = ObjectMeta {
        namespace: Some("messaging".to_owned()),
        name: Some("app".to_owned()),
        resource_version: Some("2".to_owned()),
        ..ObjectMeta::default()
    };
    assert_eq!(prober.cluster.store().apply_secret(&secret), std::slice::from_ref(&key), "a reconcile looks at it");
    prober.look(&key, &resource);
    assert!(ask_next(&prober, Duration::ZERO).await);
}

#[tokio::test(start_paused = true)]
async fn a_new_process_asks_at_once_what_the_status_does_not_call_ready() {
    for (status, is_asked) in [("True", false), ("False", true), ("Unknown", true)] {
        let mut resource = with_key(1, "flows.example.com");
        let condition = json!({
            "type": "EndpointReady", "status": status, "reason": "EndpointProven", "message": "",
            "lastTransitionTime": "2026-11-28T10:00:00Z",
        });
        resource.status.as_mut().unwrap().conditions = vec![serde_json::from_value(condition).unwrap()];
        let (prober, key) = (prober(), ObjectKey::of(&resource.metadata));
        store(&prober, &resource);
        prober.look(&key, &resource);
        assert_eq!(ask_next(&prober, Duration::ZERO).await, is_asked, "EndpointReady is {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_resource_that_has_gone() {
    let resource = with_key(1, "flows.example.com");
    let (prober, key) = asked(&resource).await;
    prober.forget(&key);
    assert!(prober.entries().is_empty() && prober.proof(&key, &resource).is_none());
    assert!(!ask_next(&prober, 1000 * HOUR).await);
}
