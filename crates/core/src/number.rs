//! What one phone number's status becomes. Pure: a stored status, what was seen and done, and the time, to the next.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use waflows_key::Fingerprint;

use crate::api::crd::{
    FailedCall, MAX_NUMBER_TEXT, MAX_REPLACED_TIMES, MAX_SHORT_TEXT, Mode, NumberError, NumberState, PhoneNumberStatus,
};
use crate::api::text::truncate;
use crate::meta::{GraphError, RateLimitScope, Reported, ReportedKey};
use crate::schedule::backoff::Waits;
use crate::schedule::due::{not_after, stale_at};
use crate::upload::{UploadAnswer, UploadReason, Uploaded};

/// How `status.phoneNumbers[].keyFingerprint` shows a key that cannot be read.
pub const UNREADABLE: &str = "unreadable";
/// After so many uploads that landed and did not make the number Valid, a person is called.
pub const UPLOADS_BEFORE_STALLED: i32 = 3;

const VALID: &str = "VALID";
const MISMATCH: &str = "MISMATCH";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was learnt of a number in a round.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It was not asked: nothing was due, or the round ended before.
    NotAsked,
    /// Meta answered.
    Answered {
        /// What it reports.
        reported: Reported,
        /// When.
        at: Timestamp,
    },
    /// The call failed, for this number.
    Failed {
        /// How.
        error: GraphError,
        /// When.
        at: Timestamp,
    },
    /// Calls have to wait.
    Paused {
        /// The rate limit; none where the credentials are refused, which the resource as a whole reports.
        limit: Option<GraphError>,
        /// Until when.
        until: Timestamp,
    },
}

/// Who owns a number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ownership {
    /// No other resource has a claim that counts: this resource may work on the number.
    #[default]
    Uncontested,
    /// Another resource; its name where it is in the same namespace.
    Other {
        /// `metadata.name`.
        owner: Option<String>,
    },
    /// Nobody, but its former owner may come back: not to be taken before this time.
    Vacant {
        /// When it may be taken.
        until: Timestamp,
    },
}

/// What every number of a resource is judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Criteria {
    /// The key that the numbers must hold; none where none was ever known.
    pub expected: Option<Fingerprint>,
    /// Earlier keys of the resource.
    pub previous: Vec<String>,
    /// What may be done.
    pub mode: Mode,
    /// The check interval.
    pub interval: Duration,
    /// The waits.
    pub waits: Waits,
    /// A person changed something: what was held against a number no longer counts.
    pub reset_backoff: bool,
    /// The time of judgement.
    pub now: Timestamp,
}

impl Criteria {
    /// The state that an answer means, for a number whose last upload was of the key `uploaded`.
    ///
    /// Meta sometimes tells the status and leaves out the key: then what was last uploaded is taken to be there. A number
    /// that never had a key is told as MISMATCH by some, and then nothing was.
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

    /// Whether the text is the fingerprint that the numbers must hold.
    pub fn is_expected(&self, fingerprint: Option<&str>) -> bool {
        self.expected.zip(fingerprint).is_some_and(|(expected, text)| expected.is_written(text))
    }

    /// Whether Meta shows this very key with a valid signature, whoever owns the number.
    pub fn is_in_place(&self, number: &PhoneNumberStatus) -> bool {
        self.is_expected(number.key_fingerprint.as_deref()) && number.signature_status.as_deref() == Some(VALID)
    }

    /// Whether a number that another resource owns may be on its way to this one: it holds this very key, and is looked at
    /// again soon.
    pub fn is_handed_over(&self, number: &PhoneNumberStatus) -> bool {
        number.state == NumberState::Conflict
            && number.error.is_none()
            && number.next_attempt_time.is_some()
            && self.is_in_place(number)
    }

