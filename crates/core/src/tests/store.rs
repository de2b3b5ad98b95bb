//! The store after a restore of the API server.

use super::*;
use crate::store::object_key::ObjectKey;
use crate::store::store::Store;

fn in_version(version: u64, ids: &[&str]) -> FlowsEncryptionKey {
    let mut resource = resource(ids);
    resource.metadata.uid = Some("7d1c".to_owned());
    resource.metadata.resource_version = Some(version.to_string());
    resource
}

fn ids(store: &Store) -> Vec<String> {
    let key = ObjectKey::of(&resource(&[]).metadata);
    store.resource(&key).map(|resource| resource.spec.phone_number_ids).unwrap_or_default()
}

#[test]
fn an_event_that_is_late_changes_nothing_and_a_restored_resource_replaces_a_newer_one() {
    let mut store = Store::new(&[None], MINUTE);
    let (before, now) = (in_version(900, &["1"]), in_version(1000, &["1", "2"]));
    store.apply_resource(&now, at(0));
    store.apply_resource(&before, at(1));
    assert_eq!(ids(&store), ["1", "2"], "late");
    store.resource_restored(&before, at(2));
    assert_eq!(ids(&store), ["1"]);
    // Then the versions after the restore count, although the store had a later one.
    store.apply_resource(&in_version(901, &["3"]), at(3));
    assert_eq!(ids(&store), ["3"]);
}

#[test]
fn a_restored_resource_that_is_deleted_meanwhile_does_not_come_back() {
    let mut store = Store::new(&[None], MINUTE);
    store.resource_restored(&in_version(900, &["1"]), at(0));
    assert_eq!(ids(&store), Vec::<String>::new());
}
