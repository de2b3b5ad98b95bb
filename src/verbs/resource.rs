//! A resource as the verbs show it.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use waflows_core::api::conditions::{ConditionType, ReadyEffect, Reason, find};
use waflows_core::api::crd::{
    FlowsEncryptionKey, FlowsEncryptionKeySpec, FlowsEncryptionKeyStatus, NumberState, RotationStatus,
};
use waflows_core::store::object_key::ObjectKey;

use crate::controller::partial_object::PartialObject;

/// The reason of a resource whose status this version cannot read.
const UNREADABLE: &str = "Unreadable";
const UNREADABLE_MESSAGE: &str =
    "This client cannot read the resource; use the client of the operator's version (`waflows-operator version`)";
/// The message of a resource that no operator has seen.
const UNSEEN: &str = "No operator has looked at this resource yet. If this lasts, see whether an operator runs and watches \
                      the namespace: waflows-operator version";

/// A resource, without what no verb shows.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) key: ObjectKey,
    pub(crate) created: Option<Timestamp>,
    /// Whether the resource is being deleted.
    pub(crate) is_leaving: bool,
    pub(crate) is_suspended: bool,
    pub(crate) mode: String,
    /// Status of the condition `Ready`: True, False or Unknown.
    pub(crate) ready: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// Whether a person must act.
    pub(crate) is_stalled: bool,
    /// Whether the conditions are about the newest generation.
    pub(crate) is_current: bool,
    pub(crate) last_handled_sync_request: Option<String>,
    pub(crate) valid: String,
    pub(crate) short_fingerprint: String,
    /// Fingerprint of the key that the numbers must hold.
    pub(crate) fingerprint: Option<String>,
    /// How far the replacement of a key is, without the keys themselves.
    pub(crate) rotation: Option<RotationStatus>,
    pub(crate) endpoint: String,
    /// Why the key cannot be used: see [`key_fault`].
    pub(crate) key_fault: Option<String>,
    /// The condition `Available`, or else `EndpointReady`, if it is False: reason and message.
    pub(crate) endpoint_fault: Option<String>,
    /// Whether clients of the Flow fail, or may fail: the condition `Available` is False because of the endpoint.
    pub(crate) is_unavailable: bool,
    /// What to do about a token that is accepted and will not be for long.
    pub(crate) token_warning: Option<String>,
    pub(crate) last_check: Option<Timestamp>,
    /// The numbers that need a person.
    pub(crate) needy: Vec<Number>,
    /// All numbers, as in the status.
    pub(crate) numbers: NumbersText,
}

/// The numbers of a status as JSON text. Parsed, thousands of them would take most of the memory of `status`.
#[derive(Debug, Clone, Default)]
pub(crate) struct NumbersText(Box<str>);

/// A number that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) id: String,
    pub(crate) state: NumberState,
    /// What to do, with Meta's words.
    pub(crate) message: String,
    /// Meta's trace id, if the message does not have it.
    pub(crate) trace: Option<String>,
}

impl NumbersText {
    /// The numbers of a status, which is given as JSON text. An empty list if there are none.
    fn of(status: &str) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status<'a> {
            #[serde(borrow)]
            phone_numbers: Option<&'a RawValue>,
        }
        let status = serde_json::from_str::<Option<Status<'_>>>(status).ok().flatten();
        Self(status.and_then(|status| status.phone_numbers).map(RawValue::get).unwrap_or_default().into())
    }

    /// The numbers. An empty list if there are none.
    pub(crate) fn parsed(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or(Value::Array(Vec::new()))
    }
}

impl Serialize for NumbersText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.parsed().serialize(serializer)
    }
}

