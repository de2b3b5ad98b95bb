//! What the API server itself takes for the requests of a rollout, made one kind at a time by another client.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde::de::IgnoredAny;
use serde_json::json;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use waflows_operator::controller::status_writer::{FIELD_MANAGER, status_request};

use crate::error::Error;
use crate::fleet::{Fleet, NAMESPACE, key_secret};
use crate::report::Report;
use crate::scenarios::{RolledOut, roll_out};
use crate::world::{Programs, World};

const FLEET: usize = 1000;
/// Requests under way at once.
const CONCURRENCY: usize = 16;
/// The most that the operator's way may take, as a share of what server-side apply takes.
const LIMIT: f64 = 0.75;

pub(super) async fn run(report: &mut Report, programs: &Programs) -> Result<(), Error> {
    // The operator leaves statuses as they are in a rollout.
    let RolledOut { world, operator, .. } =
        roll_out(report, programs, Fleet::of(FLEET, 5), Duration::ZERO, &[]).await?;
    operator.stop()?;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), NAMESPACE);
    let resources: Api<FlowsEncryptionKey> = Api::namespaced(world.client.clone(), NAMESPACE);
    let events: Api<Event> = Api::namespaced(world.client.clone(), NAMESPACE);
    let listed = resources.list(&ListParams::default()).await.map_err(Error::kubernetes("listing resources"))?.items;

    let read = cost(&world, |index| {
        let secrets = secrets.clone();
        async move { secrets.get(&key_secret(index)).await.map(drop) }
    });
    let read = read.await?;
    let write = compare_ways(report, &world).await?;
    let publish = cost(&world, |index| {
        let (events, event) = (events.clone(), event(&listed[index]));
        async move { events.create(&PostParams::default(), &event?).await.map(drop) }
    });
    let publish = publish.await?;
    report.figure("API server's CPU for reading a Secret", millis(read), "ms");
    report.figure("API server's CPU for an event", millis(publish), "ms");
    report.seconds("the same for the requests of b2k", 4000 * read + 2000 * write + 2000 * publish);
    Ok(())
}

/// Reports the cost of a status for each way to write it. Returns that of the operator's way.
async fn compare_ways(report: &mut Report, world: &World) -> Result<Duration, Error> {
    // Server-side apply comes last: its entry in managedFields would make the writes of the others larger. It comes
    // twice: the first pass makes the entry, which costs more.
    let ways = [Way::MergePatch, Way::JsonPatch, Way::Replacement, Way::Apply, Way::Apply];
    let mut costs = HashMap::new();
    for (pass, way) in ways.into_iter().enumerate() {
        costs.insert(way, cost_of_statuses(world, way, pass).await?);
    }
    for way in [Way::MergePatch, Way::JsonPatch, Way::Apply, Way::Replacement] {
        report.figure(format!("API server's CPU for a status of 5 numbers, {}", way.name()), millis(costs[&way]), "ms");
    }
    let ours = costs[&Way::Replacement];
    for way in [Way::MergePatch, Way::JsonPatch] {
        report.figure(format!("replacement / {}", way.name()), ours.div_duration_f64(costs[&way]), "");
    }
    let share = ours.div_duration_f64(costs[&Way::Apply]);
    report.figure_at_most(format!("replacement / {}", Way::Apply.name()), share, "", LIMIT);
    Ok(ours)
}

/// The API server's CPU time for one of many requests.
async fn cost<Request>(world: &World, request: impl Fn(usize) -> Request) -> Result<Duration, Error>
where
    Request: Future<Output = Result<(), kube::Error>>,
{
    let before = world.surroundings()?;
    let requests = stream::iter(0..FLEET).map(request).buffer_unordered(CONCURRENCY);
    requests.try_collect::<()>().await.map_err(Error::kubernetes("measuring requests"))?;
    Ok(world.surroundings()?.since(before).api_server / FLEET as u32)
}

/// A way to write a status onto one version of a resource or none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    MergePatch,
    JsonPatch,
    Apply,
    Replacement,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::MergePatch => "merge patch",
            Self::JsonPatch => "JSON patch",
            Self::Apply => "server-side apply",
            Self::Replacement => "replacement",
        }
    }

    /// The request that stores this status in place of the one that the resource has.
    fn request(
        self,
        resource: &FlowsEncryptionKey,
        status: &FlowsEncryptionKeyStatus,
    ) -> Result<Request<Vec<u8>>, kube::Error> {
        let metadata = &resource.metadata;
        let (version, name) = (&metadata.resource_version, metadata.name.as_deref().unwrap_or_default());
        let url = kube::core::Request::new(FlowsEncryptionKey::url_path(&(), metadata.namespace.as_deref()));
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let request = match self {
            Self::Replacement => return status_request(resource, status),
            Self::MergePatch => {
                let patch = json!({"metadata": {"uid": metadata.uid, "resourceVersion": version}, "status": status});
                url.patch_subresource("status", name, &parameters, &Patch::Merge(patch))
            }
            Self::Apply => {
                let patch = json!({
                    "apiVersion": FlowsEncryptionKey::api_version(&()),
                    "kind": FlowsEncryptionKey::kind(&()),
                    "metadata": {"uid": metadata.uid, "resourceVersion": version},
                    "status": status,
                });
                url.patch_subresource("status", name, &parameters.force(), &Patch::Apply(patch))
            }
            Self::JsonPatch => {
                let patch = json!([
                    {"op": "test", "path": "/metadata/resourceVersion", "value": version},
                    {"op": "replace", "path": "/status", "value": status},
                ]);
                let request = url.patch_subresource("status", name, &parameters, &Patch::Merge(patch));
                request.map(|mut request| {
                    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json-patch+json"));
                    request
                })
            }
        };
        request.map_err(kube::Error::BuildRequest)
    }
}

async fn cost_of_statuses(world: &World, way: Way, pass: usize) -> Result<Duration, Error> {
    let resources: Api<FlowsEncryptionKey> = Api::namespaced(world.client.clone(), NAMESPACE);
    let listed = resources.list(&ListParams::default()).await.map_err(Error::kubernetes("listing resources"))?.items;
    let write = |index: usize| {
        let (client, resource) = (world.client.clone(), &listed[index]);
        async move {
            let mut status = resource.status.clone().unwrap_or_default();
            status.valid = Some(format!("{pass}/5"));
            client.request::<IgnoredAny>(way.request(resource, &status)?).await.map(drop)
        }
    };
    cost(world, write).await
}

fn event(resource: &FlowsEncryptionKey) -> Result<Event, kube::Error> {
    let event = json!({
        "metadata": {"generateName": "floor-", "namespace": NAMESPACE},
        "eventTime": "2026-11-25T10:00:00.000000Z",
        "type": "Normal",
        "reason": "KeyUploaded",
        "action": "Upload",
        "note": "Key sha256:0add4ddbaeac was put on phone number IDs 100000000000005, 100000000000006, 100000000000007, 100000000000008, 100000000000009.",
        "regarding": resource.object_ref(&()),
        "reportingController": FIELD_MANAGER,
        "reportingInstance": FIELD_MANAGER,
    });
    serde_json::from_value(event).map_err(kube::Error::SerdeError)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
