//! The `FlowsEncryptionKey` resource: what users write, what the operator reports.
//!
//! The doc comments of this file are the text of `kubectl explain` and of the API reference.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]
#![expect(clippy::duplicated_attributes, reason = "printer columns share values of their attributes")]

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_core::CustomResourceExt;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waflows_key::Fingerprint;

/// Annotation whose change asks for a check of every number now. Any value will do; a time stamp is usual.
pub const SYNC_ANNOTATION: &str = "waflows.dev/sync-requested-at";
/// The shortest time between two checks of a number, as the rule on `checkInterval` has it.
pub const MIN_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// The longest time between two checks of a number, as the rule on `checkInterval` has it. A lost signature would never
/// be noticed otherwise.
pub const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(30 * 24 * 3600);
/// How many earlier keys of a resource are remembered, to tell them from foreign ones.
pub const MAX_PREVIOUS_FINGERPRINTS: usize = 5;
/// How many replacements of our key by someone else are remembered for each number.
pub const MAX_REPLACED_TIMES: usize = 3;
/// Bound of texts for people in the status of a number, in bytes as the API server stores them.
///
/// The schema counts characters, which is never more. 500 numbers with texts of this length stay under the 1 MiB that
/// etcd takes comfortably.
pub const MAX_NUMBER_TEXT: usize = 256;
/// Bound of short texts that are echoed into the status (trace ids, error types, the sync annotation), in bytes.
pub const MAX_SHORT_TEXT: usize = 64;
/// How many numbers a resource may list. The bounds of the status rest on it.
pub const MAX_PHONE_NUMBERS: usize = 500;
/// The most digits of a phone number ID.
const MAX_PHONE_NUMBER_ID: usize = 20;
/// Bound of a condition's message, in bytes.
pub const MAX_CONDITION_MESSAGE: usize = 1024;

/// Which key belongs on which phone numbers, and the access token to put it there with. Exactly one of
/// `privateKeySecretRef`, `certificateSecretRef` and `publicKey` says which key.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    group = "waflows.dev",
    version = "v1alpha1",
    kind = "FlowsEncryptionKey",
    plural = "flowsencryptionkeys",
    crates(kube_core = "::kube_core"),
    shortname = "fek",
    namespaced,
    status = "FlowsEncryptionKeyStatus",
    derive = "PartialEq",
    doc = "FlowsEncryptionKey keeps the public half of an RSA key on phone numbers of a WhatsApp business, so that WhatsApp Flows with a data endpoint can encrypt what they send.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "True when every number holds this key with a valid signature"
    ),
    printcolumn(
        name = "Valid",
        type_ = "string",
        json_path = ".status.valid",
        description = "Numbers that hold this key with a valid signature, of all numbers"
    ),
    printcolumn(
        name = "Key",
        type_ = "string",
        json_path = ".status.shortFingerprint",
        description = "Start of the public key's SHA-256 fingerprint"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why Ready is what it is"
    ),
    printcolumn(
        name = "Suspended",
        type_ = "boolean",
        json_path = ".spec.suspend",
        description = "true while nobody looks at the numbers: the other columns are as they were"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Last Check",
        type_ = "date",
        json_path = ".status.lastSuccessfulCheckTime",
        priority = 1,
        description = "How old the oldest answer of Meta is that VALID rests on"
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mode",
        priority = 1,
        description = "Enforce uploads, Observe only reports"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1,
        description = "What to do next"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.privateKeySecretRef) ? 1 : 0) + (has(self.certificateSecretRef) ? 1 : 0) + (has(self.publicKey) ? 1 : 0) == 1")
        .message("exactly one of privateKeySecretRef, certificateSecretRef and publicKey must be set"),
    validation = Rule::new("!has(self.passphraseSecretRef) || has(self.privateKeySecretRef)")
        .message("passphraseSecretRef is only allowed together with privateKeySecretRef")
        .field_path(".passphraseSecretRef"),
    // With its BEGIN line, or the bare base64 of a DER file as long as private keys are. A rule on the field itself would
    // have the API server repeat the key in its answer.
    validation = Rule::new("!has(self.publicKey) || !self.publicKey.matches('PRIVATE ?KEY|^[[:space:]]*MII[EF]')")
        .message("publicKey must not hold a private key, which would be stored with the resource: put it into a Secret that privateKeySecretRef names, or set what `openssl pkey -in private.pem -pubout` prints")
        .field_path(".publicKey"),
)]
pub struct FlowsEncryptionKeySpec {
    /// Entry of a Secret that holds the RSA-2048 private key: PEM or DER, PKCS#1 or PKCS#8, encrypted or not. Only the public
    /// half is ever sent anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_secret_ref: Option<SecretKeyRef>,

