//! Services and EndpointSlices as tenants write them.

use serde_json::{Value, json};
use waflows_core::api::conditions::Reason;

use super::*;

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({"apiVersion": "v1", "metadata": {"name": "flows"}, "spec": spec})).unwrap()
}

/// A Service with a selector and these ports, each as name, number and protocol.
fn with_ports(ports: &[(&str, i32, &str)]) -> Service {
    let ports = ports.iter().map(|(name, port, protocol)| json!({"name": name, "port": port, "protocol": protocol}));
    service(json!({"type": "ClusterIP", "selector": {"app": "flows"}, "ports": ports.collect::<Vec<_>>()}))
}

fn wanted(port: Option<IntOrString>) -> EndpointService {
    EndpointService { name: "flows".into(), port, path: None, scheme: None }
}

fn slice(endpoints: Value) -> Slice {
    let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
    slice_of("IPv4", ports, endpoints)
}

fn slice_of(family: &str, ports: Value, endpoints: Value) -> Slice {
    let object =
        json!({"metadata": {"name": "flows-x"}, "addressType": family, "ports": ports, "endpoints": endpoints});
    serde_json::from_value(object).unwrap()
}

fn endpoint(pod: &str, address: &str) -> Value {
    json!({
        "addresses": [address], "conditions": {"ready": true},
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": pod, "uid": pod},
    })
}

fn found(slices: &[Slice]) -> Result<Vec<String>, ConditionReason> {
    let service = with_ports(&[("http", 80, "TCP")]);
    let port = port(&service, &wanted(None)).unwrap();
    let candidates = candidates(&service, &port, slices, "shop")?;
    Ok(candidates.into_iter().map(|candidate| format!("{} {}", candidate.pod, candidate.address)).collect())
}

#[test]
fn a_service_leads_to_pods_of_its_namespace_only() {
    for (spec, words) in [
        (json!({"type": "ExternalName", "externalName": "evil.test", "selector": {"a": "b"}}), "type ExternalName"),
        (json!({"type": "ClusterIP", "ports": [{"port": 80}]}), "has no selector"),
        (json!({"type": "ClusterIP", "selector": {}, "ports": [{"port": 80}]}), "has no selector"),
        (json!({"type": "ClusterIP", "selector": {"a": "b"}}), "has no such TCP port"),
    ] {
        let refusal = port(&service(spec), &wanted(None)).unwrap_err();
        assert_eq!(refusal.reason, Reason::EndpointNotAllowed);
        assert!(refusal.message.contains(words), "{}", refusal.message);
    }
}

#[test]
fn the_port_is_exactly_one() {
    let one = with_ports(&[("http", 80, "TCP"), ("dns", 53, "UDP")]);
    let two = with_ports(&[("http", 80, "TCP"), ("admin", 9000, "TCP"), ("quic", 443, "UDP"), ("tls", 443, "TCP")]);
    let same = with_ports(&[("a", 80, "TCP"), ("b", 80, "TCP")]);
    let named = |name: &str| Some(IntOrString::String(name.into()));
    let name = |service: &Service, wanted_port| {
        port(service, &wanted(wanted_port)).map(|port| port.name.unwrap()).map_err(|refusal| refusal.message)
    };
    assert_eq!(name(&one, None).unwrap(), "http");
    assert_eq!(name(&two, Some(IntOrString::Int(9000))).unwrap(), "admin");
    assert_eq!(name(&two, Some(IntOrString::Int(443))).unwrap(), "tls");
    assert_eq!(name(&two, named("http")).unwrap(), "http");
    assert!(name(&two, None).unwrap_err().contains("several ports"));
    assert!(name(&same, Some(IntOrString::Int(80))).unwrap_err().contains("fit endpoint.service.port"));
    for missing in [named("https"), named("80"), named("dns"), named(""), Some(IntOrString::Int(8080))] {
        assert!(name(&one, missing).unwrap_err().contains("has no such TCP port"));
    }
}

#[test]
fn only_ready_endpoints_count_and_each_once() {
    let endpoints = json!([
        endpoint("b", "10.0.0.2"),
        endpoint("a", "10.0.0.1"),
        {"addresses": ["10.0.0.3"], "conditions": {"ready": false}, "targetRef": {"kind": "Pod"}},
        // Absent means ready.
        {"addresses": ["10.0.0.4"], "targetRef": {"kind": "Pod", "namespace": "shop", "name": "d"}},
    ]);
    let slices = [slice(endpoints), slice(json!([endpoint("a", "10.0.0.1")])), slice(Value::Null)];
    assert_eq!(found(&slices).unwrap(), ["a 10.0.0.1:8080", "b 10.0.0.2:8080", "d 10.0.0.4:8080"]);
}

