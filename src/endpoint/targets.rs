//! Where the requests for one endpoint go: the ready pods of a Service, and a URL.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;
use reqwest::Url;
use waflows_core::api::conditions::ConditionReason;
use waflows_core::api::crd::{Endpoint, EndpointService, Scheme};

use super::lookup::{Lookup, SystemLookup};
pub use super::policy::Policy;
use super::refusal::{not_allowed, unreachable};
use super::service::Candidate;
pub use super::target::Target;
use super::{cluster, host, pods, service};

/// Timeout for all reads together.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Pods that are read at the same time.
const CONCURRENT_READS: usize = 4;

/// The targets of an endpoint of a resource in this namespace, in a stable order, each with an address that was checked.
/// Empty if the Service has no ready pod.
///
/// # Errors
/// If the policy or an address forbids the requests, or the API server does not say where the pods are. There are no
/// targets then, also if only one of them is forbidden.
pub async fn targets(
    client: &Client,
    policy: &Policy,
    namespace: &str,
    endpoint: &Endpoint,
) -> Result<Vec<Target>, ConditionReason> {
    targets_with(&SystemLookup, client, policy, namespace, endpoint).await
}

/// The same, with another way to look up names.
///
/// # Errors
/// As [`targets`].
pub async fn targets_with(
    lookup: &impl Lookup,
    client: &Client,
    policy: &Policy,
    namespace: &str,
    endpoint: &Endpoint,
) -> Result<Vec<Target>, ConditionReason> {
    // First everything that needs no request.
    if endpoint.service.is_some() && !policy.services {
        return Err(not_allowed(
            "The operator may not send requests to Services. Turn on its flag --endpoint-probes (endpointProbes.enabled in \
             the chart), or remove endpoint.service.",
        ));
    }
    let url = endpoint.url.as_deref().map(|url| host::allowed(url, policy)).transpose()?;
    let found = tokio::time::timeout(TIME_LIMIT, async {
        let mut targets = match &endpoint.service {
            Some(service) => pods_of(client, policy, namespace, service).await?,
            None => Vec::new(),
        };
        if let Some(url) = url {
            targets.push(public(lookup, policy, url).await?);
        }
        Ok(targets)
    });
    let too_slow = || unreachable("The API server or the name server took too long. The operator asks again.");
    found.await.unwrap_or_else(|_| Err(too_slow()))
}

/// The ready pods of a Service.
async fn pods_of(
    client: &Client,
    policy: &Policy,
    namespace: &str,
    wanted: &EndpointService,
) -> Result<Vec<Target>, ConditionReason> {
    if !service::is_name(&wanted.name) {
        return Err(not_allowed("endpoint.service.name is not the name of a Service."));
    }
    let found = cluster::service(client, namespace, &wanted.name).await?;
    let port = service::port(&found, wanted)?;
    let slices = cluster::slices(client, namespace, &wanted.name).await?;
    let candidates = service::candidates(&found, &port, &slices, namespace)?;
    let mut pods: Vec<Candidate> = stream::iter(candidates)
        .map(|candidate| checked(client, policy, namespace, candidate))
        .buffered(CONCURRENT_READS)
        .try_filter_map(|candidate| std::future::ready(Ok(candidate)))
        .try_collect()
        .await?;
    pods.dedup_by(|later, earlier| later.pod == earlier.pod);
    pods.into_iter().map(|pod| target(&pod, policy, namespace, wanted)).collect()
}

/// The candidate, if its pod has the address.
async fn checked(
    client: &Client,
    policy: &Policy,
    namespace: &str,
    candidate: Candidate,
) -> Result<Option<Candidate>, ConditionReason> {
    let pod = cluster::pod(client, namespace, &candidate.pod).await?;
    Ok(pods::is_at(&candidate, pod.as_ref(), policy)?.then_some(candidate))
}

fn target(
    pod: &Candidate,
    policy: &Policy,
    namespace: &str,
    wanted: &EndpointService,
) -> Result<Target, ConditionReason> {
    let address = pods::reached_at(pod.address, policy);
    let url = url(wanted, namespace, address).ok_or_else(|| not_allowed("endpoint.service does not make a URL."))?;
    Ok(Target::pod(&pod.pod, url, address))
}

/// The URL with the name of the Service, which the certificate must have, and the port of the pod.
fn url(wanted: &EndpointService, namespace: &str, address: SocketAddr) -> Option<Url> {
    let scheme = match wanted.scheme.unwrap_or_default() {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let mut url = Url::parse(&format!("{scheme}://{}.{namespace}.svc:{}/", wanted.name, address.port())).ok()?;
    // Not joined: a path that begins with // would be another host.
    let path = wanted.path.as_deref().unwrap_or("/");
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(path);
    url.set_query(query);
    Some(url)
}

/// The host of a URL, at the address that its name has now.
async fn public(lookup: &impl Lookup, policy: &Policy, url: Url) -> Result<Target, ConditionReason> {
    let name = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or_default();
    let addresses = match host::ip(&name) {
        Some(ip) => vec![SocketAddr::new(ip, port)],
        None => lookup.lookup(&name, port).await.map_err(|error| {
            tracing::debug!(host = name, %error, "no address");
            host::no_address()
        })?,
    };
    let address = host::pinned(&addresses, policy)?;
    Ok(Target { name, url, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_name_of_the_service_whatever_the_path() {
        let address = "10.0.0.7:8080".parse().unwrap();
        for (path, scheme, expected) in [
            (None, None, "http://flows.shop.svc:8080/"),
            (Some("/flows?a=b"), Some(Scheme::Https), "https://flows.shop.svc:8080/flows?a=b"),
            (Some("//evil.test/x"), None, "http://flows.shop.svc:8080//evil.test/x"),
            (Some("/\\evil.test"), None, "http://flows.shop.svc:8080//evil.test"),
            (Some("/a b\r\nHost: evil"), None, "http://flows.shop.svc:8080/a%20bHost:%20evil"),
            (Some("/../.."), None, "http://flows.shop.svc:8080/"),
        ] {
            let path = path.map(str::to_owned);
            let wanted = EndpointService { name: "flows".into(), path, scheme, port: None };
            assert_eq!(url(&wanted, "shop", address).unwrap().as_str(), expected);
        }
    }
}
