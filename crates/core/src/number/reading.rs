//! What Meta answered in a reconcile, or why there is no answer.

use jiff::Timestamp;

use crate::meta::{GraphError, Reported};

/// The result of asking Meta in a reconcile: what a number holds, or another question with an answer of type `T`.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading<T = Reported> {
    /// Meta was not asked: nothing was due, or the reconcile ended before.
    NotAsked,
    /// Meta answered.
    Answered {
        /// What the answer tells. Of a number: the key and the signature status.
        reported: T,
        /// Time of the answer or failure.
        at: Timestamp,
    },
    /// A call failed. Nothing is known of the answer.
    Failed {
        /// The failure.
        error: GraphError,
        /// Time of the answer or failure.
        at: Timestamp,
    },
    /// A hold is in force: a call was not made.
    Held {
        /// The rate limit. None if Meta refuses the credentials: the resource reports that, not the number or account.
        limit: Option<GraphError>,
        /// End of the hold.
        until: Timestamp,
    },
}

impl<T> Reading<T> {
    /// Whether Meta was asked, and answered or failed to.
    pub fn was_asked(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::Failed { .. })
    }

    /// Whether Meta accepted the credentials of the call. A refusal of the number or account shows that too.
    pub fn accepts_credentials(&self) -> bool {
        match self {
            Self::Answered { .. } => true,
            Self::Failed { error, .. } => error.class.refuses_number(),
            Self::NotAsked | Self::Held { .. } => false,
        }
    }
}
