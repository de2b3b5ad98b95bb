//! How a call can fail.

use waflows_core::meta::{ErrorClass, GraphError};

use super::call_limiter::{Hold, HoldCause};

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

impl From<CallError> for GraphError {
    /// What Meta answered: to this call, or to the earlier one that is the cause of the hold.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(error) => error,
            CallError::Held(hold) => match hold.cause {
                HoldCause::CredentialsRefused(error) | HoldCause::RateLimited(error) => (*error).clone(),
            },
            // Only an upload can be withdrawn.
            CallError::Withdrawn => Self::on_the_way(ErrorClass::Unexpected, None, "the call was withdrawn"),
        }
    }
}
