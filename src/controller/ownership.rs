//! Which resource owns a phone number, where several list it. Synchronous and in memory.
//!
//! A claim counts once its own token has read the number, which `ownedSince` in the status says. The earliest claim
//! wins, then the earlier creation, then namespace and name. A resource that may not or cannot upload never owns a
//! number. While a round has read a number and not yet written its status, a reservation stands for `ownedSince`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::index::ObjectKey;
use super::number::Ownership;
use crate::conditions::{self, ConditionType};
use crate::crd::{FlowsEncryptionKey, Mode};

/// The resources that there are.
pub type Resources = HashMap<ObjectKey, Arc<FlowsEncryptionKey>>;

/// Who claims which number.
#[derive(Debug, Default)]
pub struct Claims {
    claimants: HashMap<Box<str>, Vec<ObjectKey>>,
    reserved: HashMap<Box<str>, ObjectKey>,
    vacant: HashMap<Box<str>, Vacancy>,
}

/// A number whose owner has gone a moment ago.
#[derive(Debug, Clone)]
struct Vacancy {
    former: ObjectKey,
    fingerprint: Option<String>,
    until: Timestamp,
}

/// A number that changed hands or lost its owner, and who else lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vacated {
    /// Resources that may take the number over.
    pub contenders: Vec<ObjectKey>,
}

impl Claims {
    /// The resource lists these numbers.
    pub fn link(&mut self, key: &ObjectKey, resource: &FlowsEncryptionKey) {
        for id in &resource.spec.phone_number_ids {
            match self.claimants.get_mut(id.as_str()) {
                Some(claimants) => claimants.push(key.clone()),
                None => drop(self.claimants.insert(id.as_str().into(), vec![key.clone()])),
            }
        }
    }

    /// The resource no longer lists these numbers.
    pub fn unlink(&mut self, key: &ObjectKey, resource: &FlowsEncryptionKey) {
        for id in &resource.spec.phone_number_ids {
            let Some(claimants) = self.claimants.get_mut(id.as_str()) else { continue };
            claimants.retain(|other| other != key);
            if claimants.is_empty() {
                self.claimants.remove(id.as_str());
            }
        }
    }

    /// A resource changed or went. Returns the numbers that it owned and does not own any more, as vacancies for
    /// others; the owner may come back before `now + patience` (a GitOps tool recreates it) with another key.
    pub fn note_change(
        &mut self,
        key: &ObjectKey,
        before: &FlowsEncryptionKey,
        after: Option<&FlowsEncryptionKey>,
        patience: Duration,
        now: Timestamp,
    ) -> Option<Vacated> {
        let after = after.filter(|after| after.metadata.uid == before.metadata.uid);
        let until = now + patience;
        self.vacant.retain(|_, vacancy| vacancy.until > now);
        let lost: Vec<&str> =
            owned(before).filter(|id| !after.is_some_and(|after| owned(after).any(|o| o == *id))).collect();
        if lost.is_empty() {
            return None;
        }
        let fingerprint = before.status.as_ref().and_then(|status| status.public_key_fingerprint.clone());
        let mut contenders = BTreeMap::new();
        for id in lost {
            let vacancy = Vacancy { former: key.clone(), fingerprint: fingerprint.clone(), until };
            self.vacant.insert(id.into(), vacancy);
            let others = self.claimants.get(id).into_iter().flatten().filter(|other| *other != key);
            contenders.extend(others.map(|other| (other.clone(), ())));
        }
        Some(Vacated { contenders: contenders.into_keys().collect() })
    }

