//! The endpoints of a Service: which pods its EndpointSlices name. Pure.
//!
//! An EndpointSlice proves nothing, because a tenant may write one with any address. [`super::pods`] compares each
//! endpoint with its pod.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use waflows_core::api::conditions::ConditionReason;
use waflows_core::api::crd::EndpointService;

use super::address::AddressKind;
use super::objects::{Service, ServicePort, Slice, SliceEndpoint, TargetRef};
use super::refusal::not_allowed;

/// Limit of pods that are asked. A tenant decides how many there are.
pub(super) const MAX_PODS: usize = 50;

/// A ready endpoint, as an EndpointSlice has it. Nobody has looked at the pod yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// Name of the pod. A valid name, so that it cannot lead elsewhere in a path of the API server.
    pub(super) pod: String,
    /// UID of the pod, if the EndpointSlice has one.
    pub(super) uid: Option<String>,
    pub(super) address: SocketAddr,
}

/// The port of the Service that the endpoint is at.
///
/// # Errors
/// If the Service leads outside of its namespace, or the port is not exactly one.
pub(super) fn port(service: &Service, wanted: &EndpointService) -> Result<ServicePort, ConditionReason> {
    let name = &wanted.name;
    let spec = &service.spec;
    if spec.r#type.as_deref() == Some("ExternalName") {
        return Err(not_allowed(format!(
            "Service {name} is of type ExternalName, which leads outside of the namespace. Name a Service with a selector, \
             or set endpoint.url instead of endpoint.service."
        )));
    }
    if spec.selector.as_ref().is_none_or(|selector| selector.is_empty()) {
        return Err(not_allowed(format!(
            "Service {name} has no selector, so its addresses are written by hand. Name a Service with a selector, or set \
             endpoint.url instead of endpoint.service."
        )));
    }
    let is_wanted = |port: &&ServicePort| match &wanted.port {
        None => true,
        Some(IntOrString::Int(number)) => port.port == *number,
        Some(IntOrString::String(text)) => port.name.as_deref() == Some(text.as_str()),
    };
    let ports = spec.ports.as_deref().unwrap_or_default();
    let mut found = ports.iter().filter(|port| is_tcp(port.protocol.as_deref())).filter(is_wanted);
    match (found.next(), found.next(), &wanted.port) {
        (Some(port), None, _) => Ok(port.clone()),
        (Some(_), Some(_), None) => {
            Err(not_allowed(format!("Service {name} has several ports. Name one of them in endpoint.service.port.")))
        }
        (Some(_), Some(_), Some(_)) => Err(not_allowed(format!(
            "Service {name} has several ports that fit endpoint.service.port. Give the name of one of them."
        ))),
        (None, ..) => Err(not_allowed(format!(
            "Service {name} has no such TCP port. Correct endpoint.service.port: the name or the number of a port of the \
             Service, not of the pods."
        ))),
    }
}

/// The ready endpoints in the EndpointSlices, sorted and each once.
///
/// # Errors
/// If some endpoint is not a pod of the namespace, has a forbidden address, or there are too many.
pub(super) fn candidates(
    service: &Service,
    port: &ServicePort,
    slices: &[Slice],
    namespace: &str,
) -> Result<Vec<Candidate>, ConditionReason> {
    let families = service.spec.ip_families.as_deref().unwrap_or_default();
    // Slices of the other family have the same pods again.
    let is_primary = |slice: &&Slice| families.first().is_none_or(|family| *family == slice.address_type);
    let mut candidates = Vec::new();
    for slice in slices.iter().filter(is_primary) {
        let Some(number) = port_number(slice, port)? else { continue };
        let endpoints = slice.endpoints.as_deref().unwrap_or_default().iter();
        for endpoint in endpoints.filter(|endpoint| endpoint.conditions.ready.unwrap_or(true)) {
            candidates.push(candidate(&slice.metadata.name, endpoint, number, namespace)?);
        }
    }
    candidates.sort_unstable();
    candidates.dedup();
    if candidates.len() > MAX_PODS {
        return Err(not_allowed(format!(
            "The Service has {} ready pods, and the operator asks at most {MAX_PODS}. Name a Service with fewer pods, or set \
             endpoint.url instead of endpoint.service.",
            candidates.len()
        )));
    }
    Ok(candidates)
}

/// The port of the pods in this slice. None if the slice has no such port, for example because its pods do not.
fn port_number(slice: &Slice, port: &ServicePort) -> Result<Option<u16>, ConditionReason> {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let ports = slice.ports.as_deref().unwrap_or_default().iter();
    let mut found = ports.filter(|other| is_tcp(other.protocol.as_deref()) && name(&other.name) == name(&port.name));
    match (found.next(), found.next()) {
        (Some(port), None) => Ok(port.port.and_then(|number| number.try_into().ok()).filter(|number| *number != 0)),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(not_allowed(format!(
            "EndpointSlice {} has a port twice. Delete the EndpointSlice.",
            slice.metadata.name
        ))),
    }
}

fn candidate(slice: &str, endpoint: &SliceEndpoint, port: u16, namespace: &str) -> Result<Candidate, ConditionReason> {
    let Some((pod, uid)) = endpoint.target_ref.as_ref().and_then(|target| pod_of(target, namespace)) else {
        return Err(not_allowed(format!(
            "EndpointSlice {slice} has an address that is not of a Pod in namespace {namespace}. The operator asks only \
             pods: delete the EndpointSlice, or set endpoint.url instead of endpoint.service."
        )));
    };
    let address = endpoint.addresses.first().and_then(|address| address.parse::<IpAddr>().ok());
    let Some(address) = address.filter(|address| is_askable(*address)) else {
        return Err(not_allowed(format!(
            "EndpointSlice {slice} has an address for Pod {pod} that the operator never connects to: loopback, link-local, \
             multicast, or the metadata of a cloud. Delete the EndpointSlice."
        )));
    };
    Ok(Candidate { pod: pod.to_owned(), uid: uid.map(str::to_owned), address: SocketAddr::new(address, port) })
}

/// Whether the address may be of a pod.
fn is_askable(address: IpAddr) -> bool {
    match AddressKind::of(address) {
        AddressKind::Public | AddressKind::Private => true,
        AddressKind::Loopback | AddressKind::Forbidden => false,
    }
}

/// Name and UID of the pod that an endpoint leads to. None if it leads to something else, or to another namespace.
fn pod_of<'a>(target: &'a TargetRef, namespace: &str) -> Option<(&'a str, Option<&'a str>)> {
    let is_here = target.kind.as_deref() == Some("Pod") && target.namespace.as_deref() == Some(namespace);
    let name = target.name.as_deref().filter(|name| is_here && is_name(name))?;
    Some((name, target.uid.as_deref().filter(|uid| !uid.is_empty())))
}

/// Whether a text is the name of a pod. The API server does not check the name in an EndpointSlice, so it may be
/// `../secrets/x`.
pub(super) fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

#[cfg(test)]
mod tests;
