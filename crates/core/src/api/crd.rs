//! The `FlowsEncryptionKey` resource: the spec that users write and the status that the operator reports.
//!
//! The doc comments of this file are the text of `kubectl explain` and of docs/reference.md.

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

/// Annotation whose change requests a check of every number now. Any value is allowed; a timestamp is usual.
pub const SYNC_ANNOTATION: &str = "waflows.dev/sync-requested-at";
/// The shortest check interval, as in the CEL rule on `checkInterval`.
pub const MIN_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// The longest check interval, as in the CEL rule on `checkInterval`. With a longer interval a lost signature would
/// stay unnoticed.
pub const MAX_CHECK_INTERVAL: Duration = Duration::from_secs(30 * 24 * 3600);
/// Number of earlier keys in the status, which distinguish `Outdated` from `Foreign`.
pub const MAX_PREVIOUS_FINGERPRINTS: usize = 5;
/// Number of foreign replacements of our key in the status of each number.
pub const MAX_REPLACED_TIMES: usize = 3;
/// Limit of texts for people in the status of a number, in bytes as the API server stores them.
///
/// The schema counts characters, which are never more than bytes. 500 numbers with texts of this length stay under 1
/// MiB, which etcd accepts safely.
pub const MAX_NUMBER_TEXT: usize = 256;
/// Limit of short texts that are copied into the status (trace ids, error types, the sync annotation), in bytes.
pub const MAX_SHORT_TEXT: usize = 64;
/// Limit of numbers in a resource. The size limits of the status depend on it.
pub const MAX_PHONE_NUMBERS: usize = 500;
/// Limit of a phone number ID, in digits.
const MAX_PHONE_NUMBER_ID: usize = 20;
/// Limit of a condition's message, in bytes.
pub const MAX_CONDITION_MESSAGE: usize = 1024;

/// Which key belongs on which phone numbers, and the access token that uploads the key. Set exactly one of
/// `privateKeySecretRef`, `certificateSecretRef` and `publicKey`.
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
    // Refuses a private key with its BEGIN line, or the bare base64 of a DER file that is as long as a private key.
    // With a rule on the field itself, the API server would repeat the key in its answer.
    validation = Rule::new("!has(self.publicKey) || !self.publicKey.matches('PRIVATE ?KEY|^[[:space:]]*MII[EF]')")
        .message("publicKey must not hold a private key, which would be stored with the resource: put it into a Secret that privateKeySecretRef names, or set what `openssl pkey -in private.pem -pubout` prints")
        .field_path(".publicKey"),
)]
pub struct FlowsEncryptionKeySpec {
    /// Entry of a Secret that holds the RSA-2048 private key: PEM or DER, PKCS#1 or PKCS#8, encrypted or not. The
    /// operator sends only the public half to Meta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_secret_ref: Option<SecretKeyRef>,

    /// Entry of a Secret that holds an X.509 certificate (PEM or DER) with an RSA-2048 key, such as `tls.crt` of a
    /// Secret of type kubernetes.io/tls. The operator uploads the certificate's public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_secret_ref: Option<SecretKeyRef>,

    /// The public key itself (PEM, `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`), for private keys in an HSM or a KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub public_key: Option<String>,

    /// Entry of a Secret that holds the passphrase of an encrypted private key. One newline at the end is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_secret_ref: Option<SecretKeyRef>,

    /// Entry of a Secret that holds the access token of a system user with the permission `whatsapp_business_messaging` on
    /// every listed number. White space around the token is ignored.
    pub access_token_secret_ref: SecretKeyRef,

    /// Entry of a Secret that holds the Meta app's secret. If set, every call has an `appsecret_proof`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_secret_ref: Option<SecretKeyRef>,