    /// Whose number it is, as seen by one of those who list it.
    pub fn owner(&self, id: &str, claimant: &ObjectKey, resources: &Resources, now: Timestamp) -> Ownership {
        let claimants = self.claimants.get(id).map(Vec::as_slice).unwrap_or_default();
        let best = claimants
            .iter()
            .filter_map(|key| Some((key, self.claim(id, key, resources.get(key)?)?)))
            .min_by(|(a, since_a), (b, since_b)| since_a.cmp(since_b).then_with(|| seniority(a, b, resources)));
        match best {
            Some((owner, _)) if owner == claimant => Ownership::Own,
            Some((owner, _)) => {
                let is_neighbour = owner.namespace == claimant.namespace;
                Ownership::Other { owner: is_neighbour.then(|| owner.name.to_string()) }
            }
            None => match self.vacant.get(id).filter(|vacancy| vacancy.until > now) {
                Some(vacancy) if !vacancy.may_be_taken_by(claimant, resources) => {
                    Ownership::Vacant { until: vacancy.until }
                }
                Some(_) | None => Ownership::Own,
            },
        }
    }

    /// The same for a resource that has just read the number: where nobody owns it, it is reserved for this one.
    pub fn claim_now(&mut self, id: &str, claimant: &ObjectKey, resources: &Resources, now: Timestamp) -> Ownership {
        let ownership = self.owner(id, claimant, resources, now);
        if ownership == Ownership::Own {
            self.reserved.insert(id.into(), claimant.clone());
        }
        ownership
    }

    /// The round is over, its status is stored: reservations are no longer needed.
    pub fn release(&mut self, claimant: &ObjectKey) {
        self.reserved.retain(|_, holder| holder != claimant);
    }

    /// Since when the resource owns the number; none where its claim does not count.
    fn claim(&self, id: &str, key: &ObjectKey, resource: &FlowsEncryptionKey) -> Option<Timestamp> {
        let is_reserved = self.reserved.get(id) == Some(key);
        // Who holds a reservation has just read a usable key, whatever its last status says.
        if !is_permitted(resource) || (has_bad_key(resource) && !is_reserved) {
            return None;
        }
        let stored = resource.status.as_ref()?.phone_numbers.iter().find(|number| number.phone_number_id == id);
        let since = stored.and_then(|number| number.owned_since.as_ref()).map(|time| time.0);
        // A reservation was made when nobody owned the number, so it counts as made at the end of time: later than
        // any stored claim.
        since.or_else(|| is_reserved.then_some(Timestamp::MAX))
    }
}

impl Vacancy {
    /// At once: by its former owner, and by whoever has the same key, for whom nothing would be uploaded.
    fn may_be_taken_by(&self, claimant: &ObjectKey, resources: &Resources) -> bool {
        let status = resources.get(claimant).and_then(|resource| resource.status.as_ref());
        let fingerprint = status.and_then(|status| status.public_key_fingerprint.as_ref());
        self.former == *claimant || (fingerprint.is_some() && fingerprint == self.fingerprint.as_ref())
    }
}

/// Whether the resource may upload.
fn is_permitted(resource: &FlowsEncryptionKey) -> bool {
    resource.spec.mode == Mode::Enforce
        && !resource.spec.is_suspended()
        && resource.metadata.deletion_timestamp.is_none()
}

/// Whether the resource had no usable key in its last round: it could not upload.
fn has_bad_key(resource: &FlowsEncryptionKey) -> bool {
    let conditions = resource.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions::find(conditions, ConditionType::KeyLoaded).is_some_and(|condition| condition.status == "False")
}

/// The numbers that the resource owns, as its status says.
fn owned(resource: &FlowsEncryptionKey) -> impl Iterator<Item = &str> {
    let numbers = resource
        .status
        .as_ref()
        .filter(|_| is_permitted(resource) && !has_bad_key(resource))
        .map(|status| status.phone_numbers.as_slice());
    numbers
        .unwrap_or_default()
        .iter()
        .filter(|number| {
            number.owned_since.is_some() && resource.spec.phone_number_ids.contains(&number.phone_number_id)
        })
        .map(|number| number.phone_number_id.as_str())
}

fn seniority(a: &ObjectKey, b: &ObjectKey, resources: &Resources) -> Ordering {
    let created = |key| resources.get(key).and_then(|r| r.metadata.creation_timestamp.as_ref()).map(|time| time.0);
    created(a).cmp(&created(b)).then_with(|| a.cmp(b))
}
