//! Decides when checks, retries and uploads are due. Pure functions of the stored status and the time.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use crate::api::conditions::{self, ConditionType, Reason};
use crate::api::crd::{
    FlowsEncryptionKey, FlowsEncryptionKeySpec, FlowsEncryptionKeyStatus, MAX_SHORT_TEXT, NumberState, ObservedSecret,
    PhoneNumberStatus, SYNC_ANNOTATION,
};
use crate::api::members;
use crate::api::text::truncate;

/// States of which it does not matter how old the last answer is.
const NEVER_STALE: [NumberState; 4] =
    [NumberState::Unreachable, NumberState::Conflict, NumberState::Refused, NumberState::Unregistered];

/// The longest wait. A longer stored wait comes from a wrong clock.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// A stored time, limited to now: clocks jump, so a time in the future counts as now.
pub fn not_after(time: Timestamp, now: Timestamp) -> Timestamp {
    time.min(now)
}

/// The time at which the last answer about a number becomes too old to count: after three intervals.
pub fn stale_at(number: &PhoneNumberStatus, interval: Duration, now: Timestamp) -> Option<Timestamp> {
    // Stored times are whole seconds.
    number.last_read_time.as_ref().map(|time| not_after(time.0, now) + interval * 3 + Duration::from_secs(1))
}

/// A share of the check interval, below a tenth, that spreads checks. Depends only on the resource, so it is the same
/// after a restart.
pub fn jitter(uid: &str, interval: Duration) -> Duration {
    let digest = Sha256::digest(uid);
    interval / 10 * u32::from(u16::from_be_bytes([digest[0], digest[1]])) / (u32::from(u16::MAX) + 1)
}

/// The time from one check of a resource to the next: the interval with jitter.
pub fn pace(resource: &FlowsEncryptionKey, interval: Duration) -> Duration {
    interval + jitter(resource.metadata.uid.as_deref().unwrap_or_default(), interval)
}

/// Digest of the fields that affect every number: key, credentials, app, mode, endpoint, rotation. Does not include the
/// numbers and accounts, the interval, and `suspend`.
pub fn spec_digest(spec: &FlowsEncryptionKeySpec) -> String {
    let parts = (
        &spec.private_key_secret_ref,
        &spec.certificate_secret_ref,
        &spec.public_key,
        &spec.passphrase_secret_ref,
        &spec.access_token_secret_ref,
        &spec.app_secret_ref,
        spec.mode,
    );
    let text = match ((&spec.endpoint, &spec.rotation), &spec.app_id) {
        ((None, None), None) => serde_json::to_vec(&parts),
        (rotation, None) => serde_json::to_vec(&(parts, rotation)),
        // The app may be able to inspect a token that may not inspect itself.
        (rotation, Some(app)) => serde_json::to_vec(&(parts, rotation, app)),
    };
    let text = text.unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(text).into();
    let (words, _) = digest.as_chunks();
    format!("{:016x}", u64::from_be_bytes(words[0]))
}

/// The value of the annotation that requests a check now, in the form of `status.lastHandledSyncRequest`.
pub fn sync_request(resource: &FlowsEncryptionKey) -> Option<String> {
    request(resource, SYNC_ANNOTATION)
}

/// The value of an annotation by which people request something, in the form in which the status repeats the value.
pub fn request(resource: &FlowsEncryptionKey, annotation: &str) -> Option<String> {
    let value = resource.metadata.annotations.as_ref()?.get(annotation)?;
    Some(truncate(value, MAX_SHORT_TEXT))
}

/// Whether the resource was resumed after a suspension. It had given up its numbers, and nobody has read them since.
pub fn is_resumed(resource: &FlowsEncryptionKey) -> bool {
    let was_suspended = resource.status.as_ref().is_some_and(|status| status.suspended_since.is_some());
    was_suspended && !resource.spec.is_suspended()
}

/// Whether the status is about the present generation.
pub fn is_observed(resource: &FlowsEncryptionKey) -> bool {
    resource.status.as_ref().and_then(|status| status.observed_generation) == resource.metadata.generation
}

/// Whether somebody else altered the conditions in the status.
pub fn is_altered(resource: &FlowsEncryptionKey) -> bool {
    let are_altered = |status: &FlowsEncryptionKeyStatus| conditions::are_altered(&status.conditions);
    is_observed(resource) && resource.status.as_ref().is_some_and(are_altered)
}