    /// Entry of a Secret that holds an X.509 certificate (PEM or DER) whose RSA-2048 key pair is reused, such as `tls.crt` of
    /// a Secret of type kubernetes.io/tls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_secret_ref: Option<SecretKeyRef>,

    /// The public key itself (PEM, `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`), for private keys that live in an HSM
    /// or a KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub public_key: Option<String>,

    /// Entry of a Secret that holds the passphrase of an encrypted private key. One newline at its end is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_secret_ref: Option<SecretKeyRef>,

    /// Entry of a Secret that holds the access token of a system user with the permission `whatsapp_business_messaging` on
    /// every listed number. White space around it is ignored.
    pub access_token_secret_ref: SecretKeyRef,

    /// Entry of a Secret that holds the Meta app's secret. When set, every call carries an `appsecret_proof`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_secret_ref: Option<SecretKeyRef>,

    /// Phone number IDs (not the phone numbers themselves) that must hold the key. Quote them: an unquoted number is
    /// not a string in YAML.
    #[schemars(length(min = 1, max = 500), inner(length(min = 1, max = 20), regex(pattern = r"^[0-9]+$")))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(id, id.matches('^[0-9]*$'))")
            .message("phoneNumberIds takes phone number IDs, which are digits only, not the phone numbers themselves"),
    )]
    pub phone_number_ids: Vec<String>,

    /// Enforce puts the key on every number and keeps it there. Observe reads and reports, and never uploads.
    #[serde(default)]
    pub mode: Mode,

    /// How often Meta is asked again what each number holds, as a duration such as `30m` or `1h30m`; at least one
    /// minute, at most 30 days. Without it the operator's default counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Six digits in sixteen characters never exceed what a duration holds in CEL, which would end in an error of types.
    #[schemars(length(max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]{1,6}([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('720h')")
            .message("checkInterval must be a duration such as 30m or 1h30m, of at least 1m and at most 720h (30 days)")
    )]
    pub check_interval: Option<String>,

    /// True stops all work on this resource. What was last reported stays, and the resource owns no number. Once it is
    /// false again, every number is read at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

impl FlowsEncryptionKeySpec {
    /// What the schema should have refused about the numbers: a status for them might never be stored. The definition of
    /// another version may let it in.
    pub fn fault(&self) -> Option<String> {
        let count = self.phone_number_ids.len();
        if !(1..=MAX_PHONE_NUMBERS).contains(&count) {
            return Some(format!("spec.phoneNumberIds has {count} items; 1 to {MAX_PHONE_NUMBERS} can be worked on"));
        }
        let is_fine =
            |id: &String| (1..=MAX_PHONE_NUMBER_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(position) = self.phone_number_ids.iter().position(|id| !is_fine(id)) {
            return Some(format!("spec.phoneNumberIds[{position}] is not 1 to {MAX_PHONE_NUMBER_ID} digits"));
        }
        let mut ids: Vec<_> = self.phone_number_ids.iter().collect();
        ids.sort_unstable();
        let twice = ids.windows(2).find(|pair| pair[0] == pair[1])?[0];
        Some(format!("spec.phoneNumberIds has {twice} more than once"))
    }

    /// Whether all work on the resource is stopped.
    pub fn is_suspended(&self) -> bool {
        self.suspend == Some(true)
    }

    /// The check interval of the resource, or `default` where it gives none. A value that the schema should have
    /// refused counts as none.
    pub fn check_interval_or(&self, default: Duration) -> Duration {
        self.check_interval
            .as_deref()
            .and_then(|text| text.parse::<kube_core::Duration>().ok())
            .map(Duration::from)
            .map_or(default, |interval| interval.clamp(MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL))
    }

    /// Every Secret key the resource refers to.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        [
            self.private_key_secret_ref.as_ref(),
            self.certificate_secret_ref.as_ref(),
            self.passphrase_secret_ref.as_ref(),
            Some(&self.access_token_secret_ref),
            self.app_secret_ref.as_ref(),
        ]
        .into_iter()
        .flatten()
    }
}

