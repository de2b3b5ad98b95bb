//! Decides which resource owns a phone number that several resources list. Synchronous and in memory.
//!
//! A resource has a claim after it has read the number with its own token; `ownedSince` in the status is the time of
//! the claim. The oldest `ownedSince` wins, then the older resource, then the order of namespace and name. A resource
//! that may not or cannot upload never owns a number. When a reconcile has read a number and not yet written its
//! status, a reservation replaces `ownedSince`.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use smallvec::{SmallVec, smallvec};
use waflows_key::Fingerprint;

use crate::api::crd::{FlowsEncryptionKey, NumberState};
use crate::number::Ownership;
use crate::store::cached_resource::{CachedResource, UploadCapability};
use crate::store::object_key::ObjectKey;

/// All cached resources.
pub type Resources = HashMap<ObjectKey, Box<CachedResource>>;

/// The resources that list each number, with reservations and grace periods.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The resources that list a phone number ID. Nearly always one.
    claimants: HashMap<Arc<str>, SmallVec<[ObjectKey; 1]>>,
    reserved: HashMap<Box<str>, ObjectKey>,
    grace_periods: HashMap<Box<str>, GracePeriod>,
}

/// The time after the owner of a number has gone, in which only some resources may take the number over.
#[derive(Debug, Clone)]
struct GracePeriod {
    /// None if the owner went before this process looked.
    former: Option<ObjectKey>,
    fingerprint: Option<Fingerprint>,
    since: Timestamp,
    until: Timestamp,
}

impl Claims {
    /// Adds the resource as a claimant of its numbers.
    pub fn link(&mut self, key: &ObjectKey, cached: &CachedResource) {
        for number in &cached.numbers {
            match self.claimants.get_mut(&number.id) {
                Some(claimants) => claimants.push(key.clone()),
                None => drop(self.claimants.insert(Arc::clone(&number.id), smallvec![key.clone()])),
            }
        }
    }

    /// Removes the resource as a claimant of its numbers.
    pub fn unlink(&mut self, key: &ObjectKey, cached: &CachedResource) {
        for number in &cached.numbers {
            let Some(claimants) = self.claimants.get_mut(&number.id) else { continue };
            claimants.retain(|other| other != key);
            if claimants.is_empty() {
                self.claimants.remove(&number.id);
            }
        }
    }

    /// Handles a changed or deleted resource. If it no longer owns a number, returns the other resources that list such a
    /// number and may take it over.
    /// Until `now + patience` the former owner may come back, even with another key, because a GitOps tool may recreate
    /// it.
    pub fn note_change(
        &mut self,
        key: &ObjectKey,
        before: &CachedResource,
        after: Option<&CachedResource>,
        patience: Duration,
        now: Timestamp,
    ) -> Option<Vec<ObjectKey>> {
        let after = after.filter(|after| after.is_same_object(before));
        let until = now + patience;
        self.grace_periods.retain(|_, grace| grace.lasts(now));
        let still = |id: &str| {
            after.is_some_and(|after| {
                after.upload_capability == UploadCapability::Able && after.owned_since(id).is_some()
            })
        };
        let lost: Vec<&str> = before.owned().filter(|id| !still(id)).collect();
        if lost.is_empty() {
            return None;
        }
        let mut claimants = BTreeSet::new();
        for id in lost {
            let grace = GracePeriod { former: Some(key.clone()), fingerprint: before.fingerprint, since: now, until };
            self.grace_periods.insert(id.into(), grace);
            let others = self.claimants.get(id).into_iter().flatten().filter(|other| *other != key);
            claimants.extend(others.cloned());
        }
        Some(claimants.into_iter().collect())
    }

    /// Handles a resource that this process sees for the first time. Another resource owned the numbers in conflict when the
    /// last process looked. If that owner has gone meanwhile, it has the same time to come back as any other.
    pub fn expect_owners(&mut self, resource: &FlowsEncryptionKey, patience: Duration, now: Timestamp) {
        let numbers = resource.status.iter().flat_map(|status| &status.phone_numbers);
        for number in numbers.filter(|number| number.state == NumberState::Conflict) {
            let fingerprint = number.key_fingerprint.as_deref().and_then(|text| text.parse().ok());
            let grace = GracePeriod { former: None, fingerprint, since: now, until: now + patience };
            self.grace_periods.entry(number.phone_number_id.as_str().into()).or_insert(grace);
        }
    }

    /// The owner of the number, as seen by a resource that lists it and has the key with this fingerprint.
    pub fn owner(
        &self,
        id: &str,
        claimant: &ObjectKey,
        fingerprint: Option<Fingerprint>,
        resources: &Resources,
        now: Timestamp,
    ) -> Ownership {
        let claimants = self.claimants.get(id).map(SmallVec::as_slice).unwrap_or_default();
        let best = claimants
            .iter()
            .filter_map(|key| Some((key, self.claim(id, key, resources.get(key)?)?)))
            .min_by(|(a, since_a), (b, since_b)| since_a.cmp(since_b).then_with(|| seniority(a, b, resources)));
        match best {
            Some((owner, _)) if owner == claimant => Ownership::Uncontested,
            Some((owner, _)) => {
                let is_neighbour = owner.namespace == claimant.namespace;
                Ownership::Other { owner: is_neighbour.then(|| owner.name.to_string()) }
            }
            None => match self.grace_periods.get(id).filter(|grace| grace.lasts(now)) {
                Some(grace) if !grace.may_be_taken_by(claimant, fingerprint) => {
                    Ownership::Vacant { until: grace.until }
                }
                Some(_) | None => Ownership::Uncontested,
            },
        }
    }

