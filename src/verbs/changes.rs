//! A watch on the selected resources.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::Stream;
use futures::stream::{self, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config, Event, watcher};
use waflows_core::store::object_key::ObjectKey;

use super::error::VerbError;
use super::resource::Resource;
use super::selection::{Object, PAGE, Selection};

/// A change that the watch reports.
#[derive(Debug)]
pub(super) enum Change {
    /// A resource that is new or has changed.
    Seen(Box<Resource>),
    /// A resource that was deleted.
    Gone(ObjectKey),
    /// Every resource that exists has been seen.
    Listed,
}

/// What is known of the watched resources. A watch lists again after it has missed events, and nothing of that list is reported twice.
#[derive(Default)]
struct Followed {
    /// `metadata.resourceVersion` of each resource.
    versions: HashMap<ObjectKey, Option<String>>,
    /// The resources of the present list, before its end.
    listed: HashSet<ObjectKey>,
    is_listed: bool,
}

impl Followed {
    fn changes(&mut self, event: Event<Object>) -> Vec<Change> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(key_of(&object));
                self.seen(object)
            }
            Event::Apply(object) => self.seen(object),
            Event::Delete(object) => self.gone(&key_of(&object)),
            Event::InitDone => {
                self.is_listed = true;
                let missed = self.versions.keys().filter(|key| !self.listed.contains(*key)).cloned();
                let missed: Vec<_> = missed.collect();
                missed.iter().flat_map(|key| self.gone(key)).chain([Change::Listed]).collect()
            }
        }
    }

    fn seen(&mut self, object: Object) -> Vec<Change> {
        let version = kube::Resource::meta(&object).resource_version.clone();
        let before = self.versions.insert(key_of(&object), version.clone());
        match before {
            Some(before) if before == version => Vec::new(),
            Some(_) | None => vec![Change::Seen(Box::new(Resource::of(object)))],
        }
    }

    fn gone(&mut self, key: &ObjectKey) -> Vec<Change> {
        self.versions.remove(key).map(|_| Change::Gone(key.clone())).into_iter().collect()
    }
}

fn key_of(object: &Object) -> ObjectKey {
    ObjectKey::of(kube::Resource::meta(object))
}

/// Follows the selected resources, first as they are and then as they change. Restarts by itself. Ends with an error if
/// the user may not watch, or if the first list fails.
pub(super) fn changes(selection: &Selection) -> impl Stream<Item = Result<Change, VerbError>> + use<> {
    let names: BTreeSet<String> = selection.names.iter().cloned().collect();
    let mut config = Config::default().page_size(PAGE);
    if let Some(labels) = &selection.labels {
        config = config.labels(labels);
    }
    if let [name] = selection.names.as_slice() {
        config = config.fields(&format!("metadata.name={name}"));
    }
    let reading = selection.reading();
    let is_meant = move |object: &Object| {
        names.is_empty() || kube::Resource::meta(object).name.as_ref().is_some_and(|name| names.contains(name))
    };
    let mut followed = Followed::default();
    let events = watcher(selection.api(), config).default_backoff().boxed();
    events.flat_map(move |event| {
        let changes = match event {
            Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) if !is_meant(&object) => {
                Vec::new()
            }
            Ok(event) => followed.changes(event).into_iter().map(Ok).collect(),
            Err(error) => Vec::from_iter(fatal(error, followed.is_listed).map(|error| Err(reading.failed(&error)))),
        };
        stream::iter(changes)
    })
}

/// The failure that ends the watch. Other failures pass, and the watch is started again.
fn fatal(error: watcher::Error, is_listed: bool) -> Option<kube::Error> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            let is_refusal = matches!(&error, kube::Error::Api(status) if [401, 403, 404].contains(&status.code));
            (is_refusal || !is_listed).then_some(error)
        }
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, version: u32) -> Object {
        let metadata = json!({"name": name, "namespace": "shop", "resourceVersion": version.to_string()});
        let spec = json!({"accessTokenSecretRef": {"name": "a", "key": "b"}, "phoneNumberIds": ["1"]});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    #[test]
    fn a_list_after_an_interruption_reports_what_changed_meanwhile_and_nothing_else() {
        let mut followed = Followed::default();
        let mut changes = |event| -> Vec<String> {
            let changes = followed.changes(event).into_iter();
            let words = changes.map(|change| match change {
                Change::Seen(resource) => format!("seen {}", resource.key.name),
                Change::Gone(key) => format!("gone {}", key.name),
                Change::Listed => "listed".to_owned(),
            });
            words.collect()
        };
        let table = [
            (Event::Init, vec![]),
            (Event::InitApply(object("a", 1)), vec!["seen a"]),
            (Event::InitApply(object("b", 2)), vec!["seen b"]),
            (Event::InitApply(object("c", 3)), vec!["seen c"]),
            (Event::InitDone, vec!["listed"]),
            (Event::Apply(object("a", 4)), vec!["seen a"]),
            (Event::Delete(object("c", 5)), vec!["gone c"]),
            (Event::Init, vec![]),
            (Event::InitApply(object("a", 4)), vec![]),
            (Event::InitApply(object("d", 7)), vec!["seen d"]),
            (Event::InitDone, vec!["gone b", "listed"]),
        ];
        for (event, expected) in table {
            let what = format!("{event:?}");
            assert_eq!(changes(event), expected, "{what}");
        }
    }
}
