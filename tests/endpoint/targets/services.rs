//! Services, with EndpointSlices that a tenant may write by hand.

use harness::cluster::{config, kubectl, new_namespace};
use harness::control_plane;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use waflows_core::api::conditions::Reason;
use waflows_core::endpoint::ProbeOutcome;
use waflows_operator::endpoint::targets::{Policy, targets};

use crate::scene::{Scene, endpoint};

/// The sentence about an address that is not of a pod.
const NO_POD: &str = "is not of a Pod in namespace";

#[tokio::test(flavor = "multi_thread")]
async fn every_ready_pod_is_asked_at_its_own_address() {
    let scene = Scene::with_service(3).await;
    let mut third = scene.endpoint("flows-4", "198.18.0.4");
    third["conditions"]["ready"] = json!(false);
    scene.create_slice("flows-2", &json!([third])).await;
    let found = scene.of_service().await.unwrap();
    let names: Vec<_> = found.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["pod/flows-1", "pod/flows-2", "pod/flows-3"]);
    for target in &found {
        assert_eq!(target.url.as_str(), format!("http://flows.{}.svc:{}/flows", scene.namespace, scene.port()));
        assert_eq!(scene.ask(target).await, (ProbeOutcome::Proven, Some(200)));
    }
    let asked: Vec<_> = scene.emulator.requests().iter().map(|request| request.replica).collect();
    assert_eq!(asked, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_ready_pod_has_no_targets() {
    let scene = Scene::new(1).await;
    let missing = scene.of_service().await;
    scene.assert_refused(missing, Reason::EndpointUnreachable, "does not exist").await;
    scene.create_service(scene.service()).await;
    assert_eq!(scene.of_service().await, Ok(Vec::new()));
    // A pod that is gone while the EndpointSlice lags behind.
    scene.create_slice("flows-1", &json!([scene.endpoint("flows-1", "198.18.0.1")])).await;
    assert_eq!(scene.of_service().await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_asked_only_with_the_flag() {
    let mut scene = Scene::with_service(1).await;
    scene.policy.services = false;
    let found = scene.of_service().await;
    scene.assert_refused(found, Reason::EndpointNotAllowed, "--endpoint-probes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_for_a_pod_of_another_namespace_is_refused() {
    let scene = Scene::with_service(1).await;
    let other = new_namespace(&scene.client).await;
    scene.create_pod(&other, "victim", "198.18.0.1", json!({})).await;
    let mut forged = scene.endpoint("victim", "198.18.0.1");
    forged["targetRef"]["namespace"] = json!(other);
    scene.create_slice("forged", &json!([forged])).await;
    scene.assert_refused(scene.of_service().await, Reason::EndpointNotAllowed, NO_POD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_with_an_address_that_the_pod_does_not_have_is_refused() {
    let scene = Scene::with_service(1).await;
    scene.create_slice("forged", &json!([scene.endpoint("flows-1", "198.18.0.2")])).await;
    let found = scene.of_service().await;
    scene.assert_refused(found, Reason::EndpointNotAllowed, "that the pod does not have").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_with_an_address_of_no_pod_is_refused() {
    let scene = Scene::with_service(1).await;
    scene.create_slice("forged", &json!([{"addresses": ["198.18.0.1"], "conditions": {"ready": true}}])).await;
    scene.assert_refused(scene.of_service().await, Reason::EndpointNotAllowed, NO_POD).await;
}

/// The API server accepts any text as the name in a `targetRef`. With this name, a careless client reads a Secret.
#[tokio::test(flavor = "multi_thread")]
async fn a_slice_with_a_path_in_place_of_a_name_is_refused() {
    let scene = Scene::with_service(1).await;
    scene.create_slice("forged", &json!([scene.endpoint("../secrets/flows-key", "198.18.0.1")])).await;
    scene.assert_refused(scene.of_service().await, Reason::EndpointNotAllowed, NO_POD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_metadata_is_refused_also_if_the_pod_claims_it() {
    for address in ["168.63.129.16", "100.100.100.200", "192.0.0.192"] {
        let scene = Scene::with_service(1).await;
        scene.create_pod(&scene.namespace, "liar", address, json!({})).await;
        scene.create_slice("forged", &json!([scene.endpoint("liar", address)])).await;
        scene.assert_refused(scene.of_service().await, Reason::EndpointNotAllowed, "never connects to").await;
    }
}

/// The API server knows these addresses in their plain form. In other forms it does not.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_loopback_in_disguise_are_not_asked() {
    let scene = Scene::with_service(1).await;
    for address in ["169.254.169.254", "127.0.0.1", "224.0.0.1", "0.0.0.0"] {
        let refused = scene.try_slice("plain", "IPv4", &json!([scene.endpoint("flows-1", address)])).await;
        assert!(refused.is_err(), "the API server accepts {address}");
    }
    let addresses = ["64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "2002:a9fe:a9fe::1", "fd00:ec2::254"];
    for address in addresses {
        let scene = Scene::new(1).await;
        let mut service = scene.service();
        service["spec"]["clusterIP"] = json!("None");
        scene.create_service(service).await;
        // A Service of this cluster is IPv4, so nobody asks at an IPv6 address.
        scene.try_slice("six", "IPv6", &json!([scene.endpoint("flows-1", address)])).await.unwrap();
        assert_eq!(scene.of_service().await, Ok(Vec::new()), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_leads_elsewhere_is_refused() {
    for (spec, words) in [
        (
            json!({"type": "ExternalName", "externalName": "localhost", "ports": [{"name": "http", "port": 80}]}),
            "ExternalName",
        ),
        (json!({"ports": [{"name": "http", "port": 80}]}), "has no selector"),
        (
            json!({"selector": {"app": "flows"}, "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}),
            "several ports",
        ),
    ] {
        let scene = Scene::new(1).await;
        scene.create_service(json!({"metadata": {"name": "flows"}, "spec": spec})).await;
        scene.create_pod(&scene.namespace, "flows-1", "198.18.0.1", json!({})).await;
        scene.create_slice("flows-1", &json!([scene.endpoint("flows-1", "198.18.0.1")])).await;
        scene.assert_refused(scene.of_service().await, Reason::EndpointNotAllowed, words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_in_the_network_of_its_node_is_asked_only_with_the_flag() {
    let mut scene = Scene::new(1).await;
    scene.create_service(scene.service()).await;
    scene.create_pod(&scene.namespace, "flows-1", "198.18.0.1", json!({"hostNetwork": true})).await;
    scene.create_slice("flows-1", &json!([scene.endpoint("flows-1", "198.18.0.1")])).await;
    let found = scene.of_service().await;
    scene.assert_refused(found, Reason::EndpointNotAllowed, "--endpoint-allow-host-network").await;
    scene.policy.host_network = true;
    assert_eq!(scene.of_service().await.unwrap().len(), 1);
}

/// The network gives the address of a pod that has ended to the next pod, in any namespace.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_has_ended_is_not_asked_although_its_status_has_an_address() {
    let scene = Scene::with_service(2).await;
    scene.set_pod_status(&scene.namespace, "flows-1", json!({"phase": "Succeeded"})).await;
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &scene.namespace);
    let held = Patch::Merge(json!({"metadata": {"finalizers": ["example.com/held"]}}));
    pods.patch("flows-2", &PatchParams::default(), &held).await.unwrap();
    pods.delete("flows-2", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert_eq!(scene.of_service().await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_pods_than_fifty_are_not_asked() {
    let scene = Scene::with_service(1).await;
    let many: Vec<_> = (0..50).map(|n| scene.endpoint(&format!("many-{n}"), &format!("198.18.1.{n}"))).collect();
    scene.create_slice("many", &json!(many)).await;
    let found = scene.of_service().await;
    scene.assert_refused(found, Reason::EndpointNotAllowed, "51 ready pods, and the operator asks at most 50").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn larger_objects_than_the_operator_reads_are_refused() {
    let scene = Scene::with_service(1).await;
    for n in 0..50 {
        scene.create_slice(&format!("more-{n}"), &json!([])).await;
    }
    let found = scene.of_service().await;
    scene.assert_refused(found, Reason::EndpointNotAllowed, "larger than the operator reads").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_the_operator_lacks_is_named() {
    let scene = Scene::with_service(1).await;
    let namespace = scene.namespace.as_str();
    kubectl(control_plane(), &["create", "serviceaccount", "operator", "-n", namespace]);
    let token = kubectl(control_plane(), &["create", "token", "operator", "-n", namespace]);
    let kubeconfig = control_plane().kubeconfig_for_token(token.trim()).unwrap();
    let limited = Client::try_from(config(&kubeconfig).await.unwrap()).unwrap();
    let policy = Policy { services: true, loopback: true, ..Policy::default() };
    let service = endpoint(json!({"service": {"name": "flows"}}));
    for (verb, kind, resource) in [
        ("get", "Service", "services"),
        ("list", "EndpointSlice", "endpointslices.discovery.k8s.io"),
        ("get", "Pod", "pods"),
    ] {
        let found = targets(&limited, &policy, namespace, &service).await;
        let words = format!("The operator may not {verb} {kind}s in namespace {namespace}");
        scene.assert_refused(found, Reason::EndpointNotAllowed, &words).await;
        let (verb, resource) = (format!("--verb={verb}"), format!("--resource={resource}"));
        kubectl(control_plane(), &["create", "role", kind, "-n", namespace, &verb, &resource]);
        let account = format!("--serviceaccount={namespace}:operator");
        kubectl(control_plane(), &["create", "rolebinding", kind, "-n", namespace, "--role", kind, &account]);
    }
    assert_eq!(targets(&limited, &policy, namespace, &service).await.unwrap().len(), 1);
}
