//! A failed call to Meta, as the status shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A failed call to Meta, with the details that Meta's support asks for.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NumberError {
    /// The call that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<FailedCall>,
    /// HTTP status of the answer; absent if there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 999))]
    pub http_status: Option<i32>,
    /// Graph error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Graph error subcode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subcode: Option<i64>,
    /// Graph error type, such as `OAuthException`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub kind: Option<String>,
    /// Meta's error message, or a description of the connection failure.
    #[schemars(length(max = 256))]
    pub message: String,
    /// Meta's `fbtrace_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub trace_id: Option<String>,
}

/// The call that failed: the read of the number, or the upload of the key.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailedCall {
    /// The read of the number.
    Read,
    /// The upload of the key.
    Upload,
}
