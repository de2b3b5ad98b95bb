//! What a number is judged by, its state, and whether it needs an upload.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use waflows_key::Fingerprint;

use super::failures::{Change, count};
use crate::api::crd::{Mode, NumberState, PhoneNumberStatus, VALID};
use crate::meta::{Reported, ReportedKey};
use crate::schedule::backoff::Waits;
use crate::schedule::due::{not_after, stale_at};
use crate::upload::UploadReason;

const MISMATCH: &str = "MISMATCH";

/// The inputs that are the same for every number of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Criteria {
    /// The key that the numbers must hold. None if the resource never had a usable key.
    pub expected: Option<Fingerprint>,
    /// Fingerprints of earlier keys of the resource, as in the status.
    pub previous: Vec<String>,
    /// `spec.mode`: Enforce allows uploads.
    pub mode: Mode,
    /// The check interval, without jitter.
    pub interval: Duration,
    /// The backoffs.
    pub waits: Waits,
    /// The numbers whose valid key of somebody else must stay: nobody has consented to a replacement.
    pub guarded: Arc<BTreeSet<String>>,
    /// A person changed something: stored backoffs and foreign replacements no longer count.
    pub reset_backoff: bool,
    /// The current time.
    pub now: Timestamp,
}

impl Criteria {
    /// The state that follows from an answer. `uploaded` is the fingerprint of the last uploaded key.
    ///
    /// Meta sometimes reports the signature status without the key. Then the number is assumed to hold the last
    /// uploaded key. Meta reports some numbers that never had a key as MISMATCH; those have no last uploaded key.
    pub fn state(&self, reported: &Reported, uploaded: Option<&str>) -> NumberState {
        let status = reported.signature_status.as_deref();
        match (reported.key, status) {
            (Some(ReportedKey::Readable(key)), _) if Some(key) == self.expected => match status {
                Some(VALID) => NumberState::Valid,
                Some(MISMATCH) => NumberState::Mismatch,
                Some(_) | None => NumberState::Unreported,
            },
            (Some(ReportedKey::Readable(key)), _) if self.previous.iter().any(|text| key.is_written(text)) => {
                NumberState::Outdated
            }
            (Some(_), _) => NumberState::Foreign,
            (None, None) => NumberState::Missing,
            (None, Some(MISMATCH)) if uploaded.is_none() => NumberState::Missing,
            (None, Some(MISMATCH)) => NumberState::Mismatch,
            (None, Some(VALID)) if self.is_expected(uploaded) => NumberState::Valid,
            (None, Some(_)) => NumberState::Unreported,
        }
    }

    /// Whether the text is the fingerprint of the key that the numbers must hold.
    pub fn is_expected(&self, fingerprint: Option<&str>) -> bool {
        self.expected.zip(fingerprint).is_some_and(|(expected, text)| expected.is_written(text))
    }

    /// Whether Meta shows the expected key with a valid signature. Ignores the owner of the number.
    pub fn is_in_place(&self, number: &PhoneNumberStatus) -> bool {
        self.is_expected(number.key_fingerprint.as_deref()) && number.is_signed()
    }

    /// Whether the number holds a valid key of somebody else that must stay. The key itself may be unreported: then it is
    /// somebody else's where this resource never uploaded one.
    pub fn keeps_foreign_key(&self, number: &PhoneNumberStatus) -> bool {
        let is_ours = number.uploaded_fingerprint.is_some()
            && (number.key_fingerprint.is_none() || number.key_fingerprint == number.uploaded_fingerprint);
        self.guarded.contains(&number.phone_number_id)
            && number.is_signed()
            && matches!(number.state, NumberState::Foreign | NumberState::Unreported)
            && !is_ours
    }

    /// Whether another resource may be handing the number over to this resource: the number holds the expected key, and
    /// is read again soon.
    pub fn is_handed_over(&self, number: &PhoneNumberStatus) -> bool {
        number.state == NumberState::Conflict
            && number.error.is_none()
            && number.next_attempt_time.is_some()
            && self.is_in_place(number)
    }

    /// The stored status, judged by the current key: after a rotation, a Valid number is no longer Valid.
    pub fn rebase(&self, before: &PhoneNumberStatus) -> PhoneNumberStatus {
        let mut number = before.clone();
        // Replace a time in the future with now, once. Otherwise it would move on with the clock.
        for time in [&mut number.last_read_time, &mut number.last_upload_time].into_iter().flatten() {
            time.0 = not_after(time.0, self.now);
        }
        let holds_ours = match &before.key_fingerprint {
            Some(key) => self.is_expected(Some(key)),
            None => self.is_expected(before.uploaded_fingerprint.as_deref()),
        };
        if matches!(before.state, NumberState::Valid | NumberState::Mismatch) && !holds_ours {
            number.state = NumberState::Outdated;
        }
        if before.uploaded_fingerprint.is_some() && !self.is_expected(before.uploaded_fingerprint.as_deref()) {
            number.upload_attempts = 0;
        }
        if self.reset_backoff {
            number.upload_attempts = 0;
            count(&mut number, Change::Reset);
            number.replaced_times.clear();
        }
        number
    }

    /// The earliest time of the next upload of the key. In the past if the upload is allowed now.
    pub fn upload_allowed_at(&self, number: &PhoneNumberStatus) -> Timestamp {
        let attempts = number.upload_attempts;
        match &number.last_upload_time {
            Some(time) if attempts > 0 && self.is_expected(number.uploaded_fingerprint.as_deref()) => {
                time.0 + self.waits.after_upload(attempts)
            }
            _ => Timestamp::MIN,
        }
    }

    /// Whether the last answer is so old that the stored state no longer counts.
    pub fn is_stale(&self, number: &PhoneNumberStatus) -> bool {
        stale_at(number, self.interval, self.now).is_some_and(|at| at <= self.now)
    }
}

/// The reason for an upload to the number. None if no upload is needed.
pub fn upload_reason(number: &PhoneNumberStatus, criteria: &Criteria) -> Option<UploadReason> {
    match number.state {
        _ if criteria.keeps_foreign_key(number) => None,
        NumberState::Missing => Some(UploadReason::Missing),
        NumberState::Mismatch => Some(UploadReason::SignatureLost),
        NumberState::Outdated => Some(UploadReason::Outdated),
        NumberState::Foreign => Some(UploadReason::Foreign),
        NumberState::Unreported => {
            let says_valid = number.key_fingerprint.is_none() && number.is_signed();
            (says_valid && !criteria.is_expected(number.uploaded_fingerprint.as_deref()))
                .then_some(UploadReason::Unconfirmed)
        }
        NumberState::Pending
        | NumberState::Valid
        | NumberState::Conflict
        | NumberState::Contested
        | NumberState::Refused
        | NumberState::Unreachable
        | NumberState::Unregistered => None,
    }
}