/// One entry of a Secret in the resource's own namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Key in the Secret's data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

impl SecretKeyRef {
    /// The entry, as messages name it. References are to the resource's own namespace.
    pub fn place(&self, namespace: &str) -> String {
        format!("Secret {namespace}/{}, entry {}", self.name, self.key)
    }
}

/// What the operator may do to the numbers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Upload the key wherever it is missing, replaced or without a valid signature.
    #[default]
    Enforce,
    /// Read and report only.
    Observe,
}

/// What was last learnt and done. Written by the operator alone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct FlowsEncryptionKeyStatus {
    /// The `metadata.generation` that this status speaks of; -1 before the first round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Digest of the parts of the spec that decide what every number must hold, as of the last round: tells a change
    /// that concerns all numbers from one that concerns some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub observed_spec_digest: Option<String>,

    /// The value of the annotation `waflows.dev/sync-requested-at` that was last acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_sync_request: Option<String>,

    /// The public key that the numbers must hold (PEM, SubjectPublicKeyInfo).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub public_key: Option<String>,

    /// `sha256:` and the lowercase hex of the SHA-256 of the key's DER SubjectPublicKeyInfo. The same as
    /// `openssl pkey -pubin -in public.pem -outform DER | openssl dgst -sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub public_key_fingerprint: Option<String>,

    /// The start of the fingerprint, for the eye: `sha256:` and twelve hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 19))]
    pub short_fingerprint: Option<String>,

    /// Since when this key is the resource's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_since: Option<Time>,

    /// Fingerprints of the last five other keys of this resource, newest first. A number that still holds one of them
    /// is Outdated rather than Foreign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(max = 71)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub previous_fingerprints: Vec<String>,

    /// The Secrets as they were when their contents were last read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub observed_secrets: Vec<ObservedSecret>,

    /// Since when the operator has seen that work is suspended; absent while work goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_since: Option<Time>,

    /// How many numbers hold this key with a valid signature, of how many: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub valid: Option<String>,

    /// End of the last round that asked Meta, whatever came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check_time: Option<Time>,

    /// The oldest of the numbers' last answers: since then some number was not read. Numbers that were never read do not
    /// count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_check_time: Option<Time>,

    /// When Meta will be asked again, unless something changes before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check_time: Option<Time>,

    /// Every number of the spec, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub phone_numbers: Vec<PhoneNumberStatus>,

    /// `Ready`, `KeyLoaded` and `TokenAccepted`; `Reconciling` or `Stalled` only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl FlowsEncryptionKeyStatus {
    /// Fingerprint of the key that was last read.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.public_key_fingerprint.as_deref()?.parse().ok()
    }
}

/// Which version of a Secret was read.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ObservedSecret {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its `metadata.uid`.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its `metadata.resourceVersion`.
    #[schemars(length(max = 64))]
    pub resource_version: String,
}

