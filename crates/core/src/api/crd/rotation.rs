//! The replacement of a key by another: what users wish, and how far it is.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::duration;

/// How long an earlier key stays needed after the last number has the new one, unless `overlap` says otherwise.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// How long a phase may last before the resource is Stalled, unless `progressDeadline` says otherwise.
const DEFAULT_PROGRESS_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// How a new key replaces the key that the numbers hold. Without this field: no soak, an overlap of 24 hours if there is an
/// `endpoint`, and rollback.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// The phone number ID that gets the new key first. Default: the first number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[0-9]+$"))]
    pub canary_phone_number_id: Option<String>,

    /// How long the first number must hold the new key before the other numbers get it, as a duration such as `1h`; at
    /// most 30 days. Default: `0s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]{1,6}([.][0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('720h')")
            .message("soak must be a duration such as 30m or 1h30m, of at most 720h (30 days)")
    )]
    pub soak: Option<String>,

    /// How long the endpoint must keep the old key after the last number has the new one, as a duration such as `24h`; at
    /// most 30 days. Clients may still have the old key. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]{1,6}([.][0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('720h')")
            .message("overlap must be a duration such as 30m or 1h30m, of at most 720h (30 days)")
    )]
    pub overlap: Option<String>,

    /// What follows if the new key fails: Rollback puts the old key back, Pause stops and waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// After this time in one phase the resource is Stalled, as a duration such as `24h`; at least 1s, at most 30 days.
    /// Nothing else follows from it. Default: `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]{1,6}([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')")
            .message("progressDeadline must be a duration such as 30m or 1h30m, of at least 1s and at most 720h (30 days)")
    )]
    pub progress_deadline: Option<String>,
}

/// What follows if a new key fails.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The numbers get the old key back, if the endpoint is proven to open it.
    #[default]
    Rollback,
    /// No further valid key is replaced until a person acts.
    Pause,
}

impl Rotation {
    /// The time that the first number must hold the new key.
    pub fn soak(&self) -> Duration {
        duration(self.soak.as_deref()).unwrap_or_default()
    }

    /// The time that the old key stays needed.
    pub fn overlap(&self) -> Duration {
        duration(self.overlap.as_deref()).unwrap_or(DEFAULT_OVERLAP)
    }

    /// The time that a phase may last.
    pub fn progress_deadline(&self) -> Duration {
        duration(self.progress_deadline.as_deref()).unwrap_or(DEFAULT_PROGRESS_DEADLINE)
    }
}

/// In place of the fingerprint of an old key that Meta does not show.
pub const UNREPORTED_KEY: &str = "unreported";

/// How far the replacement of a key is. Absent if no key was replaced.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// The phase.
    pub phase: RotationPhase,

    /// Fingerprint of the key that the numbers held before; `unreported` if Meta does not show the key, and `unreadable` if
    /// Meta's text is no key.
    #[schemars(length(max = 71))]
    pub from: String,

    /// Fingerprint of the new key.
    #[schemars(length(max = 71))]
    pub to: String,

    /// The old public key (PEM), for probes and a rollback; absent once the rotation is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub from_public_key: Option<String>,

    /// The new public key (PEM), for probes; absent once the rotation is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub to_public_key: Option<String>,

    /// When the operator first saw the new key.
    pub started_time: Time,

    /// When the phase began.
    pub phase_start_time: Time,

    /// When a number first held the new key with a valid signature. The soak begins then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_valid_time: Option<Time>,

    /// When the present wait ends: the soak, the overlap, or `progressDeadline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,

    /// Why nothing goes on by itself; absent while the rotation goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<RotationStop>,

    /// The last handled value of the annotation `waflows.dev/proceed-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_proceed_request: Option<String>,

    /// The last handled value of the annotation `waflows.dev/abort-requested-at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_abort_request: Option<String>,
}

impl RotationStatus {
    /// When the overlap ends. None in another phase.
    pub fn overlap_end(&self) -> Option<&Time> {
        self.until.as_ref().filter(|_| self.phase == RotationPhase::Overlap)
    }
}

/// The phase of a rotation.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RotationPhase {
    /// No number has the new key. The operator waits until the endpoint opens the new key.
    Staged,
    /// One number gets the new key, and holds it for the time of `soak`.
    Canary,
    /// The other numbers get the new key.
    RollingOut,
    /// Every number that can be worked on has the new key. Clients may still have the old one.
    Overlap,
    /// The old private key is no longer needed.
    Completed,
    /// The numbers get the old key back, or hold it again. The new key is not tried again until a person asks.
    RolledBack,
    /// The key in the Secret changed again, and no number needs another key.
    Superseded,
}

impl RotationPhase {
    /// All phases, in the order of this file.
    pub const ALL: [Self; 7] = [
        Self::Staged,
        Self::Canary,
        Self::RollingOut,
        Self::Overlap,
        Self::Completed,
        Self::RolledBack,
        Self::Superseded,
    ];

    /// The text in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "Staged",
            Self::Canary => "Canary",
            Self::RollingOut => "RollingOut",
            Self::Overlap => "Overlap",
            Self::Completed => "Completed",
            Self::RolledBack => "RolledBack",
            Self::Superseded => "Superseded",
        }
    }

    /// Whether the numbers hold the old key in this phase, and should.
    pub fn keeps_old_key(self) -> bool {
        matches!(self, Self::Staged | Self::RolledBack)
    }

    /// Whether nothing follows from the rotation any more.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Superseded)
    }
}

/// Why a rotation does not go on by itself.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RotationStop {
    /// Uploads of the new key to the first number took effect three times, and Meta does not show the key as VALID.
    CanaryNotValid,
    /// A target of the endpoint that opened the new key has stopped to open it.
    EndpointLostKey,
    /// A person asked for the old key with the annotation `waflows.dev/abort-requested-at`.
    Aborted,
}

impl RotationStop {
    /// The text in the resource.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CanaryNotValid => "CanaryNotValid",
            Self::EndpointLostKey => "EndpointLostKey",
            Self::Aborted => "Aborted",
        }
    }
}
