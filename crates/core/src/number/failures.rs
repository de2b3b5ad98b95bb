//! The count of failures in a row of one number: `status.phoneNumbers[].failures`. The backoff depends on the count.
//!
//! | what happened | the count |
//! |---|---|
//! | a person changed something | 0 |
//! | Meta answered, and the number needs no upload | 0 |
//! | Meta answered, and the number needs an upload | unchanged: the upload may have failed before, and may have to wait |
//! | a call failed, or Meta refused it | one more |
//! | after an upload Meta shows another key than the uploaded one | one more |
//! | neither an upload nor the read back was answered | one more |
//! | a hold is in force, or the reconcile ended before the call | unchanged |

use crate::api::crd::PhoneNumberStatus;

/// A change of the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The count starts again.
    Reset,
    /// One more failure.
    Failed,
}

/// Changes the count. No other function writes the field.
pub(super) fn count(number: &mut PhoneNumberStatus, change: Change) {
    number.failures = match change {
        Change::Reset => 0,
        Change::Failed => number.failures.saturating_add(1),
    };
}