#[test]
fn the_port_is_that_of_the_slice() {
    let endpoints = || json!([endpoint("a", "10.0.0.1")]);
    let of = |ports: Value| found(&[slice_of("IPv4", ports, endpoints())]);
    assert_eq!(of(json!([{"name": "http", "port": 3000}])).unwrap(), ["a 10.0.0.1:3000"]);
    for none in [
        Value::Null,
        json!([]),
        json!([{"name": "other", "port": 1}]),
        json!([{"name": "http"}]),
        json!([{"name": "http", "port": 0}]),
        json!([{"name": "http", "port": 70_000}]),
        json!([{"name": "http", "port": 80, "protocol": "UDP"}]),
    ] {
        assert!(of(none).unwrap().is_empty());
    }
    assert!(
        of(json!([{"name": "http", "port": 1}, {"name": "http", "port": 2}])).unwrap_err().message.contains("twice")
    );
}

#[test]
fn a_pod_is_asked_at_the_primary_family() {
    let service = service(json!({
        "selector": {"a": "b"}, "ports": [{"port": 80}], "ipFamilies": ["IPv6", "IPv4"],
    }));
    let port = port(&service, &wanted(None)).unwrap();
    let ports = || json!([{"name": "", "port": 8080}]);
    let slices = [
        slice_of("IPv4", ports(), json!([endpoint("a", "10.0.0.1")])),
        slice_of("IPv6", ports(), json!([endpoint("a", "fd00::1")])),
        slice_of("FQDN", ports(), json!([endpoint("a", "evil.test")])),
    ];
    let candidates = candidates(&service, &port, &slices, "shop").unwrap();
    assert_eq!(candidates.len(), 1);
    assert_eq!(candidates[0].address.to_string(), "[fd00::1]:8080");
}

#[test]
fn forged_endpoints_are_refused() {
    let with = |target: Value| json!([{"addresses": ["10.0.0.1"], "targetRef": target}]);
    let mut forged = vec![json!([{"addresses": ["10.0.0.1"]}])];
    forged.extend(
        [
            json!({"kind": "Node", "name": "node-1", "namespace": "shop"}),
            json!({"kind": "Pod", "name": "a", "namespace": "other"}),
            json!({"kind": "Pod", "name": "a"}),
            json!({"kind": "Pod", "namespace": "shop"}),
            json!({"namespace": "shop", "name": "a"}),
        ]
        .map(with),
    );
    let names = ["../secrets/x", "a/log", "a?x=y", "", "A", "a b", "-a", "a..b", "%2e%2e", &"a".repeat(254)];
    forged.extend(names.map(|name| with(json!({"kind": "Pod", "namespace": "shop", "name": name}))));
    for endpoints in forged {
        let refusal = found(&[slice(endpoints.clone())]).unwrap_err();
        assert_eq!(refusal.reason, Reason::EndpointNotAllowed);
        assert!(refusal.message.contains("is not of a Pod in namespace shop"), "{endpoints}: {}", refusal.message);
    }
}

#[test]
fn an_address_that_no_pod_has_is_refused() {
    let addresses = [
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "evil.test",
        "",
    ];
    for address in addresses {
        let refusal = found(&[slice(json!([endpoint("a", address)]))]).unwrap_err();
        assert_eq!(refusal.reason, Reason::EndpointNotAllowed);
        assert!(refusal.message.contains("never connects to"), "{address}: {}", refusal.message);
    }
    assert!(found(&[slice(json!([{"targetRef": {"kind": "Pod", "namespace": "shop", "name": "a"}}]))]).is_err());
}

#[test]
fn the_number_of_pods_is_limited() {
    let pods = |count: usize| {
        let endpoints = (0..count).map(|n| endpoint(&format!("p{n}"), &format!("10.0.{}.{}", n / 200, n % 200)));
        slice(endpoints.collect())
    };
    assert_eq!(found(&[pods(MAX_PODS)]).unwrap().len(), MAX_PODS);
    let refusal = found(&[pods(MAX_PODS + 1)]).unwrap_err();
    assert!(refusal.message.contains("has 51 ready pods, and the operator asks at most 50"), "{}", refusal.message);
}
