//! Objects of the cluster, with only the fields that say where pods are.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A Service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Service {
    pub(super) spec: ServiceSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServiceSpec {
    pub(super) r#type: Option<String>,
    pub(super) selector: Option<BTreeMap<String, String>>,
    pub(super) ports: Option<Vec<ServicePort>>,
    /// The first family is the primary one.
    pub(super) ip_families: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct ServicePort {
    /// Empty only if the Service has no other port.
    pub(super) name: Option<String>,
    pub(super) port: i32,
    /// Default: TCP.
    pub(super) protocol: Option<String>,
}

/// EndpointSlices.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SliceList {
    pub(super) metadata: ListMetadata,
    pub(super) items: Option<Vec<Slice>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListMetadata {
    /// Present if there are more items.
    pub(super) r#continue: Option<String>,
}

/// An EndpointSlice. Anybody with the role `edit` may write one by hand, with any address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Slice {
    pub(super) metadata: Metadata,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub(super) address_type: String,
    pub(super) endpoints: Option<Vec<SliceEndpoint>>,
    pub(super) ports: Option<Vec<SlicePort>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) uid: Option<String>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SliceEndpoint {
    /// All of them lead to the same pod; only the first has a meaning.
    pub(super) addresses: Vec<String>,
    pub(super) conditions: SliceConditions,
    pub(super) target_ref: Option<TargetRef>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SliceConditions {
    /// Default: true.
    pub(super) ready: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct TargetRef {
    pub(super) kind: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SlicePort {
    pub(super) name: Option<String>,
    pub(super) port: Option<i32>,
    /// Default: TCP.
    pub(super) protocol: Option<String>,
}

/// A Pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: PodSpec,
    pub(super) status: PodStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub(super) host_network: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodStatus {
    pub(super) phase: Option<String>,
    #[serde(rename = "podIPs")]
    pub(super) pod_ips: Option<Vec<PodIp>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodIp {
    pub(super) ip: String,
}