    /// The stored status, judged by the key of today: after a rotation a number that was Valid is no longer.
    pub fn rebase(&self, before: &PhoneNumberStatus) -> PhoneNumberStatus {
        let mut number = before.clone();
        // A time in the future is taken as now, once: it would move on with the clock otherwise.
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
            number.failures = 0;
            number.replaced_times.clear();
        }
        number
    }

    /// The status after an answer.
    pub fn answered(&self, mut number: PhoneNumberStatus, reported: &Reported, at: Timestamp) -> PhoneNumberStatus {
        let held_ours = self.is_expected(number.key_fingerprint.as_deref());
        let former = number.state;
        number.state = self.state(reported, number.uploaded_fingerprint.as_deref());
        number.signature_status = reported.signature_status.as_deref().map(|text| truncate(text, MAX_SHORT_TEXT));
        number.key_fingerprint = reported.key.map(|key| match key {
            ReportedKey::Readable(fingerprint) => fingerprint.to_string(),
            ReportedKey::Unreadable => UNREADABLE.to_owned(),
        });
        number.last_read_time = Some(Time(at));
        number.next_attempt_time = None;
        // A number may be read and its upload put off, for the sake of the canary: a row of failed uploads goes on.
        let needs_upload = self.mode == Mode::Enforce && upload_reason(&number, self).is_some();
        if !needs_upload {
            number.failures = 0;
        }
        if number.state == NumberState::Valid {
            number.upload_attempts = 0;
        }
        let is_replaced = matches!(number.state, NumberState::Foreign | NumberState::Outdated);
        if is_replaced && held_ours {
            number.replaced_times.push(Time(at));
            let excess = number.replaced_times.len().saturating_sub(MAX_REPLACED_TIMES);
            number.replaced_times.drain(..excess);
        }
        // Time alone does not end it: the same three stay three within the window.
        if is_replaced && self.is_contested(&number) {
            number.state = NumberState::Contested;
        }
        // That a number can be read tells nothing of why its upload failed: only another upload does.
        if !(needs_upload && number.state == former && has_failed_upload(&number)) {
            number.error = None;
        }
        number
    }

    /// Whether someone else replaced the key three times within a day, or within four intervals where that is longer.
    fn is_contested(&self, number: &PhoneNumberStatus) -> bool {
        let window = DAY.max(self.interval * 4);
        let times = || number.replaced_times.iter().map(|time| time.0);
        let Some((first, last)) = times().min().zip(times().max()) else { return false };
        // Not `first + window`, which could lie beyond the last time there is.
        number.replaced_times.len() >= MAX_REPLACED_TIMES && last.duration_since(first).unsigned_abs() <= window
    }

    /// The status after a call that failed.
    pub fn failed(&self, mut number: PhoneNumberStatus, error: &GraphError, at: Timestamp) -> PhoneNumberStatus {
        number.failures = number.failures.saturating_add(1);
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

    /// The status while calls have to wait, for a rate limit or for better credentials.
    pub fn paused(
        &self,
        mut number: PhoneNumberStatus,
        limit: Option<&GraphError>,
        until: Timestamp,
    ) -> PhoneNumberStatus {
        number.next_attempt_time = Some(Time(until));
        // Why an upload failed stays true while calls wait for better credentials.
        if limit.is_some() || !has_failed_upload(&number) {
            number.error = limit.map(number_error);
        }
        number
    }

    /// The status after an upload and the reading that followed it.
    pub fn uploaded(&self, mut number: PhoneNumberStatus, upload: &Uploaded, after: &Reading) -> PhoneNumberStatus {
        let is_accepted = match &upload.answer {
            UploadAnswer::Paused { limit, until } => return self.paused(number, limit.as_ref(), *until),
            UploadAnswer::Failed(error) if !upload.answer.may_have_taken_effect() => {
                number = self.failed(number, error, upload.at);
                number.error = Some(error_of(FailedCall::Upload, error));
                return number;
            }
            UploadAnswer::Failed(_) => false,
            UploadAnswer::Accepted => true,
        };
        // What an earlier upload failed with counts no longer.
        number.error = upload.answer.error().map(|error| error_of(FailedCall::Upload, error));
        let former_failures = number.failures;
        number.last_upload_time = Some(Time(upload.at));
        if is_accepted {
            self.note_uploaded(&mut number);
            if !matches!(after, Reading::Answered { .. }) {
                // Meta took it, and nobody saw what came of it: counts as landed until the number is read.
                number.upload_attempts = number.upload_attempts.saturating_add(1);
            }
        }
        match after {
            Reading::Answered { reported, at } => {
                let failure = number.error.take();
                number = self.answered(number, reported, *at);
                if self.is_expected(number.key_fingerprint.as_deref()) {
                    self.note_uploaded(&mut number);
                }
                match self.landed(&number) {
                    _ if number.state == NumberState::Valid => {}
                    true => number.upload_attempts = number.upload_attempts.saturating_add(1),
                    false => {
                        number.error = failure;
                        // `answered` has cleared the count of failures, which goes on.
                        number.failures = former_failures.saturating_add(1);
                        number.next_attempt_time = Some(Time(*at + self.waits.after_failure(number.failures)));
                    }
                }
            }
            Reading::Failed { error, at } => number = self.failed(number, error, *at),
            Reading::Paused { limit, until } if is_accepted => {
                number = self.paused(number, limit.as_ref(), *until);
            }
            Reading::Paused { limit, until } => {
                // Neither the upload nor the reading was answered: a failure, and the next upload comes later than it did.
                number.failures = number.failures.saturating_add(1);
                let later = upload.at + self.waits.after_failure(number.failures);
                number = self.paused(number, limit.as_ref(), later.max(*until));
            }
            Reading::NotAsked => number.next_attempt_time = Some(Time(self.now)),
        }
        if !is_accepted || upload.may_be_crossed {
            // This request, or that of a former leader, may still be on its way to Meta.
            let again = Time(upload.at + self.waits.after_unknown_outcome());
            number.next_attempt_time.get_or_insert(again);
        }
        number
    }

    fn note_uploaded(&self, number: &mut PhoneNumberStatus) {
        if !self.is_expected(number.uploaded_fingerprint.as_deref()) {
            number.uploaded_fingerprint = self.expected.map(|expected| expected.to_string());
            number.upload_attempts = 0;
        }
    }

    /// Whether the upload took effect: Meta shows the key, or shows none and said that it took it.
    fn landed(&self, number: &PhoneNumberStatus) -> bool {
        match &number.key_fingerprint {
            Some(key) => self.is_expected(Some(key)),
            None => number.signature_status.is_some() && self.is_expected(number.uploaded_fingerprint.as_deref()),
        }
    }

    /// From when on the key may be uploaded again. The past where nothing forbids it.
    pub fn upload_allowed_at(&self, number: &PhoneNumberStatus) -> Timestamp {
        let attempts = number.upload_attempts;
        match &number.last_upload_time {
            Some(time) if attempts > 0 && self.is_expected(number.uploaded_fingerprint.as_deref()) => {
                time.0 + self.waits.after_upload(attempts)
            }
            _ => Timestamp::MIN,
        }
    }

    /// Whether nothing was learnt for so long that the stored state no longer counts.
    pub fn is_stale(&self, number: &PhoneNumberStatus) -> bool {
        stale_at(number, self.interval, self.now).is_some_and(|at| at <= self.now)
    }
}