    /// Phone number IDs (not the phone numbers themselves) that must hold the key. Quote the IDs: an unquoted number is
    /// not a string in YAML.
    #[schemars(length(min = 1, max = 500), inner(length(min = 1, max = 20), regex(pattern = r"^[0-9]+$")))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(id, id.matches('^[0-9]*$'))")
            .message("phoneNumberIds takes phone number IDs, which are digits only, not the phone numbers themselves"),
    )]
    pub phone_number_ids: Vec<String>,

    /// Enforce uploads the key to every number and keeps it there. Observe reads and reports, and never uploads.
    #[serde(default)]
    pub mode: Mode,

    /// How often the operator checks each number, as a duration such as `30m` or `1h30m`; at least one minute, at most
    /// 30 days. Default: the operator's flag `--default-check-interval`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // A duration of six digits in sixteen characters always fits into a CEL duration. A longer one would be a CEL type
    // error.
    #[schemars(length(max = 16))]
    #[x_kube(
        validation = Rule::new("self.matches('^([0-9]{1,6}([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('720h')")
            .message("checkInterval must be a duration such as 30m or 1h30m, of at least 1m and at most 720h (30 days)")
    )]
    pub check_interval: Option<String>,

    /// True stops all work on this resource. The last status stays, and the resource owns no number. When it is false
    /// again, the operator reads every number at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

impl FlowsEncryptionKeySpec {
    /// An error in the numbers that the schema should have refused. The definition of another version may have accepted
    /// it. The API server might refuse every status for such numbers.
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

    /// Whether `suspend` is true.
    pub fn is_suspended(&self) -> bool {
        self.suspend == Some(true)
    }

    /// The check interval of the resource, or `default` if the resource has none. An invalid value, which the schema
    /// should have refused, counts as none.
    pub fn check_interval_or(&self, default: Duration) -> Duration {
        self.check_interval
            .as_deref()
            .and_then(|text| text.parse::<kube_core::Duration>().ok())
            .map(Duration::from)
            .map_or(default, |interval| interval.clamp(MIN_CHECK_INTERVAL, MAX_CHECK_INTERVAL))
    }

    /// All Secret references of the resource.
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
    /// Name of the entry in messages. The Secret is in the namespace of the resource.
    pub fn place(&self, namespace: &str) -> String {
        format!("Secret {namespace}/{}, entry {}", self.name, self.key)
    }
}

/// Whether the operator may upload keys to the numbers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Upload the key wherever it is missing, replaced or without a valid signature.
    #[default]
    Enforce,
    /// Read and report only.
    Observe,
}

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

    /// Every number, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub phone_numbers: Vec<PhoneNumberStatus>,

    /// `Ready`, `KeyLoaded` and `TokenAccepted`; `Reconciling` or `Stalled` only while True.
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
}

impl NumberState {
    /// All states, in the order of this file.
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
        }
    }
}

/// A failed call to Meta, with the details that Meta's support asks for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NumberError {
    /// The call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<FailedCall>,
    /// HTTP status of the answer; absent if there was no answer.
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
    /// Meta's error message, or a description of the connection failure.
    #[schemars(length(max = 256))]
    pub message: String,
    /// Meta's `fbtrace_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub trace_id: Option<String>,
}

/// The call that failed: the read of the number, or the upload of the key.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedCall {
    /// The read of the number.
    Read,
    /// The upload of the key.
    Upload,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(count: &i32) -> bool {
    *count == 0
}

/// The definition to install, as in `crds/`.
///
/// Differs from the derived definition in four points. Optional fields are not nullable, so that an explicit `null`
/// means "absent", as in Kubernetes' own types. Descriptions have no line breaks of the source, which `kubectl explain`
/// would show. `status` has a default: some tools compare `observedGeneration` with `generation`, and must not treat a
/// resource without status as finished. Conditions have the length limits of Kubernetes' own conditions, which the Rust
/// type of a condition lacks.
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

/// Joins the lines of each paragraph into one line.
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
/// Never in practice: the definition contains only plain strings, numbers and lists.
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
