//! The status of a number after an upload and the read back, also if nobody knows whether the upload took effect.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::after_read::Shown;
use super::criteria::Criteria;
use super::error::error_of;
use super::failures::{Change, count};
use super::reading::Reading;
use crate::api::crd::{FailedCall, NumberState, PhoneNumberStatus};
use crate::meta::Reported;
use crate::upload::{UploadAnswer, Uploaded};

impl Criteria {
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
                count(&mut number, Change::Failed);
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
                count(&mut number, Change::Reset);
            }
        } else {
            number.error = failure;
            count(&mut number, Change::Failed);
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
}
