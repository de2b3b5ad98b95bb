//! What users saw of a resource, version by version.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use harness::World;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use tokio::task::JoinHandle;
use waflows_core::api::crd::FlowsEncryptionKey;

/// Follows a resource until dropped.
pub(crate) struct History {
    versions: Arc<Mutex<Vec<FlowsEncryptionKey>>>,
    task: JoinHandle<()>,
}

impl History {
    /// Starts with the present version.
    pub(crate) async fn of(world: &World, name: &str) -> Self {
        let versions = Arc::new(Mutex::new(Vec::new()));
        let config = Config::default().fields(&format!("metadata.name={name}"));
        let mut seen = watcher(world.resources(), config).default_backoff().applied_objects().boxed();
        let first = seen.next().await.unwrap().unwrap();
        versions.lock().unwrap().push(first);
        let noted = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            while let Some(version) = seen.next().await {
                noted.lock().unwrap().extend(version);
            }
        });
        Self { versions, task }
    }

    /// Waits for this version, and returns all versions up to it.
    pub(crate) async fn up_to(&self, world: &World, last: &FlowsEncryptionKey) -> Vec<FlowsEncryptionKey> {
        let is_last =
            |version: &FlowsEncryptionKey| version.metadata.resource_version == last.metadata.resource_version;
        world.wait_until("the watch sees it", || self.versions.lock().unwrap().iter().any(is_last)).await;
        let mut versions = self.versions.lock().unwrap().clone();
        let position = versions.iter().position(is_last).unwrap();
        versions.truncate(position + 1);
        versions
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}
