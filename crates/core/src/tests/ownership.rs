//! Who owns a number, whatever the order in which the store gets the objects.

use proptest::prelude::*;

use super::*;
use crate::number::Ownership;
use crate::reconcile::claim_numbers::{Unowned, claim_numbers, unowned_numbers};
use crate::store::object_key::ObjectKey;
use crate::store::store::Store;

const NUMBERS: [&str; 3] = ["1", "2", "3"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const PATIENCE: Duration = MINUTE;

/// What decides the claims of one resource.
#[derive(Debug, Clone)]
struct Claimant {
    name: &'static str,
    created: i64,
    is_observer: bool,
    has_key: bool,
    /// Which numbers it lists, and since when it owns each.
    numbers: Vec<(bool, Option<i64>)>,
}

fn claimant(name: &'static str) -> impl Strategy<Value = Claimant> {
    let number = (any::<bool>(), prop::option::of(0..3i64));
    (0..3i64, prop::bool::weighted(0.2), prop::bool::weighted(0.8), prop::collection::vec(number, NUMBERS.len()))
        .prop_map(move |(created, is_observer, has_key, numbers)| Claimant {
            name,
            created,
            is_observer,
            has_key,
            numbers,
        })
}

impl Claimant {
    fn key(&self) -> ObjectKey {
        ObjectKey::new("messaging", self.name)
    }

    fn lists(&self, id: &str) -> bool {
        NUMBERS.iter().zip(&self.numbers).any(|(number, (is_listed, _))| *number == id && *is_listed)
    }

    /// The rank of a claim that counts. The smallest rank owns the number.
    fn rank(&self, id: &str) -> Option<(i64, i64, &str)> {
        let (_, (_, since)) = NUMBERS.iter().zip(&self.numbers).find(|(number, _)| **number == id)?;
        let counts = self.lists(id) && !self.is_observer && self.has_key;
        since.filter(|_| counts).map(|since| (since, self.created, self.name))
    }

    fn resource(&self, version: u64) -> FlowsEncryptionKey {
        let listed: Vec<_> = NUMBERS.into_iter().filter(|id| self.lists(id)).collect();
        let mut resource = resource(&listed);
        resource.metadata.name = Some(self.name.into());
        resource.metadata.uid = Some(self.name.into());
        resource.metadata.resource_version = Some(version.to_string());
        resource.metadata.creation_timestamp = time(self.created);
        resource.spec.mode = if self.is_observer { Mode::Observe } else { Mode::Enforce };
        let numbers = NUMBERS.iter().zip(&self.numbers).map(|(id, (_, since))| PhoneNumberStatus {
            phone_number_id: (*id).into(),
            owned_since: since.and_then(time),
            ..Default::default()
        });
        let key_loaded = Condition {
            type_: ConditionType::KeyLoaded.as_str().into(),
            status: if self.has_key { "True" } else { "False" }.into(),
            reason: String::new(),
            message: String::new(),
            last_transition_time: Time(at(0)),
            observed_generation: None,
        };
        resource.status = Some(FlowsEncryptionKeyStatus {
            phone_numbers: numbers.collect(),
            conditions: vec![key_loaded],
            ..Default::default()
        });
        resource
    }
}

/// The last version of every claimant, and a history of earlier versions of some.
fn histories() -> impl Strategy<Value = (Vec<Claimant>, Vec<Claimant>)> {
    let last: Vec<_> = NAMES.into_iter().map(claimant).collect();
    let before = prop::collection::vec(prop::sample::select(NAMES.to_vec()).prop_flat_map(claimant), 0..8);
    (last, before)
}

/// A store that got the history, then the last versions in this order, all long ago.
fn store_of(last: &[Claimant], before: &[Claimant], is_reversed: bool) -> Store {
    let mut store = Store::new(&[None], PATIENCE);
    for (version, claimant) in before.iter().enumerate() {
        store.apply_resource(&claimant.resource(version as u64 + 1), at(0));
    }
    let mut order: Vec<_> = last.iter().collect();
    if is_reversed {
        order.reverse();
    }
    for claimant in order {
        store.apply_resource(&claimant.resource(100), at(0));
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn one_owns_a_number_and_all_agree_on_who_whatever_came_before((last, before) in histories()) {
        for is_reversed in [false, true] {
            let store = store_of(&last, &before, is_reversed);
            for id in NUMBERS {
                let owner = last.iter().filter_map(|claimant| Some((claimant.rank(id)?, claimant.name))).min();
                for claimant in last.iter().filter(|claimant| claimant.lists(id)) {
                    let expected = match owner {
                        Some((_, name)) if name != claimant.name => Ownership::Other { owner: Some(name.into()) },
                        _ => Ownership::Uncontested,
                    };
                    prop_assert_eq!(store.owner(id, &claimant.key(), None, at(120)), expected, "{} of {}", id, claimant.name);
                }
            }
        }
    }

    #[test]
    fn of_those_that_read_a_free_number_one_gets_it_until_its_reconcile_ends(last in NAMES.into_iter().map(claimant).collect::<Vec<_>>(), first in 0..NAMES.len()) {
        let mut store = store_of(&last, &[], false);
        for id in NUMBERS {
            let able: Vec<_> = last.iter().filter(|c| c.lists(id) && !c.is_observer && c.has_key).collect();
            if able.is_empty() || able.iter().any(|claimant| claimant.rank(id).is_some()) {
                continue;
            }
            let winner = able[first % able.len()];
            prop_assert_eq!(store.claim(id, &winner.key(), None, at(120)), Ownership::Uncontested);
            for other in able.iter().filter(|other| other.name != winner.name) {
                prop_assert_ne!(store.claim(id, &other.key(), None, at(120)), Ownership::Uncontested);
            }
            store.finish_reconcile(&winner.key());
            prop_assert_eq!(store.owner(id, &able[0].key(), None, at(120)), Ownership::Uncontested);
        }
    }
}

/// Only the first number is listed, and owned since then.
fn first_number(since: Option<i64>) -> Vec<(bool, Option<i64>)> {
    vec![(true, since), (false, None), (false, None)]
}

/// Two resources with one number: `a` has owned it since the beginning, `b` wants it.
fn rivals(key_of_b: usize) -> (Store, Claimant, Claimant) {
    let numbers = first_number(Some(0));
    let a = Claimant { name: "a", created: 0, is_observer: false, has_key: true, numbers };
    let b = Claimant { name: "b", numbers: first_number(None), ..a.clone() };
    let mut store = Store::new(&[None], PATIENCE);
    for (claimant, n) in [(&a, 1), (&b, key_of_b)] {
        let mut resource = claimant.resource(1);
        resource.status.as_mut().unwrap().public_key_fingerprint = Some(fingerprint_text(n));
        store.apply_resource(&resource, at(0));
    }
    (store, a, b)
}

#[test]
fn when_an_owner_goes_the_next_is_woken_and_takes_over_at_once_only_with_the_same_key() {
    for (key_of_b, expected) in [(1, Ownership::Uncontested), (2, Ownership::Vacant { until: at(70) })] {
        let (mut store, a, b) = rivals(key_of_b);
        let wanted = Some(fingerprint(key_of_b));
        assert_eq!(store.owner("1", &b.key(), wanted, at(10)), Ownership::Other { owner: Some("a".into()) });
        assert_eq!(store.delete_resource(&a.key(), at(10)), Some(vec![b.key()]));
        assert_eq!(store.owner("1", &b.key(), wanted, at(10)), expected);
        assert_eq!(store.owner("1", &b.key(), wanted, at(70)), Ownership::Uncontested);
    }
}

/// A GitOps tool renames a resource: the new one has no status when it reads its key.
#[test]
fn who_comes_after_an_owner_has_gone_takes_over_at_once_with_the_key_that_it_has_just_read() {
    let readings = [answered(Some(1), Some("VALID"), at(10)), failed(ErrorClass::Transient, at(10))];
    for (key_number, expected) in [(1, Ownership::Uncontested), (2, Ownership::Vacant { until: at(70) })] {
        for reading in &readings {
            let (mut store, a, _) = rivals(2);
            store.delete_resource(&a.key(), at(10));
            let mut stage = Stage::new(&["1"]).after(Duration::from_secs(10));
            stage.resource.metadata.namespace = Some("elsewhere".into());
            stage.key = Ok(key(key_number));
            store.apply_resource(&stage.resource, at(10));
            let mut observation = stage.look(stage.work());
            observation.numbers[0].reading = reading.clone();
            claim_numbers(&mut store, &mut observation);
            assert_eq!(observation.numbers[0].ownership, expected, "key {key_number}, {reading:?}");
        }
    }
}

/// The status of the resource still shows the key before.
#[test]
fn who_has_just_read_another_key_than_the_owner_s_waits() {
    let (mut store, a, b) = rivals(1);
    store.delete_resource(&a.key(), at(10));
    assert_eq!(store.claim("1", &b.key(), Some(fingerprint(2)), at(10)), Ownership::Vacant { until: at(70) });
}

/// A claim that was given up for a while does not go before a claim that was made meanwhile.
#[test]
fn who_took_a_number_from_a_suspended_resource_keeps_it_when_that_one_is_resumed() {
    let (mut store, a, b) = rivals(2);
    let mut suspended = a.resource(2);
    suspended.spec.suspend = Some(true);
    suspended.status.as_mut().unwrap().suspended_since = time(10);
    store.apply_resource(&suspended, at(10));
    let taken = Claimant { numbers: first_number(Some(80)), ..b.clone() };
    store.apply_resource(&taken.resource(3), at(80));
    let mut resumed = suspended;
    resumed.spec.suspend = None;
    resumed.metadata.resource_version = Some("4".into());
    store.apply_resource(&resumed, at(100));
    assert_eq!(store.claim("1", &a.key(), None, at(100)), Ownership::Other { owner: Some("b".into()) });
    assert_eq!(store.owner("1", &b.key(), None, at(100)), Ownership::Uncontested);
}

#[test]
fn who_no_longer_lists_a_number_is_not_woken_when_it_is_free() {
    let (mut store, a, b) = rivals(2);
    let elsewhere = Claimant { numbers: vec![(false, None), (true, None), (false, None)], ..b };
    store.apply_resource(&elsewhere.resource(2), at(5));
    assert_eq!(store.delete_resource(&a.key(), at(10)), Some(Vec::new()));
}

/// The status of the resource still shows the reconcile before.
#[test]
fn who_lacked_a_key_and_has_just_read_one_may_hold_a_free_number() {
    let numbers = first_number(None);
    let a = Claimant { name: "a", created: 0, is_observer: false, has_key: true, numbers };
    let b = Claimant { name: "b", has_key: false, ..a.clone() };
    let mut store = store_of(&[a.clone(), b.clone()], &[], false);
    assert_eq!(store.claim("1", &b.key(), None, at(120)), Ownership::Uncontested);
    assert_eq!(store.owner("1", &a.key(), None, at(120)), Ownership::Other { owner: Some("b".into()) });
}

#[test]
fn an_owner_that_comes_back_in_time_finds_its_number_free() {
    let (mut store, a, b) = rivals(2);
    store.delete_resource(&a.key(), at(10));
    let mut again = Claimant { numbers: first_number(None), ..a.clone() }.resource(2);
    again.metadata.uid = Some("another".into());
    store.apply_resource(&again, at(20));
    assert_eq!(store.claim("1", &a.key(), None, at(20)), Ownership::Uncontested);
    assert!(matches!(store.claim("1", &b.key(), None, at(20)), Ownership::Other { .. }));
}

#[test]
fn who_is_suspended_or_observes_or_lost_its_key_gives_its_numbers_up() {
    let changes: [fn(&mut FlowsEncryptionKey); 3] = [
        |resource| resource.spec.suspend = Some(true),
        |resource| resource.spec.mode = Mode::Observe,
        |resource| resource.status.as_mut().unwrap().conditions[0].status = "False".into(),
    ];
    for change in changes {
        let (mut store, a, b) = rivals(1);
        let mut resource = a.resource(2);
        change(&mut resource);
        assert_eq!(store.apply_resource(&resource, at(10)).released, Some(vec![b.key()]));
        assert!(matches!(store.owner("1", &b.key(), None, at(70)), Ownership::Uncontested));
    }
}

#[test]
fn the_name_of_an_owner_stays_within_its_namespace() {
    let (mut store, a, _) = rivals(1);
    let mut stranger = a.resource(1);
    stranger.metadata.namespace = Some("elsewhere".into());
    stranger.metadata.uid = Some("stranger".into());
    stranger.status = None;
    store.apply_resource(&stranger, at(0));
    let key = ObjectKey::new("elsewhere", "a");
    assert_eq!(store.owner("1", &key, None, at(0)), Ownership::Other { owner: None });
}

#[test]
fn a_number_that_was_another_s_is_looked_at_once_nobody_owns_it() {
    type Change = fn(&mut FlowsEncryptionKey);
    let (mut store, a, b) = rivals(2);
    let mut resource = b.resource(1);
    resource.status.as_mut().unwrap().phone_numbers[0].state = NumberState::Conflict;
    let unowned =
        |store: &Store, resource: &FlowsEncryptionKey, now| unowned_numbers(store, resource, &b.key(), at(now));
    let free = Unowned { free: vec!["1".into()], next: None };
    assert_eq!(unowned(&store, &resource, 10), Unowned::default(), "it has its owner");
    store.delete_resource(&a.key(), at(10));
    assert_eq!(unowned(&store, &resource, 10), Unowned { free: Vec::new(), next: Some(at(70)) });
    assert_eq!(unowned(&store, &resource, 70), free);
    let changes: [(&str, Change); 3] = [
        ("suspended", |resource| resource.spec.suspend = Some(true)),
        ("not listed", |resource| resource.spec.phone_number_ids = vec!["2".into()]),
        ("not in conflict", |resource| {
            resource.status.as_mut().unwrap().phone_numbers[0].state = NumberState::Pending;
        }),
    ];
    for (what, change) in changes {
        let mut resource = resource.clone();
        change(&mut resource);
        assert_eq!(unowned(&store, &resource, 70), Unowned::default(), "{what}");
    }
}

#[test]
fn whoever_has_a_key_and_has_read_a_free_number_holds_it_until_its_reconcile_ends() {
    type Case = (&'static str, bool, fn(&mut Stage), Reading);
    let answer = || answered(None, None, at(0));
    let cases: [Case; 4] = [
        ("read", true, |_| {}, answer()),
        ("not read", false, |_| {}, failed(ErrorClass::Transient, at(0))),
        ("without a key", false, |stage| stage.key = Err(because(Reason::SecretNotFound)), answer()),
        ("in mode Observe", false, |stage| stage.resource.spec.mode = Mode::Observe, answer()),
    ];
    for (what, is_held, change, reading) in cases {
        let mut stage = Stage::new(&["1"]);
        change(&mut stage);
        let mut store = Store::new(&[None], PATIENCE);
        let rival = ObjectKey::new("messaging", "rival");
        let mut other = stage.resource.clone();
        other.metadata.name = Some("rival".into());
        store.apply_resource(&other, at(0));
        store.apply_resource(&stage.resource, at(0));
        let mut observation = stage.look(stage.work());
        observation.numbers[0].reading = reading;
        claim_numbers(&mut store, &mut observation);
        assert_eq!(observation.numbers[0].ownership, Ownership::Uncontested, "{what}");
        assert_eq!(store.owner("1", &rival, None, at(0)) != Ownership::Uncontested, is_held, "{what}");
    }
}

#[test]
fn an_observation_says_who_else_owns_a_number() {
    let (mut store, _, b) = rivals(2);
    for (mode, expected) in [
        (Mode::Enforce, Ownership::Other { owner: Some("a".into()) }),
        // The resource uploads nothing, so the owner makes no difference.
        (Mode::Observe, Ownership::Uncontested),
    ] {
        let mut stage = Stage::new(&["1"]);
        stage.resource.spec.mode = mode;
        stage.resource.metadata = b.resource(2).metadata;
        let mut observation = stage.look(stage.work());
        observation.numbers[0].reading = answered(None, None, at(0));
        claim_numbers(&mut store, &mut observation);
        assert_eq!(observation.numbers[0].ownership, expected, "{mode:?}");
    }
}
