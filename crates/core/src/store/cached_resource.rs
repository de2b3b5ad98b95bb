//! The cached form of a resource between its reconciles.

use std::sync::Arc;

use jiff::Timestamp;
use kube_core::ObjectMeta;
use waflows_key::Fingerprint;

use crate::api::conditions::{self, ConditionType};
use crate::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus, Mode, REQUEST_ANNOTATIONS};
use crate::api::members;
use crate::schedule::due::{is_altered, is_observed, request};
use crate::store::resource_summary::ResourceSummary;

/// A resource as last seen. Fields that every event is compared with are unpacked. The whole object, which only its own
/// reconcile needs, is packed: otherwise fingerprints and times that repeat from number to number would take most of a
/// fleet's memory.
#[derive(Debug, Clone)]
pub struct CachedResource {
    uid: Option<Box<str>>,
    generation: Option<i64>,
    /// `metadata.resourceVersion`, if it is a number.
    version: Option<u64>,
    is_being_deleted: bool,
    /// The values of [`REQUEST_ANNOTATIONS`]; None if there are none.
    requests: Option<Box<[Option<String>; REQUEST_ANNOTATIONS.len()]>>,
    /// Whether the status is about this generation. False also if somebody deleted the status.
    is_observed: bool,
    /// Whether somebody else changed the conditions in the status.
    is_altered: bool,
    /// `metadata.creationTimestamp`
    pub created: Option<Timestamp>,
    /// Fingerprint of the key that was last read.
    pub fingerprint: Option<Fingerprint>,
    /// Whether the resource may and can upload, according to its spec and its last status.
    pub upload_capability: UploadCapability,
    /// Names of the Secrets that the resource refers to.
    pub secrets: Box<[Box<str>]>,
    /// The numbers of the resource, ordered by phone number ID.
    pub numbers: Box<[CachedNumber]>,
    /// The facts that metrics show.
    pub summary: ResourceSummary,
    packed: Packed,
}

/// A number of a cached resource.
#[derive(Debug, Clone)]
pub struct CachedNumber {
    /// The phone number ID.
    pub id: Arc<str>,
    /// `ownedSince` of the status.
    pub owned_since: Option<Timestamp>,
}

/// Whether a resource can own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadCapability {
    /// The resource may upload, and has a usable key.
    Able,
    /// The resource may upload, but had no usable key in its last reconcile.
    WithoutKey,
    /// The resource may not upload: it is in mode Observe, suspended or being deleted.
    Barred,
}

impl CachedResource {
    /// The cached form of the resource.
    pub fn of(resource: &FlowsEncryptionKey) -> Self {
        let metadata = &resource.metadata;
        let references = resource.spec.secret_refs().chain(resource.spec.endpoint_secret_refs());
        let mut secrets: Vec<Box<str>> = references.map(|to| to.name.as_str().into()).collect();
        secrets.sort_unstable();
        secrets.dedup();
        Self {
            uid: metadata.uid.as_deref().map(Box::from),
            generation: metadata.generation,
            version: version(metadata),
            is_being_deleted: metadata.deletion_timestamp.is_some(),
            requests: requests(resource),
            is_observed: is_observed(resource),
            is_altered: is_altered(resource),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            fingerprint: resource.status.as_ref().and_then(FlowsEncryptionKeyStatus::fingerprint),
            upload_capability: upload_capability(resource),
            secrets: secrets.into(),
            numbers: numbers(resource),
            summary: ResourceSummary::of(resource),
            packed: Packed::of(resource),
        }
    }

    /// The unpacked resource.
    pub fn resource(&self) -> FlowsEncryptionKey {
        self.packed.open()
    }

    /// Whether both are the same object. False if the object was deleted and created again under the same name.
    pub fn is_same_object(&self, other: &Self) -> bool {
        self.uid == other.uid
    }

    /// Whether the resource has this `metadata.uid`.
    pub fn has_uid(&self, uid: Option<&str>) -> bool {
        self.uid.as_deref() == uid
    }

    /// Whether the cache is at least as new as the object with this metadata. Resource versions of one kind can be
    /// compared as numbers (KEP-5504). A version that is not a number is always newer.
    pub fn is_up_to_date_with(&self, metadata: &ObjectMeta) -> bool {
        self.has_uid(metadata.uid.as_deref())
            && self.version.zip(version(metadata)).is_some_and(|(known, other)| other <= known)
    }

