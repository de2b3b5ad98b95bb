//! Which of its numbers a resource may work on.

use jiff::Timestamp;

use crate::api::crd::{FlowsEncryptionKey, Mode, NumberState};
use crate::api::members;
use crate::number::{Ownership, Reading};
use crate::observation::{NumberObservation, Observation};
use crate::store::object_key::ObjectKey;
use crate::store::store::Store;

/// Numbers that another resource owned when they were last looked at, and that nobody owns now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unowned {
    /// Those that may be taken.
    pub(crate) free: Vec<String>,
    /// When the next one may be.
    pub(crate) next: Option<Timestamp>,
}

pub(crate) fn unowned_numbers(
    store: &Store,
    resource: &FlowsEncryptionKey,
    key: &ObjectKey,
    now: Timestamp,
) -> Unowned {
    let mut unowned = Unowned::default();
    let Some(status) = &resource.status else { return unowned };
    let members = members::phone_number_ids(resource);
    for number in status.phone_numbers.iter().filter(|number| number.state == NumberState::Conflict) {
        let id = &number.phone_number_id;
        if resource.spec.is_suspended() || !members.contains(&id) {
            continue;
        }
        match store.owner(id, key, status.fingerprint(), now) {
            Ownership::Uncontested => unowned.free.push(id.clone()),
            Ownership::Vacant { until } => unowned.next = Some(unowned.next.map_or(until, |next| next.min(until))),
            Ownership::Other { .. } => {}
        }
    }
    unowned
}

/// Settles who owns each number. A number that was just read with the resource's own token becomes its own where nobody
/// else owns it.
pub fn claim_numbers(store: &mut Store, observation: &mut Observation) {
    let has_key = observation.key().is_some();
    let now = observation.now;
    claim_numbers_if(store, observation, now, |number| has_key && matches!(number.reading, Reading::Answered { .. }));
}

/// The same, where `may_claim` says which numbers the resource may take.
pub fn claim_numbers_if(
    store: &mut Store,
    observation: &mut Observation,
    now: Timestamp,
    may_claim: impl Fn(&NumberObservation) -> bool,
) {
    let resource = &observation.resource;
    if resource.spec.mode != Mode::Enforce || resource.spec.is_suspended() {
        return;
    }
    let key = ObjectKey::of(&resource.metadata);
    // The key that was read just now: the status of a new resource has none yet.
    let fingerprint = observation.expected();
    for number in &mut observation.numbers {
        let id = number.before.phone_number_id.as_str();
        number.ownership = match may_claim(number) {
            true => store.claim(id, &key, fingerprint, now),
            false => store.owner(id, &key, fingerprint, now),
        };
    }
}