impl Resource {
    /// The view of an object from the API server. Parts that cannot be read are empty, so that one bad object does not
    /// hide the others.
    pub(crate) fn of(object: PartialObject<FlowsEncryptionKey>) -> Self {
        let metadata = object.metadata();
        let spec: Value = serde_json::from_str(object.spec()).unwrap_or_default();
        let is_suspended = spec["suspend"] == true;
        let mode = spec["mode"].as_str().unwrap_or_default().to_owned();
        let generation = metadata.generation.unwrap_or_default();
        let mut resource = Self {
            key: ObjectKey::of(metadata),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0),
            is_leaving: metadata.deletion_timestamp.is_some(),
            is_suspended,
            mode,
            ready: "Unknown".to_owned(),
            reason: String::new(),
            message: UNSEEN.to_owned(),
            is_stalled: false,
            is_current: false,
            last_handled_sync_request: None,
            valid: String::new(),
            short_fingerprint: String::new(),
            fingerprint: None,
            rotation: None,
            endpoint: String::new(),
            key_fault: None,
            endpoint_fault: None,
            is_unavailable: false,
            token_warning: None,
            last_check: None,
            needy: Vec::new(),
            numbers: NumbersText::of(object.status()),
        };
        let readable = serde_json::from_value::<FlowsEncryptionKeySpec>(spec).is_ok();
        match serde_json::from_str::<Option<FlowsEncryptionKeyStatus>>(object.status()) {
            Ok(Some(status)) if readable => resource.read(status, generation),
            Ok(None) if readable => {}
            _ => {
                resource.reason = UNREADABLE.to_owned();
                resource.message = UNREADABLE_MESSAGE.to_owned();
            }
        }
        resource
    }

    fn read(&mut self, status: FlowsEncryptionKeyStatus, generation: i64) {
        if let Some(ready) = find(&status.conditions, ConditionType::Ready) {
            self.ready.clone_from(&ready.status);
            self.reason.clone_from(&ready.reason);
            self.message.clone_from(&ready.message);
        }
        self.key_fault = key_fault(&status.conditions);
        // Clients fail also if a number has no valid key. The state of the number says so, and usually heals by itself.
        let is_of_endpoint = |condition: &&Condition| {
            ["Endpoint", "Secret", "CredentialMalformed"].iter().any(|reason| condition.reason.starts_with(reason))
        };
        let unavailable = failed(&status.conditions, ConditionType::Available).filter(is_of_endpoint);
        self.is_unavailable = unavailable.is_some();
        self.endpoint_fault = failed(&status.conditions, ConditionType::EndpointReady).or(unavailable).map(said);
        let token = find(&status.conditions, ConditionType::TokenAccepted);
        let warns = [Reason::TokenExpiring, Reason::ScopeMissing].map(Reason::as_str);
        self.token_warning = token.filter(|token| warns.contains(&&*token.reason)).map(said);
        let stalled = find(&status.conditions, ConditionType::Stalled);
        self.is_stalled = stalled.is_some_and(|condition| condition.status == "True");
        self.is_current = status.observed_generation.is_some_and(|observed| observed >= generation);
        self.last_handled_sync_request = status.last_handled_sync_request;
        self.valid = status.valid.unwrap_or_default();
        self.short_fingerprint = status.short_fingerprint.unwrap_or_default();
        self.fingerprint = status.public_key_fingerprint;
        self.rotation = status.rotation.map(|it| RotationStatus { from_public_key: None, to_public_key: None, ..it });
        self.endpoint = status.endpoint.and_then(|endpoint| endpoint.opens_key_in_use).unwrap_or_default();
        self.last_check = status.last_check_time.map(|time| time.0);
        let numbers = status.phone_numbers.into_iter();
        self.needy = numbers.filter(|number| needs_person(number.state, self.is_stalled)).map(Number::of).collect();
    }

    /// Whether somebody must look at the resource.
    pub(crate) fn needs_person(&self) -> bool {
        self.is_stalled || self.is_unavailable || !self.needy.is_empty() || self.reason == UNREADABLE
    }

    /// Whether every number holds the key, and nothing is known that keeps clients from using it.
    pub(crate) fn is_well(&self) -> bool {
        self.is_ready() && self.endpoint_fault.is_none()
    }

    /// Whether every number holds the key.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready == "True"
    }
}

/// Why a key cannot be used, if that lasts: reason and message of `KeyLoaded`. Some faults pass by themselves, such as a passphrase
/// that is written a moment after its key.
pub(super) fn key_fault(conditions: &[Condition]) -> Option<String> {
    let lasts = |reason: Reason| reason.ready_effect() == ReadyEffect::Stalled;
    failed(conditions, ConditionType::KeyLoaded).filter(|it| Reason::parse(&it.reason).is_some_and(lasts)).map(said)
}

fn failed(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    find(conditions, kind).filter(|condition| condition.status == "False")
}

fn said(condition: &Condition) -> String {
    format!("{}: {}", condition.reason, condition.message)
}

/// Whether a number needs a person. Other states are healed by the operator, unless the resource is Stalled.
fn needs_person(state: NumberState, is_stalled: bool) -> bool {
    match state {
        NumberState::Valid | NumberState::Pending | NumberState::Unregistered => false,
        NumberState::Refused | NumberState::Conflict | NumberState::Contested => true,
        NumberState::Mismatch
        | NumberState::Missing
        | NumberState::Outdated
        | NumberState::Foreign
        | NumberState::Unreported
        | NumberState::Unreachable => is_stalled,
    }
}

impl Number {
    fn of(number: waflows_core::api::crd::PhoneNumberStatus) -> Self {
        let trace = number.error.and_then(|error| error.trace_id);
        let trace = trace.filter(|trace| !number.message.contains(trace.as_str()));
        Self { id: number.phone_number_id, state: number.state, message: number.message, trace }
    }
}
