//! Publishes Kubernetes events of resources.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::runtime::events::Reporter;
use kube::{Api, Client, Resource};
use serde_json::json;
use waflows_core::api::crd::FlowsEncryptionKey;
use waflows_core::status::events::Note;
use waflows_core::store::object_key::ObjectKey;

use crate::apiserver::describe;

/// Repetitions within this time belong to the same series.
const SERIES: SignedDuration = SignedDuration::from_mins(6);
/// Limit of remembered series. All series of a rollout of thousands of resources would take several megabytes. A
/// repetition of a forgotten series becomes a separate event.
const MAX_KEPT: usize = 256;
/// The API server's limit on the name of an object.
const MAX_NAME: usize = 253;
/// The API server's limit on `reportingInstance`.
const MAX_INSTANCE: usize = 128;

/// Publishes events, and combines repetitions into one series. Unlike kube's recorder, it finds a valid event name for
/// every resource, however long the resource's own name is.
pub struct EventPublisher {
    client: Client,
    controller: String,
    instance: String,
    kept: Mutex<HashMap<Repeated, Series>>,
}

/// The fields that all events of one series have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Repeated {
    uid: String,
    is_warning: bool,
    reason: &'static str,
    action: &'static str,
    /// The note without times. An event with another gist is no repetition.
    gist: String,
}

#[derive(Debug, Clone)]
struct Series {
    /// The name of the first event of the series.
    name: String,
    count: i32,
    last: Timestamp,
}

impl EventPublisher {
    /// A publisher whose events name `reporter`.
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let mut instance = reporter.instance.unwrap_or_else(|| reporter.controller.clone());
        instance.truncate(instance.floor_char_boundary(MAX_INSTANCE));
        Self { client, controller: reporter.controller, instance, kept: Mutex::default() }
    }

    /// Publishes events of a resource. Failures are only logged, because nothing depends on an event.
    pub async fn publish(&self, resource: &FlowsEncryptionKey, notes: &[Note]) {
        let reference = resource.object_ref(&());
        for note in notes {
            if let Err(error) = self.publish_note(&reference, note, Timestamp::now()).await {
                tracing::warn!(resource = %ObjectKey::of(&resource.metadata), reason = note.reason, error = describe(&error), "an event could not be published");
            }
        }
    }

    async fn publish_note(&self, reference: &ObjectReference, note: &Note, now: Timestamp) -> kube::Result<()> {
        let namespace = reference.namespace.as_deref().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let repeated = Repeated {
            uid: reference.uid.clone().unwrap_or_default(),
            is_warning: note.is_warning,
            reason: note.reason,
            action: note.action,
            gist: note.gist.clone(),
        };
        if let Some(series) = self.go_on(&repeated, now) {
            let patch = json!({"series": {"count": series.count, "lastObservedTime": MicroTime(now)}});
            match events.patch(&series.name, &PatchParams::default(), &Patch::Merge(patch)).await {
                // Someone deleted the event: start a new series.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                result => return result.map(|_| self.keep(repeated, series)),
            }
        }
        let event = self.event(reference, note, now);
        events.create(&PostParams::default(), &event).await?;
        let name = event.metadata.name.unwrap_or_default();
        self.keep(repeated, Series { name, count: 1, last: now });
        Ok(())
    }

    /// The known series with one more event. None if there is no such series.
    fn go_on(&self, repeated: &Repeated, now: Timestamp) -> Option<Series> {
        let mut kept = self.kept();
        kept.retain(|_, series| series.last + SERIES > now);
        let series = kept.get(repeated)?;
        Some(Series { name: series.name.clone(), count: series.count.saturating_add(1), last: now })
    }

    fn keep(&self, repeated: Repeated, series: Series) {
        let mut kept = self.kept();
        if kept.len() >= MAX_KEPT && !kept.contains_key(&repeated) {
            kept.clear();
        }
        kept.insert(repeated, series);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Repeated, Series>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, reference: &ObjectReference, note: &Note, now: Timestamp) -> Event {
        Event {
            metadata: ObjectMeta {
                namespace: reference.namespace.clone(),
                name: Some(event_name(reference.name.as_deref().unwrap_or_default(), now)),
                ..ObjectMeta::default()
            },
            type_: Some(if note.is_warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(note.reason.to_owned()),
            action: Some(note.action.to_owned()),
            note: Some(note.text.clone()),
            event_time: Some(MicroTime(now)),
            regarding: Some(reference.clone()),
            reporting_controller: Some(self.controller.clone()),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

/// The name of an event: the resource's name, shortened if necessary, and a unique suffix.
fn event_name(resource: &str, now: Timestamp) -> String {
    let suffix = format!(".{:x}", now.as_nanosecond());
    let fits = resource.get(..MAX_NAME - suffix.len()).unwrap_or(resource);
    // Each part of a name must end with a letter or a digit.
    format!("{}{suffix}", fits.trim_end_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_a_name_that_the_api_server_takes() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(event_name("storefront", now), format!("storefront.{:x}", now.as_nanosecond()));
        let long = format!("{}-.{}", "a".repeat(234), "b".repeat(17));
        assert_eq!(long.len(), MAX_NAME);
        let name = event_name(&long, now);
        assert!(name.starts_with(&format!("{}.1", "a".repeat(234))) && name.len() <= MAX_NAME, "{name}");
        assert_eq!(event_name(&"a".repeat(MAX_NAME), now).len(), MAX_NAME);
    }
}
