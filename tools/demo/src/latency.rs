//! From a resource's creation to Ready.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeySpec};

use crate::error::Error;
use crate::scene::Scene;
use crate::wait;

const LABEL: (&str, &str) = ("demo", "latency");

/// What was measured, one value for each resource.
#[derive(Debug)]
pub(crate) struct Latency {
    /// From the return of the create call to the sight of Ready, in ascending order.
    times: Vec<Duration>,
    /// Calls to the Graph API until then, in ascending order.
    calls: Vec<u64>,
}

impl Latency {
    pub(crate) fn median(&self) -> Duration {
        self.times[self.times.len() / 2]
    }

    pub(crate) fn range(&self) -> RangeInclusive<Duration> {
        self.times[0]..=self.times[self.times.len() - 1]
    }

    pub(crate) fn calls(&self) -> RangeInclusive<u64> {
        self.calls[0]..=self.calls[self.calls.len() - 1]
    }
}

/// Creates `count` resources like `template`, at least one, each with a single number of its own, one after the other,
/// and removes them again. One watch that is open from the start sees them become Ready.
pub(crate) async fn measure(scene: &Scene, template: &FlowsEncryptionKeySpec, count: usize) -> Result<Latency, Error> {
    let resources = scene.resources();
    let selector = format!("{}={}", LABEL.0, LABEL.1);
    let mut changes = Box::pin(watch(&resources, &selector).await?);
    let (mut times, mut calls) = (Vec::new(), Vec::new());
    for index in 1..=count {
        let phone_number_id = format!("2{index:014}");
        scene.emulator.add_number(&phone_number_id);
        let spec = FlowsEncryptionKeySpec { phone_number_ids: vec![phone_number_id.clone()], ..template.clone() };
        let mut resource = FlowsEncryptionKey::new(&format!("latency-{index:02}"), spec);
        resource.labels_mut().insert(LABEL.0.to_owned(), LABEL.1.to_owned());

        let created = resources.create(&PostParams::default(), &resource).await;
        let start = Instant::now();
        created.map_err(|source| Error::Kubernetes { doing: "creating a FlowsEncryptionKey", source })?;
        let name = resource.name_any();
        wait::within(format!("FlowsEncryptionKey {name} is Ready"), until_ready(&mut changes, &name)).await?;
        times.push(start.elapsed());
        calls.push(scene.emulator.calls_to(&phone_number_id).total());
    }
    times.sort_unstable();
    calls.sort_unstable();
    let list = ListParams::default().labels(&selector);
    let deleted = resources.delete_collection(&DeleteParams::default(), &list).await;
    deleted.map_err(|source| Error::Kubernetes { doing: "deleting the FlowsEncryptionKeys", source })?;
    Ok(Latency { times, calls })
}

type Change = WatchEvent<FlowsEncryptionKey>;

/// All changes from now on to resources with the label.
async fn watch(
    resources: &Api<FlowsEncryptionKey>,
    selector: &str,
) -> Result<impl Stream<Item = Result<Change, kube::Error>> + use<>, Error> {
    let failed = |source| Error::Kubernetes { doing: "watching FlowsEncryptionKeys", source };
    let list = resources.list_metadata(&ListParams::default().labels(selector)).await.map_err(failed)?;
    let version = list.metadata.resource_version.unwrap_or_default();
    resources.watch(&WatchParams::default().labels(selector), &version).await.map_err(failed)
}

async fn until_ready(
    changes: &mut (impl Stream<Item = Result<Change, kube::Error>> + Unpin),
    name: &str,
) -> Result<(), Error> {
    while let Some(change) = changes.next().await {
        match change.map_err(|source| Error::Kubernetes { doing: "watching FlowsEncryptionKeys", source })? {
            WatchEvent::Added(resource) | WatchEvent::Modified(resource)
                if resource.name_any() == name && wait::is_ready(&resource) =>
            {
                return Ok(());
            }
            WatchEvent::Error(status) => return Err(Error::WatchEnded { reason: status.message }),
            _ => {}
        }
    }
    Err(Error::WatchEnded { reason: "end of stream".to_owned() })
}
