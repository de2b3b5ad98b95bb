//! The watches: they update the store and add resources to the work queue.

use std::pin::Pin;
use std::sync::Arc;

use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::queue::Urgency;
use waflows_core::store::object_key::ObjectKey;
use waflows_core::store::store::{Change, Store};

use super::attempts::{Attempts, attentive};
use super::cluster_state::ClusterState;
use super::inspector::Inspector;
use super::partial_object::{PartialObject, Watchable};
use crate::apiserver::describe;
use crate::endpoint::prober::Prober;
use crate::health::{Health, Sight};
use crate::metrics::{Metrics, Watched};

/// Field selector without Helm's release Secrets: they are many, large, and no resource refers to them.
const NOT_HELM: &str = "type!=helm.sh/release.v1";

/// Objects in one page of a list. A page is in memory as a whole, except the data that the sieve drops: 100 resources of 500
/// numbers are tens of megabytes of JSON. A larger page would need fewer round trips, which overlap with the work anyway.
const PAGE_SIZE: u32 = 100;

/// The handles that the watches use.
pub struct Watches {
    /// The cached objects and the queue.
    pub cluster: Arc<ClusterState>,
    /// Requests to the API server that stay silent for long.
    pub client: Client,
    /// Liveness of the watches, and whether they see the cluster.
    pub health: Arc<Health>,
    /// Counts failures.
    pub metrics: Arc<Metrics>,
    /// Forgets resources that have gone.
    pub prober: Arc<Prober>,
    /// Forgets resources that have gone.
    pub inspector: Arc<Inspector>,
}

/// What the operator watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchScopes {
    /// One pair of watches each.
    pub scopes: Vec<Scope>,
    /// Label selector for the namespaces in which the operator works. None for all that it watches.
    pub namespace_selector: Option<String>,
}

/// The scope of one pair of watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The number of the watch in the store.
    pub watch: usize,
    /// The namespace. None for all namespaces.
    pub namespace: Option<String>,
    /// Label selector for resources.
    pub selector: Option<String>,
}

impl Scope {
    fn api<K: Watchable>(&self, client: &Client) -> Api<PartialObject<K>> {
        match &self.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }
}

/// Watches the resources until the task is dropped. An object that cannot be parsed is logged and skipped, and never
/// stops the others.
pub async fn resources(watches: &Watches, scope: &Scope) {
    let mut config = watcher::Config::default().page_size(PAGE_SIZE);
    if let Some(selector) = &scope.selector {
        config = config.labels(selector);
    }
    let cluster = &*watches.cluster;
    let begin = |client: &Client| watcher(scope.api::<FlowsEncryptionKey>(client), config.clone());
    follow(watches, Watched::Resources, begin, |store, event| match event {
        Event::Init => store.begin_resources(scope.watch),
        Event::InitApply(resource) => {
            store.list_resource(scope.watch, &ObjectKey::of(resource.meta()));
            apply(watches, store, resource);
        }
        Event::Apply(resource) => apply(watches, store, resource),
        Event::Delete(resource) => {
            delete(watches, store, &ObjectKey::of(resource.meta()));
        }
        Event::InitDone => {
            for key in store.finish_resources(scope.watch) {
                delete(watches, store, &key);
            }
            start_if_complete(cluster, store);
        }
    })
    .await;
}

fn apply(watches: &Watches, store: &mut Store, resource: PartialObject<FlowsEncryptionKey>) {
    let key = ObjectKey::of(resource.meta());
    // The operator's own status writes return as watch events.
    if store.is_up_to_date_with(&key, resource.meta()) {
        return;
    }
    let fault = match resource.into_resource() {
        Ok(resource) => match resource.spec.fault() {
            None => {
                let change = store.apply_resource(&resource, Timestamp::now());
                if store.is_complete() {
                    watches.cluster.react(&key, change);
                }
                return;
            }
            Some(fault) => fault,
        },
        Err(error) => error.to_string(),
    };
    tracing::error!(resource = %key, error = %fault, "this FlowsEncryptionKey cannot be read and is left alone; was it written for another version of the definition?");
    delete(watches, store, &key);
}

fn delete(watches: &Watches, store: &mut Store, key: &ObjectKey) {
    let released = store.delete_resource(key, Timestamp::now());
    leave(watches, store, key, released);
}

/// Ends the work on a resource that has left the store.
fn leave(watches: &Watches, store: &Store, key: &ObjectKey, released: Option<Vec<ObjectKey>>) {
    watches.cluster.queue.remove(key);
    watches.prober.forget(key);
    watches.inspector.forget(key);
    if store.is_complete() {
        watches.cluster.react(key, Change { spec_changed: false, released });
    }
}

/// Watches the versions of Secrets until the task is dropped. Asks only for metadata.
pub async fn secrets(watches: &Watches, scope: &Scope) {
    let config = watcher::Config::default().page_size(PAGE_SIZE).fields(NOT_HELM);
    let cluster = &*watches.cluster;
    let begin = |client: &Client| watcher(scope.api::<Secret>(client), config.clone());
    follow(watches, Watched::Secrets, begin, |store, event| {
        let concerned = match event {
            Event::Init => {
                store.begin_secrets(scope.watch);
                Vec::new()
            }
            Event::InitApply(secret) => {
                store.list_secret(scope.watch, &ObjectKey::of(secret.meta()));
                store.apply_secret(secret.meta())
            }
            Event::Apply(secret) => store.apply_secret(secret.meta()),
            Event::Delete(secret) => store.delete_secret(&ObjectKey::of(secret.meta())),
            Event::InitDone => store.finish_secrets(scope.watch),
        };
        if store.is_complete() {
            for key in concerned {
                cluster.queue.add(&key, Urgency::Changed);
            }
        }
        start_if_complete(cluster, store);
    })
    .await;
}