/// Whether what stands in the way of the number is that its last upload failed.
pub fn has_failed_upload(number: &PhoneNumberStatus) -> bool {
    number.error.as_ref().is_some_and(|error| error.call == Some(FailedCall::Upload))
}

/// Whether the failure is a rate limit.
pub fn is_rate_limit(error: &NumberError) -> bool {
    error.http_status == Some(429) || error.code.and_then(RateLimitScope::of_code).is_some()
}

/// What is kept of a reading that failed.
pub fn number_error(error: &GraphError) -> NumberError {
    error_of(FailedCall::Read, error)
}

fn error_of(call: FailedCall, error: &GraphError) -> NumberError {
    NumberError {
        call: Some(call),
        http_status: error.http_status.map(i32::from),
        code: error.code,
        subcode: error.subcode,
        kind: error.kind.clone(),
        message: truncate(&error.message, MAX_NUMBER_TEXT),
        trace_id: error.trace_id.clone(),
    }
}

/// Why the number needs an upload, if it does.
pub fn upload_reason(number: &PhoneNumberStatus, criteria: &Criteria) -> Option<UploadReason> {
    match number.state {
        NumberState::Missing => Some(UploadReason::Missing),
        NumberState::Mismatch => Some(UploadReason::SignatureLost),
        NumberState::Outdated => Some(UploadReason::Outdated),
        NumberState::Foreign => Some(UploadReason::Foreign),
        NumberState::Unreported => {
            let says_valid = number.key_fingerprint.is_none() && number.signature_status.as_deref() == Some("VALID");
            (says_valid && !criteria.is_expected(number.uploaded_fingerprint.as_deref()))
                .then_some(UploadReason::Unconfirmed)
        }
        NumberState::Pending
        | NumberState::Valid
        | NumberState::Conflict
        | NumberState::Contested
        | NumberState::Refused
        | NumberState::Unreachable => None,
    }
}
