//! The status of a number after it was read, or after the call failed or was not made.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::criteria::{Criteria, upload_reason};
use super::error::{has_failed_upload, number_error};
use super::failures::{Change, count};
use crate::api::crd::{MAX_REPLACED_TIMES, MAX_SHORT_TEXT, Mode, NumberState, PhoneNumberStatus};
use crate::api::text::truncate;
use crate::meta::{GraphError, Reported, ReportedKey};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What an answer shows.
pub(super) struct Shown {
    pub(super) number: PhoneNumberStatus,
    /// Whether the shown key calls for an upload. The canary or a contest may postpone it.
    pub(super) needs_upload: bool,
}

impl Criteria {
    /// The status after an answer.
    pub fn answered(&self, number: PhoneNumberStatus, reported: &Reported, at: Timestamp) -> PhoneNumberStatus {
        let former = number.state;
        let Shown { mut number, needs_upload } = self.shown(number, reported, at);
        if !needs_upload {
            count(&mut number, Change::Reset);
        }
        // A successful read does not clear the error of a failed upload. Only another upload does.
        if !(needs_upload && number.state == former && has_failed_upload(&number)) {
            number.error = None;
        }
        number
    }

    /// What an answer shows. Neither clears an error nor counts failures.
    pub(super) fn shown(&self, mut number: PhoneNumberStatus, reported: &Reported, at: Timestamp) -> Shown {
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
        count(&mut number, Change::Failed);
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
}