/// Watches which namespaces have the labels, until the task is dropped. Asks only for metadata. To a watch with a label
/// selector, a namespace that loses a label is deleted.
pub async fn namespaces(watches: &Watches, selector: &str) {
    let config = watcher::Config::default().page_size(PAGE_SIZE).labels(selector);
    let cluster = &*watches.cluster;
    let begin = |client: &Client| watcher(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), config.clone());
    follow(watches, Watched::Namespaces, begin, |store, event| match event {
        Event::Init => store.begin_namespaces(),
        Event::InitApply(namespace) => {
            store.list_namespace(&namespace.name_any());
            select(cluster, store, &namespace.name_any());
        }
        Event::Apply(namespace) => select(cluster, store, &namespace.name_any()),
        Event::Delete(namespace) => deselect(watches, store, &namespace.name_any()),
        Event::InitDone => {
            for namespace in store.finish_namespaces() {
                deselect(watches, store, &namespace);
            }
            start_if_complete(cluster, store);
        }
    })
    .await;
}

fn select(cluster: &ClusterState, store: &mut Store, namespace: &str) {
    let joining = store.select_namespace(namespace, Timestamp::now());
    if store.is_complete() {
        cluster.queue_all(&joining);
    }
}

fn deselect(watches: &Watches, store: &mut Store, namespace: &str) {
    for (key, released) in store.deselect_namespace(namespace, Timestamp::now()) {
        leave(watches, store, &key, released);
    }
}

/// Follows a watch. After most failures the watch continues by itself. It is restarted with a list if it cannot
/// continue: the resource version has expired, or the connection may be dead.
async fn follow<K, S: Stream<Item = watcher::Result<Event<K>>>>(
    watches: &Watches,
    watched: Watched,
    begin: impl Fn(&Client) -> S,
    mut handle: impl FnMut(&mut Store, Event<K>),
) {
    let heartbeat = watches.health.begin(watched.loop_name());
    let sight = watches.health.sight(watched.as_str());
    let client = attentive(&watches.client, watched, &sight);
    let mut attempts = Attempts::new(&watches.health);
    loop {
        let mut events = std::pin::pin!(begin(&client));
        let mut is_over = false;
        while !is_over {
            let arrived = tokio::select! {
                arrived = heartbeat.while_waiting(arrived(events.as_mut())) => arrived,
                () = attempts.contact_returned() => {
                    is_over = sight.take_lost();
                    continue;
                }
            };
            if arrived.is_empty() {
                return;
            }
            for event in arrived {
                match event {
                    Ok(event) => {
                        // The start of a list is not an answer yet.
                        if !matches!(event, Event::Init) {
                            sight.hear();
                        }
                        handle(&mut watches.cluster.store(), event);
                        // So that the request for the next page goes out.
                        heartbeat.while_waiting(tokio::task::yield_now()).await;
                    }
                    Err(error) => {
                        watches.metrics.watch_failed(watched);
                        report(watched, &sight, &error);
                        heartbeat.while_waiting(attempts.pause()).await;
                        is_over = sight.take_lost() || is_expired(&error);
                    }
                }
            }
        }
    }
}

/// Waits for the next event, and takes those that follow at once: at most a page, and none after a failure, because the
/// watch would try again without a pause. Empty if the watch has ended.
///
/// With the last event of a page, the request for the next page has begun. So the API server makes that page while this
/// one is handled.
async fn arrived<T>(mut events: Pin<&mut impl Stream<Item = watcher::Result<T>>>) -> Vec<watcher::Result<T>> {
    let mut arrived = Vec::from_iter(events.next().await);
    while arrived.len() <= PAGE_SIZE as usize
        && arrived.last().is_some_and(Result::is_ok)
        && let Some(Some(event)) = events.next().now_or_never()
    {
        arrived.push(event);
    }
    arrived
}

/// Logs the first failure of a row, and the others at `debug`.
fn report(watched: Watched, sight: &Sight, error: &watcher::Error) {
    let (what, said) = (watched.as_str(), explain(error));
    if sight.failed(&said) {
        tracing::warn!(what, error = %said, "a watch failed and is tried again");
    } else {
        tracing::debug!(what, error = %said, "a watch failed and is tried again");
    }
}

/// Whether the watch cannot continue, because the API server no longer has its resource version. The API server reports
/// this as the answer to the request, not inside the stream.
fn is_expired(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        watcher::Error::WatchStartFailed(_)
        | watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchFailed(_)
        | watcher::Error::WatchError(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

/// Queues every resource when all initial lists are complete. Usually nothing is due for most of them.
fn start_if_complete(cluster: &ClusterState, store: &Store) {
    if store.is_complete() && cluster.start() {
        let keys = store.keys();
        tracing::info!(resources = keys.len(), "all resources and Secrets are listed");
        cluster.queue_all(&keys);
    }
}

/// The failure of a watch, with its remedy.
fn explain(error: &watcher::Error) -> String {
    let (said, code) = match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => match cause {
            kube::Error::Api(status) => (describe(cause), status.code),
            other => (describe(other), 0),
        },
        watcher::Error::WatchError(status) => (status.message.clone(), status.code),
        watcher::Error::NoResourceVersion => (error.to_string(), 0),
    };
    match code {
        403 => format!("{said}; grant list and watch to the operator's ServiceAccount"),
        404 => format!("{said}; install the definition: waflows-operator crd | kubectl apply --server-side -f -"),
        _ => said,
    }
}
