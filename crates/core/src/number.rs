//! The next status of one phone number. Pure functions of the stored status, the readings and uploads, and the time.

mod error;
mod failures;
mod reading;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use waflows_key::Fingerprint;

use self::error::error_of;
pub use self::error::{has_failed_upload, is_rate_limit, number_error};
use self::failures::{Tally, count};
pub use self::reading::Reading;
use crate::api::crd::{FailedCall, MAX_REPLACED_TIMES, MAX_SHORT_TEXT, Mode, NumberState, PhoneNumberStatus, VALID};
use crate::api::text::truncate;
use crate::meta::{GraphError, Reported, ReportedKey};
use crate::schedule::backoff::Waits;
use crate::schedule::due::{not_after, stale_at};
use crate::upload::{UploadAnswer, UploadReason, Uploaded};

/// After this many uploads that took effect but did not make the number Valid, the resource is Stalled.
pub const UPLOADS_BEFORE_STALLED: i32 = 3;

const MISMATCH: &str = "MISMATCH";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The owner of a number, as seen by one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ownership {
    /// No other resource has a valid claim: this resource may work on the number.
    #[default]
    Uncontested,
    /// Another resource owns the number.
    Other {
        /// `metadata.name` of the owner. None if it is in another namespace.
        owner: Option<String>,
    },
    /// Nobody owns the number, but the former owner may come back.
    Vacant {
        /// End of the grace period: this resource may not take the number before.
        until: Timestamp,
    },
}

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
            count(&mut number, Tally::Reset);
            number.replaced_times.clear();
        }
        number
    }

    /// The status after an answer.
    pub fn answered(&self, number: PhoneNumberStatus, reported: &Reported, at: Timestamp) -> PhoneNumberStatus {
        let former = number.state;
        let Shown { mut number, needs_upload } = self.shown(number, reported, at);
        if !needs_upload {
            count(&mut number, Tally::Reset);
        }
        // A successful read does not clear the error of a failed upload. Only another upload does.
        if !(needs_upload && number.state == former && has_failed_upload(&number)) {
            number.error = None;
        }
        number
    }

    /// What an answer shows. Neither clears an error nor counts failures.
    fn shown(&self, mut number: PhoneNumberStatus, reported: &Reported, at: Timestamp) -> Shown {
        let held_ours = self.is_expected(number.key_fingerprint.as_deref());
        number.state = self.state(reported, number.uploaded_fingerprint.as_deref());
        number.signature_status = reported.signature_status.as_deref().map(|text| truncate(text, MAX_SHORT_TEXT));
        number.key_fingerprint = reported.key.map(ReportedKey::text);
        number.last_read_time = Some(Time(at));
        number.next_attempt_time = None;
        let needs_upload = self.mode == Mode::Enforce && upload_reason(&number, self).is_some();
        if number.state == NumberState::Valid {
            number.upload_attempts = 0;
        }
        let is_replaced = matches!(number.state, NumberState::Foreign | NumberState::Outdated);
        if is_replaced && held_ours {
            number.replaced_times.push(Time(at));
            let excess = number.replaced_times.len().saturating_sub(MAX_REPLACED_TIMES);
            number.replaced_times.drain(..excess);
        }
        // Time alone does not end this state: the stored three times stay within the window.
        if is_replaced && self.is_contested(&number) {
            number.state = NumberState::Contested;
        }
        Shown { number, needs_upload }
    }

    /// Whether someone else replaced the key three times within a day, or within four intervals if that is longer.
    fn is_contested(&self, number: &PhoneNumberStatus) -> bool {
        let window = DAY.max(self.interval * 4);
        let times = || number.replaced_times.iter().map(|time| time.0);
        let Some((first, last)) = times().min().zip(times().max()) else { return false };
        // Not `first + window`: the sum could exceed the largest timestamp.
        number.replaced_times.len() >= MAX_REPLACED_TIMES && last.duration_since(first).unsigned_abs() <= window
    }

    /// The status after a call that failed.
    pub fn failed(&self, mut number: PhoneNumberStatus, error: &GraphError, at: Timestamp) -> PhoneNumberStatus {
        count(&mut number, Tally::Failed);
        let wait = if error.class.refuses_number() {
            number.state = NumberState::Refused;
            self.waits.after_refusal(number.failures)
        } else {
            self.waits.after_failure(number.failures)
        };
        number.next_attempt_time = Some(Time(at + wait));
        number.error = Some(number_error(error));
        number
    }

    /// The status during a hold, for a rate limit or refused credentials.
    pub fn held(
        &self,
        mut number: PhoneNumberStatus,
        limit: Option<&GraphError>,
        until: Timestamp,
    ) -> PhoneNumberStatus {
        number.next_attempt_time = Some(Time(until));
        // The error of a failed upload stays true while calls wait for new credentials.
        if limit.is_some() || !has_failed_upload(&number) {
            number.error = limit.map(number_error);
        }
        number
    }

    /// The status after an upload and the read back.
    pub fn uploaded(&self, mut number: PhoneNumberStatus, upload: &Uploaded, after: &Reading) -> PhoneNumberStatus {
        match &upload.answer {
            UploadAnswer::Held { limit, until } => self.held(number, limit.as_ref(), *until),
            UploadAnswer::Failed(error) if !upload.answer.may_have_taken_effect() => {
                number = self.failed(number, error, upload.at);
                number.error = Some(error_of(FailedCall::Upload, error));
                number
            }
            UploadAnswer::Failed(_) | UploadAnswer::Accepted => self.read_back(number, upload, after),
        }
    }

    /// The status after an upload that may have taken effect, and the read back.
    fn read_back(&self, mut number: PhoneNumberStatus, upload: &Uploaded, after: &Reading) -> PhoneNumberStatus {
        let is_accepted = upload.answer == UploadAnswer::Accepted;
        // Replaces the error of an earlier upload.
        number.error = upload.answer.error().map(|error| error_of(FailedCall::Upload, error));
        number.last_upload_time = Some(Time(upload.at));
        if is_accepted {
            self.note_uploaded(&mut number);
            if !matches!(after, Reading::Answered { .. }) {
                // Meta accepted the upload, and the read back failed: counts as effective until the number is read.
                number.upload_attempts = number.upload_attempts.saturating_add(1);
            }
        }
        match after {
            Reading::Answered { reported, at } => number = self.shown_after_upload(number, reported, *at),
            Reading::Failed { error, at } => number = self.failed(number, error, *at),
            Reading::Held { limit, until } if is_accepted => {
                number = self.held(number, limit.as_ref(), *until);
            }
            Reading::Held { limit, until } => {
                // Neither the upload nor the read back was answered: a failure, with a longer backoff.
                count(&mut number, Tally::Failed);
                let later = upload.at + self.waits.after_failure(number.failures);
                number = self.held(number, limit.as_ref(), later.max(*until));
            }
            Reading::NotAsked => number.next_attempt_time = Some(Time(self.now)),
        }
        if !is_accepted || upload.may_be_crossed {
            // This request, or a request of a former leader, may still be on its way to Meta.
            let again = Time(upload.at + self.waits.after_unknown_outcome());
            number.next_attempt_time.get_or_insert(again);
        }
        number
    }

    /// The status after an upload, if Meta answered the read back. `number.error` is the failure of the upload.
    fn shown_after_upload(
        &self,
        mut number: PhoneNumberStatus,
        reported: &Reported,
        at: Timestamp,
    ) -> PhoneNumberStatus {
        let failure = number.error.take();
        let Shown { mut number, needs_upload } = self.shown(number, reported, at);
        if self.is_expected(number.key_fingerprint.as_deref()) {
            self.note_uploaded(&mut number);
        }
        let is_valid = number.state == NumberState::Valid;
        if is_valid || self.landed(&number) {
            if !is_valid {
                number.upload_attempts = number.upload_attempts.saturating_add(1);
            }
            if !needs_upload {
                count(&mut number, Tally::Reset);
            }
        } else {
            number.error = failure;
            count(&mut number, Tally::Failed);
            number.next_attempt_time = Some(Time(at + self.waits.after_failure(number.failures)));
        }
        number
    }

    fn note_uploaded(&self, number: &mut PhoneNumberStatus) {
        if !self.is_expected(number.uploaded_fingerprint.as_deref()) {
            number.uploaded_fingerprint = self.expected.map(|expected| expected.to_string());
            number.upload_attempts = 0;
        }
    }

    /// Whether the upload took effect: Meta shows the key, or shows no key and accepted the upload.
    fn landed(&self, number: &PhoneNumberStatus) -> bool {
        match &number.key_fingerprint {
            Some(key) => self.is_expected(Some(key)),
            None => number.signature_status.is_some() && self.is_expected(number.uploaded_fingerprint.as_deref()),
        }
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

/// What an answer shows.
struct Shown {
    number: PhoneNumberStatus,
    /// Whether the shown key calls for an upload. The canary or a contest may postpone it.
    needs_upload: bool,
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
