//! What came of an upload, and what that means for the uploads that follow. Pure.

use super::canary::{Canary, Next};
use crate::api::crd::NumberState;
use crate::meta::GraphError;
use crate::number::{Criteria, Reading};
use crate::observation::NumberObservation;
use crate::upload::{UploadReason, Uploaded};

/// What came of one upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The phone number ID.
    pub phone_number_id: String,
    /// Why it was uploaded.
    pub reason: UploadReason,
    /// The call.
    pub upload: Uploaded,
    /// What the number held afterwards.
    pub after: Reading,
    /// Its state by then.
    pub state: NumberState,
    /// The answer with which Meta refused the credentials, if it did.
    pub refusal: Option<GraphError>,
}

impl Outcome {
    /// What came of an upload to `number`, and what that means for the uploads that follow it of a canary.
    pub fn judge(
        number: &NumberObservation,
        criteria: &Criteria,
        reason: UploadReason,
        upload: Uploaded,
        after: Reading,
        refusal: Option<GraphError>,
    ) -> (Self, Next) {
        let status = number.uploaded(criteria, &upload, &after);
        let next = Canary::next(&status, &upload, &after, criteria);
        let phone_number_id = status.phone_number_id;
        (Self { phone_number_id, reason, upload, after, state: status.state, refusal }, next)
    }
}
