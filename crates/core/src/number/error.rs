//! The `error` of a number in the status.

use crate::api::crd::{FailedCall, MAX_NUMBER_TEXT, NumberError, PhoneNumberStatus};
use crate::api::text::truncate;
use crate::meta::{GraphError, RateLimitScope};

/// Whether the number's error is a failed upload.
pub fn has_failed_upload(number: &PhoneNumberStatus) -> bool {
    number.error.as_ref().is_some_and(|error| error.call == Some(FailedCall::Upload))
}

/// Whether the failure is a rate limit.
pub fn is_rate_limit(error: &NumberError) -> bool {
    error.http_status == Some(429) || error.code.and_then(RateLimitScope::of_code).is_some()
}

/// The `error` of a failed read, for the status.
pub fn number_error(error: &GraphError) -> NumberError {
    error_of(FailedCall::Read, error)
}

/// The `error` of a failed call, for the status.
pub(super) fn error_of(call: FailedCall, error: &GraphError) -> NumberError {
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
