//! The canary: a key that Meta has not yet shown as VALID goes to one number only, so a wrong key does not spread.
//! Pure.

use jiff::Timestamp;

use crate::api::crd::{NumberState, PhoneNumberStatus};
use crate::number::{Criteria, Reading, has_failed_upload};
use crate::upload::{UploadAnswer, Uploaded};

/// State of the canary of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// Some number shows the key as VALID: the key may go to all numbers.
    Passed,
    /// No number has the key yet: one upload may begin.
    Open,
    /// A number has the key or should have it, and does not show it as VALID. The other numbers wait.
    Pending {
        /// Time of the canary's next upload or read.
        until: Timestamp,
    },
}

/// The uploads that may follow the canary's upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The key is VALID: all other uploads, in parallel.
    All,
    /// The number does not have the key, for a reason that concerns only this number: one more upload, alone.
    One,
    /// The number has the key or may have it: no upload.
    None,
}

impl Canary {
    /// Computes the state from the numbers of a resource.
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

    /// Decides from the upload to one number and the number's status after it.
    pub fn next(after: &PhoneNumberStatus, upload: &Uploaded, reading: &Reading, criteria: &Criteria) -> Next {
        let is_known = !matches!(reading, Reading::Failed { .. } | Reading::Held { .. });
        if after.state == NumberState::Valid {
            Next::All
        } else if matches!(upload.answer, UploadAnswer::Held { .. })
            || !is_known
            || canary_until(after, criteria).is_some()
        {
            Next::None
        } else {
            Next::One
        }
    }
}

/// If the number is the canary of the key: the time of its next upload or read. Otherwise None.
///
/// A number that needs a person says nothing about the key, and does not delay the others.
pub fn canary_until(number: &PhoneNumberStatus, criteria: &Criteria) -> Option<Timestamp> {
    match number.state {
        NumberState::Pending
        | NumberState::Valid
        | NumberState::Conflict
        | NumberState::Contested
        | NumberState::Refused
        | NumberState::Unregistered => None,
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
                // Meta accepted the key and does not show it yet: Meta may lag.
                let is_taken = criteria.is_expected(number.uploaded_fingerprint.as_deref());
                // The answer to the upload was lost, and no read has succeeded since.
                let is_unread = number.last_read_time.as_ref().is_none_or(|read| read.0 <= uploaded);
                let is_unknown = number.error.is_some() && !has_failed_upload(number) && is_unread;
                (until > criteria.now && (is_taken || is_unknown)).then_some(until)
            }
        }
    }
}
