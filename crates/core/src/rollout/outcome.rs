//! The result of an upload, and its effect on the following uploads. Pure.

use super::canary::{Canary, Next};
use crate::api::crd::NumberState;
use crate::meta::GraphError;
use crate::number::{Criteria, Reading};
use crate::observation::NumberObservation;
use crate::upload::{UploadReason, Uploaded};

/// The result of one upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The phone number ID.
    pub phone_number_id: String,
    /// The reason for the upload.
    pub reason: UploadReason,
    /// The call and its answer.
    pub upload: Uploaded,
    /// The read back.
    pub after: Reading,
    /// The number's state after the read back.
    pub state: NumberState,
    /// Meta's answer, if it refused the credentials.
    pub refusal: Option<GraphError>,
}

impl Outcome {
    /// The outcome of an upload to `number`, and the uploads that may follow if the number is the canary.
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
