//! Compares an endpoint with its pod. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use waflows_core::api::conditions::ConditionReason;

use super::objects::Pod;
use super::policy::Policy;
use super::refusal::not_allowed;
use super::service::Candidate;

/// Whether the pod has the address of the endpoint. False if the pod is gone: the EndpointSlice lags behind.
///
/// The address of a pod that has ended or is being deleted may belong to another pod already, also in another namespace.
/// So such a pod does not count.
///
/// # Errors
/// If the pod has another address, or is in the network of its node.
pub(super) fn is_at(candidate: &Candidate, pod: Option<&Pod>, policy: &Policy) -> Result<bool, ConditionReason> {
    let Some(pod) = pod.filter(|pod| !is_gone(pod, candidate.uid.as_deref())) else { return Ok(false) };
    let name = &candidate.pod;
    let addresses = pod.status.pod_ips.iter().flatten().filter_map(|address| address.ip.parse::<IpAddr>().ok());
    if !addresses.into_iter().any(|address| address == candidate.address.ip()) {
        return Err(not_allowed(format!(
            "An EndpointSlice has an address for Pod {name} that the pod does not have. The operator asks only pods: delete \
             the EndpointSlice if somebody wrote it by hand."
        )));
    }
    if pod.spec.host_network == Some(true) && !policy.host_network {
        return Err(not_allowed(format!(
            "Pod {name} is in the network of its node (hostNetwork), where other processes listen as well. Set \
             endpoint.url instead of endpoint.service, or allow such pods with the operator's flag \
             --endpoint-allow-host-network."
        )));
    }
    Ok(true)
}

/// Whether the pod may have lost its address, or is another pod with the same name.
fn is_gone(pod: &Pod, uid: Option<&str>) -> bool {
    let has_ended = matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let is_other = uid.is_some() && uid != pod.metadata.uid.as_deref();
    has_ended || is_other || pod.metadata.deletion_timestamp.is_some()
}

/// The address to connect to. Only in tests another one than the pod's: 127.0.0.N for 198.18.0.N.
pub(super) fn reached_at(address: SocketAddr, policy: &Policy) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if policy.loopback && ip.octets()[..3] == [198, 18, 0] => {
            SocketAddr::new(Ipv4Addr::new(127, 0, 0, ip.octets()[3]).into(), address.port())
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn candidate(uid: Option<&str>) -> Candidate {
        let address = "10.0.0.7:8080".parse().unwrap();
        Candidate { pod: "flows-0".into(), uid: uid.map(str::to_owned), address }
    }

    fn pod(spec: Value, status: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "flows-0", "uid": "u"}, "spec": spec, "status": status}))
            .unwrap()
    }

    fn running(address: &str) -> Pod {
        pod(json!({}), json!({"phase": "Running", "podIPs": [{"ip": "fd00::7"}, {"ip": address}]}))
    }

    #[test]
    fn a_pod_with_the_address_counts() {
        for uid in [None, Some("u")] {
            assert_eq!(is_at(&candidate(uid), Some(&running("10.0.0.7")), &Policy::default()), Ok(true));
        }
    }

    #[test]
    fn a_pod_with_another_address_is_refused() {
        for pod in [running("10.0.0.8"), pod(json!({}), json!({})), pod(json!({}), json!({"podIP": "10.0.0.7"}))] {
            let refusal = is_at(&candidate(Some("u")), Some(&pod), &Policy::default()).unwrap_err();
            assert!(refusal.message.contains("that the pod does not have"), "{}", refusal.message);
        }
    }

    #[test]
    fn a_pod_that_may_have_lost_its_address_does_not_count() {
        let strict = Policy::default();
        let mut deleted = running("10.0.0.7");
        deleted.metadata.deletion_timestamp = Some("2026-11-01T00:00:00Z".into());
        let ended = |phase: &str| pod(json!({}), json!({"phase": phase, "podIPs": [{"ip": "10.0.0.7"}]}));
        for pod in [&deleted, &ended("Succeeded"), &ended("Failed")] {
            assert_eq!(is_at(&candidate(None), Some(pod), &strict), Ok(false));
        }
        assert_eq!(is_at(&candidate(Some("earlier")), Some(&running("10.0.0.8")), &strict), Ok(false));
        assert_eq!(is_at(&candidate(None), None, &strict), Ok(false));
    }

    #[test]
    fn a_pod_in_the_network_of_its_node_needs_a_flag() {
        let pod = pod(json!({"hostNetwork": true}), json!({"podIPs": [{"ip": "10.0.0.7"}]}));
        let refusal = is_at(&candidate(None), Some(&pod), &Policy::default()).unwrap_err();
        assert!(refusal.message.contains("--endpoint-allow-host-network"), "{}", refusal.message);
        let allowing = Policy { host_network: true, ..Policy::default() };
        assert_eq!(is_at(&candidate(None), Some(&pod), &allowing), Ok(true));
    }

    #[test]
    fn only_a_test_connects_to_another_address() {
        let reached = |address: &str, loopback| {
            let policy = Policy { loopback, ..Policy::default() };
            reached_at(address.parse().unwrap(), &policy).to_string()
        };
        assert_eq!(reached("198.18.0.3:80", false), "198.18.0.3:80");
        assert_eq!(reached("198.18.0.3:80", true), "127.0.0.3:80");
        assert_eq!(reached("198.18.1.3:80", true), "198.18.1.3:80");
    }
}
