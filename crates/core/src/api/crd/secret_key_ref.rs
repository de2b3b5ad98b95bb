//! A reference to an entry of a Secret.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

/// One entry of a Secret in the resource's own namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

impl SecretKeyRef {
    /// Name of the entry in messages. The Secret is in the namespace of the resource.
    pub fn place(&self, namespace: &str) -> String {
        format!("Secret {namespace}/{}, entry {}", self.name, self.key)
    }
}
