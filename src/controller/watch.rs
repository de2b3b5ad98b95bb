//! The watches: API server → index → queue.

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};

use super::index::{Change, Index, ObjectKey};
use super::queue::Urgency;
use super::received::{Received, Watchable};
use super::reconcile::Context;
use crate::apiserver::describe;
use crate::crd::FlowsEncryptionKey;
use crate::metrics::Watched;

/// Secrets of this type hold Helm's releases: many, large, and never referred to.
const NOT_HELM: &str = "type!=helm.sh/release.v1";

/// Objects in one page of a list. A page is in memory as a whole, without what the sieve takes out of it.
const PAGE_SIZE: u32 = 100;

/// Where to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The number of the watch in the index.
    pub watch: usize,
    /// One namespace; all where it is none.
    pub namespace: Option<String>,
    /// Label selector for resources.
    pub selector: Option<String>,
}

impl Scope {
    fn api<K: Watchable>(&self, client: &Client) -> Api<Received<K>> {
        match &self.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }
}

/// Follows the resources until the task is dropped. An object that cannot be read is reported and left out; it never
/// stops the others.
pub async fn resources(context: &Context, scope: &Scope) {
    let mut config = watcher::Config::default().page_size(PAGE_SIZE);
    if let Some(selector) = &scope.selector {
        config = config.labels(selector);
    }
    let events = watcher(scope.api::<FlowsEncryptionKey>(&context.watch_client), config).default_backoff();
    follow(context, scope, Watched::Resources, events, |index, event| match event {
        Event::Init => index.begin_resources(scope.watch),
        Event::InitApply(resource) => {
            index.list_resource(scope.watch, &ObjectKey::of(resource.meta()));
            apply(context, index, resource);
        }
        Event::Apply(resource) => apply(context, index, resource),
        Event::Delete(resource) => {
            delete(context, index, &ObjectKey::of(resource.meta()));
        }
        Event::InitDone => {
            for key in index.finish_resources(scope.watch) {
                delete(context, index, &key);
            }
            start_if_complete(context, index);
        }
    })
    .await;
}

fn apply(context: &Context, index: &mut Index, resource: Received<FlowsEncryptionKey>) {
    let key = ObjectKey::of(resource.meta());
    // The operator's own status writes come back to it here.
    if index.is_up_to_date_with(&key, resource.meta()) {
        return;
    }
    let fault = match resource.into_resource() {
        Ok(resource) => match resource.spec.fault() {
            None => {
                let change = index.apply_resource(&resource, Timestamp::now());
                if index.is_complete() {
                    context.react(&key, change);
                }
                return;
            }
            Some(fault) => fault,
        },
        Err(error) => error.to_string(),
    };
    tracing::error!(resource = %key, error = %fault, "this FlowsEncryptionKey cannot be read and is left alone; was it written for another version of the definition?");
    delete(context, index, &key);
}

fn delete(context: &Context, index: &mut Index, key: &ObjectKey) {
    let vacated = index.delete_resource(key, Timestamp::now());
    context.queue.remove(key);
    if index.is_complete() {
        context.react(key, Change { asks_for_more: false, vacated });
    }
}

/// Follows the versions of Secrets until the task is dropped. Only metadata is asked for.
pub async fn secrets(context: &Context, scope: &Scope) {
    let config = watcher::Config::default().page_size(PAGE_SIZE).fields(NOT_HELM);
    let events = watcher(scope.api::<Secret>(&context.watch_client), config).default_backoff();
    follow(context, scope, Watched::Secrets, events, |index, event| {
        let concerned = match event {
            Event::Init => {
                index.begin_secrets(scope.watch);
                Vec::new()
            }
            Event::InitApply(secret) => {
                index.list_secret(scope.watch, &ObjectKey::of(secret.meta()));
                index.apply_secret(secret.meta())
            }
            Event::Apply(secret) => index.apply_secret(secret.meta()),
            Event::Delete(secret) => index.delete_secret(&ObjectKey::of(secret.meta())),
            Event::InitDone => index.finish_secrets(scope.watch),
        };
        if index.is_complete() {
            for key in concerned {
                context.queue.add(&key, Urgency::Changed);
            }
        }
        start_if_complete(context, index);
    })
    .await;
}

async fn follow<K>(
    context: &Context,
    scope: &Scope,
    watched: Watched,
    events: impl Stream<Item = watcher::Result<Event<K>>>,
    mut handle: impl FnMut(&mut Index, Event<K>),
) {
    let mut events = std::pin::pin!(events);
    let pulse = context.health.begin(watched.loop_name());
    while let Some(event) = pulse.rest(events.next()).await {
        match event {
            Ok(event) => {
                // A list that begins may be refused.
                if !matches!(event, Event::Init) {
                    context.health.watch_works(watched.as_str(), scope.watch);
                }
                handle(&mut context.index(), event);
            }
            Err(error) => {
                context.metrics.watch_failed(watched);
                let (said, is_answer) = explain(&error);
                if is_answer {
                    context.health.watch_refused(watched.as_str(), scope.watch, &said);
                }
                tracing::warn!(what = watched.as_str(), error = %said, "a watch failed and is tried again");
            }
        }
    }
}

/// Once everything was listed, every resource is looked at. Most then turn out to have nothing due.
fn start_if_complete(context: &Context, index: &Index) {
    if index.is_complete() && !context.started.swap(true, std::sync::atomic::Ordering::AcqRel) {
        tracing::info!(resources = index.keys().len(), "all resources and Secrets are listed");
        for key in index.keys() {
            context.queue.add(&key, Urgency::Due);
        }
    }
}

/// The failure of a watch, with what to do about it, and whether the API server answered at all.
fn explain(error: &watcher::Error) -> (String, bool) {
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
    let said = match code {
        400 => format!("{said}; is --selector a label selector such as team=checkout?"),
        403 => format!("{said}; grant list and watch to the operator's ServiceAccount"),
        404 => format!("{said}; install the definition: waflows-operator crd | kubectl apply --server-side -f -"),
        _ => said,
    };
    (said, code != 0)
}