    /// Whether someone recreated or deleted the object, changed its spec or a request by annotation, deleted the status,
    /// or altered the conditions in the status. Other changes of status or metadata do not count.
    pub fn spec_changed(&self, before: &Self) -> bool {
        !self.is_same_object(before)
            || self.generation != before.generation
            || self.is_being_deleted != before.is_being_deleted
            || self.requests != before.requests
            || (!self.is_observed && before.is_observed)
            || (self.is_altered && !before.is_altered)
    }

    /// `ownedSince` of the number in the status.
    pub fn owned_since(&self, id: &str) -> Option<Timestamp> {
        let position = self.numbers.binary_search_by(|number| (*number.id).cmp(id)).ok()?;
        self.numbers[position].owned_since
    }

    /// The numbers with `ownedSince` in the status.
    pub fn owned(&self) -> impl Iterator<Item = &str> {
        let is_able = self.upload_capability == UploadCapability::Able;
        self.numbers.iter().filter(move |number| is_able && number.owned_since.is_some()).map(|number| &*number.id)
    }
}

/// `metadata.resourceVersion` as a number. None if it is absent or no number.
fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_deref()?.parse().ok()
}

/// Whether the first version of an object is earlier than the second one, as far as both are numbers.
pub fn is_earlier(first: &ObjectMeta, second: &ObjectMeta) -> bool {
    version(first).zip(version(second)).is_some_and(|(first, second)| first < second)
}

fn upload_capability(resource: &FlowsEncryptionKey) -> UploadCapability {
    let spec = &resource.spec;
    if spec.mode != Mode::Enforce || spec.is_suspended() || resource.metadata.deletion_timestamp.is_some() {
        return UploadCapability::Barred;
    }
    let conditions = resource.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let key_loaded = conditions::find(conditions, ConditionType::KeyLoaded);
    if key_loaded.is_some_and(|condition| condition.status == "False") {
        UploadCapability::WithoutKey
    } else {
        UploadCapability::Able
    }
}

fn numbers(resource: &FlowsEncryptionKey) -> Box<[CachedNumber]> {
    let nothing_yet = FlowsEncryptionKeyStatus::default();
    let status = resource.status.as_ref().unwrap_or(&nothing_yet);
    let mut owned: Vec<_> = status
        .phone_numbers
        .iter()
        // A suspended resource gives up its numbers. After the resume it owns a number once it has read the number
        // again.
        .filter(|_| status.suspended_since.is_none())
        .filter_map(|number| Some((number.phone_number_id.as_str(), number.owned_since.as_ref()?.0)))
        .collect();
    owned.sort_unstable();
    let mut numbers: Vec<_> = members::phone_number_ids(resource)
        .into_iter()
        .map(|id| {
            let position = owned.binary_search_by(|(owned, _)| (*owned).cmp(id)).ok();
            CachedNumber { id: id.as_str().into(), owned_since: position.map(|position| owned[position].1) }
        })
        .collect();
    numbers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    numbers.into()
}

/// A resource as LZ4 of its JSON, with [`TYPICAL`] as the dictionary: about a quarter of its size.
#[derive(Debug, Clone)]
struct Packed(Box<[u8]>);

/// The compression dictionary: text that nearly all resources have in common. Packed data can only be unpacked with the
/// same dictionary. Packed data never leaves the process.
const TYPICAL: &[u8] = include_bytes!("typical.json");

impl Packed {
    #[expect(clippy::expect_used, reason = "strings, numbers and lists can always be written as JSON")]
    fn of(resource: &FlowsEncryptionKey) -> Self {
        let json = serde_json::to_vec(resource).expect("JSON");
        Self(lz4_flex::block::compress_prepend_size_with_dict(&json, TYPICAL).into())
    }

    #[expect(clippy::expect_used, reason = "opens what `of` packed")]
    fn open(&self) -> FlowsEncryptionKey {
        let json = lz4_flex::block::decompress_size_prepended_with_dict(&self.0, TYPICAL).expect("packed by `of`");
        serde_json::from_slice(&json).expect("packed by `of`")
    }
}

