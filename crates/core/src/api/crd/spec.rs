//! What users write.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct inside a function")]
#![expect(clippy::duplicated_attributes, reason = "printer columns share values of their attributes")]

use std::time::Duration;

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::business_account::BusinessAccount;
use super::endpoint::{Endpoint, Gate};
use super::limits::{MAX_BUSINESS_ACCOUNTS, MAX_META_ID, MAX_PHONE_NUMBERS, MIN_CHECK_INTERVAL, duration, is_meta_id};
use super::rotation::Rotation;
use super::secret_key_ref::SecretKeyRef;
use super::status::FlowsEncryptionKeyStatus;

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
    category = "waflows",
    selectable = ".spec.mode",
    selectable = ".spec.suspend",
    selectable = ".status.shortFingerprint",
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
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.endpoint.opensKeyInUse",
        description = "Targets of the Flow endpoint that open what is encrypted with this key, of all targets"
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
        name = "Phase",
        type_ = "string",
        json_path = ".status.rotation.phase",
        priority = 1,
        description = "How far the replacement of the key is"
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
    validation = Rule::new("has(self.phoneNumberIds) || has(self.businessAccounts)")
        .message("phoneNumberIds or businessAccounts must be set: without both there is no number to put the key on")
        .field_path(".phoneNumberIds"),
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
    /// every number. `businessAccounts` also needs `whatsapp_business_management`. White space around the token is ignored.
    pub access_token_secret_ref: SecretKeyRef,

    /// Entry of a Secret that holds the Meta app's secret. If set, every call has an `appsecret_proof`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_secret_ref: Option<SecretKeyRef>,

    /// ID of the Meta app that issued the access token. With this ID and the app secret, the operator can ask Meta when the
    /// token expires, also where the token may not ask about itself. It then sends the app secret to Meta.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[0-9]+$"))]
    pub app_id: Option<String>,

    /// Phone number IDs (not the phone numbers themselves) that must hold the key. Quote the IDs: an unquoted number is
    /// not a string in YAML.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 500), inner(length(min = 1, max = 20), regex(pattern = r"^[0-9]+$")))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(id, id.matches('^[0-9]*$'))")
            .message("phoneNumberIds takes phone number IDs, which are digits only, not the phone numbers themselves"),
    )]
    pub phone_number_ids: Vec<String>,

    /// WhatsApp Business Accounts all of whose connected numbers must hold the key. The operator finds the numbers: one that
    /// is added to an account gets the key within one check interval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub business_accounts: Vec<BusinessAccount>,

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

    /// The Flow endpoint that must have the private half of the key. The operator asks the endpoint, and reports whether it
    /// opens what clients send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,

    /// How a new key replaces the key that the numbers hold: canary, soak, overlap, rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,

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
        let fewest = usize::from(self.business_accounts.is_empty());
        if !(fewest..=MAX_PHONE_NUMBERS).contains(&count) {
            return Some(format!("spec.phoneNumberIds has {count} items; 1 to {MAX_PHONE_NUMBERS} can be worked on"));
        }
        let accounts = self.business_accounts.len();
        if accounts > MAX_BUSINESS_ACCOUNTS {
            let limit = format!("{MAX_BUSINESS_ACCOUNTS} can be worked on");
            return Some(format!("spec.businessAccounts has {accounts} items; 1 to {limit}"));
        }
        fault_of_ids("spec.phoneNumberIds", "", self.phone_number_ids.iter()).or_else(|| {
            fault_of_ids("spec.businessAccounts", ".id", self.business_accounts.iter().map(|account| &account.id))
        })
    }

    /// Whether `suspend` is true.
    pub fn is_suspended(&self) -> bool {
        self.suspend == Some(true)
    }

    /// The check interval of the resource, or `default` if the resource has none. An invalid value, which the schema
    /// should have refused, counts as none.
    pub fn check_interval_or(&self, default: Duration) -> Duration {
        duration(self.check_interval.as_deref()).map_or(default, |interval| interval.max(MIN_CHECK_INTERVAL))
    }

    /// The references to Secrets of the key and the credentials.
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

    /// The references to Secrets with which only the endpoint is asked.
    pub fn endpoint_secret_refs(&self) -> impl Iterator<Item = &SecretKeyRef> {
        let endpoint = self.endpoint.iter();
        endpoint.flat_map(|endpoint| [&endpoint.app_secret_ref, &endpoint.ca_secret_ref]).flatten()
    }

    /// Whether the resource has rotations: with an endpoint or a policy. Otherwise a new key goes to every number at once.
    pub fn has_rotations(&self) -> bool {
        self.endpoint.is_some() || self.rotation.is_some()
    }

    /// What the endpoint means for rotations. None without an endpoint.
    pub fn gate(&self) -> Option<Gate> {
        self.endpoint.as_ref().map(|endpoint| endpoint.gate.unwrap_or_default())
    }

    /// The app secret that signs requests to the endpoint, if there is one.
    pub fn endpoint_app_secret_ref(&self) -> Option<&SecretKeyRef> {
        self.endpoint.as_ref()?.app_secret_ref.as_ref().or(self.app_secret_ref.as_ref())
    }
}

/// An ID that is not digits, or that is there twice.
fn fault_of_ids<'a>(list: &str, field: &str, ids: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut ids: Vec<_> = ids.collect();
    if let Some(position) = ids.iter().position(|id| !is_meta_id(id)) {
        return Some(format!("{list}[{position}]{field} is not 1 to {MAX_META_ID} digits"));
    }
    ids.sort_unstable();
    let twice = ids.windows(2).find(|pair| pair[0] == pair[1])?[0];
    Some(format!("{list} has {twice} more than once"))
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
