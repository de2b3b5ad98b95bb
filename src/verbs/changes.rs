//! A watch on the selected resources.

use std::collections::BTreeSet;

use futures::Stream;
use futures::stream::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config, Event, watcher};
use waflows_core::store::object_key::ObjectKey;

use super::error::VerbError;
use super::resource::Resource;
use super::selection::{Object, PAGE, Selection};

/// What the watch tells.
#[derive(Debug)]
pub(super) enum Change {
    /// A resource as it is now.
    Seen(Box<Resource>),
    /// A resource that was deleted.
    Gone(ObjectKey),
    /// All resources that there are have been told.
    Listed,
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
    let mut is_listed = false;
    let events = watcher(selection.api(), config).default_backoff().boxed();
    events.filter_map(move |event| {
        let change = match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                is_meant(&object).then(|| Ok(Change::Seen(Box::new(Resource::of(object)))))
            }
            Ok(Event::Delete(object)) => {
                is_meant(&object).then(|| Ok(Change::Gone(ObjectKey::of(kube::Resource::meta(&object)))))
            }
            Ok(Event::Init) => None,
            Ok(Event::InitDone) => {
                is_listed = true;
                Some(Ok(Change::Listed))
            }
            Err(error) => fatal(error, is_listed).map(|error| Err(reading.failed(&error))),
        };
        async { change }
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
