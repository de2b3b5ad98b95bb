//! How a call can fail.

use waflows_core::meta::GraphError;

use super::call_limiter::Hold;

/// The ways in which a call can end without a successful answer.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The call failed, for this number.
    Failed(GraphError),
    /// A hold is in force: an answer to this call or an earlier one refused the credentials or limited the rate.
    Held(Hold),
    /// The call was not made: while it waited for a permit, the caller lost its permission.
    Withdrawn,
}
