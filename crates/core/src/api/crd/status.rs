//! What the operator reports.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waflows_key::Fingerprint;

use super::business_account::{AccountState, BusinessAccountStatus};
use super::endpoint::EndpointStatus;
use super::error::NumberError;
use super::limits::VALID;
use super::rotation::RotationStatus;
use super::serialization::is_zero;
use super::token::TokenStatus;

/// The last known state of the numbers, and the operator's last actions. Only the operator writes the status.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct FlowsEncryptionKeyStatus {
    /// The `metadata.generation` that this status describes; -1 before the first reconcile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Digest of the fields of the spec that affect every number, at the last reconcile. Distinguishes a change that
    /// affects all numbers from a change that affects some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub observed_spec_digest: Option<String>,

    /// The last handled value of the annotation `waflows.dev/sync-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_sync_request: Option<String>,

    /// The public key that the numbers must hold (PEM, SubjectPublicKeyInfo).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub public_key: Option<String>,

    /// Fingerprint of the key: `sha256:` and the lowercase hex SHA-256 of the key's DER SubjectPublicKeyInfo. The same
    /// as `openssl pkey -pubin -in public.pem -outform DER | openssl dgst -sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub public_key_fingerprint: Option<String>,

    /// The start of the fingerprint, for people: `sha256:` and twelve hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 19))]
    pub short_fingerprint: Option<String>,

    /// When the operator first saw this key in the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_since: Option<Time>,

    /// Fingerprints of the last five other keys of this resource, newest first. A number that still holds one of them
    /// is Outdated, not Foreign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(max = 71)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub previous_fingerprints: Vec<String>,

    /// Versions of the Secrets whose contents the operator last read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub observed_secrets: Vec<ObservedSecret>,

    /// When the operator first saw the suspension; absent while the resource is not suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<Time>,

    /// Count of numbers that hold this key with a valid signature, and count of all numbers: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub valid: Option<String>,

    /// End of the last reconcile that called Meta, whatever the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check_time: Option<Time>,

    /// The oldest `lastReadTime` of all numbers: every number was read at this time or later. Numbers that were never
    /// read do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_check_time: Option<Time>,

    /// When the operator calls Meta next, unless something changes before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_time: Option<Time>,

    /// What Meta said about the access token. Always there with `spec.businessAccounts` or `spec.appId`; otherwise only if
    /// the token is invalid, lacks a permission, or ends within 14 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenStatus>,

    /// The WhatsApp Business Accounts of the spec, in the order of the spec; absent without `spec.businessAccounts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub business_accounts: Vec<BusinessAccountStatus>,

    /// Every number: those that the spec lists, in the order of the spec, then those that are only in an account, in the
    /// order of their IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub phone_numbers: Vec<PhoneNumberStatus>,

    /// What the operator found when it last asked the Flow endpoint; absent without `spec.endpoint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointStatus>,

    /// How far the replacement of a key is; only with `spec.endpoint` or `spec.rotation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,

    /// `Ready`, `KeyLoaded` and `TokenAccepted`; `Reconciling` or `Stalled` only while True; `EndpointReady` and
    /// `Available` only with `spec.endpoint`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl FlowsEncryptionKeyStatus {
    /// Fingerprint of the last usable key. None if there was none.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.public_key_fingerprint.as_deref()?.parse().ok()
    }

    /// The rotation, unless it is over.
    pub fn rotation_under_way(&self) -> Option<&RotationStatus> {
        self.rotation.as_ref().filter(|rotation| !rotation.phase.is_over())
    }

    /// Whether an account has more numbers than the resource has room for, so that they are not in the status.
    pub fn hides_numbers(&self) -> bool {
        self.business_accounts.iter().any(|account| account.state == AccountState::TooLarge)
    }

    /// Fingerprint of the key that the operator last read for the resource. While the numbers keep or get back another key,
    /// the status is about that other key.
    pub fn last_read_key(&self) -> Option<&str> {
        let pending = self.rotation.as_ref().filter(|rotation| rotation.phase.keeps_old_key());
        pending.map(|rotation| &rotation.to).or(self.public_key_fingerprint.as_ref()).map(String::as_str)
    }
}