/// The work of a reconcile that is needed now. By default nothing is read, and the reconcile only writes the status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Whether the reconcile must read the contents of the Secrets.
    pub inputs: bool,
    /// The phone number IDs to read, in the order of the spec.
    pub numbers: Vec<String>,
    /// The WhatsApp Business Accounts whose numbers are to be listed, in the order of the spec.
    pub accounts: Vec<String>,
    /// A person caused the work: contested numbers and stored backoffs are reset.
    pub reset_backoff: bool,
}

impl Work {
    /// Reads the Secrets and every number of the resource, and lists every account.
    pub fn everything(resource: &FlowsEncryptionKey) -> Self {
        let accounts = resource.spec.business_accounts.iter().map(|account| account.id.clone()).collect();
        let numbers = members::phone_number_ids(resource).into_iter().cloned().collect();
        Self { inputs: true, numbers, accounts, reset_backoff: false }
    }
}

/// Whether a resource needs a reconcile now, or when to requeue it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// A reconcile is needed now.
    Now(Work),
    /// Nothing is due before this time. None if nothing is due without a change.
    Later(Option<Timestamp>),
}

/// Decides from the stored status whether anything is due.
///
/// `secrets` are the current versions of the referenced Secrets. In a steady state the answer is `Later`, even right
/// after a start. So a restart costs no call to Meta and no read of a Secret.
///
/// The rows of this table add up. A resource without any of these situations is due later.
///
/// | situation | Secrets read? | numbers read | backoff reset? |
/// |---|---|---|---|
/// | suspended, and the status does not say so | no | none | no |
/// | suspended, and the status says so | no | none: not due until a change | no |
/// | the spec has another key, other credentials or another mode | yes | all | yes |
/// | a person requests a check with the annotation | yes | all | yes |
/// | a Secret has another version | yes | all | no; a new key in the Secret resets the backoff itself |
/// | resumed after a suspension | yes | all | no |
/// | somebody altered the conditions in the status | yes | all | no |
/// | a passphrase was rejected once | yes | all | no |
/// | a number was never read, or a retry or a check is due | yes | the due ones, and checks due within a twentieth of the interval | no |
/// | the generation is new, and nothing above applies | no | none: only the status | no |
/// | the last answer about a number becomes too old | no | none: only the status | no |
///
/// The numbers of an account are listed wherever all numbers are read, where a list or a retry of one is due, and where the
/// generation is new.
///
/// While the status says that Meta cannot be called because of the Secrets, the times of the numbers make nothing due:
/// only a change of a Secret or of the resource can help. A forbidden Secret is read again all the same, because a
/// changed permission sends no event.
pub fn due(resource: &FlowsEncryptionKey, secrets: &[ObservedSecret], interval: Duration, now: Timestamp) -> Schedule {
    let nothing_yet = FlowsEncryptionKeyStatus::default();
    let status = resource.status.as_ref().unwrap_or(&nothing_yet);
    let spec = &resource.spec;
    let is_observed = is_observed(resource);
    if spec.is_suspended() {
        let is_told = is_observed && status.suspended_since.is_some() && !is_altered(resource);
        return if is_told { Schedule::Later(None) } else { Schedule::Now(Work::default()) };
    }

    let spec_changed = status.observed_spec_digest.as_deref() != Some(&spec_digest(spec));
    let request = sync_request(resource);
    let sync_requested = request.is_some() && status.last_handled_sync_request != request;
    let secrets_changed = status.observed_secrets != secrets;
    let reset_backoff = spec_changed || sync_requested;
    let everything = reset_backoff || secrets_changed || is_resumed(resource) || is_altered(resource);
    let wants_second_try = has_reason(status, ConditionType::KeyLoaded, &[Reason::PassphraseRejected]);

    let pace = pace(resource, interval);
    let is_listed = |id: &String| spec.phone_number_ids.contains(id);
    let attempts: Vec<_> = members::phone_number_ids(resource)
        .into_iter()
        .filter_map(|id| Some((id, next_attempt(status, id, is_listed, pace, now)?)))
        .collect();
    let lists = next_lists(resource, status, is_observed, pace, now);
    let can_ask = !lacks_inputs(status);
    let times = || attempts.iter().chain(&lists).map(|(_, next)| next.at);
    let something = everything || wants_second_try || (can_ask && times().any(|at| at <= now));
    let turns_stale = status
        .phone_numbers
        .iter()
        .filter(|number| !NEVER_STALE.contains(&number.state))
        .filter_map(|number| stale_at(number, interval, now))
        .min()
        .filter(|_| can_ask);
    if !something && is_observed && turns_stale.is_none_or(|at| at > now) {
        let next = times().chain(turns_stale).min();
        return Schedule::Later(next.filter(|_| can_ask));
    }
    // Include checks that are due within a twentieth of the interval, so that the checks of one resource stay together
    // although its reads took some time. No number is checked more than a twentieth too often.
    let horizon = now + interval / 20;
    let is_due = |next: &Attempt| {
        something && (everything || wants_second_try || next.at <= now || (next.is_check && next.at <= horizon))
    };
    let (numbers, accounts) = (due_ids(attempts, is_due), due_ids(lists, is_due));
    Schedule::Now(Work { inputs: !numbers.is_empty() || !accounts.is_empty(), numbers, accounts, reset_backoff })
}

