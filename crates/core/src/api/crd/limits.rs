//! Names and limits of the resource, as the schema and the operator share them.

use std::time::Duration;

/// Annotation whose change requests a check of every number now. Any value is allowed; a timestamp is usual.
pub const SYNC_ANNOTATION: &str = "waflows.dev/sync-requested-at";
/// Annotation whose change ends the present wait of a rotation: the soak, the overlap, the deadline, or the stop of a
/// rollback. Any value is allowed; a timestamp is usual.
pub const PROCEED_ANNOTATION: &str = "waflows.dev/proceed-requested-at";
/// Annotation whose change makes a rotation go back to the old key. Any value is allowed; a timestamp is usual.
pub const ABORT_ANNOTATION: &str = "waflows.dev/abort-requested-at";
/// The annotations with which people ask for something. The operator sees no other annotation.
pub const REQUEST_ANNOTATIONS: [&str; 3] = [SYNC_ANNOTATION, PROCEED_ANNOTATION, ABORT_ANNOTATION];
/// The signature status, in Meta's words, of a key that clients accept.
pub const VALID: &str = "VALID";
/// The shortest check interval, as in the CEL rule on `checkInterval`.
pub const MIN_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// The longest duration of the spec, as in the CEL rules. With a longer check interval a lost signature would stay
/// unnoticed.
pub const MAX_DURATION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Number of earlier keys in the status, which distinguish `Outdated` from `Foreign`. A key that is older still counts
/// as `Foreign`.
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
/// Limit of WhatsApp Business Accounts in a resource.
pub const MAX_BUSINESS_ACCOUNTS: usize = 20;
/// Limit of an ID of Meta's, such as a phone number ID or an account ID, in digits.
pub const MAX_META_ID: usize = 20;
/// Limit of a condition's message, in bytes.
pub const MAX_CONDITION_MESSAGE: usize = 1024;

/// Whether the text can be an ID of an object at Meta. Any other text would make the status unwritable.
pub fn is_meta_id(text: &str) -> bool {
    (1..=MAX_META_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A duration of the spec. An invalid one, which the schema should have refused, counts as none.
pub(super) fn duration(text: Option<&str>) -> Option<Duration> {
    text?.parse::<kube_core::Duration>().ok().map(|duration| Duration::from(duration).min(MAX_DURATION))
}