/// One phone number: what Meta reports of it and what was done to it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct PhoneNumberStatus {
    /// The phone number ID.
    #[schemars(length(max = 20))]
    pub phone_number_id: String,

    /// Where the number stands.
    pub state: NumberState,

    /// The signature status in Meta's own words (`VALID`, `MISMATCH`, …); absent where Meta reports no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub signature_status: Option<String>,

    /// Fingerprint of the key that Meta reports, in the form of `publicKeyFingerprint`; `unreadable` where what Meta
    /// reports is no public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub key_fingerprint: Option<String>,

    /// Since when this resource owns the number: no other resource may upload to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_since: Option<Time>,

    /// The last answer that told what the number holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read_time: Option<Time>,

    /// When the next attempt is due; only while something waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,

    /// Failed attempts in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub failures: i32,

    /// The last upload that Meta accepted or may have accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_upload_time: Option<Time>,

    /// Fingerprint of the key last uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub uploaded_fingerprint: Option<String>,

    /// Uploads of that key that landed since the number was last Valid.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub upload_attempts: i32,

    /// When someone else replaced our key; the last three times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub replaced_times: Vec<Time>,

    /// When `state` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,

    /// What to know or to do about the number, in a sentence; absent where there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,

    /// The failure that stands in the way; absent once it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<NumberError>,
}

/// Where a phone number stands.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NumberState {
    /// Not asked yet.
    #[default]
    Pending,
    /// Holds this key with a valid signature.
    Valid,
    /// Holds this key, but Meta's signature over it is lost.
    Mismatch,
    /// Holds no key.
    Missing,
    /// Holds an earlier key of this resource.
    Outdated,
    /// Holds a key that was never of this resource.
    Foreign,
    /// Meta's answer does not tell: a signature status that is not known, or none.
    Unreported,
    /// Another resource owns the number.
    Conflict,
    /// Someone else keeps replacing the key.
    Contested,
    /// Meta refuses the number until a person acts: id, permission, registration or policy.
    Refused,
    /// More than three check intervals went by without an answer about the number.
    Unreachable,
}

impl NumberState {
    /// All of them, in the order of this file.
    pub const ALL: [Self; 11] = [
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
    ];

    /// The state as it stands in the resource.
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
        }
    }
}

/// A failed call to Meta, with what Meta's support asks for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NumberError {
    /// The call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<FailedCall>,
    /// HTTP status of the answer; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 999))]
    pub http_status: Option<i32>,
    /// Graph error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Graph error subcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subcode: Option<i64>,
    /// Graph error type, such as `OAuthException`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub kind: Option<String>,
    /// What Meta said, or what went wrong on the way.
    #[schemars(length(max = 256))]
    pub message: String,
    /// Meta's `fbtrace_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub trace_id: Option<String>,
}

/// The call that failed: reading what the number holds, or uploading the key.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedCall {
    /// Reading what the number holds.
    Read,
    /// Uploading the key.
    Upload,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(count: &i32) -> bool {
    *count == 0
}

/// The definition to install, as `crds/` holds it.
///
/// Differs from the derived one in four points. Optional fields are not nullable, so that an explicit `null` means
/// "absent", as in Kubernetes' own types. Descriptions have no line breaks of the source, which `kubectl explain` would
/// show. `status` has a default, so that tools which compare `observedGeneration` with `generation` never take a
/// resource without status for a finished one. And conditions are bounded, as those of Kubernetes are, which the Rust
/// type of a condition leaves out.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = FlowsEncryptionKey::crd();
    for version in &mut definition.spec.versions {
        let Some(schema) = version.schema.as_mut().and_then(|v| v.open_api_v3_schema.as_mut()) else {
            continue;
        };
        for_each_schema(schema, &mut |schema| {
            schema.nullable = None;
            schema.description = schema.description.as_deref().map(unwrapped);
        });
        if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
            bound_conditions(status);
        }
    }
    definition
}

