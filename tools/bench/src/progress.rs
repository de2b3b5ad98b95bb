//! How far the operator is, as a watch on its resources shows.

use std::collections::HashSet;
use std::pin::Pin;

use futures::{Stream, TryStreamExt};
use harness::status::is_ready;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, ObjectMeta, WatchEvent, WatchParams};
use kube::core::Request;
use kube::{Api, Client, Resource};
use serde::Deserialize;
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::error::Error;
use crate::fleet::NAMESPACE;

/// A resource, as far as it matters here: the measuring must not cost much itself.
#[derive(Debug, Clone, Deserialize)]
struct Seen {
    metadata: ObjectMeta,
    #[serde(default)]
    status: SeenStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SeenStatus {
    public_key_fingerprint: Option<String>,
    conditions: Vec<Condition>,
}

impl Seen {
    fn is_ready_with(&self, fingerprint: &str) -> bool {
        self.status.public_key_fingerprint.as_deref() == Some(fingerprint)
            && is_ready(&self.status.conditions, self.metadata.generation)
    }
}

type Changes = Pin<Box<dyn Stream<Item = Result<WatchEvent<Seen>, kube::Error>> + Send>>;

/// All changes from a moment on.
pub(crate) struct Progress {
    client: Client,
    /// The resource version up to which changes were seen.
    version: String,
    changes: Changes,
    /// How many there were. Every write that took effect is one.
    pub(crate) count: usize,
}

impl Progress {
    /// From now on.
    pub(crate) async fn begin(client: &Client) -> Result<Self, Error> {
        let api: Api<FlowsEncryptionKey> = Api::namespaced(client.clone(), NAMESPACE);
        let list = api.list_metadata(&ListParams::default().limit(1)).await;
        let list = list.map_err(Error::kubernetes("listing FlowsEncryptionKeys"))?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let changes = watch(client, &version).await?;
        Ok(Self { client: client.clone(), version, changes, count: 0 })
    }

    /// Waits until all of these resources were seen Ready with this key.
    pub(crate) async fn ready(&mut self, names: impl Iterator<Item = String>, fingerprint: &str) -> Result<(), Error> {
        let mut waiting: HashSet<String> = names.collect();
        while !waiting.is_empty() {
            let Some(event) = self.changes.try_next().await.map_err(failed)? else {
                // The API server ends each watch after some minutes.
                self.changes = watch(&self.client, &self.version).await?;
                continue;
            };
            match event {
                WatchEvent::Added(seen) | WatchEvent::Modified(seen) => {
                    if let Some(name) = seen.metadata.name.as_ref().filter(|_| seen.is_ready_with(fingerprint)) {
                        waiting.remove(name);
                    }
                    self.count += 1;
                    self.version = seen.metadata.resource_version.unwrap_or_default();
                }
                WatchEvent::Bookmark(bookmark) => self.version = bookmark.metadata.resource_version,
                WatchEvent::Deleted(_) => {}
                WatchEvent::Error(status) => return Err(failed(kube::Error::Api(status))),
            }
        }
        Ok(())
    }
}

async fn watch(client: &Client, version: &str) -> Result<Changes, Error> {
    let request = Request::new(FlowsEncryptionKey::url_path(&(), Some(NAMESPACE)));
    let request = request.watch(&WatchParams::default(), version);
    let request = request.map_err(|error| failed(kube::Error::BuildRequest(error)))?;
    let changes = client.request_events(request).await.map_err(failed)?;
    Ok(Box::pin(changes))
}

fn failed(source: kube::Error) -> Error {
    Error::Kubernetes { doing: "watching FlowsEncryptionKeys", source }
}
