//! The namespaces in which the operator works, if a label selector of namespaces chooses them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::store::cached_resource::CachedResource;
use crate::store::object_key::ObjectKey;

/// The selected namespaces, and the resources of all others. Such a resource is only kept: it owns no number, and no
/// metric shows it.
#[derive(Debug, Clone, Default)]
pub struct Namespaces {
    selected: HashSet<Arc<str>>,
    /// The namespaces in the list that is arriving.
    listed: HashSet<Arc<str>>,
    is_complete: bool,
    /// The resources outside of the selected namespaces, by namespace.
    outside: HashMap<Arc<str>, HashMap<ObjectKey, Box<CachedResource>>>,
}

impl Namespaces {
    /// Whether the initial list of namespaces is complete.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether the operator works in the namespace.
    pub fn contains(&self, namespace: &str) -> bool {
        self.selected.contains(namespace)
    }

    /// Begins a list.
    pub fn begin(&mut self) {
        self.listed.clear();
    }

    /// Marks the namespace as contained in the list.
    pub fn list(&mut self, namespace: &str) {
        self.listed.insert(namespace.into());
    }

    /// Ends a list. Returns the selected namespaces that the list did not contain: they are not selected any more.
    pub fn finish(&mut self) -> Vec<Arc<str>> {
        self.is_complete = true;
        let listed = std::mem::take(&mut self.listed);
        self.selected.difference(&listed).cloned().collect()
    }

    /// Selects the namespace. Returns its resources, which are not outside any more.
    pub fn select(&mut self, namespace: &str) -> HashMap<ObjectKey, Box<CachedResource>> {
        self.selected.insert(namespace.into());
        self.outside.remove(namespace).unwrap_or_default()
    }

    /// Ends the selection of the namespace.
    pub fn deselect(&mut self, namespace: &str) {
        self.selected.remove(namespace);
    }

    /// A resource outside of the selected namespaces.
    pub fn outside(&self, key: &ObjectKey) -> Option<&CachedResource> {
        self.outside.get(&key.namespace)?.get(key).map(Box::as_ref)
    }

    /// The keys of all resources outside of the selected namespaces.
    pub fn keys_outside(&self) -> impl Iterator<Item = &ObjectKey> {
        self.outside.values().flat_map(HashMap::keys)
    }

    /// Keeps a resource outside of the selected namespaces.
    pub fn keep(&mut self, key: ObjectKey, resource: Box<CachedResource>) {
        self.outside.entry(Arc::clone(&key.namespace)).or_default().insert(key, resource);
    }

    /// Removes a resource outside of the selected namespaces.
    pub fn remove(&mut self, key: &ObjectKey) {
        if let Some(resources) = self.outside.get_mut(&key.namespace) {
            resources.remove(key);
            if resources.is_empty() {
                self.outside.remove(&key.namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::api::crd::FlowsEncryptionKey;
    use crate::number::Ownership;
    use crate::store::store::Store;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn resource(namespace: &str) -> FlowsEncryptionKey {
        let resource = serde_json::json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {"namespace": namespace, "name": "storefront", "uid": namespace, "resourceVersion": "7"},
            "spec": {"accessTokenSecretRef": {"name": "meta-token", "key": "token"}, "phoneNumberIds": ["1"]},
            "status": {"phoneNumbers": [{"phoneNumberId": "1", "state": "Valid", "ownedSince": "2026-01-01T00:00:00Z"}]},
        });
        serde_json::from_value(resource).unwrap()
    }

    fn key(namespace: &str) -> ObjectKey {
        ObjectKey::new(namespace, "storefront")
    }

    /// A store with a resource in each of these namespaces, all with the same number.
    fn store(namespaces: &[&str]) -> Store {
        let mut store = Store::new(&[None], Duration::ZERO).with_selected_namespaces();
        for namespace in namespaces {
            store.apply_resource(&resource(namespace), NOW);
        }
        store
    }

    #[test]
    fn a_resource_counts_only_while_its_namespace_is_selected() {
        let mut store = store(&["shop", "support"]);
        assert!(store.keys().is_empty() && store.is_up_to_date_with(&key("shop"), &resource("shop").metadata));
        assert_eq!(store.select_namespace("shop", NOW), [key("shop")]);
        assert_eq!(store.keys(), [key("shop")]);
        assert!(store.select_namespace("shop", NOW).is_empty(), "nothing new");

        store.select_namespace("support", NOW);
        assert!(matches!(store.owner("1", &key("support"), None, NOW), Ownership::Other { .. }), "by name");
        let leaving = store.deselect_namespace("shop", NOW);
        assert_eq!(leaving[0].0, key("shop"));
        assert_eq!(leaving[0].1, Some(vec![key("support")]));
        assert_eq!(store.owner("1", &key("support"), None, NOW), Ownership::Uncontested);
        assert_eq!(store.keys(), [key("support")]);
        assert_eq!(store.select_namespace("shop", NOW), [key("shop")], "its last state was kept");
    }

    #[test]
    fn a_list_ends_the_selection_of_what_it_does_not_contain() {
        let mut store = store(&["shop", "support"]);
        for namespace in ["shop", "support"] {
            store.select_namespace(namespace, NOW);
        }
        store.begin_namespaces();
        store.list_namespace("support");
        assert_eq!(store.finish_namespaces(), [Arc::from("shop")]);
        assert!(store.select_namespace("shop", NOW).is_empty(), "until the caller deselects it, it stays");
    }

    #[test]
    fn nothing_is_decided_before_the_namespaces_are_listed() {
        let mut store = store(&[]);
        store.finish_resources(0);
        store.finish_secrets(0);
        assert!(!store.is_complete());
        store.finish_namespaces();
        assert!(store.is_complete());
    }

    #[test]
    fn a_list_of_resources_drops_those_outside_too() {
        let mut store = store(&["shop", "support"]);
        store.select_namespace("shop", NOW);
        store.begin_resources(0);
        let mut gone = store.finish_resources(0);
        gone.sort();
        assert_eq!(gone, [key("shop"), key("support")]);
        for key in gone {
            store.delete_resource(&key, NOW);
        }
        assert!(store.select_namespace("support", NOW).is_empty());
    }
}