/// What people request by annotation.
fn requests(resource: &FlowsEncryptionKey) -> Option<Box<[Option<String>; REQUEST_ANNOTATIONS.len()]>> {
    let values = REQUEST_ANNOTATIONS.map(|annotation| request(resource, annotation));
    values.iter().any(Option::is_some).then(|| Box::new(values))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::crd::{ABORT_ANNOTATION, PhoneNumberStatus, SYNC_ANNOTATION};

    /// A resource as the API server returns it.
    fn resource() -> FlowsEncryptionKey {
        let text = include_str!("../../../../examples/minimal.yaml");
        let mut resource: FlowsEncryptionKey = text
            .split("\n---\n")
            .find(|document| document.contains("kind: FlowsEncryptionKey"))
            .map(|document| serde_saphyr::from_str(document).unwrap())
            .unwrap();
        resource.metadata.uid = Some("a".into());
        resource.metadata.resource_version = Some("12".into());
        resource.metadata.generation = Some(1);
        resource.status = Some(FlowsEncryptionKeyStatus { valid: Some("1/2".into()), ..Default::default() });
        resource
    }

    #[test]
    fn a_resource_comes_out_as_it_went_in() {
        let resource = resource();
        let known = CachedResource::of(&resource);
        assert_eq!(serde_json::to_value(known.resource()).unwrap(), serde_json::to_value(&resource).unwrap());
    }

    #[test]
    fn only_some_changes_ask_for_more() {
        type Change = fn(&mut FlowsEncryptionKey);
        let changes: [(bool, &str, Change); 9] = [
            (false, "nothing", |_| {}),
            (false, "a label", |it| it.metadata.labels = Some([("a".into(), "b".into())].into())),
            (false, "its status", |it| it.status = None),
            (true, "conditions that are not the operator's", |it| {
                it.status.get_or_insert_default().observed_generation = it.metadata.generation;
            }),
            (true, "its spec", |it| it.metadata.generation = Some(2)),
            (true, "a deletion", |it| it.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH))),
            (true, "a new object", |it| it.metadata.uid = Some("b".into())),
            (true, "a request for a check", |it| {
                it.metadata.annotations = Some([(SYNC_ANNOTATION.into(), "now".into())].into());
            }),
            (true, "a request for the old key", |it| {
                it.metadata.annotations = Some([(ABORT_ANNOTATION.into(), "now".into())].into());
            }),
        ];
        let before = CachedResource::of(&resource());
        for (asks, name, change) in changes {
            let mut resource = resource();
            change(&mut resource);
            assert_eq!(CachedResource::of(&resource).spec_changed(&before), asks, "{name}");
        }
    }

    /// The API server puts the default of the definition in the place of a deleted status.
    #[test]
    fn a_deleted_status_asks_for_more() {
        let observed = |generation| {
            let mut resource = resource();
            let status = FlowsEncryptionKeyStatus { observed_generation: generation, ..Default::default() };
            resource.status = Some(status);
            CachedResource::of(&resource)
        };
        let (written, default) = (observed(Some(1)), observed(Some(-1)));
        assert!(default.spec_changed(&written) && !default.spec_changed(&default));
        assert!(!CachedResource { is_altered: false, ..written }.spec_changed(&default), "the operator's first status");
    }

    #[test]
    fn versions_are_compared_as_numbers_and_only_of_the_same_object() {
        let known = CachedResource::of(&resource());
        let metadata = |uid: &str, version: &str| ObjectMeta {
            uid: Some(uid.into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        };
        assert!(known.is_up_to_date_with(&metadata("a", "12")) && known.is_up_to_date_with(&metadata("a", "9")));
        for (uid, version) in [("a", "100"), ("b", "12"), ("a", "x12")] {
            assert!(!known.is_up_to_date_with(&metadata(uid, version)), "{uid} {version}");
        }
        assert!(known.has_uid(Some("a")) && !known.has_uid(Some("b")) && !known.has_uid(None));
    }

    #[test]
    fn only_who_can_upload_owns_what_its_status_says() {
        let mut resource = resource();
        resource.spec.phone_number_ids = vec!["2".into(), "1".into()];
        let owned = PhoneNumberStatus {
            phone_number_id: "1".into(),
            owned_since: Some(Time(Timestamp::UNIX_EPOCH)),
            ..PhoneNumberStatus::default()
        };
        resource.status.get_or_insert_default().phone_numbers = vec![owned];
        assert_eq!(CachedResource::of(&resource).owned().collect::<Vec<_>>(), ["1"]);
        resource.spec.suspend = Some(true);
        assert_eq!(CachedResource::of(&resource).owned().count(), 0);
        resource.status.get_or_insert_default().suspended_since = Some(Time(Timestamp::UNIX_EPOCH));
        resource.spec.suspend = None;
        assert_eq!(CachedResource::of(&resource).owned().count(), 0, "resumed, and not read again");
    }

    #[test]
    fn the_typical_resource_is_written_as_others_are() {
        let typical: FlowsEncryptionKey = serde_json::from_slice(TYPICAL).unwrap();
        let packed = Packed::of(&typical).0.len();
        assert_eq!(serde_json::to_string(&typical).unwrap(), std::str::from_utf8(TYPICAL).unwrap().trim_end());
        assert!(packed < TYPICAL.len() / 50, "{packed} of {}", TYPICAL.len());
    }
}