/// The version of a Secret that was read.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ObservedSecret {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
    /// `metadata.uid` of the Secret.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// `metadata.resourceVersion` of the Secret.
    #[schemars(length(max = 64))]
    pub resource_version: String,
}

/// One phone number: Meta's last report about it, and the operator's last actions.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumberStatus {
    /// The phone number ID.
    #[schemars(length(max = 20))]
    pub phone_number_id: String,

    /// The account of the spec that has this number; absent where no list of an account has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub business_account_id: Option<String>,

    /// Since when the list of the account lacks this number. The number leaves with the next complete list without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlisted_since: Option<Time>,

    /// State of the number.
    pub state: NumberState,

    /// The signature status in Meta's own words (`VALID`, `MISMATCH`, …); absent if Meta reports no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub signature_status: Option<String>,

    /// Fingerprint of the key that Meta reports, in the format of `publicKeyFingerprint`; `unreadable` if Meta's text
    /// is not a public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub key_fingerprint: Option<String>,

    /// Since when this resource owns the number: no other resource may upload to the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_since: Option<Time>,

    /// Time of the last successful read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read_time: Option<Time>,

    /// Time of the next attempt; only during a backoff or a hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,

    /// Failed attempts in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub failures: i32,

    /// Time of the last upload that Meta accepted or may have accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_upload_time: Option<Time>,

    /// Fingerprint of the key last uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub uploaded_fingerprint: Option<String>,

    /// Uploads of the last uploaded key that took effect since the number was last Valid.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub upload_attempts: i32,

    /// The last three times at which someone else replaced our key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub replaced_times: Vec<Time>,

    /// When `state` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,

    /// What to know or to do about the number, in a sentence; absent if there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,

    /// The failed call to Meta; absent once the failure is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<NumberError>,
}

impl PhoneNumberStatus {
    /// Whether Meta reported a valid signature, over whatever key.
    pub fn is_signed(&self) -> bool {
        self.signature_status.as_deref() == Some(VALID)
    }
}

/// State of a phone number.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NumberState {
    /// Not read yet.
    #[default]
    Pending,
    /// Holds this key with a valid signature.
    Valid,
    /// Holds this key, but Meta has lost its signature.
    Mismatch,
    /// Holds no key.
    Missing,
    /// Holds an earlier key of this resource.
    Outdated,
    /// Holds a key that does not belong to this resource.
    Foreign,
    /// Meta's answer does not say whether the key is valid: an unknown signature status, or none.
    Unreported,
    /// Another resource owns the number.
    Conflict,
    /// Someone else keeps replacing the key.
    Contested,
    /// Meta refuses the number until a person acts: ID, permission, registration or policy.
    Refused,
    /// No answer from Meta about the number for more than three check intervals.
    Unreachable,
    /// In an account of the spec, but not connected to the Cloud API. Does not count for `Ready`.
    Unregistered,
}

impl NumberState {
    /// All states, in the order of this file.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Valid,
        Self::Mismatch,
        Self::Missing,
        Self::Outdated,
        Self::Foreign,
        Self::Unreported,
        Self::Conflict,
        Self::Contested,
        Self::Refused,
        Self::Unreachable,
        Self::Unregistered,
    ];

    /// The text in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Valid => "Valid",
            Self::Mismatch => "Mismatch",
            Self::Missing => "Missing",
            Self::Outdated => "Outdated",
            Self::Foreign => "Foreign",
            Self::Unreported => "Unreported",
            Self::Conflict => "Conflict",
            Self::Contested => "Contested",
            Self::Refused => "Refused",
            Self::Unreachable => "Unreachable",
            Self::Unregistered => "Unregistered",
        }
    }
}
