//! The access token, as Meta describes it.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What Meta said when the operator last asked about the access token. No work depends on this.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct TokenStatus {
    /// Result of the last inspection.
    pub inspection: TokenInspection,

    /// When the token ends; absent if it never does, or if Meta does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_time: Option<Time>,

    /// Permissions that the resource needs and the token lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub missing_scopes: Vec<String>,

    /// Time of the last inspection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspected_time: Option<Time>,
}

/// Result of an inspection.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TokenInspection {
    /// Meta says that the token is valid.
    Valid,
    /// Meta says that the token is not valid.
    Invalid,
    /// Meta does not let this token ask about itself. `spec.appId` and `spec.appSecretRef` help.
    #[default]
    Unavailable,
}
