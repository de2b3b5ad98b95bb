//! The operators of the cluster, where they can be seen.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Container;
use kube::api::ListParams;
use kube::{Api, Client};
use serde::Serialize;

use crate::table::age;

/// What the chart labels the operator's objects with.
pub(crate) const LABEL: &str = "app.kubernetes.io/name=waflows-operator";
const VERSION_LABEL: &str = "app.kubernetes.io/version";
const DEFAULT_LEASE: &str = "waflows-operator";
/// How long the operator's own page may take: it is the least of what is shown.
const PATIENCE: Duration = Duration::from_secs(2);
const HOLDS: &str = "waflows_graph_paused{";

/// One operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperatorReport {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The chart's label, or the tag of the image.
    pub(crate) version: String,
    replicas: i32,
    ready_replicas: i32,
    /// The holder of the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<String>,
    /// When the leader last renewed the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed: Option<Timestamp>,
    /// Whether the leader has let the Lease run out.
    is_silent: bool,
    /// Holds on calls to Meta by scope. Absent if the operator's metrics cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<BTreeMap<String, u64>>,
}

impl OperatorReport {
    /// What a person wants to know of the operator.
    pub(crate) fn sentence(&self, now: Timestamp) -> String {
        let Self { namespace, name, version, replicas, ready_replicas, .. } = self;
        let leader = match (&self.leader, self.renewed) {
            (Some(leader), Some(renewed)) if self.is_silent => {
                format!("; nobody leads: {leader} was last heard {} ago", age(renewed, now))
            }
            (Some(leader), _) => format!("; {leader} leads"),
            (None, _) => "; nobody leads".to_owned(),
        };
        let holds = match &self.holds {
            None => String::new(),
            Some(holds) if holds.values().all(|count| *count == 0) => "; no call to Meta is held".to_owned(),
            Some(holds) => {
                let counted = holds.iter().filter(|(_, count)| **count > 0);
                let counted: Vec<_> = counted.map(|(scope, count)| format!("{count} by {scope}")).collect();
                format!("; calls to Meta are held: {}", counted.join(", "))
            }
        };
        format!("Operator {namespace}/{name} {version}: {ready_replicas} of {replicas} replicas ready{leader}{holds}.")
    }
}

/// The operators that the chart installed. None if the user may not see Deployments in all namespaces.
pub(crate) async fn operators(client: &Client) -> Option<Vec<OperatorReport>> {
    let deployments = Api::<Deployment>::all(client.clone());
    let found = deployments.list(&ListParams::default().labels(LABEL)).await.ok()?;
    let mut reports = Vec::new();
    for deployment in found.items {
        reports.push(report(client, deployment).await);
    }
    Some(reports)
}

async fn report(client: &Client, deployment: Deployment) -> OperatorReport {
    let namespace = deployment.metadata.namespace.unwrap_or_default();
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let container = pod.and_then(|pod| pod.containers.first());
    let label = deployment.metadata.labels.as_ref().and_then(|labels| labels.get(VERSION_LABEL)).cloned();
    let status = deployment.status.unwrap_or_default();
    let mut report = OperatorReport {
        version: label.or_else(|| tag(container)).unwrap_or_default(),
        name: deployment.metadata.name.unwrap_or_default(),
        replicas: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
        ready_replicas: status.ready_replicas.unwrap_or_default(),
        leader: None,
        renewed: None,
        is_silent: false,
        holds: None,
        namespace,
    };
    let lease_namespace = argument(container, "--lease-namespace=").unwrap_or_else(|| report.namespace.clone());
    let lease_name = argument(container, "--lease-name=").unwrap_or_else(|| DEFAULT_LEASE.to_owned());
    let leases: Api<Lease> = Api::namespaced(client.clone(), &lease_namespace);
    if let Ok(Lease { spec: Some(lease), .. }) = leases.get(&lease_name).await {
        report.leader = lease.holder_identity.filter(|holder| !holder.is_empty());
        report.renewed = lease.renew_time.map(|time| time.0);
        let seconds = i64::from(lease.lease_duration_seconds.unwrap_or_default());
        let silence = report.renewed.map(|renewed| Timestamp::now().duration_since(renewed).as_secs());
        report.is_silent = silence.is_some_and(|silence| silence > 2 * seconds);
    }
    if let Some(leader) = report.leader.as_ref().filter(|_| !report.is_silent) {
        report.holds = holds(client, &report.namespace, leader, port(container)).await;
    }
    report
}

/// The holds that the leader's metrics page tells, through the API server.
async fn holds(client: &Client, namespace: &str, leader: &str, port: i32) -> Option<BTreeMap<String, u64>> {
    // The identity is the name of the pod, and more behind an underscore.
    let pod = leader.split('_').next()?;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics");
    let request = Request::get(path).body(Vec::new()).ok()?;
    let page = tokio::time::timeout(PATIENCE, client.request_text(request)).await.ok()?.ok()?;
    Some(holds_in(&page))
}

/// Count of holds by scope, in a page of metrics.
fn holds_in(page: &str) -> BTreeMap<String, u64> {
    let mut holds = BTreeMap::new();
    for line in page.lines().filter_map(|line| line.strip_prefix(HOLDS)) {
        let Some((labels, count)) = line.rsplit_once("} ") else { continue };
        let scope = labels.split("scope=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        *holds.entry(scope.to_owned()).or_default() += count.trim().parse::<u64>().unwrap_or_default();
    }
    holds
}

fn argument(container: Option<&Container>, flag: &str) -> Option<String> {
    let arguments = container?.args.as_deref().unwrap_or_default();
    arguments.iter().rev().find_map(|argument| argument.strip_prefix(flag)).map(str::to_owned)
}

fn port(container: Option<&Container>) -> i32 {
    let ports = container.and_then(|container| container.ports.as_deref()).unwrap_or_default();
    ports.iter().find(|port| port.name.as_deref() == Some("http")).map_or(8080, |port| port.container_port)
}

fn tag(container: Option<&Container>) -> Option<String> {
    let image = container?.image.as_deref()?;
    let name = image.split('@').next()?.rsplit('/').next()?;
    name.split_once(':').map(|(_, tag)| tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_counted_by_scope() {
        let page = "# TYPE waflows_graph_paused gauge\nwaflows_graph_paused{scope=\"token\"} 1\n\
                    waflows_graph_paused{scope=\"number\"} 0\nwaflows_graph_pause_remaining{scope=\"token\"} 3\n";
        let mut report = OperatorReport {
            namespace: "waflows".into(),
            name: "waflows-operator".into(),
            version: "0.1.0".into(),
            replicas: 2,
            ready_replicas: 1,
            leader: Some("pod-a".into()),
            renewed: Some(Timestamp::UNIX_EPOCH),
            is_silent: false,
            holds: Some(holds_in(page)),
        };
        let now = Timestamp::from_second(60).unwrap();
        assert_eq!(
            report.sentence(now),
            "Operator waflows/waflows-operator 0.1.0: 1 of 2 replicas ready; pod-a leads; calls to Meta are held: 1 by token."
        );
        (report.is_silent, report.holds) = (true, Some(BTreeMap::new()));
        assert_eq!(
            report.sentence(now),
            "Operator waflows/waflows-operator 0.1.0: 1 of 2 replicas ready; nobody leads: pod-a was last heard 60s ago; \
             no call to Meta is held."
        );
    }
}