    /// Like `owner`, for a resource that has just read the number. If nobody owns the number, reserves it for the
    /// resource.
    pub fn claim_now(
        &mut self,
        id: &str,
        claimant: &ObjectKey,
        fingerprint: Option<Fingerprint>,
        resources: &Resources,
        now: Timestamp,
    ) -> Ownership {
        let ownership = self.owner(id, claimant, fingerprint, resources, now);
        if ownership == Ownership::Uncontested {
            self.reserved.insert(id.into(), claimant.clone());
        }
        ownership
    }

    /// Removes the reservations of a resource whose reconcile has stored its status.
    pub fn release(&mut self, claimant: &ObjectKey) {
        self.reserved.retain(|_, holder| holder != claimant);
    }

    /// Time of the resource's claim to the number. None if the resource has no valid claim.
    fn claim(&self, id: &str, key: &ObjectKey, cached: &CachedResource) -> Option<Timestamp> {
        let is_reserved = self.reserved.get(id) == Some(key);
        match cached.upload_capability {
            UploadCapability::Able => {}
            // A resource with a reservation has just read a usable key, whatever its last status says.
            UploadCapability::WithoutKey if is_reserved => {}
            UploadCapability::WithoutKey | UploadCapability::Barred => return None,
        }
        // A reservation was made when nobody owned the number. So it counts as later than any stored claim.
        cached.owned_since(id).or_else(|| is_reserved.then_some(Timestamp::MAX))
    }
}

impl GracePeriod {
    /// Whether the grace period is running. A period that starts in the future comes from a wrong clock and does not
    /// count: its end could be far away.
    fn lasts(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }

    /// Whether the claimant may take the number at once: the former owner, or a resource with the same key, which would
    /// upload nothing.
    fn may_be_taken_by(&self, claimant: &ObjectKey, fingerprint: Option<Fingerprint>) -> bool {
        self.former.as_ref() == Some(claimant) || (fingerprint.is_some() && fingerprint == self.fingerprint)
    }
}

fn seniority(a: &ObjectKey, b: &ObjectKey, resources: &Resources) -> Ordering {
    let created = |key| resources.get(key).and_then(|cached| cached.created);
    created(a).cmp(&created(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::store::Store;

    #[test]
    fn an_owner_that_went_while_nobody_looked_has_time_to_come_back() {
        let now = Timestamp::UNIX_EPOCH;
        let minute = Duration::from_secs(60);
        let held: Fingerprint = format!("sha256:{:064x}", 7).parse().unwrap();
        let resource = serde_json::json!({
            "apiVersion": "waflows.dev/v1alpha1",
            "kind": "FlowsEncryptionKey",
            "metadata": {"namespace": "messaging", "name": "storefront"},
            "spec": {"accessTokenSecretRef": {"name": "meta-token", "key": "token"}, "phoneNumberIds": ["1"]},
            "status": {
                "phoneNumbers": [{"phoneNumberId": "1", "state": "Conflict", "keyFingerprint": held.to_string()}],
            },
        });
        let mut store = Store::new(&[None], minute);
        store.apply_resource(&serde_json::from_value(resource).unwrap(), now);
        let key = ObjectKey::new("messaging", "storefront");
        assert_eq!(store.owner("1", &key, None, now), Ownership::Vacant { until: now + minute });
        assert_eq!(store.owner("1", &key, Some(held), now), Ownership::Uncontested, "nothing would be uploaded");
        assert_eq!(store.owner("1", &key, None, now + minute), Ownership::Uncontested);
    }

    #[test]
    fn a_reservation_counts_also_for_a_resource_without_status() {
        let now = Timestamp::UNIX_EPOCH;
        let mut store = Store::new(&[None], Duration::ZERO);
        let keys = ["storefront", "support"].map(|name| {
            let resource = serde_json::json!({
                "apiVersion": "waflows.dev/v1alpha1",
                "kind": "FlowsEncryptionKey",
                "metadata": {"namespace": "messaging", "name": name},
                "spec": {"accessTokenSecretRef": {"name": "meta-token", "key": "token"}, "phoneNumberIds": ["1"]},
            });
            store.apply_resource(&serde_json::from_value(resource).unwrap(), now);
            ObjectKey::new("messaging", name)
        });
        assert_eq!(store.claim("1", &keys[1], None, now), Ownership::Uncontested);
        assert!(matches!(store.claim("1", &keys[0], None, now), Ownership::Other { .. }));
        store.finish_reconcile(&keys[1]);
        assert_eq!(store.claim("1", &keys[0], None, now), Ownership::Uncontested);
    }
}