fn due_ids(attempts: Vec<(&String, Attempt)>, is_due: impl Fn(&Attempt) -> bool) -> Vec<String> {
    attempts.into_iter().filter(|(_, next)| is_due(next)).map(|(id, _)| id.clone()).collect()
}

struct Attempt {
    at: Timestamp,
    is_check: bool,
}

/// When the number is read next. None while it is not connected: only a list of its account can tell that it is.
fn next_attempt(
    status: &FlowsEncryptionKeyStatus,
    id: &String,
    is_listed: impl Fn(&String) -> bool,
    pace: Duration,
    now: Timestamp,
) -> Option<Attempt> {
    match members::stored(Some(status), id) {
        Some(number) if number.state == NumberState::Unregistered => {
            is_listed(id).then_some(Attempt { at: now, is_check: false })
        }
        Some(number) => Some(attempt(number.next_attempt_time.as_ref(), number.last_read_time.as_ref(), pace, now)),
        None => Some(attempt(None, None, pace, now)),
    }
}

/// When the numbers of each account are listed next. If the resource has too many numbers, all accounts are listed together:
/// only then their sum is known.
fn next_lists<'a>(
    resource: &'a FlowsEncryptionKey,
    status: &FlowsEncryptionKeyStatus,
    is_observed: bool,
    pace: Duration,
    now: Timestamp,
) -> Vec<(&'a String, Attempt)> {
    let next = |id: &String| match status.business_accounts.iter().find(|account| account.id == *id) {
        Some(account) if is_observed => {
            attempt(account.next_attempt_time.as_ref(), account.last_list_time.as_ref(), pace, now)
        }
        Some(_) | None => Attempt { at: now, is_check: false },
    };
    let mut lists: Vec<_> =
        resource.spec.business_accounts.iter().map(|account| (&account.id, next(&account.id))).collect();
    if let Some(first) = lists.iter().map(|(_, next)| next.at).min().filter(|_| status.hides_numbers()) {
        lists.iter_mut().for_each(|(_, next)| next.at = first);
    }
    lists
}

/// The next attempt: at the time of a retry, or one pace after the last success.
fn attempt(retry: Option<&Time>, last: Option<&Time>, pace: Duration, now: Timestamp) -> Attempt {
    match (retry, last) {
        (Some(time), _) if time.0 <= now + MAX_WAIT => Attempt { at: time.0, is_check: false },
        (_, Some(time)) if time.0 <= now => Attempt { at: time.0 + pace, is_check: true },
        // Never read, or read at a time in the future: the clock was wrong, and waiting could take years.
        _ => Attempt { at: now, is_check: false },
    }
}

/// Whether, according to the status, the operator cannot call Meta until a Secret changes.
fn lacks_inputs(status: &FlowsEncryptionKeyStatus) -> bool {
    let absent = [Reason::SecretNotFound, Reason::SecretKeyNotFound, Reason::CredentialMalformed];
    let never_had_a_key = status.fingerprint().is_none()
        && conditions::find(&status.conditions, ConditionType::KeyLoaded)
            .is_some_and(|condition| condition.status == "False")
        // A changed RBAC permission sends no event, so a forbidden Secret is retried.
        && !has_reason(status, ConditionType::KeyLoaded, &[Reason::SecretForbidden]);
    never_had_a_key || has_reason(status, ConditionType::TokenAccepted, &absent)
}

fn has_reason(status: &FlowsEncryptionKeyStatus, kind: ConditionType, reasons: &[Reason]) -> bool {
    conditions::find(&status.conditions, kind)
        .is_some_and(|condition| reasons.iter().any(|reason| condition.reason == reason.as_str()))
}
