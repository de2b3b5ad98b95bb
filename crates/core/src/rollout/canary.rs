//! A key that Meta has not shown as VALID yet goes to one number alone, the canary: a wrong key so stays small. Pure.

use jiff::Timestamp;

use crate::api::crd::{NumberState, PhoneNumberStatus};
use crate::number::{Criteria, Reading, has_failed_upload};
use crate::upload::{UploadAnswer, Uploaded};

/// How far the canary of the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// Some number shows the key as VALID: it may go to all.
    Passed,
    /// No number has it yet.
    Open,
    /// A number has it or should have it, and does not show it as VALID. The others wait; there is nothing new before
    /// this time.
    Pending {
        /// When the canary goes on.
        until: Timestamp,
    },
}

/// What the outcome of the canary's upload means for the uploads that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The key has proven itself: all of them, in parallel.
    All,
    /// The number does not have the key, for reasons of its own: one more, alone.
    One,
    /// The number has the key or may have it: none.
    None,
}

impl Canary {
    /// Judges from the numbers of a resource.
    pub fn of<'a>(numbers: impl Iterator<Item = &'a PhoneNumberStatus>, criteria: &Criteria) -> Self {
        let mut canary = Self::Open;
        for number in numbers {
            match (canary, canary_until(number, criteria)) {
                _ if number.state == NumberState::Valid => return Self::Passed,
                (Self::Pending { until: known }, Some(until)) if known >= until => {}
                (_, Some(until)) => canary = Self::Pending { until },
                (_, None) => {}
            }
        }
        canary
    }

    /// Judges from the upload of one number and its status afterwards.
    pub fn next(after: &PhoneNumberStatus, upload: &Uploaded, reading: &Reading, criteria: &Criteria) -> Next {
        let is_known = !matches!(reading, Reading::Failed { .. } | Reading::Paused { .. });
        if after.state == NumberState::Valid {
            Next::All
        } else if matches!(upload.answer, UploadAnswer::Paused { .. })
            || !is_known
            || canary_until(after, criteria).is_some()
        {
            Next::None
        } else {
            Next::One
        }
    }
}

/// Whether the number is the canary of the key: until when nothing new is to be expected of it.
///
/// One that a person must act upon decides nothing about the key, and does not hold up the others.
pub fn canary_until(number: &PhoneNumberStatus, criteria: &Criteria) -> Option<Timestamp> {
    match number.state {
        NumberState::Pending
        | NumberState::Valid
        | NumberState::Conflict
        | NumberState::Contested
        | NumberState::Refused => None,
        NumberState::Mismatch
        | NumberState::Missing
        | NumberState::Outdated
        | NumberState::Foreign
        | NumberState::Unreported
        | NumberState::Unreachable => {
            if number.upload_attempts > 0 {
                Some(criteria.upload_allowed_at(number))
            } else {
                let uploaded = number.last_upload_time.as_ref()?.0;
                let until = uploaded + criteria.waits.after_unknown_outcome();
                // Meta took the key and does not show it yet: it may lag.
                let is_taken = criteria.is_expected(number.uploaded_fingerprint.as_deref());
                // The answer to the upload was lost, and so was every answer since.
                let is_unread = number.last_read_time.as_ref().is_none_or(|read| read.0 <= uploaded);
                let is_unknown = number.error.is_some() && !has_failed_upload(number) && is_unread;
                (until > criteria.now && (is_taken || is_unknown)).then_some(until)
            }
        }
    }
}
