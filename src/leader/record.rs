//! What of a Lease matters to the election.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// A Lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Who holds it; none where it was released or never held.
    pub holder: Option<String>,
    /// For how long a renewal counts; none where the Lease says nothing of use.
    pub duration: Option<Duration>,
    /// When the holder got it, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// How often the holder changed.
    pub transitions: i32,
}

/// What a candidate writes into a Lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Who holds it from now on; empty to release it.
    pub holder: String,
    /// For how long.
    pub duration_seconds: i32,
    /// When the holder got it.
    pub acquired: Timestamp,
    /// When this was written. For people: clocks differ, so no candidate relies on it.
    pub renewed: Timestamp,
    /// How often the holder changed.
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
    /// Puts the claim into a Lease, and leaves what others keep there as it is.
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
