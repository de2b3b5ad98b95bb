//! An upload: its reason and its result.

use jiff::Timestamp;

use crate::meta::GraphError;

/// An upload and its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Uploaded {
    /// Start of the upload.
    pub at: Timestamp,
    /// Meta's answer.
    pub answer: UploadAnswer,
    /// Whether an upload of a leader that just disappeared may still arrive after this upload.
    pub may_be_crossed: bool,
}

/// Meta's answer to an upload.
#[derive(Debug, Clone, PartialEq)]
pub enum UploadAnswer {
    /// Meta accepted the key.
    Accepted,
    /// The call failed. Meta did not accept the key, or the result is unknown.
    Failed(GraphError),
    /// A hold is in force: the upload was not made.
    Held {
        /// The rate limit. None if Meta refuses the credentials: the resource reports that, not the number.
        limit: Option<GraphError>,
        /// End of the hold.
        until: Timestamp,
    },
}

impl UploadAnswer {
    /// The failure, if the call failed.
    pub fn error(&self) -> Option<&GraphError> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Accepted | Self::Held { .. } => None,
        }
    }

    /// Whether the number may hold the key now, according to the answer.
    pub fn may_have_taken_effect(&self) -> bool {
        match self {
            Self::Accepted => true,
            Self::Failed(error) => error.class.leaves_outcome_open(),
            Self::Held { .. } => false,
        }
    }
}

/// The reason for an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UploadReason {
    /// The number holds no key.
    Missing,
    /// The number holds this key, but Meta has lost its signature.
    SignatureLost,
    /// The number holds an earlier key of the resource.
    Outdated,
    /// The number holds a key that does not belong to the resource.
    Foreign,
    /// Meta reports a valid signature without the key, and this key was never uploaded.
    Unconfirmed,
    /// The number holds the new key of a rotation that was taken back.
    RolledBack,
}

impl UploadReason {
    /// All reasons, in the order of this file.
    pub const ALL: [Self; 6] =
        [Self::Missing, Self::SignatureLost, Self::Outdated, Self::Foreign, Self::Unconfirmed, Self::RolledBack];

    /// Label value for metrics, and name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::SignatureLost => "signature_lost",
            Self::Outdated => "outdated",
            Self::Foreign => "foreign",
            Self::Unconfirmed => "unconfirmed",
            Self::RolledBack => "rolled_back",
        }
    }
}
