//! The fields of a Lease that the election uses.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// A Lease as read from the API server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// The holder. None if the Lease was released or never held.
    pub holder: Option<String>,
    /// The lease duration. None if the Lease has no valid value.
    pub duration: Option<Duration>,
    /// Start of the holder's term, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// Number of changes of the holder.
    pub transitions: i32,
}

/// The fields that a candidate writes into a Lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The new holder. Empty to release the Lease.
    pub holder: String,
    /// The lease duration, in seconds.
    pub duration_seconds: i32,
    /// Start of the holder's term.
    pub acquired: Timestamp,
    /// Time of the write. For people only: clocks differ, so no candidate relies on it.
    pub renewed: Timestamp,
    /// Number of changes of the holder.
    pub transitions: i32,
}

impl From<&Lease> for Record {
    fn from(lease: &Lease) -> Self {
        let empty = LeaseSpec::default();
        let spec = lease.spec.as_ref().unwrap_or(&empty);
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
            holder: spec.holder_identity.clone().filter(|holder| !holder.is_empty()),
            duration: seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            acquired: spec.acquire_time.as_ref().map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or_default().max(0),
        }
    }
}

impl Claim {
    /// Writes the claim into a Lease and keeps the fields of others.
    pub fn write_to(self, lease: &mut Lease) {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.holder);
        spec.lease_duration_seconds = Some(self.duration_seconds);
        spec.acquire_time = Some(MicroTime(self.acquired));
        spec.renew_time = Some(MicroTime(self.renewed));
        spec.lease_transitions = Some(self.transitions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lease: serde_json::Value) -> Record {
        Record::from(&serde_json::from_value::<Lease>(lease).unwrap())
    }

    #[test]
    fn whatever_is_missing_or_senseless_counts_as_absent() {
        let nothing = Record { version: "7".into(), holder: None, duration: None, acquired: None, transitions: 0 };
        for spec in [
            serde_json::json!(null),
            serde_json::json!({}),
            serde_json::json!({"holderIdentity": null, "leaseDurationSeconds": null}),
            serde_json::json!({"holderIdentity": "", "leaseDurationSeconds": 0, "leaseTransitions": -3}),
            serde_json::json!({"leaseDurationSeconds": -1}),
        ] {
            assert_eq!(record(serde_json::json!({"metadata": {"resourceVersion": "7"}, "spec": spec})), nothing);
        }
    }

    #[test]
    fn a_claim_keeps_what_others_wrote() {
        let mut lease: Lease = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "lease", "resourceVersion": "7", "labels": {"team": "messaging"}},
            "spec": {"holderIdentity": "other", "strategy": "OldestEmulationVersion", "leaseTransitions": 4},
        }))
        .unwrap();
        let (acquired, renewed) = (Timestamp::from_second(1).unwrap(), Timestamp::from_second(2).unwrap());
        let claim = Claim { holder: "me".into(), duration_seconds: 15, acquired, renewed, transitions: 5 };
        claim.write_to(&mut lease);
        let expected = serde_json::json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "lease", "resourceVersion": "7", "labels": {"team": "messaging"}},
            "spec": {
                "holderIdentity": "me",
                "leaseDurationSeconds": 15,
                "acquireTime": "1970-01-01T00:00:01.000000Z",
                "renewTime": "1970-01-01T00:00:02.000000Z",
                "leaseTransitions": 5,
                "strategy": "OldestEmulationVersion",
            },
        });
        assert_eq!(serde_json::to_value(&lease).unwrap(), expected);
    }
}
