//! The Flow endpoint: where it is, and what probes found.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret_key_ref::SecretKeyRef;
use crate::endpoint::ProbeOutcome;

/// The Flow endpoint that must have the private half of the key. The operator asks the endpoint with Meta's own health
/// check, encrypted with the key, and reports the answer. Set `service`, `url` or both.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.service) || has(self.url)").message("endpoint needs service, url or both"))]
pub struct Endpoint {
    /// The Service of the endpoint, in the resource's own namespace. The operator asks every ready pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<EndpointService>,

    /// The public URL of the endpoint, as configured in the Flow. The operator's flag `--endpoint-allowed-hosts` must allow
    /// the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.matches('^https://[^/?#@]+([/?][^#]*)?$')")
            .message("url must begin with https:// and a host, without user, password or fragment")
    )]
    pub url: Option<String>,

    /// Entry of a Secret that holds the certificates (PEM) of the authorities that signed the endpoint's certificate.
    /// Default: the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,

    /// Entry of a Secret that holds the secret of the Meta app that is connected to the Flow. The operator signs its
    /// requests with this secret. Default: the resource's `appSecretRef`; without both, requests are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_secret_ref: Option<SecretKeyRef>,

    /// Required replaces a valid key on a number only while every target of the endpoint opens the new key. Report never
    /// waits for the endpoint. Default: Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
}

/// Whether a rotation waits for the endpoint.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// A valid key on a number is replaced only while every target of the endpoint opens the new key.
    #[default]
    Required,
    /// The endpoint is asked, and nothing waits for its answers.
    Report,
}

/// A Service in the resource's own namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct EndpointService {
    /// Name of the Service.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// Name or number of the Service's port. Default: the port of a Service that has only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // The names of ports have at most 15 characters.
    #[schemars(extend("maxLength" = 15))]
    pub port: Option<IntOrString>,

    /// Path of the Flow endpoint. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/[^#]*$"))]
    pub path: Option<String>,

    /// How the pods serve the port. Default: HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
}

/// How a port is served.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Http,
    /// With TLS. The certificate must be valid for the name of the Service, `NAME.NAMESPACE.svc`.
    Https,
}

/// What the operator found when it last asked the endpoint.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// Fingerprint of the key that the targets were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub public_key_fingerprint: Option<String>,

    /// Count of targets: the ready pods of the Service, and the URL.
    #[schemars(range(min = 0))]
    pub targets: i32,

    /// Targets that open what is encrypted with the key, while some number holds the key: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub opens_key_in_use: Option<String>,

    /// Targets that open what is encrypted with the key, while no number holds the key yet: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub opens_new_key: Option<String>,

    /// Whether every target that answers gives HTTP 421 to a request that it cannot open. Clients with an earlier key then
    /// fetch the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovers_clients: Option<bool>,

    /// The worst outcome of all targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ProbeOutcome>,

    /// HTTP status of the answer with the worst outcome; absent if there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 999))]
    pub http_status: Option<i32>,

    /// Targets that do not open the key, at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failing: Vec<FailingTarget>,

    /// When the targets were asked. Later requests with the same answers do not move this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_probe_time: Option<Time>,
}

/// A target that does not open the key.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailingTarget {
    /// The pod, as `pod/NAME`, or the host of the URL.
    #[schemars(length(max = 264))]
    pub target: String,

    /// What the target answered.
    pub outcome: ProbeOutcome,

    /// Since when the target gives this outcome.
    pub since: Time,
}
