//! The warning for a process without leader election beside a leader: both would write.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::config::LeaseConfig;
use crate::apiserver::describe;

/// The label on all Leases of this operator, whatever their names.
pub(super) const OF_AN_OPERATOR: (&str, &str) = ("app.kubernetes.io/name", "waflows-operator");

/// Looks once whether another process leads, and logs a warning if so. As far as permitted, reads the Lease that this
/// process would compete for, and the labelled Leases in all namespaces.
pub async fn warn_of_others(client: &Client, lease: &LeaseConfig) {
    let labelled = ListParams::default().labels(&format!("{}={}", OF_AN_OPERATOR.0, OF_AN_OPERATOR.1));
    let (own, all) = (Api::<Lease>::namespaced(client.clone(), &lease.namespace), Api::<Lease>::all(client.clone()));
    // kube logs every failed request as an error. This process may lack the permission.
    let quiet = NoSubscriber::default;
    let named = own.get_opt(&lease.name).with_subscriber(quiet()).await.map(|found| found.into_iter().collect());
    let listed = all.list(&labelled).with_subscriber(quiet()).await.map(|list| list.items);
    let mut leases: BTreeMap<String, Lease> = BTreeMap::new();
    for found in [named, listed] {
        match found {
            Ok(found) => leases.extend(found.into_iter().map(|lease| (full_name(&lease), lease))),
            Err(error) => tracing::debug!(error = describe(&error), "cannot see whether another operator leads"),
        }
    }
    let now = Timestamp::now();
    for (name, lease) in &leases {
        let Some(holder) = holder(lease, now) else { continue };
        tracing::warn!(
            lease = name,
            holder,
            "another operator is running and holds this Lease, and this one runs without election: both write to the same resources and numbers. Stop one of them, give both --leader-election with this Lease, or divide the work by --namespaces or --selector"
        );
    }
}

fn full_name(lease: &Lease) -> String {
    format!("{}/{}", lease.namespace().unwrap_or_default(), lease.name_any())
}

/// The holder of the Lease, if it was renewed recently. Clocks differ, so twice the lease duration counts as recent.
fn holder(lease: &Lease, now: Timestamp) -> Option<&str> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    let seconds = u64::try_from(spec.lease_duration_seconds?).ok()?;
    let age = Duration::try_from(now.duration_since(spec.renew_time.as_ref()?.0)).unwrap_or_default();
    (age <= 2 * Duration::from_secs(seconds)).then_some(holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_holds_the_lease_now_counts() {
        let now: Timestamp = "2026-11-22T10:00:30Z".parse().unwrap();
        let holder = |spec: serde_json::Value| {
            let lease: Lease = serde_json::from_value(serde_json::json!({"metadata": {}, "spec": spec})).unwrap();
            holder(&lease, now).map(str::to_owned)
        };
        let held = |renewed: &str| serde_json::json!({"holderIdentity": "pod_1", "leaseDurationSeconds": 15, "renewTime": renewed});
        assert_eq!(holder(held("2026-11-22T10:00:29.000000Z")).as_deref(), Some("pod_1"));
        assert_eq!(holder(held("2026-11-22T10:05:00.000000Z")).as_deref(), Some("pod_1"), "its clock is ahead");
        assert_eq!(holder(held("2026-11-22T09:59:59.000000Z")), None, "it is gone");
        assert_eq!(
            holder(serde_json::json!({"holderIdentity": "", "leaseDurationSeconds": 15})),
            None,
            "it was released"
        );
        assert_eq!(holder(serde_json::json!({"holderIdentity": "pod_1"})), None);
    }
}