fn for_each_schema(schema: &mut JSONSchemaProps, change: &mut impl FnMut(&mut JSONSchemaProps)) {
    change(schema);
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        for_each_schema(property, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => for_each_schema(items, change),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            items.iter_mut().for_each(|item| for_each_schema(item, change));
        }
        None => {}
    }
}

/// A text whose paragraphs are lines.
fn unwrapped(text: &str) -> String {
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

fn bound_conditions(status: &mut JSONSchemaProps) {
    let conditions = status.properties.as_mut().and_then(|p| p.get_mut("conditions"));
    let Some(JSONSchemaPropsOrArray::Schema(condition)) = conditions.and_then(|c| c.items.as_mut()) else {
        return;
    };
    for (name, property) in condition.properties.iter_mut().flatten() {
        match name.as_str() {
            "type" => property.max_length = Some(316),
            "status" => property.enum_ = Some(["True", "False", "Unknown"].map(|s| JSON(s.into())).to_vec()),
            "reason" => (property.min_length, property.max_length) = (Some(1), Some(1024)),
            "message" => property.max_length = i64::try_from(MAX_CONDITION_MESSAGE).ok(),
            _ => {}
        }
    }
}

/// The definition as YAML.
///
/// # Errors
/// Never in practice: the definition is made of plain strings, numbers and lists.
pub fn manifest() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&definition())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_the_schema_refuses_are_at_fault_and_no_others() {
        let version = definition().spec.versions.remove(0);
        let schema = serde_json::to_value(version.schema.unwrap().open_api_v3_schema).unwrap();
        let numbers = &schema["properties"]["spec"]["properties"]["phoneNumberIds"];
        let bounds = [&numbers["minItems"], &numbers["maxItems"], &numbers["items"]["maxLength"]];
        assert_eq!(bounds.map(|bound| bound.as_u64().unwrap() as usize), [1, MAX_PHONE_NUMBERS, MAX_PHONE_NUMBER_ID]);

        let fault = |ids: Vec<String>| {
            let token = serde_json::json!({"name": "meta-token", "key": "token"});
            let spec = serde_json::json!({"accessTokenSecretRef": token, "phoneNumberIds": ids});
            serde_json::from_value::<FlowsEncryptionKeySpec>(spec).unwrap().fault()
        };
        let distinct = |count| (0..count).map(|n| format!("{n:0MAX_PHONE_NUMBER_ID$}")).collect::<Vec<_>>();
        assert_eq!(fault(distinct(MAX_PHONE_NUMBERS)), None);
        assert!(fault(Vec::new()).unwrap().contains("0 items"));
        assert!(fault(distinct(MAX_PHONE_NUMBERS + 1)).unwrap().contains("501 items"));
        assert_eq!(numbers["x-kubernetes-list-type"], "set");
        assert!(fault(["2", "1", "2"].map(String::from).into()).unwrap().contains("has 2 more than once"));
        for wrong in ["1".repeat(MAX_PHONE_NUMBER_ID + 1), String::new(), "1a".into(), "+1".into(), "1/2".into()] {
            assert!(fault(vec!["1".into(), wrong.clone()]).unwrap().contains("phoneNumberIds[1]"), "{wrong}");
        }
    }

    #[test]
    fn a_field_is_explained_in_whole_lines_and_the_spec_by_itself() {
        let version = definition().spec.versions.remove(0);
        let mut schema = version.schema.unwrap().open_api_v3_schema.unwrap();
        let mut explained = Vec::new();
        for_each_schema(&mut schema, &mut |schema| explained.extend(schema.description.clone()));
        assert!(explained.len() > 50, "{explained:?}");
        assert!(explained.iter().all(|text| !text.replace("\n\n", "").contains('\n')), "{explained:?}");

        let spec = schema.properties.as_ref().unwrap()["spec"].description.clone();
        assert!(spec.is_some() && spec != schema.description, "{spec:?}");
        assert_eq!(unwrapped("one\ntwo\n\nthree"), "one two\n\nthree");
    }
}
